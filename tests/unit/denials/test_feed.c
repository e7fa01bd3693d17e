/* Records in the order in which they were written, from a place on: each once, over restarts. */
#include "fixture.h"

#include "resolver/denials/feed.h"
#include "resolver/denials/segment.h"
#include "resolver/denials/writer.h"

static char folder[PATH_MAX];
static const int64_t noon_ms = 1763985600000; /* 24 November 2025, UTC */

enum { ANSWERS = 6 };

struct heard {
    unsigned count, stop_at;
    uint64_t last_case;
};

static int hear(void *user, const struct denial_record *record)
{
    struct heard *heard = user;
    char name[32];
    uint8_t wanted[256];

    if (heard->stop_at != 0 && heard->count == heard->stop_at)
        return 1;
    snprintf(name, sizeof(name), "n%u.site.test", heard->count);
    wire(name, wanted);
    assert_memory_equal(record->qname, wanted, strlen((char *)wanted) + 1);
    assert_string_equal(record->category, "gambling");
    assert_int_equal(record->answer, heard->count % ANSWERS);
    assert_true(record->case_number > heard->last_case);
    heard->last_case = record->case_number;
    heard->count++;
    return 0;
}

/* Records `from` to `to` by a journal and a writer of their own. */
static void records_write(unsigned from, unsigned to)
{
    struct legend *legend = fixture_legend(3);
    struct denials_writer *writer;
    struct bl_error error = {""};
    struct journal *journal;

    assert_int_equal(journal_open(folder, 0, &journal, &error), 0);
    journal_legend(journal, legend);
    struct denials_writer_options options = {
        .state = folder, .journals = &journal, .journal_count = 1, .interval_ms = 20};
    assert_int_equal(denials_writer_start(&options, &writer, &error), 0);
    for (unsigned i = from; i < to; i++) {
        char name[32];
        uint8_t qname[256];
        snprintf(name, sizeof(name), "n%u.site.test", i);
        struct denial denial = fixture_denial(wire(name, qname), noon_ms + i, i);
        denial.answer = (uint8_t)(i % ANSWERS);
        journal_append(journal, &denial);
        /* The same within a second is one record with a count, and takes a fold's place. */
        if (i % 7 == 0)
            journal_append(journal, &denial);
    }
    denials_writer_stop(writer);
    journal_close(journal);
    legend_free(legend);
}

static int read_on(struct feed_place *place, unsigned most, struct heard *heard, uint64_t *out_left)
{
    struct bl_error error = {""};
    struct day day;

    day_of(noon_ms, &day);
    return feed_read(folder, &day, place, most, hear, heard, out_left, &error);
}

static void test_each_once_over_restarts(void **state)
{
    struct feed_place place = {0}, end;
    struct heard heard = {0};
    struct day day;
    uint64_t left;
    (void)state;

    folder_make(folder);
    day_of(noon_ms, &day);
    assert_int_equal(read_on(&place, 10, &heard, &left), -2); /* ENOENT: no such day yet */
    records_write(0, 1500);
    assert_int_equal(read_on(&place, 600, &heard, &left), 600);
    assert_int_equal(left, 900);
    heard.stop_at = 700; /* the collector fails at the hundredth */
    assert_int_equal(read_on(&place, 600, &heard, &left), 100);
    assert_int_equal(left, 800);
    heard.stop_at = 0;
    assert_int_equal(read_on(&place, 10000, &heard, &left), 800);
    assert_int_equal(left, 0);
    assert_int_equal(feed_end(folder, &day, &end, NULL), 0);
    assert_int_equal(end.read, place.read);
    /* The last block goes on growing: the place stands within it. */
    records_write(1500, 1510);
    assert_int_equal(read_on(&place, 10000, &heard, &left), 10);
    struct heard later = {.count = 1500};
    assert_int_equal(read_on(&end, 10000, &later, &left), 10);
    assert_int_equal(later.count, 1510);
    assert_int_equal(read_on(&place, 10000, &heard, &left), 0);
    folder_drop(folder);
}

/* A day that retention wrote anew is shorter than the place: nothing is told twice. */
static void test_a_place_behind_the_end(void **state)
{
    struct feed_place place = {.block = 40, .record = 3, .read = 20000};
    struct heard heard = {0};
    uint64_t left;
    (void)state;

    folder_make(folder);
    records_write(0, 20);
    assert_int_equal(read_on(&place, 10000, &heard, &left), 0);
    assert_int_equal(left, 0);
    assert_int_equal(place.block, 40);
    folder_drop(folder);
}

static int counted_hear(void *user, const struct feed_counted *counted)
{
    char *heard = user;
    size_t used = strlen(heard);

    snprintf(heard + used, 400 - used, "%u %s %s %s %u %lu %ld-%ld;", counted->hour, counted->group,
             counted->category, counted->title, counted->severity, (unsigned long)counted->count,
             (long)((counted->from_ms - noon_ms) / 60000),
             (long)((counted->until_ms - noon_ms) / 60000));
    return 0;
}

/* What was only counted: summed over journals and slots, by hour, group and category; the last
 * hour of a day ends with it. */
static void test_counts_are_told_as_sums(void **state)
{
    struct bl_error error = {""};
    struct segment *segment;
    static const char *groups[] = {"pupils"}, *categories[] = {"ads", "gambling"},
                      *titles[] = {"Advertising", "Gambling"};
    static uint8_t severities[] = {0, 1};
    const struct legend_names names = {.id = 3,
                                       .group_count = 1,
                                       .category_count = 2,
                                       .groups = groups,
                                       .categories = categories,
                                       .titles = titles,
                                       .severities = severities};
    char heard[400] = "";
    struct day day;
    (void)state;

    folder_make(folder);
    day_of(noon_ms, &day);
    assert_int_equal(feed_counted(folder, &day, counted_hear, heard, &error), -2); /* ENOENT */
    assert_int_equal(segment_open(folder, &day, &segment, &error), 0);
    assert_int_equal(segment_count(segment, 5, 9, noon_ms, &names, 0, 1, 20, &error), 0);
    assert_int_equal(segment_count(segment, 6, 2, noon_ms + 5, &names, 0, 1, 3, &error), 0);
    assert_int_equal(segment_count(segment, 6, 2, noon_ms + 3600000, &names, 0, 1, 4, &error), 0);
    assert_int_equal(
        segment_count(segment, 6, 0, day.end_ms - 1, NULL, UINT16_MAX, UINT16_MAX, 1, &error), 0);
    assert_int_equal(segment_commit(segment, &error), 0);
    segment_close(segment);
    assert_int_equal(feed_counted(folder, &day, counted_hear, heard, &error), 0);
    assert_string_equal(heard, "12 pupils gambling Gambling 1 23 0-60;"
                               "13 pupils gambling Gambling 1 4 60-120;23    0 1 660-720;");
    folder_drop(folder);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_once_over_restarts),
        cmocka_unit_test(test_a_place_behind_the_end),
        cmocka_unit_test(test_counts_are_told_as_sums),
    };

    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
