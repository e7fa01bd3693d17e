/* Records that wait to be folded and summed: whatever becomes of their batch, each is there exactly
 * once, as a record and in a roll-up, with the rule that it came with. */
#include "fixture.h"

#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "resolver/denials/journal_format.h"
#include "resolver/denials/records.h"
#include "resolver/denials/segment_internal.h"

enum { HOSTS = 7, SITES = 11, HOURS = 24 };

static char folder[PATH_MAX];
static struct day day;

struct tally {
    uint64_t sums[HOURS][HOSTS][SITES], records, count;
};

static struct tally wanted;
static struct segment *segment;
static uint64_t added; /* since the day began, those that were dropped among them */

static void segment_begin_day(void)
{
    struct bl_error error = {""};

    if (segment_open(folder, &day, &segment, &error) < 0)
        fail_msg("%s", error.text);
}

static int setup(void **state)
{
    (void)state;
    setenv("TZ", "Europe/London", 1);
    tzset();
    folder_make(folder);
    day_of(1763985600000, &day); /* 24 November 2025 */
    memset(&wanted, 0, sizeof(wanted));
    added = 0;
    segment_begin_day();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    segment_close(segment);
    segment = NULL;
    folder_drop(folder);
    return 0;
}

static void add_denial(const char *text, struct denial denial)
{
    uint8_t name[256];

    denial.qname = denial.matched = wire(text, name);
    const struct journal_item item = {.case_number = journal_case(1, (uint32_t)added++),
                                      .denial = denial,
                                      .qname_len = (uint8_t)(strlen(text) + 2),
                                      .matched_len = (uint8_t)(strlen(text) + 2)};
    const struct segment_item moved = {
        .item = &item, .keys = segment_expect(segment, &item), .sequence = 1};
    segment_approach(segment, &moved.keys);
    assert_int_equal(segment_add(segment, &moved, NULL), 0);
}

/* One denial; `kept` 0: its batch will not be committed. */
static void add(int64_t at_ms, unsigned host, unsigned site, unsigned kept)
{
    char text[64];

    snprintf(text, sizeof(text), "www.site%02u.test", site);
    add_denial(text, fixture_denial(NULL, day.start_ms + at_ms, host));
    wanted.sums[at_ms / 3600000][host][site] += kept;
    wanted.count += kept;
}

/* Hosts and sites in turn, a second apart: nothing folds. */
static void add_some(unsigned count, unsigned hour, unsigned kept)
{
    for (unsigned i = 0; i < count; i++)
        add(hour * 3600000 + i * 1000, i % HOSTS, i % SITES, kept);
}

static int sum_note(void *user, const struct denial_sum *sum)
{
    struct tally *tally = user;
    unsigned site = (unsigned)(sum->domain[5] - '0') * 10 + (unsigned)(sum->domain[6] - '0');

    assert_true(sum->itemised && sum->hour < HOURS && site < SITES);
    assert_true(sum->client->bytes[15] < HOSTS);
    tally->sums[sum->hour][sum->client->bytes[15]][site] += sum->count;
    return 0;
}

static int record_note(void *user, const struct denial_record *record)
{
    struct tally *tally = user;

    tally->records++;
    tally->count += record->count;
    return 0;
}

/* After the segment was closed: what readers sum and find is what was added. */
static void all_is_there(void)
{
    struct tally *tally = calloc(1, sizeof(*tally));
    const struct denials_filter all = {.until_ms = INT64_MAX};

    segment_close(segment);
    segment = NULL;
    assert_int_equal(denials_sums(folder, &all, sum_note, tally, NULL), 0);
    assert_memory_equal(tally->sums, wanted.sums, sizeof(wanted.sums));
    assert_int_equal(denials_search(folder, &all, record_note, tally, NULL), 0);
    assert_int_equal(tally->count, wanted.count);
    free(tally);
    segment_begin_day();
}

static void batches_of_any_size(void **state)
{
    (void)state;
    for (unsigned count = 0; count <= 3 * SEGMENT_WAITING; count++) {
        add_some(count, 9, 1);
        assert_int_equal(segment_commit(segment, NULL), 0);
        assert_int_equal(segment->meta.denials, wanted.count);
        if (count % 5 == 0)
            all_is_there();
    }
    all_is_there();
}

/* All names are known already and nothing is pending: the waiting ones alone are what changed. */
static void given_up_while_they_wait(void **state)
{
    (void)state;
    add_some(100, 9, 1);
    assert_int_equal(segment_commit(segment, NULL), 0);
    for (unsigned count = 1; count <= 2 * SEGMENT_WAITING; count++) {
        add_some(count, 10, 0);
        segment_abort(segment);
        assert_int_equal(segment->meta.denials, segment->committed.denials);
        add_some(1, 10, 1);
        assert_int_equal(segment_commit(segment, NULL), 0);
    }
    all_is_there();
    /* Without a commit they are gone, and come again from the journal. */
    add_some(SEGMENT_WAITING / 2, 11, 0);
    all_is_there();
    add_some(SEGMENT_WAITING / 2, 11, 1);
    assert_int_equal(segment_commit(segment, NULL), 0);
    all_is_there();
}

