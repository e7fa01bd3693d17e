/* Who met what: each pair of a client and a category is told, from the table that says so, and from
 * the roll-ups where that table is missing, behind or damaged. */
#include "fixture.h"

#include <lmdb.h>
#include <sys/stat.h>
#include <time.h>

#include "resolver/denials/records.h"
#include "resolver/denials/segment_format.h"
#include "resolver/denials/writer.h"

enum { HOSTS = 400, CATEGORIES = 4, HOURS = 9 };

static char folder[PATH_MAX], path[PATH_MAX];
static const int64_t morning_ms = 1763971200000; /* 24 November 2025, eight o'clock */

/* What was refused, and what was told of it. */
struct pairs {
    bool met[HOSTS][CATEGORIES];
    unsigned count, doubles, warnings;
};

static struct pairs wanted;

struct rig {
    struct legend *legend;
    struct journal *journal;
    struct denials_writer *writer;
};

static void rig_start(struct rig *rig)
{
    assert_int_equal(journal_open(folder, 0, &rig->journal, NULL), 0);
    rig->legend = fixture_legend(3);
    journal_legend(rig->journal, rig->legend);
    const struct denials_writer_options options = {
        .state = folder, .journals = &rig->journal, .journal_count = 1, .interval_ms = 60000};
    assert_int_equal(denials_writer_start(&options, &rig->writer, NULL), 0);
}

static void rig_stop(struct rig *rig)
{
    denials_writer_stop(rig->writer);
    journal_close(rig->journal);
    legend_free(rig->legend);
}

static void refuse(struct rig *rig, int hour, unsigned host, unsigned category)
{
    uint8_t name[256];
    char text[64];

    snprintf(text, sizeof(text), "site%u.test", host % 7);
    struct denial denial = fixture_denial(wire(text, name), morning_ms + hour * 3600000, host);
    denial.category = (uint16_t)category;
    assert_true(journal_append(rig->journal, &denial) != 0);
    wanted.count += !wanted.met[host][category];
    wanted.met[host][category] = true;
}

/* Each hour has pairs of its own, and such as were before. */
static void hours_make(struct rig *rig, int first, int end)
{
    for (int hour = first; hour < end; hour++) {
        for (unsigned host = 0; host < HOSTS; host++)
            if (host % HOURS <= (unsigned)hour)
                refuse(rig, hour, host, (host + (unsigned)hour / 2) % (CATEGORIES - 1));
        assert_int_equal(denials_writer_flush(rig->writer, NULL), 0);
    }
}

static int setup(void **state)
{
    struct rig rig;
    (void)state;

    setenv("TZ", "Europe/London", 1);
    tzset();
    folder_make(folder);
    snprintf(path, sizeof(path), "%s/denials/2025-11-24.mdb", folder);
    memset(&wanted, 0, sizeof(wanted));
    rig_start(&rig);
    hours_make(&rig, 0, HOURS);
    rig_stop(&rig);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    folder_drop(folder);
    return 0;
}

static int pair_note(void *user, const struct denial_met *met)
{
    static const char *const categories[] = {"ads", "gambling", "adult", "self-harm"};
    struct pairs *pairs = user;
    unsigned host = (unsigned)met->client->bytes[14] << 8 | met->client->bytes[15], i = 0;

    while (i < CATEGORIES && strcmp(met->category, categories[i]) != 0)
        i++;
    assert_true(i < CATEGORIES && host < HOSTS);
    pairs->doubles += pairs->met[host][i];
    pairs->count += !pairs->met[host][i];
    pairs->met[host][i] = true;
    return 0;
}

static void warning_note(void *user, const char *sentence)
{
    assert_true(strlen(sentence) > 0);
    ((struct pairs *)user)->warnings++;
}

static struct pairs told(bool copy)
{
    struct pairs pairs = {.count = 0};
    const struct denials_filter filter = {
        .until_ms = INT64_MAX, .copy = copy, .warn = warning_note, .warn_user = &pairs};
    struct bl_error error = {""};

    if (denials_met(folder, &filter, pair_note, &pairs, &error) < 0)
        fail_msg("%s", error.text);
    return pairs;
}

static void all_are_told(unsigned warnings)
{
    struct pairs pairs = told(false);

    assert_int_equal(pairs.count, wanted.count);
    assert_memory_equal(pairs.met, wanted.met, sizeof(wanted.met));
    assert_int_equal(pairs.doubles, 0);
    assert_int_equal(pairs.warnings, warnings);
}

