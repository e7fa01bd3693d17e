/* The record of what sealed categories held: it only grows, goes along with a restore, and what is
 * damaged is not taken for none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolver/policy/held.h"
#include "tests/support/folder.h"

static const char *NAMES[] = {"harm", "illegal"};

static char here[FOLDER_ROOM], there[FOLDER_ROOM];

static const char *path_of(const char *state)
{
    static char path[FOLDER_ROOM + 24];

    snprintf(path, sizeof path, "%s/lists/sealed.json", state);
    return path;
}

static int folders_make(void **state)
{
    char lists[FOLDER_ROOM + 8];

    (void)state;
    folder_make(here);
    folder_make(there);
    snprintf(lists, sizeof lists, "%s/lists", here);
    assert_int_equal(mkdir(lists, 0700), 0);
    snprintf(lists, sizeof lists, "%s/lists", there);
    assert_int_equal(mkdir(lists, 0700), 0);
    return 0;
}

static int folders_remove(void **state)
{
    (void)state;
    folder_drop(here);
    folder_drop(there);
    return 0;
}

static int records_remove(void **state)
{
    (void)state;
    unlink(path_of(here));
    unlink(path_of(there));
    return 0;
}

static void record_put(const char *state, const char *text)
{
    FILE *file = fopen(path_of(state), "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int note(const char *state, uint64_t generation, uint64_t harm, uint64_t illegal)
{
    struct bl_held held[] = {{harm, BL_WHOLE_UNKNOWN}, {illegal, illegal / 2}};
    struct bl_guard guard = {.sealed = NAMES, .sealed_count = 2, .held = held};

    return held_write(state, generation, &guard, NULL);
}

static void assert_held(const char *state, uint64_t generation, uint64_t harm, uint64_t illegal)
{
    struct bl_guard guard = {.sealed = NAMES, .sealed_count = 2};

    held_read(state, generation, &guard);
    assert_non_null(guard.held);
    assert_int_equal(guard.held[0].entries, harm);
    assert_int_equal(guard.held[1].entries, illegal);
    assert_int_equal(guard.held[0].whole, 0); /* nobody knows */
    free(guard.held);
}

static void assert_most(const char *state, uint64_t harm, uint64_t illegal)
{
    struct bl_guard guard = {.sealed = NAMES, .sealed_count = 2};

    assert_int_equal(held_most_read(state, &guard, NULL), 0);
    assert_int_equal(guard.most[0].entries, harm);
    assert_int_equal(guard.most[1].entries, illegal);
    free(guard.most);
}

static void most_only_grows(void **state)
{
    struct bl_guard guard = {.sealed = NAMES, .sealed_count = 2};

    (void)state;
    held_read(here, 1, &guard);
    assert_null(guard.held);
    assert_most(here, 0, 0);
    assert_int_equal(note(here, 1, 100, 7), 0);
    assert_int_equal(note(here, 2, 99, 8), 0);
    assert_held(here, 2, 99, 8);
    assert_held(here, 0, 99, 8);
    assert_most(here, 100, 8);
}

/* What was blocked whole is a number of its own, that nobody may know. */
static void whole_is_on_record_too(void **state)
{
    struct bl_guard guard = {.sealed = NAMES, .sealed_count = 2};

    (void)state;
    assert_int_equal(note(here, 1, 100, 80), 0);
    assert_int_equal(note(here, 2, 100, 70), 0);
    assert_int_equal(note(there, 5, 1, 90), 0);
    held_read(here, 2, &guard);
    assert_int_equal(guard.held[1].whole, 35);
    assert_int_equal(guard.held[0].whole, 0);
    free(guard.held);
    held_read(here, 3, &guard);
    assert_int_equal(guard.held[1].whole, 40);
    free(guard.held);
    assert_int_equal(held_carry(there, here, NULL), 0);
    assert_int_equal(held_most_read(here, &guard, NULL), 0);
    assert_int_equal(guard.most[1].whole, 45);
    assert_int_equal(guard.most[0].whole, 0);
    free(guard.most);
    record_put(here, "{\"most\": {\"illegal\": 100}, \"most-whole\": {\"illegal\": -1}}");
    assert_int_equal(held_check(here, NULL), -EBADMSG);
    record_put(here, "{\"most\": {\"illegal\": 100}}"); /* of before this was measured */
    assert_int_equal(held_most_read(here, &guard, NULL), 0);
    assert_int_equal(guard.most[1].whole, 0);
    free(guard.most);
}

