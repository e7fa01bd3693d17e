#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "resolver/denials/journal_file.h"
#include "resolver/denials/legend.h"

static char folder[PATH_MAX];

static int setup(void **state)
{
    (void)state;
    folder_make(folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    folder_drop(folder);
    return 0;
}

static struct journal *journal_new(const struct legend *legend)
{
    struct bl_error error = {""};
    struct journal *journal;

    if (journal_open(folder, 0, &journal, &error) < 0)
        fail_msg("%s", error.text);
    journal_legend(journal, legend);
    return journal;
}

static struct journal_file *only_file(void)
{
    struct journal_file *file;
    char **paths;
    size_t count;

    assert_int_equal(journal_paths(folder, &paths, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_int_equal(journal_file_open(paths[0], &file, NULL), 0);
    journal_paths_free(paths);
    return file;
}

static void what_goes_in_comes_out(void **state)
{
    struct legend *legend = fixture_legend(3);
    struct journal *journal = journal_new(legend);
    uint8_t asked[256], other[256], address[16] = {1, 2, 3};
    struct denial denial = fixture_denial(wire("www.casino.test", asked), 1764000000123, 7);
    const struct journal_legend *read_legend;
    struct legend_names *names;
    struct journal_item item;
    (void)state;

    denial.matched = asked + 4;
    uint64_t first = journal_append(journal, &denial);
    denial.matched = wire("tracker.test", other);
    denial.via = VIA_CNAME;
    uint64_t second = journal_append(journal, &denial);
    denial.matched = NULL;
    denial.address = address;
    denial.via = VIA_ADDRESS;
    uint64_t third = journal_append(journal, &denial);
    assert_true(first != 0 && first < second && second < third);

    struct journal_file *file = only_file();
    assert_int_equal(journal_scan_next(&file->scan, &item, &read_legend), JOURNAL_LEGEND);
    assert_int_equal(legend_read(read_legend, &names), 0);
    assert_string_equal(names->groups[2], "guests");
    assert_string_equal(names->categories[3], "self-harm");
    assert_string_equal(names->titles[3], "Self-harm and suicide");
    assert_int_equal(names->severities[3], 3);
    legend_names_free(names);
    assert_int_equal(journal_scan_next(&file->scan, &item, &read_legend), JOURNAL_DENIAL);
    assert_true(item.case_number == first);
    assert_true(item.denial.wall_ms == 1764000000123);
    assert_memory_equal(item.denial.qname, asked, item.qname_len);
    assert_ptr_equal(item.denial.matched, item.denial.qname + 4);
    assert_int_equal(item.denial.client.bytes[15], 7);
    assert_int_equal(journal_scan_next(&file->scan, &item, &read_legend), JOURNAL_DENIAL);
    assert_true(item.case_number == second);
    assert_memory_equal(item.denial.matched, other, item.matched_len);
    assert_int_equal(journal_scan_next(&file->scan, &item, &read_legend), JOURNAL_DENIAL);
    assert_true(item.case_number == third);
    assert_null(item.denial.matched);
    assert_memory_equal(item.denial.address, address, 16);
    assert_int_equal(journal_scan_next(&file->scan, &item, &read_legend), 0);
    assert_int_equal(file->scan.skipped, 0);
    journal_file_close(file);
    journal_close(journal);
    legend_free(legend);
}

/* Old records stay in the pages: they must not come back, whatever the header says of the end. */
static void a_spent_file_is_used_again(void **state)
{
    struct legend *legend = fixture_legend(3);
    uint8_t asked[256];
    struct denial denial = fixture_denial(wire("www.casino.test", asked), 1764000000123, 7);
    struct bl_error error = {""};
    struct journal_file *file, *reader;
    const struct journal_legend *read_legend;
    struct journal_item item;
    char **paths, before[PATH_MAX];
    size_t count;
    (void)state;

    assert_int_equal(journal_file_create(folder, 0, &file, &error), 0);
    struct journal journal = {.current = file, .used = JOURNAL_DATA_START, .limit = file->size};
    journal_legend(&journal, legend);
    for (int i = 0; i < 100; i++)
        assert_true(journal_append(&journal, &denial) != 0);
    uint64_t sequence = file->sequence, end = journal.used;
    strcpy(before, file->path);
    assert_int_equal(journal_file_open(file->path, &reader, &error), 0);

    assert_int_equal(journal_file_renew(folder, 0, &file, &error), -EBUSY);
    assert_string_equal(file->path, before);
    assert_int_equal(journal_scan_next(&reader->scan, &item, &read_legend), JOURNAL_LEGEND);
    assert_int_equal(journal_scan_next(&reader->scan, &item, &read_legend), JOURNAL_DENIAL);
    journal_file_close(reader);

    assert_int_equal(journal_file_renew(folder, 1, &file, &error), 0);
    assert_true(file->sequence > sequence);
    assert_int_equal(journal_paths(folder, &paths, &count, &error), 0);
    assert_int_equal(count, 1);
    assert_string_equal(paths[0], file->path);
    assert_true(strcmp(before, file->path) != 0);
    journal_file_header(file)->end = end; /* as if the power went before the new records */
    assert_int_equal(journal_file_open(paths[0], &reader, &error), 0);
    assert_int_equal(reader->worker, 1);
    assert_int_equal(journal_scan_next(&reader->scan, &item, &read_legend), 0);
    assert_true(reader->scan.skipped == end - JOURNAL_DATA_START);
    journal_file_close(reader);
    journal_paths_free(paths);
    journal_file_remove(file);
    legend_free(legend);
}

static void without_a_spare_denials_are_counted(void **state)
{
    struct legend *legend = fixture_legend(3);
    struct journal *journal = journal_new(legend);
    uint8_t asked[256];
    struct denial denial = fixture_denial(wire("www.casino.test", asked), 1764000000123, 7);
    uint64_t last = 0, appended = 0, counts[3][4] = {{0}}, counted = 0;
    (void)state;

    for (;; appended++) { /* until the file is full */
        uint64_t number = journal_append(journal, &denial);
        assert_true(number > last);
        last = number;
        if (journal_case_is_counted(number))
            break;
    }
    counts[0][1] = counted = 1;
    assert_true(appended > 80000);
    srand(7);
    for (int i = 0; i < 10000; i++, counted++) {
        denial.group = (uint16_t)(rand() % 3);
        denial.category = (uint16_t)(rand() % 4);
        counts[denial.group][denial.category]++;
        uint64_t number = journal_append(journal, &denial);
        assert_true(number > last);
        last = number;
    }
    struct journal_file *file = only_file();
    const struct journal_count *slots = journal_file_counts(file);
    assert_true(journal_file_header(file)->records == appended);
    assert_true(journal_file_header(file)->counted == counted);
    for (unsigned i = 0; i < JOURNAL_COUNT_SLOTS; i++)
        if (slots[i].used) {
            assert_true(slots[i].count == counts[slots[i].group][slots[i].category]);
            counted -= slots[i].count;
        }
    assert_true(counted == 0);
    journal_file_close(file);

    /* A reload meanwhile: what follows is counted under its own legend. */
    struct legend *next = fixture_legend(4);
    journal_legend(journal, next);
    journal_append(journal, &denial);
    file = only_file();
    slots = journal_file_counts(file);
    unsigned found = 0;
    for (unsigned i = 0; i < JOURNAL_COUNT_SLOTS; i++)
        found += slots[i].used && slots[i].legend == next->id && slots[i].count == 1;
    assert_int_equal(found, 1);
    journal_file_close(file);
    journal_close(journal);
    legend_free(legend);
    legend_free(next);
}

static void sequences_are_never_given_twice(void **state)
{
    struct legend *legend = fixture_legend(3);
    uint8_t asked[256];
    struct denial denial = fixture_denial(wire("www.casino.test", asked), 1764000000123, 7);
    uint64_t last = 0;
    char path[PATH_MAX];
    (void)state;

    for (int i = 0; i < 4; i++) {
        struct journal *journal = journal_new(legend);
        uint64_t number = journal_append(journal, &denial);
        assert_true(number > last);
        last = number;
        journal_close(journal);
        if (i == 2) { /* the counter is lost: the files still there tell */
            snprintf(path, sizeof(path), "%s/journal/sequence", folder);
            assert_int_equal(truncate(path, 0), 0);
        }
    }
    legend_free(legend);
}

/* A state that was restored has segments, and no counter. */
static void sequences_go_on_after_a_restore(void **state)
{
    struct legend *legend = fixture_legend(3);
    char path[PATH_MAX];
    (void)state;

    snprintf(path, sizeof(path), "%s/denials", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/denials/2026-10-07.mdb", folder);
    fclose(fopen(path, "w"));
    struct journal *journal = journal_new(legend);
    assert_true(journal->current->sequence > 1000);
    journal_close(journal);
    legend_free(legend);
}

/* Every damage: whole records are read, what is read is what was written, and nothing goes wrong.
 */
static void damaged_journals_are_read_as_far_as_whole(void **state)
{
    enum { COUNT = 200 };
    struct legend *legend = fixture_legend(3);
    struct journal *journal = journal_new(legend);
    uint8_t asked[COUNT][256];
    char text[64];
    uint64_t numbers[COUNT];
    (void)state;

    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof(text), "host%d.site%d.test", i, i % 7);
        struct denial denial = fixture_denial(wire(text, asked[i]), 1764000000000 + i, (unsigned)i);
        numbers[i] = journal_append(journal, &denial);
    }
    uint64_t end = journal_file_header(journal->current)->end;
    uint8_t *copy = malloc(end);
    srand(11);
    for (int round = 0; round < 400; round++) {
        memcpy(copy, journal->current->base, end);
        uint64_t len = round % 2 ? end : (uint64_t)rand() % end;
        for (int i = rand() % 20; i > 0; i--)
            copy[(round % 3 ? JOURNAL_DATA_START : 0) +
                 (uint64_t)rand() % (end - JOURNAL_DATA_START)] ^= (uint8_t)(1 << rand() % 8);
        struct journal_scan scan;
        struct journal_item item;
        const struct journal_legend *read_legend;
        int type, seen = 0;
        uint64_t last = 0;
        if (journal_scan_start(copy, len, &scan) < 0)
            continue;
        while ((type = journal_scan_next(&scan, &item, &read_legend)) != 0) {
            if (type != JOURNAL_DENIAL)
                continue;
            assert_true(item.case_number > last);
            last = item.case_number;
            uint64_t index = item.case_number - numbers[0];
            assert_true(index < COUNT);
            assert_memory_equal(item.denial.qname, asked[index], item.qname_len);
            seen++;
        }
        if (len == end && round % 3)
            assert_true(seen >= COUNT - 20);
    }
    free(copy);
    journal_close(journal);
    legend_free(legend);
}

static void long_names_fit(void **state)
{
    struct legend *legend = fixture_legend(3);
    struct journal *journal = journal_new(legend);
    uint8_t asked[256], other[256];
    (void)state;

    /* 255 octets: 63 + 63 + 63 + 61 and their lengths and the root. */
    size_t at = 0;
    for (int i = 0; i < 4; i++) {
        size_t len = i < 3 ? 63 : 61;
        asked[at] = other[at] = (uint8_t)len;
        memset(asked + at + 1, 'a', len);
        memset(other + at + 1, 'b', len);
        at += len + 1;
    }
    asked[at] = other[at] = 0;
    assert_int_equal(at + 1, 255);
    struct denial denial = fixture_denial(asked, 1764000000123, 7);
    uint8_t address[16] = {9};
    denial.matched = other;
    denial.address = address;
    assert_true(journal_append(journal, &denial) != 0);
    denial.qname = denial.matched = (const uint8_t *)"";
    assert_true(journal_append(journal, &denial) != 0);

    struct journal_file *file = only_file();
    const struct journal_legend *read_legend;
    struct journal_item item;
    assert_int_equal(journal_scan_next(&file->scan, &item, &read_legend), JOURNAL_LEGEND);
    assert_int_equal(journal_scan_next(&file->scan, &item, &read_legend), JOURNAL_DENIAL);
    assert_int_equal(item.qname_len, 255);
    assert_memory_equal(item.denial.matched, other, 255);
    assert_memory_equal(item.denial.address, address, 16);
    assert_int_equal(journal_scan_next(&file->scan, &item, &read_legend), JOURNAL_DENIAL);
    assert_int_equal(item.qname_len, 1);
    journal_file_close(file);
    journal_close(journal);
    legend_free(legend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_goes_in_comes_out, setup, teardown),
        cmocka_unit_test_setup_teardown(a_spent_file_is_used_again, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_spare_denials_are_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(sequences_are_never_given_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(sequences_go_on_after_a_restore, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_journals_are_read_as_far_as_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(long_names_fit, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
