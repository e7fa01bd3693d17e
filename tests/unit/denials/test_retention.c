#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "resolver/denials/journal_file.h"
#include "resolver/denials/records.h"
#include "resolver/denials/writer.h"

static char folder[PATH_MAX];
static int64_t now_ms;
static const int64_t day_ms = 86400000;

static void writer_begin(const struct legend *legend, struct journal **journal,
                         struct denials_writer **out_writer)
{
    assert_int_equal(journal_open(folder, 0, journal, NULL), 0);
    journal_legend(*journal, legend);
    const struct denials_writer_options options = {
        .state = folder, .journals = journal, .journal_count = 1, .interval_ms = 60000};
    assert_int_equal(denials_writer_start(&options, out_writer, NULL), 0);
}

static int setup(void **state)
{
    struct legend *legend;
    struct journal *journal;
    struct denials_writer *writer;
    uint8_t name[256];
    char text[64];
    (void)state;

    setenv("TZ", "Europe/London", 1);
    tzset();
    now_ms = 1794830400000; /* 16 November 2026, noon */
    folder_make(folder);
    legend = fixture_legend(3);
    writer_begin(legend, &journal, &writer);
    /* Forty days, each with a hundred denials in four categories, some of them folded. */
    for (int day = 40; day > 0; day--)
        for (int i = 0; i < 100; i++) {
            snprintf(text, sizeof(text), "host%d.site.test", i / 8);
            struct denial denial = fixture_denial(
                wire(text, name), now_ms - day * day_ms + i / 8 * 1000, (unsigned)i % 2);
            denial.category = (uint16_t)(i / 2 % 4);
            assert_true(journal_append(journal, &denial) != 0);
        }
    denials_writer_stop(writer);
    journal_close(journal);
    legend_free(legend);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    folder_drop(folder);
    return 0;
}

static int record_add(void *user, const struct denial_record *record)
{
    *(uint64_t *)user += record->count;
    return 0;
}

static int sum_add(void *user, const struct denial_sum *sum)
{
    *(uint64_t *)user += sum->count;
    return 0;
}

static int met_add(void *user, const struct denial_met *met)
{
    *(unsigned *)user += strcmp(met->category, "ads") == 0;
    return 0;
}

/* On how many of the days each of the two clients met it. */
static unsigned met_ads(void)
{
    const struct denials_filter all = {.until_ms = INT64_MAX};
    unsigned count = 0;

    assert_int_equal(denials_met(folder, &all, met_add, &count, NULL), 0);
    return count;
}

static uint64_t left(const char *category, int days_ago)
{
    struct denials_filter filter = {.until_ms = INT64_MAX, .category = category};
    uint64_t count = 0;

    if (days_ago > 0) {
        filter.since_ms = now_ms - days_ago * day_ms - day_ms / 2;
        filter.until_ms = filter.since_ms + day_ms;
    }
    assert_int_equal(denials_search(folder, &filter, record_add, &count, NULL), 0);
    return count;
}

static void old_days_go_whole(void **state)
{
    const struct retention retention = {.keep_ms = 30 * day_ms};
    struct retention_receipt receipt;
    (void)state;

    assert_int_equal(retention_run(folder, &retention, now_ms, &receipt, NULL), 0);
    assert_int_equal(receipt.dropped, 10);
    assert_int_equal(receipt.rewritten, 0);
    assert_int_equal(receipt.denials, 1000);
    assert_string_equal(receipt.first, "2026-10-07");
    assert_string_equal(receipt.last, "2026-10-16");
    assert_int_equal(left(NULL, 0), 3000);
    assert_int_equal(left(NULL, 31), 0);
    assert_int_equal(left(NULL, 30), 100);
    /* Once is enough, as soon as it is told. */
    receipt_told(folder);
    assert_int_equal(retention_run(folder, &retention, now_ms, &receipt, NULL), 0);
    assert_int_equal(receipt.dropped + receipt.rewritten, 0);
    assert_string_equal(receipt.first, "");
}

