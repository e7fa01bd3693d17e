/* What was in force when: found again by time, also where clocks step back, files are of an older
 * program, and configurations take too much room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "resolver/policy/grants.h"
#include "resolver/policy/moments.h"
#include "tests/support/folder.h"

static const int64_t NOON = INT64_C(1795435200000), HOUR = 3600000;

static const struct actor MARY = {.user = "root", .login = "mary", .role = "manager"};

struct record {
    char folder[FOLDER_ROOM];
    struct state *state;
    struct config *config; /* whose title is the difference */
    char *title;
};

static int record_open(void **state)
{
    static const char TEXT[] = "upstreams: [192.0.2.53]\n"
                               "groups: {pupils: {title: 'A ', subnets: [10.0.0.0/8]}}\n";
    struct record *record = calloc(1, sizeof *record);
    struct config_faults faults = {0};

    assert_non_null(record);
    folder_make(record->folder);
    assert_int_equal(state_open(record->folder, true, &record->state, NULL), 0);
    assert_int_equal(config_load_text("test.yaml", TEXT, sizeof TEXT - 1, &record->config, &faults),
                     0);
    *state = record;
    return 0;
}

static int record_close(void **state)
{
    struct record *record = *state;

    state_close(record->state);
    config_free(record->config);
    free(record->title);
    folder_drop(record->folder);
    free(record);
    return 0;
}

static void title_set(struct record *record, const char *title)
{
    free(record->title);
    record->title = strdup(title);
    record->config->groups[0].title = record->title;
}

/* The configuration with this title, and this generation, from then on; either may be left out. */
static void enter(struct record *record, int64_t at_ms, const char *title, uint64_t generation)
{
    struct change *change;

    assert_int_equal(change_begin(record->state, &MARY, at_ms, &change, NULL), 0);
    if (title) {
        title_set(record, title);
        assert_int_equal(moments_note_config(change, record->config, NULL), 0);
    }
    if (generation)
        assert_int_equal(moments_note_lists(change, generation, NULL), 0);
    assert_int_equal(change_commit(change, NULL), 0);
}

static struct moment_found find(struct record *record, int64_t at_ms)
{
    struct moment_found found;
    struct change *change;

    assert_int_equal(change_begin(record->state, NULL, NOON, &change, NULL), 0);
    assert_int_equal(moments_find(change, at_ms, &found, NULL), 0);
    change_abort(change);
    return found;
}

/* What configuration is found, by a word in it, and which lists. */
static void assert_found(struct record *record, int64_t at_ms, const char *words,
                         uint64_t generation)
{
    struct moment_found found = find(record, at_ms);
    struct change *change;
    char *text = NULL;
    size_t len;

    assert_int_equal(found.generation, generation);
    assert_int_equal(change_begin(record->state, NULL, NOON, &change, NULL), 0);
    assert_int_equal(moments_config_read(change, found.config, &text, &len, NULL), 0);
    change_abort(change);
    if (!strstr(text, words))
        fail_msg("\"%s\" is not in %s", words, text);
    free(text);
}

static size_t count_of(struct record *record, enum state_table table)
{
    struct change *change;
    MDB_cursor *cursor;
    MDB_val key, value;
    size_t count = 0;

    assert_int_equal(change_begin(record->state, NULL, NOON, &change, NULL), 0);
    assert_int_equal(change_cursor(change, table, &cursor, NULL), 0);
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0)
        count++;
    mdb_cursor_close(cursor);
    change_abort(change);
    return count;
}

static void found_by_time(void **state)
{
    struct record *record = *state;

    enter(record, NOON, "First", 1);
    enter(record, NOON + HOUR, NULL, 2);
    enter(record, NOON + 2 * HOUR, "Second", 0);
    enter(record, NOON + 3 * HOUR, "First", 0);
    enter(record, NOON + 4 * HOUR, "First", 2); /* nothing new */
    assert_int_equal(count_of(record, TABLE_CONFIGS), 2);
    assert_int_equal(count_of(record, TABLE_MOMENTS), 5);
    assert_string_equal(find(record, NOON - 1).config, "");
    assert_int_equal(find(record, NOON - 1).generation, 0);
    assert_int_equal(find(record, NOON - 1).since_ms, NOON);
    assert_found(record, NOON, "First", 1);
    assert_found(record, NOON + HOUR, "First", 2);
    assert_found(record, NOON + 2 * HOUR, "Second", 2);
    assert_found(record, NOON + 9 * HOUR, "First", 2);
}

static void a_clock_that_steps_back(void **state)
{
    struct record *record = *state;

    enter(record, NOON, "First", 1);
    enter(record, NOON + 1000 * HOUR, "Second", 0); /* by a clock that is wrong */
    enter(record, NOON + HOUR, "Second", 0);        /* a start, after it was set right */
    assert_found(record, NOON + HOUR - 1, "First", 1);
    assert_found(record, NOON + HOUR, "Second", 1);
    assert_found(record, NOON + 2 * HOUR, "Second", 1);
    enter(record, NOON + 2 * HOUR, "Third", 0);
    assert_found(record, NOON + 2000 * HOUR, "Third", 1);
}