/* A generation that was not noted, a category that was not sealed then, a record of an earlier
 * program: what they ever held guards. */
static void most_stands_for_what_is_not_there(void **state)
{
    (void)state;
    assert_int_equal(note(here, 1, 100, 7), 0);
    assert_int_equal(note(here, 2, 99, 8), 0);
    assert_held(here, 3, 100, 8);
    record_put(here, "{\"generation\": 4, \"entries\": {\"illegal\": 5}, "
                     "\"most\": {\"illegal\": 9, \"harm\": 50}}");
    assert_held(here, 4, 50, 5);
    record_put(here, "{\"generation\": 4, \"entries\": {\"illegal\": 5}}");
    assert_held(here, 4, 0, 5);
    assert_most(here, 0, 5);
}

static void larger_of_two_goes_along(void **state)
{
    (void)state;
    assert_int_equal(held_carry(here, there, NULL), 0);
    assert_int_equal(access(path_of(there), F_OK), -1);
    assert_int_equal(note(here, 9, 100, 7), 0);
    assert_int_equal(held_carry(here, there, NULL), 0);
    assert_most(there, 100, 7);
    assert_held(there, 9, 100, 7);
    assert_int_equal(note(there, 1, 90, 70), 0);
    assert_int_equal(held_carry(here, there, NULL), 0);
    assert_most(there, 100, 70);
    unlink(path_of(here));
    assert_int_equal(held_carry(here, there, NULL), 0);
    assert_most(there, 100, 70);
}

static void damaged_is_not_none(void **state)
{
    static const char *const DAMAGED[] = {
        "",
        "{",
        "[]",
        "7",
        "{\"most\": []}",
        "{\"entries\": 3}",
        "{\"most\": {\"illegal\": \"many\"}}",
        "{\"most\": {\"illegal\": -1}}",
        "{\"most\": {\"illegal\": 1.5}}",
        "{\"most\": {\"illegal\": 9223372036854775807}}",
        "{\"most\": {\"illegal\": 99999999999999999999}}",
        "{\"most\": {\"illegal\": 100, \"illegal\": 1}}",
    };
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof DAMAGED / sizeof *DAMAGED; i++) {
        struct bl_guard guard = {.sealed = NAMES, .sealed_count = 2};
        struct bl_error error = {""};
        FILE *file;

        record_put(here, DAMAGED[i]);
        if (held_check(here, &error) != -EBADMSG || !error.text[0])
            fail_msg("taken for a record: %s", DAMAGED[i]);
        assert_int_equal(held_most_read(here, &guard, &error), -EBADMSG);
        assert_non_null(strstr(error.text, "put that file back from a copy"));
        held_read(here, 0, &guard);
        assert_null(guard.held);
        assert_int_equal(note(here, 1, 1, 1), -EBADMSG);
        assert_int_equal(held_carry(here, there, NULL), -EBADMSG);
        assert_int_equal(held_carry(there, here, NULL), -EBADMSG);
        file = fopen(path_of(here), "r");
        memset(text, 0, sizeof text);
        assert_true(fread(text, 1, sizeof text - 1, file) == strlen(DAMAGED[i]));
        assert_string_equal(text, DAMAGED[i]);
        fclose(file);
    }
    assert_int_equal(truncate(path_of(here), 2 << 20), 0);
    assert_int_equal(held_check(here, NULL), -EBADMSG);
    assert_int_equal(held_check(there, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(most_only_grows, records_remove),
        cmocka_unit_test_teardown(whole_is_on_record_too, records_remove),
        cmocka_unit_test_teardown(most_stands_for_what_is_not_there, records_remove),
        cmocka_unit_test_teardown(larger_of_two_goes_along, records_remove),
        cmocka_unit_test_teardown(damaged_is_not_none, records_remove),
    };

    return cmocka_run_group_tests(tests, folders_make, folders_remove);
}
