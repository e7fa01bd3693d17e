#include "fixture.h"

#include <fcntl.h>
#include <time.h>

#include "resolver/denials/asked_sums.h"

static char folder[PATH_MAX];
static struct asked *asked;
static struct asked_sums *sums;
static const int64_t noon_ms = 1794830400000; /* 16 November 2026 */
static const int64_t day_ms = 86400000;

static int setup(void **state)
{
    static const char *const groups[] = {"pupils", "staff"};
    (void)state;

    setenv("TZ", "Europe/London", 1);
    tzset();
    folder_make(folder);
    assert_int_equal(asked_create(0x1234567890abcdef, &asked), 0);
    assert_int_equal(asked_groups(asked, groups, 2), 0);
    assert_int_equal(asked_sums_create(folder, &sums), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    asked_free(asked);
    asked_sums_free(sums);
    folder_drop(folder);
    return 0;
}

static void ask(const char *text, uint16_t group, unsigned host)
{
    uint8_t name[256];
    struct denial denial = fixture_denial(wire(text, name), noon_ms, host);
    uint32_t hash = 17;

    for (const char *at = text; *at != '\0'; at++)
        hash = hash * 31 + (uint8_t)*at;
    asked_note(asked, hash, group, name, strlen(text) + 2, &denial.client);
}

static void ask_by(const char *text, uint16_t group, unsigned hosts)
{
    for (unsigned host = 0; host < hosts; host++)
        ask(text, group, host * 37 + 5);
}

static void take_and_write(int64_t wall_ms, unsigned least)
{
    struct asked_table *table = asked_swap(asked);
    struct bl_error error = {""};

    assert_int_equal(asked_sums_take(sums, asked, table, wall_ms), 0);
    assert_int_equal(asked_sums_write(sums, least, &error), 0);
}

struct wanted {
    const char *group, *name;
    uint64_t count;
    unsigned rows;
};

static int wanted_add(void *user, const struct asked_count *count)
{
    struct wanted *wanted = user;
    uint8_t name[256];

    wanted->rows++;
    wire(wanted->name, name);
    if (strcmp(count->group, wanted->group) == 0 &&
        memcmp(count->name, name, strlen(wanted->name) + 2) == 0)
        wanted->count += count->count;
    return 0;
}

static uint64_t kept(const char *group, const char *name)
{
    struct wanted wanted = {.group = group, .name = name};

    assert_int_equal(asked_read(folder, 0, INT64_MAX, wanted_add, &wanted, NULL, NULL, NULL), 0);
    return wanted.count;
}

static unsigned rows_of(int64_t since_ms, int64_t until_ms)
{
    struct wanted wanted = {.group = "", .name = "x"};

    assert_int_equal(asked_read(folder, since_ms, until_ms, wanted_add, &wanted, NULL, NULL, NULL),
                     0);
    return wanted.rows;
}

static void groups_are_counted_apart(void **state)
{
    (void)state;
    ask_by("lesson.test", 0, 20);
    ask_by("lesson.test", 0, 20);
    ask_by("lesson.test", 1, 12);
    ask_by("mail.test", 1, 12);
    take_and_write(noon_ms, 5);
    assert_int_equal(kept("pupils", "lesson.test"), 40);
    assert_int_equal(kept("staff", "lesson.test"), 12);
    assert_int_equal(kept("staff", "mail.test"), 12);
    assert_int_equal(kept("pupils", "mail.test"), 0);
}

/* Not how often, but by how many: one pupil's hundred look-ups stay out. */
static void what_few_ask_is_not_kept(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        ask("secret.test", 0, (unsigned)i % 4);
    ask_by("lesson.test", 0, 40);
    take_and_write(noon_ms, 5);
    assert_int_equal(kept("pupils", "secret.test"), 0);
    assert_int_equal(kept("pupils", "lesson.test"), 40);
    /* Later others ask for it as well; then all of the day counts. */
    ask_by("secret.test", 0, 30);
    take_and_write(noon_ms + 1000, 5);
    assert_int_equal(kept("pupils", "secret.test"), 130);
}

/* What was written before a restart, or a kill, is counted on. */
static void a_restart_goes_on(void **state)
{
    (void)state;
    ask_by("lesson.test", 0, 20);
    take_and_write(noon_ms, 5);
    asked_sums_free(sums);
    assert_int_equal(asked_sums_create(folder, &sums), 0);
    ask_by("lesson.test", 0, 2);
    ask_by("new.test", 0, 2);
    take_and_write(noon_ms + 1000, 5);
    assert_int_equal(kept("pupils", "lesson.test"), 22);
    assert_int_equal(kept("pupils", "new.test"), 0);
}

static void days_and_retention(void **state)
{
    struct retention retention = {.keep_ms = 35 * day_ms};
    struct retention_receipt receipt;
    char path[PATH_MAX + 16];
    (void)state;

    for (int day = 40; day >= 0; day--) {
        ask_by("lesson.test", 0, 20);
        take_and_write(noon_ms - day * day_ms, 5);
    }
    assert_int_equal(rows_of(0, INT64_MAX), 41);
    assert_int_equal(rows_of(noon_ms - 3 * day_ms, noon_ms), 4);
    assert_int_equal(rows_of(noon_ms + day_ms, INT64_MAX), 0); /* the future */
    assert_int_equal(asked_retain(folder, &retention, noon_ms, &receipt, NULL), 0);
    assert_int_equal(receipt.dropped, 5);
    assert_string_equal(receipt.first, "2026-10-07");
    assert_string_equal(receipt.last, "2026-10-11");
    assert_int_equal(rows_of(0, INT64_MAX), 36);
    /* Until it is told, the receipt stays. */
    assert_int_equal(asked_retain(folder, &retention, noon_ms, &receipt, NULL), 0);
    assert_int_equal(receipt.dropped, 5);
    snprintf(path, sizeof(path), "%s/counts", folder);
    receipt_told(path);
    assert_int_equal(asked_retain(folder, &retention, noon_ms, &receipt, NULL), 0);
    assert_int_equal(receipt.dropped, 0);
}

/* Clocks go back on 25 October 2026: the hour that comes twice is of one day. */
static void a_day_of_25_hours(void **state)
{
    const int64_t midnight_ms = 1792882800000; /* 25 October, 00:00 +01:00 */
    (void)state;

    for (int hour = 0; hour < 25; hour++) {
        ask_by("lesson.test", 0, 20);
        take_and_write(midnight_ms + hour * 3600000, 5);
    }
    assert_int_equal(rows_of(0, INT64_MAX), 1);
    ask_by("lesson.test", 0, 20);
    take_and_write(midnight_ms + 25 * 3600000, 5);
    assert_int_equal(rows_of(0, INT64_MAX), 2);
    assert_int_equal(kept("pupils", "lesson.test"), 26 * 20);
}

static void warn_count(void *user, const char *sentence)
{
    assert_true(strlen(sentence) > 10);
    ++*(unsigned *)user;
}

/* Cut and altered files: told, passed over, and the day is begun anew. */
static void damage_is_told(void **state)
{
    char path[PATH_MAX + 32];
    unsigned warnings = 0;
    struct wanted wanted = {.group = "pupils", .name = "lesson.test"};
    uint8_t rubbish[8192];
    (void)state;

    ask_by("lesson.test", 0, 20);
    take_and_write(noon_ms - day_ms, 5);
    ask_by("lesson.test", 0, 20);
    take_and_write(noon_ms, 5);
    snprintf(path, sizeof(path), "%s/counts/2026-11-16.mdb", folder);
    assert_int_equal(truncate(path, 5000), 0);
    assert_int_equal(
        asked_read(folder, 0, INT64_MAX, wanted_add, &wanted, warn_count, &warnings, NULL), 0);
    assert_int_equal(warnings, 1);
    assert_int_equal(wanted.count, 20);

    memset(rubbish, 0xa5, sizeof(rubbish));
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, rubbish, sizeof(rubbish)), sizeof(rubbish));
    close(fd);
    assert_int_equal(
        asked_read(folder, 0, INT64_MAX, wanted_add, &wanted, warn_count, &warnings, NULL), 0);
    assert_int_equal(warnings, 2);

    asked_sums_forget(sums);
    ask_by("lesson.test", 0, 20);
    take_and_write(noon_ms, 5);
    assert_int_equal(kept("pupils", "lesson.test"), 40);
}

