#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "resolver/denials/journal_format.h"
#include "resolver/denials/records.h"
#include "resolver/denials/writer.h"

static char folder[PATH_MAX];
static const int64_t day_ms = 1763985600000; /* 24 November 2025, noon UTC */

static int setup(void **state)
{
    (void)state;
    setenv("TZ", "Europe/London", 1);
    tzset();
    folder_make(folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    folder_drop(folder);
    return 0;
}

struct rig {
    struct legend *legend;
    struct journal *journals[2];
    size_t count;
    struct denials_writer *writer;
};

static void rig_start(struct rig *rig, size_t count)
{
    struct bl_error error = {""};

    *rig = (struct rig){.legend = fixture_legend(3), .count = count};
    for (size_t i = 0; i < count; i++) {
        if (journal_open(folder, (unsigned)i, &rig->journals[i], &error) < 0)
            fail_msg("%s", error.text);
        journal_legend(rig->journals[i], rig->legend);
    }
    struct denials_writer_options options = {
        .state = folder, .journals = rig->journals, .journal_count = count, .interval_ms = 20};
    if (denials_writer_start(&options, &rig->writer, &error) < 0)
        fail_msg("%s", error.text);
}

static void rig_stop(struct rig *rig)
{
    denials_writer_stop(rig->writer);
    for (size_t i = 0; i < rig->count; i++)
        journal_close(rig->journals[i]);
    legend_free(rig->legend);
}

struct tally {
    uint64_t records, count, observed, unordered, warnings;
    int64_t last_ms;
    uint64_t by_category[5];
    struct denial_record last;
};

static int record_count(void *user, const struct denial_record *record)
{
    static const char *const categories[] = {"ads", "gambling", "adult", "self-harm"};
    struct tally *tally = user;

    tally->records++;
    tally->count += record->count;
    tally->observed += record->observed ? record->count : 0;
    tally->unordered += record->wall_ms < tally->last_ms;
    tally->last_ms = record->wall_ms;
    tally->last = *record;
    for (int i = 0; i < 4; i++)
        if (strcmp(record->category, categories[i]) == 0)
            tally->by_category[i] += record->count;
    return 0;
}

static int sum_count(void *user, const struct denial_sum *sum)
{
    struct tally *tally = user;

    if (!sum->itemised) {
        tally->unordered += sum->count;
        return 0;
    }
    tally->records++;
    tally->count += sum->count;
    tally->observed += sum->observed ? sum->count : 0;
    return 0;
}

static void warning_count(void *user, const char *sentence)
{
    struct tally *tally = user;

    assert_true(strlen(sentence) > 0);
    tally->warnings++;
}

static struct tally search(const struct denials_filter *wanted)
{
    struct denials_filter filter = *wanted;
    struct bl_error error = {""};
    struct tally tally = {0};

    filter.warn = warning_count;
    filter.warn_user = &tally;
    if (filter.until_ms == 0)
        filter.until_ms = INT64_MAX;
    if (denials_search(folder, &filter, record_count, &tally, &error) < 0)
        fail_msg("%s", error.text);
    return tally;
}

static struct tally sums(bool copy)
{
    struct tally tally = {0};
    struct denials_filter filter = {
        .until_ms = INT64_MAX, .copy = copy, .warn = warning_count, .warn_user = &tally};
    struct bl_error error = {""};

    if (denials_sums(folder, &filter, sum_count, &tally, &error) < 0)
        fail_msg("%s", error.text);
    return tally;
}

/* Random denials over two days from two workers: what is searched, summed and folded adds up to
 * them, at any moment of the move. */
static void folds_and_sums_add_up(void **state)
{
    enum { COUNT = 30000 };
    struct rig rig;
    uint64_t by_category[4] = {0}, by_host[20] = {0}, observed = 0, *numbers;
    uint8_t name[256], site[256];
    char text[64];
    (void)state;

    rig_start(&rig, 2);
    numbers = malloc(COUNT * sizeof(*numbers));
    srand(5);
    for (int i = 0; i < COUNT; i++) {
        unsigned host = (unsigned)rand() % 20;
        snprintf(text, sizeof(text), "www.site%d.co.uk", rand() % 5);
        struct denial denial = fixture_denial(wire(text, name), day_ms + i * 3000LL / 2, host);
        denial.wall_ms -= rand() % 5 ? 0 : denial.wall_ms % 2000;
        denial.category = (uint16_t)(rand() % 4);
        denial.observed = rand() % 10 == 0;
        by_category[denial.category]++;
        by_host[host]++;
        observed += denial.observed;
        numbers[i] = journal_append(rig.journals[i % 2], &denial);
        for (int again = rand() % 3; again > 0 && i + 1 < COUNT; again--, i++) {
            by_category[denial.category]++;
            by_host[host]++;
            observed += denial.observed;
            numbers[i + 1] = journal_append(rig.journals[i % 2], &denial);
        }
        if (i % 6000 == 0) {
            struct denials_filter filter = {.copy = true};
            assert_int_equal(search(&filter).count, i + 1);
            assert_int_equal(sums(true).count, i + 1);
        }
    }
    rig_stop(&rig);

    struct denials_filter all = {0}, denied = {.denied_only = true};
    struct tally tally = search(&all), sum = sums(false);
    assert_int_equal(tally.count, COUNT);
    assert_true(tally.records < COUNT);
    assert_int_equal(tally.observed, observed);
    assert_int_equal(tally.unordered, 0);
    assert_int_equal(tally.warnings + sum.warnings, 0);
    assert_int_equal(sum.count, COUNT);
    assert_int_equal(sum.observed, observed);
    assert_int_equal(search(&denied).count, COUNT - observed);
    for (int i = 0; i < 4; i++)
        assert_int_equal(tally.by_category[i], by_category[i]);
    struct denials_filter gambling = {.category = "gambling"};
    assert_int_equal(search(&gambling).count, by_category[1]);
    struct denials_filter nobody = {.group = "staff"};
    assert_int_equal(search(&nobody).count, 0);
    for (unsigned host = 0; host < 20; host++) {
        struct address_prefix prefix;
        snprintf(text, sizeof(text), "10.1.0.%u", host);
        assert_int_equal(address_prefix_parse(text, &prefix), 0);
        struct denials_filter filter = {.client = &prefix};
        assert_int_equal(search(&filter).count, by_host[host]);
    }
    uint64_t below = 0;
    for (int i = 0; i < 5; i++) {
        snprintf(text, sizeof(text), "site%d.co.uk", i);
        struct denials_filter filter = {.name = wire(text, site)};
        below += search(&filter).count;
    }
    assert_int_equal(below, COUNT);
    /* Every number that a client was given is found, folded or not. */
    for (int i = 0; i < COUNT; i += 37) {
        struct denials_filter filter = {.case_number = numbers[i]};
        assert_int_equal(search(&filter).records, 1);
    }
    free(numbers);
}

struct shared {
    volatile uint64_t published;
    uint64_t numbers[4 << 20];
};

static void child_append(struct shared *shared, unsigned round)
{
    struct rig rig;
    uint8_t name[256];
    char text[64];

    rig_start(&rig, 1);
    for (uint64_t i = 0; i < sizeof(shared->numbers) / sizeof(shared->numbers[0]); i++) {
        snprintf(text, sizeof(text), "host%u.site%u.test", (unsigned)(i * 7919 % 5000),
                 (unsigned)(i % 300));
        struct denial denial = fixture_denial(
            wire(text, name), day_ms + round * 1000 + (int64_t)(i / 64), (unsigned)(i % 50));
        shared->numbers[i] = journal_append(rig.journals[0], &denial);
        __atomic_store_n(&shared->published, i + 1, __ATOMIC_RELEASE);
    }
    pause();
}

/* What was published before a kill is there after it, before and after the next start moves it. */
static void kill_loses_nothing(void **state)
{
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct denials_filter all = {0};
    uint64_t expected = 0;
    (void)state;

    assert_true(shared != MAP_FAILED);
    srand((unsigned)time(NULL));
    for (unsigned round = 0; round < 20; round++) {
        shared->published = 0;
        pid_t child = fork();
        if (child == 0) {
            child_append(shared, round);
            _exit(0);
        }
        while (shared->published == 0)
            usleep(100);
        usleep((useconds_t)(rand() % 20000));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        uint64_t published = shared->published;
        struct tally tally = search(&all);
        /* One more may have been published between the journal's end and ours. */
        assert_in_range(tally.count, expected + published, expected + published + 1);
        expected = tally.count;
        struct denials_filter one = {.case_number = shared->numbers[(uint64_t)rand() % published]};
        assert_int_equal(search(&one).records, 1);
    }
    struct rig rig;
    rig_start(&rig, 1);
    rig_stop(&rig);
    assert_int_equal(search(&all).count, expected);
    assert_int_equal(sums(false).count, expected);
    munmap(shared, sizeof(*shared));
}

static bool small_disk(const char *size)
{
    char options[32];

    snprintf(options, sizeof(options), "size=%s", size);
    if (mount("none", folder, "tmpfs", 0, options) == 0)
        return true;
    print_message("SKIP: no tmpfs of %s can be mounted here: %s\n", size, strerror(errno));
    return false;
}

/* A flood of names that are all different makes a day larger than the map that LMDB began with: it
 * grows, and what could not be taken at that speed is counted. */
static void a_day_outgrows_its_map(void **state)
{
    enum { COUNT = 260000, FIRST_MIB = 64 };
    struct rig rig;
    uint64_t counted = 0;
    uint8_t name[256];
    char text[254], path[PATH_MAX + 64];
    struct stat status;
    (void)state;

    rig_start(&rig, 1);
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof(text), "n%09d.%060d.%060d.%060d.casino.test", i, i, i, i);
        struct denial denial = fixture_denial(wire(text, name), day_ms + i, 1);
        counted += journal_case_is_counted(journal_append(rig.journals[0], &denial));
        if (i % 20000 == 0)
            usleep(50000);
    }
    rig_stop(&rig);
    snprintf(path, sizeof(path), "%s/denials/2025-11-24.mdb", folder);
    assert_int_equal(stat(path, &status), 0);
    assert_true(status.st_size > FIRST_MIB << 20);
    struct denials_filter all = {0};
    struct tally tally = search(&all), sum = sums(false);
    assert_int_equal(tally.count + counted, COUNT);
    assert_int_equal(sum.count + sum.unordered, COUNT);
    assert_int_equal(tally.warnings + sum.warnings, 0);
}