/* The disk takes nothing more for a while. */
static void failed_commits(void **state)
{
    struct rlimit before, none;
    (void)state;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = (struct rlimit){.rlim_cur = 4096, .rlim_max = before.rlim_max};
    for (unsigned count = 1; count < 5 * SEGMENT_WAITING; count += 3) {
        add_some(count, 9, 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
        assert_true(segment_commit(segment, NULL) < 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        add_some(count, 9, 1);
        assert_int_equal(segment_commit(segment, NULL), 0);
        if (count % 2)
            all_is_there();
    }
    all_is_there();
}

/* The hour ends with one that waits still: the sums are due with it, and stand by hour. */
static void an_hour_ends(void **state)
{
    (void)state;
    for (unsigned hour = 8; hour < 20; hour += 2) {
        uint32_t runs = segment->meta.runs;
        add_some(50, hour, 1);
        assert_int_equal(segment_commit(segment, NULL), 0);
        assert_int_equal(segment->meta.runs, runs); /* the hour may go on */
        add((hour + 1) * 3600000, 1, 1, 1);
        assert_int_equal(segment_commit(segment, NULL), 0);
        assert_int_equal(segment->meta.runs, runs + 1);
        assert_int_equal(segment->rollup_count, 0);
        for (unsigned i = 0; i < 3 * SEGMENT_WAITING; i++) /* two workers, one a little behind */
            add((hour + i % 2) * 3600000 + 1000 * i, i % HOSTS, i % SITES, 1);
        assert_int_equal(segment_commit(segment, NULL), 0);
    }
    all_is_there();
}

enum { RULES = 8 };

/* The first, and those that differ from it in one thing each. */
static struct denial ruled(const uint8_t *name, unsigned which, int64_t at_ms)
{
    struct denial denial = fixture_denial(name, day.start_ms + at_ms, 1);

    denial.generation += which == 1;
    denial.policy_version += which == 2;
    denial.rule = (uint8_t)(1 + (which == 3));
    denial.via = (uint8_t)(1 + (which == 4));
    denial.transport = (uint8_t)(1 + (which == 5));
    denial.observed = which == 6;
    denial.answer = (uint8_t)(1 + (which == 7));
    return denial;
}

static int rule_check(void *user, const struct denial_record *record)
{
    unsigned number = (unsigned)(record->case_number & ((1u << JOURNAL_INDEX_BITS) - 1));
    struct denial denial = ruled(NULL, number % 2 ? number / 2 % RULES : 0, 0);

    assert_int_equal(record->generation, denial.generation);
    assert_int_equal(record->policy_version, denial.policy_version);
    assert_int_equal(record->rule, denial.rule);
    assert_int_equal(record->via, denial.via);
    assert_int_equal(record->transport, denial.transport);
    assert_int_equal(record->observed, denial.observed);
    assert_int_equal(record->answer, denial.answer);
    ++*(unsigned *)user;
    return 0;
}

static void rules_are_told_apart(void **state)
{
    const struct denials_filter all = {.until_ms = INT64_MAX};
    unsigned seen = 0;
    (void)state;

    for (unsigned i = 0; i < 4 * RULES; i++)
        add_denial("www.site03.test",
                   ruled(NULL, i % 2 ? i / 2 % RULES : 0, 9 * 3600000 + i * (2 * SEGMENT_FOLD_MS)));
    assert_int_equal(segment_commit(segment, NULL), 0);
    segment_close(segment);
    segment = NULL;
    assert_int_equal(denials_search(folder, &all, rule_check, &seen, NULL), 0);
    assert_int_equal(seen, 4 * RULES);
}

static void full_with_those_that_wait(void **state)
{
    unsigned count = 0;
    (void)state;

    for (; !segment_is_full(segment); count++) /* none the same */
        add(9 * 3600000 + count * 100, count % HOSTS, count / HOSTS % SITES, 1);
    assert_in_range(count, SEGMENT_BATCH - SEGMENT_WAITING, SEGMENT_BATCH);
    segment_settle(segment);
    assert_in_range(segment->pending_count + segment->fold_count, count, SEGMENT_BATCH);
    assert_int_equal(segment_commit(segment, NULL), 0);
    assert_false(segment_is_full(segment));
    for (count = 0; !segment_is_full(segment); count++) /* all the same, in bursts */
        add(10 * 3600000 + count / 4096 * 2000, 1, 2, 1);
    assert_in_range(count, SEGMENT_BATCH - SEGMENT_WAITING, SEGMENT_BATCH + 8);
    segment_settle(segment);
    assert_in_range(segment->fold_count, SEGMENT_BATCH - SEGMENT_WAITING - 8, SEGMENT_BATCH);
    assert_int_equal(segment_commit(segment, NULL), 0);
    all_is_there();
}

/* The same within a second folds also where the first one waits still. */
static void the_same_folds(void **state)
{
    const struct denials_filter all = {.until_ms = INT64_MAX};
    struct tally *tally = calloc(1, sizeof(*tally));
    (void)state;

    for (unsigned i = 0; i < 3 * SEGMENT_WAITING + 1; i++)
        add(9 * 3600000 + i, i % 2, 3, 1);
    assert_int_equal(segment_commit(segment, NULL), 0);
    all_is_there();
    assert_int_equal(denials_search(folder, &all, record_note, tally, NULL), 0);
    assert_int_equal(tally->records, 2);
    assert_int_equal(tally->count, 3 * SEGMENT_WAITING + 1);
    free(tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(batches_of_any_size, setup, teardown),
        cmocka_unit_test_setup_teardown(given_up_while_they_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(failed_commits, setup, teardown),
        cmocka_unit_test_setup_teardown(an_hour_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(rules_are_told_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(full_with_those_that_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_folds, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