static void categories_have_their_own_time(void **state)
{
    const struct retention_rule rules[] = {{"ads", 7 * day_ms}, {"self-harm", 365 * day_ms}};
    const struct retention retention = {.keep_ms = 30 * day_ms, .rules = rules, .rule_count = 2};
    struct retention_receipt receipt;
    uint64_t sums = 0;
    (void)state;

    assert_int_equal(left("ads", 0), 40 * 26);
    assert_int_equal(met_ads(), 40 * 2);
    assert_int_equal(retention_run(folder, &retention, now_ms, &receipt, NULL), 0);
    assert_int_equal(receipt.dropped, 0); /* self-harm is kept in each */
    assert_int_equal(receipt.rewritten, 33);
    assert_int_equal(left("ads", 0), 7 * 26);
    assert_int_equal(met_ads(), 7 * 2);
    assert_int_equal(left("gambling", 0), 30 * 26);
    assert_int_equal(left("self-harm", 0), 40 * 24);
    struct denials_filter all = {.until_ms = INT64_MAX};
    assert_int_equal(denials_sums(folder, &all, sum_add, &sums, NULL), 0);
    assert_int_equal(sums, left(NULL, 0));
    assert_int_equal(receipt.denials, 4000 - sums);
    receipt_told(folder);
    assert_int_equal(retention_run(folder, &retention, now_ms, &receipt, NULL), 0);
    assert_int_equal(receipt.rewritten, 0);
}

static bool held(void *user, const struct day *day)
{
    return strcmp(day->text, user) == 0;
}

static void what_is_held_stays(void **state)
{
    char day[] = "2026-10-10";
    const struct retention retention = {.keep_ms = 10 * day_ms, .held = held, .user = day};
    struct retention_receipt receipt;
    (void)state;

    assert_int_equal(retention_run(folder, &retention, now_ms, &receipt, NULL), 0);
    assert_int_equal(receipt.dropped, 29);
    assert_int_equal(receipt.held, 1);
    assert_int_equal(left(NULL, 0), 1100);
    assert_int_equal(left(NULL, 37), 100);
}

static void the_writer_goes_on_after_it(void **state)
{
    const struct retention retention = {.keep_ms = 0};
    struct retention_receipt receipt;
    struct legend *legend = fixture_legend(3);
    struct denials_writer *writer;
    struct journal *journal;
    uint8_t name[256];
    (void)state;

    writer_begin(legend, &journal, &writer);
    struct denial denial = fixture_denial(wire("www.site.test", name), now_ms - day_ms, 1);
    journal_append(journal, &denial);
    assert_int_equal(denials_writer_flush(writer, NULL), 0);
    assert_int_equal(denials_writer_retain(writer, &retention, now_ms, &receipt, NULL), 0);
    assert_int_equal(receipt.denials, 4001);
    journal_append(journal, &denial);
    assert_int_equal(denials_writer_flush(writer, NULL), 0);
    denials_writer_stop(writer);
    journal_close(journal);
    legend_free(legend);
    assert_int_equal(left(NULL, 0), 1);
}