/* A segment's table in another's hands. */
struct table {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
};

static void table_open(struct table *table, const char *name)
{
    assert_int_equal(mdb_env_create(&table->env), 0);
    mdb_env_set_maxdbs(table->env, 16);
    assert_int_equal(mdb_env_open(table->env, path, MDB_NOSUBDIR, 0640), 0);
    assert_int_equal(mdb_txn_begin(table->env, NULL, 0, &table->txn), 0);
    assert_int_equal(mdb_dbi_open(table->txn, name, MDB_INTEGERKEY, &table->dbi), 0);
}

static void table_close(struct table *table)
{
    assert_int_equal(mdb_txn_commit(table->txn), 0);
    mdb_env_close(table->env);
}

/* The value of a number, to be changed in place; NULL: there is none. */
static uint8_t *value_of(struct table *table, uint32_t number, size_t *out_len)
{
    static uint8_t bytes[16384];
    MDB_val key = {sizeof(number), &number}, value;

    if (mdb_get(table->txn, table->dbi, &key, &value) != 0)
        return NULL;
    assert_true(value.mv_size <= sizeof(bytes));
    memcpy(bytes, value.mv_data, value.mv_size);
    *out_len = value.mv_size;
    return bytes;
}

static void value_put(struct table *table, uint32_t number, uint8_t *bytes, size_t len)
{
    MDB_val key = {sizeof(number), &number}, value = {len, bytes};

    assert_int_equal(mdb_put(table->txn, table->dbi, &key, &value, 0), 0);
}

/* Turns a bit in the values of numbers from `first` to before `end`; gives how many there were. */
static uint32_t spoil(const char *name, uint32_t first, uint32_t end)
{
    struct table table;
    uint32_t number = first;
    uint8_t *bytes;
    size_t len;

    table_open(&table, name);
    for (; number < end && (bytes = value_of(&table, number, &len)) != NULL; number++) {
        bytes[len - 8] ^= 1;
        value_put(&table, number, bytes, len);
    }
    table_close(&table);
    return number - first;
}

static void drop(uint32_t number)
{
    MDB_val key = {sizeof(number), &number};
    struct table table;

    table_open(&table, "met");
    assert_int_equal(mdb_del(table.txn, table.dbi, &key, NULL), 0);
    table_close(&table);
}

static uint32_t blocks(void)
{
    struct table table;
    MDB_stat stat;

    table_open(&table, "met");
    assert_int_equal(mdb_stat(table.txn, table.dbi, &stat), 0);
    table_close(&table);
    return (uint32_t)stat.ms_entries;
}

static void each_pair_is_told_once(void **state)
{
    struct rig rig;
    (void)state;

    all_are_told(0);
    /* What waits in the journal, and then is in no run yet. */
    rig_start(&rig);
    refuse(&rig, HOURS, 3, 3);
    assert_true(told(true).met[3][3]);
    assert_int_equal(denials_writer_flush(rig.writer, NULL), 0);
    assert_true(told(true).met[3][3]);
    refuse(&rig, HOURS, 4, 3);
    rig_stop(&rig);
    all_are_told(0);
}

/* Four weeks of roll-ups are hundreds of megabytes: they are not even looked at. */
static void roll_ups_are_not_read(void **state)
{
    struct rig rig;
    (void)state;

    rig_start(&rig); /* on the same day, in another run */
    hours_make(&rig, HOURS, HOURS + 2);
    refuse(&rig, HOURS + 2, 9, 3);
    rig_stop(&rig);
    assert_true(spoil("rollups", 0, UINT32_MAX) > HOURS / 2);
    all_are_told(0);
}

/* A pair stands once, however often the day's roll-ups say it. */
static void the_table_stays_small(void **state)
{
    struct table table;
    struct segment_met head;
    uint32_t pairs = 0, last_runs = 0;
    uint8_t *bytes;
    size_t len;
    (void)state;

    table_open(&table, "met");
    for (uint32_t i = 0; (bytes = value_of(&table, i, &len)) != NULL; i++) {
        memcpy(&head, bytes, sizeof(head));
        assert_int_equal(len, sizeof(head) + head.count * sizeof(struct segment_pair));
        assert_true(head.runs > last_runs);
        last_runs = head.runs;
        pairs += head.count;
    }
    table_close(&table);
    assert_int_equal(pairs, wanted.count);
}