static void full_disk_counts(void **state)
{
    struct denials_status status;
    struct rig rig;
    uint8_t name[256];
    (void)state;

    if (!small_disk("1m"))
        return;
    rig_start(&rig, 1);
    for (int i = 0; i < 5000; i++) {
        struct denial denial = fixture_denial(wire("www.casino.test", name), day_ms + i, 1);
        assert_true(journal_case_is_counted(journal_append(rig.journals[0], &denial)));
    }
    usleep(100000);
    denials_writer_status(rig.writer, &status);
    assert_int_equal(status.counted, 5000);
    assert_non_null(strstr(status.trouble.text, "No space"));
    rig_stop(&rig);
    assert_int_equal(sums(false).unordered, 5000); /* not itemised, and on record as such */
    umount(folder);
}

/* A disk that fills up on the way: journal, then counts; every denial is one or the other, and all
 * that is in a journal reaches the segment once there is room again. */
static void filling_disk_loses_nothing(void **state)
{
    enum { COUNT = 400000 };
    struct rig rig;
    uint8_t name[256];
    char filler[PATH_MAX], text[64];
    uint64_t counted = 0;
    (void)state;

    if (!small_disk("40m"))
        return;
    snprintf(filler, sizeof(filler), "%s/filler", folder);
    rig_start(&rig, 1);
    usleep(100000);
    int fd = open(filler, O_WRONLY | O_CREAT, 0600);
    char block[65536];
    memset(block, 1, sizeof(block));
    while (write(fd, block, sizeof(block)) > 0) {
    }
    close(fd);
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof(text), "host%d.site.test", i);
        struct denial denial = fixture_denial(wire(text, name), day_ms + i, 1);
        counted += journal_case_is_counted(journal_append(rig.journals[0], &denial));
    }
    assert_in_range(counted, 1, COUNT - 1);
    struct tally tally = sums(true);
    assert_int_equal(tally.count, COUNT - counted);
    assert_int_equal(tally.unordered, counted);
    unlink(filler);
    rig_stop(&rig);
    tally = sums(false);
    assert_int_equal(tally.count, COUNT - counted);
    assert_int_equal(tally.unordered, counted);
    umount(folder);
}