/* How many files below a folder of the state hold these octets. */
static unsigned holding(const char *part, const void *octets, size_t len)
{
    char path[PATH_MAX + 300];
    const struct dirent *entry;
    unsigned count = 0;

    snprintf(path, sizeof(path), "%s/%s", folder, part);
    DIR *listing = opendir(path);
    assert_non_null(listing);
    while ((entry = readdir(listing)) != NULL) {
        struct stat status;
        snprintf(path, sizeof(path), "%s/%s/%s", folder, part, entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_int_equal(fstat(fd, &status), 0);
        if (S_ISREG(status.st_mode) && status.st_size > 0) {
            void *map = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
            assert_ptr_not_equal(map, MAP_FAILED);
            count += memmem(map, (size_t)status.st_size, octets, len) != NULL;
            munmap(map, (size_t)status.st_size);
        }
        close(fd);
    }
    closedir(listing);
    return count;
}

/* A journal file takes months to fill in a small school. */
static void nothing_stays_in_journals(void **state)
{
    const struct retention retention = {.keep_ms = 0};
    struct retention_receipt receipt;
    struct legend *legend = fixture_legend(3);
    struct denials_writer *writer;
    struct journal *journal;
    uint8_t name[256];
    (void)state;

    writer_begin(legend, &journal, &writer);
    struct denial denial = fixture_denial(wire("gone.secret.test", name), now_ms - day_ms, 1);
    while (__atomic_load_n(&journal->spares[0], __ATOMIC_ACQUIRE) == NULL)
        usleep(1000);
    journal_append(journal, &denial);
    assert_int_equal(denials_writer_flush(writer, NULL), 0);
    assert_int_equal(denials_writer_retain(writer, &retention, now_ms, &receipt, NULL), 0);
    assert_int_equal(holding("denials", "secret", 6), 0);
    denial = fixture_denial(wire("later.site.test", name), now_ms, 1);
    journal_append(journal, &denial);
    assert_int_equal(denials_writer_flush(writer, NULL), 0);
    assert_int_equal(holding("journal", "secret", 6), 0);
    assert_int_equal(holding("journal", "later", 5), 1);
    assert_int_equal(left(NULL, 0), 1);
    denials_writer_stop(writer);
    journal_close(journal);
    legend_free(legend);
}

static bool killed(void *user, const struct day *day)
{
    int *days = user;
    (void)day;

    if ((*days)-- == 0)
        raise(SIGKILL);
    return false;
}

/* What went before a kill is in the receipt of the next run: each record once. */
static void a_kill_loses_no_receipt(void **state)
{
    int days = 4;
    const struct retention_rule rules[] = {{"ads", 7 * day_ms}};
    const struct retention retention = {.keep_ms = 30 * day_ms, .rules = rules, .rule_count = 1};
    struct retention deadly = retention;
    struct retention_receipt receipt;
    (void)state;

    deadly.held = killed;
    deadly.user = &days;
    for (int kill = 0, status; kill < 3; kill++) { /* the last among days that go in part */
        pid_t child = fork();
        if (child == 0) {
            retention_run(folder, &deadly, now_ms, &receipt, NULL);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(left(NULL, 0), kill < 2 ? 3600 - 400 * kill : 3000 - 2 * 26);
    }
    assert_int_equal(retention_run(folder, &retention, now_ms, &receipt, NULL), 0);
    assert_int_equal(receipt.dropped, 10);
    assert_int_equal(receipt.rewritten, 23);
    assert_int_equal(receipt.denials, 4000 - left(NULL, 0));
    assert_string_equal(receipt.first, "2026-10-07");
    assert_string_equal(receipt.last, "2026-11-08");
    /* Until the change log has it, it is told again; then nothing is left to tell. */
    assert_int_equal(retention_run(folder, &retention, now_ms, &receipt, NULL), 0);
    assert_int_equal(receipt.denials, 4000 - left(NULL, 0));
    receipt_told(folder);
    assert_int_equal(retention_run(folder, &retention, now_ms, &receipt, NULL), 0);
    assert_int_equal(receipt.dropped + receipt.rewritten, 0);
}

/* A receipt that is written for what did not go: the next run's, not both's. Without a receipt,
 * nothing goes. */
static void a_receipt_before_its_time(void **state)
{
    const struct retention retention = {.keep_ms = 30 * day_ms};
    struct retention_receipt sure = {0}, then = {.dropped = 1, .denials = 100};
    char path[PATH_MAX + 64];
    struct bl_error error = {""};
    (void)state;

    snprintf(path, sizeof(path), "%s/denials/2026-10-07.mdb", folder);
    assert_int_equal(receipt_step(folder, &sure, &then, path, NULL), 0);
    assert_int_equal(sure.denials, 100);
    assert_int_equal(receipt_begin(folder, &sure, NULL), 0);
    assert_int_equal(sure.denials, 0);

    snprintf(path, sizeof(path), "%s/.receipt.new", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_true(retention_run(folder, &retention, now_ms, &sure, &error) < 0);
    assert_non_null(strstr(error.text, ".receipt.new"));
    assert_int_equal(left(NULL, 0), 4000);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(retention_run(folder, &retention, now_ms, &sure, NULL), 0);
    assert_int_equal(sure.dropped, 10);
    assert_int_equal(sure.denials, 1000);

    /* What is none of ours is told of, and stays. */
    snprintf(path, sizeof(path), "%s/.receipt", folder);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(retention_run(folder, &retention, now_ms, &sure, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "/.receipt: no receipt of ours"));
}

static void damaged_put(const char *name, int days_ago)
{
    char path[PATH_MAX + 64];
    const struct timespec times[2] = {{.tv_sec = (now_ms - days_ago * day_ms) / 1000},
                                      {.tv_sec = (now_ms - days_ago * day_ms) / 1000}};

    snprintf(path, sizeof(path), "%s/journal/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "secret", 6), 6);
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

/* What is not legible may be of any category: the shortest time counts. */
static void damaged_journals_go(void **state)
{
    char day[] = "2026-10-10"; /* 37 days ago */
    const struct retention_rule rules[] = {{"ads", 20 * day_ms}};
    struct retention retention = {
        .keep_ms = 60 * day_ms, .rules = rules, .rule_count = 1, .held = held, .user = day};
    struct retention_receipt receipt;
    (void)state;

    damaged_put("00000001.journal.damaged", 50); /* before the incident */
    damaged_put("00000002.journal.damaged", 25); /* may be of its day */
    damaged_put("00000003.journal.damaged", 19);
    damaged_put("damaged", 50);
    assert_int_equal(retention_run(folder, &retention, now_ms, &receipt, NULL), 0);
    assert_int_equal(receipt.journals, 1);
    assert_int_equal(holding("journal", "secret", 6), 3);
    retention.held = NULL;
    assert_int_equal(retention_run(folder, &retention, now_ms, &receipt, NULL), 0);
    assert_int_equal(receipt.journals, 2); /* with the one that nobody was told of */
    assert_int_equal(holding("journal", "secret", 6), 2);
}

struct second_day {
    int64_t start_ms;
    uint64_t count;
};

static int second_add(void *user, const struct denial_record *record)
{
    struct second_day *second = user;

    second->count += record->wall_ms >= second->start_ms ? record->count : 0;
    return 0;
}

/* Whatever page of a day is damaged, and wherever its reading ends: the next day has its own
 * records, each once, and no other. */
static void a_damaged_day_changes_no_other(void **state)
{
    struct denials_filter filter = {.since_ms = now_ms - 40 * day_ms - day_ms / 2};
    uint8_t page[4096], damaged[4096];
    char path[PATH_MAX + 64];
    struct day day;
    (void)state;

    filter.until_ms = filter.since_ms + 2 * day_ms;
    day_of(now_ms - 40 * day_ms, &day);
    snprintf(path, sizeof(path), "%s/denials/%s.mdb", folder, day.text);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    for (off_t at = 2 * 4096; pread(fd, page, sizeof(page), at) == sizeof(page); at += 4096)
        for (uint8_t pattern = 0; pattern < 8; pattern++) {
            struct second_day second = {.start_ms = day.end_ms};
            memcpy(damaged, page, sizeof(page));
            for (size_t i = 16; i < sizeof(page); i += 1u + pattern % 4)
                damaged[i] = pattern < 4 ? 0xff : (uint8_t)(damaged[i] + 0x70);
            assert_int_equal(pwrite(fd, damaged, sizeof(damaged), at), sizeof(damaged));
            assert_int_equal(denials_search(folder, &filter, second_add, &second, NULL), 0);
            assert_int_equal(second.count, 100);
            assert_int_equal(pwrite(fd, page, sizeof(page), at), sizeof(page));
        }
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(old_days_go_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(categories_have_their_own_time, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_held_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(the_writer_goes_on_after_it, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_stays_in_journals, setup, teardown),
        cmocka_unit_test_setup_teardown(a_kill_loses_no_receipt, setup, teardown),
        cmocka_unit_test_setup_teardown(a_receipt_before_its_time, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_journals_go, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_day_changes_no_other, setup, teardown)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
