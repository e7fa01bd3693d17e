/* The example in store-format.md is what the compiler writes, octet by octet. Run with "print" as
 * argument to see what stands there now. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <lmdb.h>
#include <sys/stat.h>

#include "blocklists/layout.h"
#include "tests/support/store_fixture.h"

static char *example;
static size_t example_len;
static FILE *out;

static void octets_print(const uint8_t *octets, size_t len)
{
    for (size_t i = 0; i < len; i++)
        fprintf(out, "%s%02x", i ? " " : "", octets[i]);
    fputc('\n', out);
}

/* A value in rows of sixteen, its offset before each; rows of zeros are left out. */
static void value_print(const char *name, const uint8_t *octets, size_t len)
{
    static const uint8_t zeros[16];

    fprintf(out, "%s: %zu octets\n", name, len);
    for (size_t at = 0; at < len; at += 16) {
        size_t row = len - at < 16 ? len - at : 16;

        if (memcmp(octets + at, zeros, row) == 0)
            continue;
        fprintf(out, "  %04zx  ", at);
        octets_print(octets + at, row);
    }
}

static void entries_print(MDB_txn *txn)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    MDB_dbi entries;

    assert_int_equal(mdb_dbi_open(txn, "entries", 0, &entries), 0);
    assert_int_equal(mdb_cursor_open(txn, entries, &cursor), 0);
    fputs("entries:\n", out);
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        fputs("  key   ", out);
        octets_print(key.mv_data, key.mv_size);
        fputs("  value ", out);
        octets_print(value.mv_data, value.mv_size);
    }
    mdb_cursor_close(cursor);
}

static void values_print(MDB_txn *txn)
{
    static const char *const names[] = {"addresses4", "addresses6", "categories",
                                        "conditions", "facts",      "meta",
                                        "sources",    "table",      "variants"};
    MDB_dbi main_dbi;

    assert_int_equal(mdb_dbi_open(txn, NULL, 0, &main_dbi), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        MDB_val key = {strlen(names[i]), (void *)(uintptr_t)names[i]}, value;

        assert_int_equal(mdb_get(txn, main_dbi, &key, &value), 0);
        value_print(names[i], value.mv_data, value.mv_size);
    }
}

static void store_print(void)
{
    static const struct fixture_list lists[] = {
        {"gambling", BL_TIER_SCHOOL, "casino.test *.poker.test 192.0.2.0/24 #"},
        {"games", BL_TIER_NATIONAL, "@chess.casino.test$AAAA|HTTPS"},
    };
    int fd = fixture_compile(lists, 2, NULL);
    uint8_t trailer[BL_TRAILER_SIZE];
    struct stat status;
    MDB_env *env;
    MDB_txn *txn;
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 1), 0);
    assert_int_equal(mdb_env_open(env, path, MDB_RDONLY | MDB_NOLOCK | MDB_NOSUBDIR, 0), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
    entries_print(txn);
    values_print(txn);
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(pread(fd, trailer, sizeof trailer, status.st_size - BL_TRAILER_SIZE),
                     BL_TRAILER_SIZE);
    /* The sums are of pages in which LMDB may leave what it likes. */
    memset(trailer + BL_TRAILER_SHA256, 0, 32);
    memset(trailer + BL_TRAILER_OWN, 0, 32);
    value_print("trailer", trailer, sizeof trailer);
    mdb_txn_abort(txn);
    mdb_env_close(env);
    close(fd);
}

static void example_is_what_is_written(void **state)
{
    static const char begin[] = "```example\n";
    char document[1 << 16];
    FILE *file = fopen(CHALKGATE_SOURCE_DIR "/blocklists/store-format.md", "r");
    char *at, *end;

    (void)state;
    assert_non_null(file);
    document[fread(document, 1, sizeof document - 1, file)] = '\0';
    fclose(file);
    at = strstr(document, begin);
    assert_non_null(at);
    at += strlen(begin);
    end = strstr(at, "```");
    assert_non_null(end);
    *end = '\0';
    out = open_memstream(&example, &example_len);
    store_print();
    fclose(out);
    assert_string_equal(at, example);
    free(example);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(example_is_what_is_written)};

    if (argc > 1 && strcmp(argv[1], "print") == 0) {
        out = stdout;
        store_print();
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