static int met_count(void *user, const struct denial_met *met)
{
    assert_true(strlen(met->category) < 256);
    ++*(unsigned *)user;
    return 0;
}

/* As many pairs as there could be, at most. */
static bool met_is_sane(void)
{
    const struct denials_filter filter = {.until_ms = INT64_MAX};
    unsigned count = 0;

    return denials_met(folder, &filter, met_count, &count, NULL) == 0 && count <= 50 * 5;
}

/* Bits turned anywhere in a segment, or its end cut off: no crash, no hang, no invented sum. */
static void damaged_segments_are_told(void **state)
{
    struct rig rig;
    uint8_t name[256];
    char text[64], path[PATH_MAX], lock[PATH_MAX + 8];
    struct denials_filter all = {0};
    (void)state;

    rig_start(&rig, 1);
    for (int i = 0; i < 20000; i++) {
        snprintf(text, sizeof(text), "host%d.site%d.test", i % 997, i % 13);
        struct denial denial = fixture_denial(wire(text, name), day_ms + i, (unsigned)(i % 50));
        journal_append(rig.journals[0], &denial);
    }
    rig_stop(&rig);
    snprintf(path, sizeof(path), "%s/denials/2025-11-24.mdb", folder);
    snprintf(lock, sizeof(lock), "%s-lock", path);
    int fd = open(path, O_RDWR);
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    size_t len = (size_t)status.st_size;
    uint8_t *whole = malloc(len);
    assert_int_equal(pread(fd, whole, len, 0), len);
    srand(23);
    for (int round = 0; round < 60; round++) {
        assert_int_equal(pwrite(fd, whole, len, 0), len);
        if (round % 6 == 5)
            assert_int_equal(ftruncate(fd, rand() % (off_t)len), 0);
        for (int i = round % 6 == 5 ? 0 : 1 + rand() % 30; i > 0; i--) {
            uint8_t bytes[4] = {(uint8_t)rand(), (uint8_t)rand(), (uint8_t)rand(), (uint8_t)rand()};
            assert_int_equal(
                pwrite(fd, bytes, 1 + (size_t)rand() % 4, rand() % (off_t)(len - 4)) > 0, 1);
        }
        pid_t child = fork();
        if (child == 0) {
            alarm(20);
            struct tally found = search(&all), sum = sums(false);
            _exit(found.count <= 20000 && sum.records <= 40000 && met_is_sane() ? 0 : 3);
        }
        int result;
        waitpid(child, &result, 0);
        assert_true(WIFEXITED(result));
        assert_int_equal(WEXITSTATUS(result), 0);
        unlink(lock);
    }
    free(whole);
    close(fd);
}