static void segments_of_before_have_none(void **state)
{
    struct table table;
    struct rig rig;
    (void)state;

    table_open(&table, "met");
    assert_int_equal(mdb_drop(table.txn, table.dbi, 1), 0);
    table_close(&table);
    all_are_told(0);
    /* Where such a day goes on, it is made. */
    rig_start(&rig);
    refuse(&rig, HOURS, 5, 3);
    rig_stop(&rig);
    all_are_told(0);
    spoil("rollups", 0, UINT32_MAX);
    all_are_told(0);
}

/* An older program has written to the day since. */
static void a_table_that_is_behind_is_caught_up(void **state)
{
    struct rig rig;
    (void)state;

    for (uint32_t i = blocks(); i > 2; i--)
        drop(i - 1);
    all_are_told(0);
    rig_start(&rig);
    refuse(&rig, HOURS, 6, 3);
    rig_stop(&rig);
    spoil("rollups", 0, UINT32_MAX);
    all_are_told(0);
}

static void damage_is_made_good_from_the_roll_ups(void **state)
{
    struct table table;
    uint32_t count = blocks();
    struct segment_met head;
    struct rig rig;
    uint8_t *bytes;
    size_t len;
    (void)state;

    assert_true(count > 3);
    assert_int_equal(spoil("met", 1, 2), 1);
    all_are_told(0);
    /* Nor does the writer build on it. */
    rig_start(&rig);
    refuse(&rig, HOURS, 7, 3);
    rig_stop(&rig);
    assert_int_equal(blocks(), count);
    all_are_told(0);
    drop(1);
    all_are_told(0);
    /* The first block says, with a right check, that it has more runs than there are. */
    while (count > 2)
        if (--count != 1)
            drop(count);
    table_open(&table, "met");
    bytes = value_of(&table, 0, &len);
    memcpy(&head, bytes, sizeof(head));
    head.runs = 1000;
    memcpy(bytes, &head, sizeof(head));
    static uint64_t aligned[2048];
    memcpy(aligned, bytes, len);
    head.check = segment_met_check((const struct segment_met *)(const void *)aligned);
    memcpy(bytes, &head, sizeof(head));
    value_put(&table, 0, bytes, len);
    table_close(&table);
    all_are_told(0);
    /* Both: told, and what is whole is read. */
    spoil("rollups", 1, 2);
    assert_int_equal(told(false).warnings, 1);
    assert_true(told(false).count > 0);
}

static int pair_count(void *user, const struct denial_met *met)
{
    assert_string_equal(met->category, "gambling");
    ++*(unsigned *)user;
    return 0;
}

/* A day with so many clients that the table ends: the roll-ups have the rest. */
static void a_flood_of_clients_ends_it(void **state)
{
    enum { FLOOD = 500000, BLOCKS_MOST = 400 };
    const struct denials_filter filter = {.since_ms = morning_ms + 86400000, .until_ms = INT64_MAX};
    struct rig rig;
    uint8_t name[256];
    unsigned count = 0;
    (void)state;

    wire("site.test", name);
    rig_start(&rig);
    for (unsigned i = 0; i < FLOOD; i++) {
        struct denial denial = fixture_denial(name, morning_ms + 86400000 + i, i);
        denial.client.bytes[13] = (uint8_t)(i >> 16);
        assert_true(journal_append(rig.journal, &denial) != 0);
        if (i % 16384 == 0)
            assert_int_equal(denials_writer_flush(rig.writer, NULL), 0);
    }
    rig_stop(&rig);
    snprintf(path, sizeof(path), "%s/denials/2025-11-25.mdb", folder);
    assert_true(blocks() > 100 && blocks() < BLOCKS_MOST);
    assert_int_equal(denials_met(folder, &filter, pair_count, &count, NULL), 0);
    assert_int_equal(count, FLOOD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_pair_is_told_once, setup, teardown),
        cmocka_unit_test_setup_teardown(roll_ups_are_not_read, setup, teardown),
        cmocka_unit_test_setup_teardown(the_table_stays_small, setup, teardown),
        cmocka_unit_test_setup_teardown(segments_of_before_have_none, setup, teardown),
        cmocka_unit_test_setup_teardown(a_table_that_is_behind_is_caught_up, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_is_made_good_from_the_roll_ups, setup, teardown),
        cmocka_unit_test_setup_teardown(a_flood_of_clients_ends_it, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