/* A flood of names asked once neither grows anything nor drives out what a class asks. */
static void floods_pass_by(void **state)
{
    char text[64];
    (void)state;

    for (unsigned i = 0; i < 200000; i++) {
        snprintf(text, sizeof(text), "x%u.flood.test", i);
        ask(text, 0, i % 200);
        if (i % 20 == 0)
            ask("lesson.test", 0, i / 20 % 30);
        if (i % 20000 == 0)
            take_and_write(noon_ms, 5);
    }
    take_and_write(noon_ms, 5);
    assert_in_range(kept("pupils", "lesson.test"), 9000, 10000);
    assert_int_equal(rows_of(0, INT64_MAX), 1);
}

/* No octet of a client is in any file; see the addresses of fixture.h. */
static void no_address_in_the_file(void **state)
{
    static const uint8_t address[] = {0xff, 0xff, 10, 1, 0};
    char path[PATH_MAX + 32];
    uint8_t bytes[65536];
    (void)state;

    ask_by("lesson.test", 0, 20);
    take_and_write(noon_ms, 5);
    snprintf(path, sizeof(path), "%s/counts/2026-11-16.mdb", folder);
    int fd = open(path, O_RDONLY);
    ssize_t len = read(fd, bytes, sizeof(bytes));
    close(fd);
    assert_true(len > 4096);
    assert_non_null(memmem(bytes, (size_t)len, "lesson", 6));
    assert_null(memmem(bytes, (size_t)len, address, sizeof(address)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(groups_are_counted_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(what_few_ask_is_not_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(a_restart_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(days_and_retention, setup, teardown),
        cmocka_unit_test_setup_teardown(a_day_of_25_hours, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(floods_pass_by, setup, teardown),
        cmocka_unit_test_setup_teardown(no_address_in_the_file, setup, teardown)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