/* A file without the two tables: read as it is, and they are made when it is written to. */
static void of_an_older_program(void **state)
{
    struct record *record = *state;
    struct moment_found found;
    struct change *change;
    char path[100];
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi table;

    enter(record, NOON, "First", 1);
    state_close(record->state);
    snprintf(path, sizeof path, "%s/state.mdb", record->folder);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, TABLE_COUNT), 0);
    assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "moments", 0, &table), 0);
    assert_int_equal(mdb_drop(txn, table, 1), 0);
    assert_int_equal(mdb_dbi_open(txn, "configs", 0, &table), 0);
    assert_int_equal(mdb_drop(txn, table, 1), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    assert_int_equal(state_open(record->folder, false, &record->state, NULL), 0);
    assert_int_equal(change_begin(record->state, NULL, NOON, &change, NULL), 0);
    assert_int_equal(moments_find(change, NOON, &found, NULL), 0);
    assert_string_equal(found.config, "");
    assert_true(found.since_ms == INT64_MAX);
    change_abort(change);
    state_close(record->state);
    assert_int_equal(state_open(record->folder, true, &record->state, NULL), 0);
    enter(record, NOON + HOUR, "Second", 2);
    assert_found(record, NOON + HOUR, "Second", 2);
}

/* About a MiB of names. */
static void config_grow(struct record *record)
{
    enum { NAMES = 9000 };
    struct config_faults faults = {0};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    fputs("upstreams: [192.0.2.53]\ngroups: {pupils: {title: 'A', subnets: [10.0.0.0/8]}}\n"
          "private-answers-allowed:\n",
          out);
    for (int i = 0; i < NAMES; i++)
        fprintf(out, "  - %.60s.%.50s.n%d.test\n",
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", i);
    assert_int_equal(fclose(out), 0);
    config_free(record->config);
    if (config_load_text("test.yaml", text, len, &record->config, &faults) < 0)
        fail_msg("%s", faults.items[0].text);
    free(text);
}

/* The oldest go, with their moments. */
static void room_is_bounded(void **state)
{
    enum { TITLES = 40 };
    struct record *record = *state;
    char title[32];
    size_t kept;

    config_grow(record);
    for (int i = 0; i < TITLES; i++) {
        snprintf(title, sizeof title, "number %d.", i);
        enter(record, NOON + i * HOUR, title, 1);
        enter(record, NOON + i * HOUR + HOUR / 2, NULL, (uint64_t)i + 2);
    }
    kept = count_of(record, TABLE_CONFIGS);
    assert_in_range(kept, 25, 36);
    assert_found(record, NOON + TITLES * HOUR, title, TITLES + 1);
    snprintf(title, sizeof title, "number %d.", TITLES - (int)kept);
    assert_found(record, NOON + (TITLES - (int)kept) * HOUR, title, 1);
    assert_string_equal(find(record, NOON + HOUR).config, "");
    assert_true(find(record, NOON + HOUR).since_ms == NOON + (TITLES - (int)kept) * HOUR);
}

/* Also where it is larger than all the room. */
static void the_one_in_force_stays(void **state)
{
    struct record *record = *state;
    struct change *change;

    enter(record, NOON, "First", 1);
    enter(record, NOON + HOUR, "Second", 0);
    assert_int_equal(change_begin(record->state, &MARY, NOON, &change, NULL), 0);
    assert_int_equal(change_number_set(change, "configs", UINT32_MAX / 2, NULL), 0);
    assert_int_equal(change_commit(change, NULL), 0);
    enter(record, NOON + 2 * HOUR, "Third", 0);
    assert_int_equal(count_of(record, TABLE_CONFIGS), 1);
    assert_found(record, NOON + 2 * HOUR, "Third", 1);
    enter(record, NOON + 3 * HOUR, "Third", 2);
    assert_found(record, NOON + 3 * HOUR, "Third", 2);
}

/* Moments that are no JSON, or have odd keys, are as none. */
static void damaged_moments(void **state)
{
    struct record *record = *state;
    struct change *change;

    enter(record, NOON, "First", 1);
    assert_int_equal(change_begin(record->state, &MARY, NOON, &change, NULL), 0);
    assert_int_equal(change_put(change, TABLE_MOMENTS, "\xf0\0\0\1", 4, "{no", 3, NULL), 0);
    assert_int_equal(change_put(change, TABLE_MOMENTS, "\xf0\0\0\2", 4, "[]", 2, NULL), 0);
    assert_int_equal(change_put(change, TABLE_MOMENTS, "\xf1", 1, "{}", 2, NULL), 0);
    assert_int_equal(change_put(change, TABLE_MOMENTS, "\xf0\0\0\3", 4,
                                "{\"time\":\"x\",\"config\":[1],\"generation\":-4}", 42, NULL),
                     0);
    assert_int_equal(change_put(change, TABLE_VERSIONS, "\1", 1, "7", 1, NULL), 0);
    assert_int_equal(change_commit(change, NULL), 0);
    assert_string_equal(find(record, NOON).config, "");
    enter(record, NOON + HOUR, "Second", 2);
    (void)find(record, NOON + HOUR);
}

#define ON_RECORD(test) cmocka_unit_test_setup_teardown(test, record_open, record_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_RECORD(found_by_time),          ON_RECORD(a_clock_that_steps_back),
        ON_RECORD(of_an_older_program),    ON_RECORD(room_is_bounded),
        ON_RECORD(the_one_in_force_stays), ON_RECORD(damaged_moments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