/* A reader that may not write the lock file still reads. */
static void readers_without_the_lock_read(void **state)
{
    struct denials_filter all = {0};
    struct rig rig;
    uint8_t name[256];
    char path[PATH_MAX];
    (void)state;

    if (geteuid() != 0) {
        print_message("SKIP: only root can become somebody else\n");
        return;
    }
    rig_start(&rig, 1);
    for (int i = 0; i < 1000; i++) {
        struct denial denial = fixture_denial(wire("www.casino.test", name), day_ms + i * 1000, 1);
        journal_append(rig.journals[0], &denial);
    }
    assert_int_equal(denials_writer_flush(rig.writer, NULL), 0);
    const char *const open_to_all[] = {"", "/denials", "/journal"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s%s", folder, open_to_all[i]);
        assert_int_equal(chmod(path, 0755), 0);
    }
    snprintf(path, sizeof(path), "%s/denials/2025-11-24.mdb", folder);
    assert_int_equal(chmod(path, 0644), 0);
    pid_t child = fork();
    if (child == 0) {
        if (setgid(65534) < 0 || setuid(65534) < 0)
            _exit(4);
        struct tally tally = search(&all);
        _exit(tally.count == 1000 ? 0 : 3);
    }
    int result;
    waitpid(child, &result, 0);
    assert_true(WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), 0);
    rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(folds_and_sums_add_up, setup, teardown),
        cmocka_unit_test_setup_teardown(kill_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_day_outgrows_its_map, setup, teardown),
        cmocka_unit_test_setup_teardown(full_disk_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(filling_disk_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_segments_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(readers_without_the_lock_read, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
