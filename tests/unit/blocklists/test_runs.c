#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocklists/key.h"
#include "blocklists/runs.h"
#include "tests/support/folder.h"
#include "tests/support/random.h"

enum { RECORDS = 20000 };

struct made {
    uint8_t key[BL_KEY_MAX];
    size_t key_len;
    uint32_t line; /* in the order of adding */
    uint16_t source;
    uint8_t flags;
};

static size_t key_make(const char *text, uint8_t *key)
{
    struct bl_name name;

    assert_int_equal(bl_name_parse(text, strlen(text), &name), BL_NAME_FINE);
    return bl_key_of_name(name.wire, key);
}

/* Kinds of lists: random, all alike, already sorted, backwards, long common beginnings, address
 * prefixes. */
static size_t kind_make(unsigned kind, uint32_t number, uint32_t *state, uint8_t *key)
{
    struct bl_prefix prefix = {.family = 4};
    char text[256];

    switch (kind) {
    case 0:
        snprintf(text, sizeof text, "%c%u.x%u.test", 'a' + next_random(state) % 26,
                 next_random(state) % 40, next_random(state) % 50);
        break;
    case 1:
        strcpy(text, "same.test");
        break;
    case 2:
        snprintf(text, sizeof text, "n%06u.test", number);
        break;
    case 3:
        snprintf(text, sizeof text, "n%06u.test", RECORDS - number);
        break;
    case 4:
        snprintf(
            text, sizeof text, "%.*s", (int)(1 + 2 * (next_random(state) % 60)),
            "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a."
            "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a");
        break;
    default:
        if (number % 2) {
            prefix.family = 6;
            prefix.length = (uint8_t)(next_random(state) % 129);
            prefix.address[0] = prefix.length > 8 ? 0x20 : 0;
            prefix.address[15] = prefix.length == 128 ? 1 : 0;
        } else {
            prefix.length = 32;
            prefix.address[3] = (uint8_t)next_random(state);
        }
        return bl_key_of_prefix(&prefix, key);
    }
    return key_make(text, key);
}

static int made_order(const void *a, const void *b)
{
    const struct made *left = a, *right = b;
    size_t len = left->key_len < right->key_len ? left->key_len : right->key_len;
    int order = memcmp(left->key, right->key, len);

    if (order == 0)
        order = (left->key_len > right->key_len) - (left->key_len < right->key_len);
    return order != 0 ? order : (left->line > right->line) - (left->line < right->line);
}

/* What comes out is what went in, sorted, without what was there just before. */
static void assert_sorted(struct bl_runs *runs, struct made *made, size_t count)
{
    struct bl_record record;
    uint64_t repeats = 0, told = 0;
    size_t last = SIZE_MAX;
    uint16_t source;

    qsort(made, count, sizeof *made, made_order);
    for (size_t i = 0; i < count; i++) {
        if (last != SIZE_MAX && made[i].key_len == made[last].key_len &&
            memcmp(made[i].key, made[last].key, made[i].key_len) == 0 &&
            made[i].source == made[last].source && made[i].flags == made[last].flags) {
            repeats++;
            continue;
        }
        last = i;
        assert_int_equal(bl_runs_next(runs, &record, NULL), 1);
        assert_int_equal(record.key_len, made[i].key_len);
        assert_memory_equal(record.key, made[i].key, record.key_len);
        assert_int_equal(record.source, made[i].source);
        assert_int_equal(record.flags, made[i].flags);
        assert_int_equal(record.line, made[i].line);
    }
    assert_int_equal(bl_runs_next(runs, &record, NULL), 0);
    for (source = 0; source < 3; source++)
        told += bl_runs_duplicates(runs, source);
    assert_int_equal(told, repeats);
}

static void sorts_everything(void **state)
{
    static const size_t memories[] = {0, 100000, 8 << 20};
    struct made *made = calloc(RECORDS, sizeof *made);

    (void)state;
    for (unsigned kind = 0; kind < 6; kind++)
        for (size_t m = 0; m < sizeof memories / sizeof *memories; m++) {
            /* With the least memory, as many as fit the greatest number of runs. */
            size_t count = memories[m] == 0 ? 3000 : RECORDS;
            uint32_t random = kind + 1;
            uint64_t records, octets, expected_octets = 0;
            struct bl_runs *runs;

            assert_int_equal(bl_runs_create(folder_base(), memories[m], &runs, NULL), 0);
            for (size_t i = 0; i < count; i++) {
                made[i].key_len = kind_make(kind, (uint32_t)i, &random, made[i].key);
                made[i].line = (uint32_t)i;
                made[i].source = (uint16_t)(kind == 1 ? 0 : next_random(&random) % 3);
                made[i].flags = (uint8_t)(1 + next_random(&random) % 2);
                assert_int_equal(
                    bl_runs_add(runs,
                                &(struct bl_record){made[i].key, made[i].key_len, made[i].line,
                                                    made[i].source, made[i].flags},
                                NULL),
                    0);
                expected_octets += made[i].key_len;
            }
            assert_int_equal(bl_runs_finish(runs, &records, &octets, NULL), 0);
            assert_int_equal(records, count);
            assert_int_equal(octets, expected_octets);
            assert_sorted(runs, made, count);
            bl_runs_destroy(runs);
        }
    free(made);
}

static void sorts_nothing(void **state)
{
    uint64_t records, octets;
    struct bl_record record;
    struct bl_runs *runs;

    (void)state;
    assert_int_equal(bl_runs_create(folder_base(), 1 << 20, &runs, NULL), 0);
    assert_int_equal(bl_runs_finish(runs, &records, &octets, NULL), 0);
    assert_int_equal(records, 0);
    assert_int_equal(bl_runs_next(runs, &record, NULL), 0);
    bl_runs_destroy(runs);
    bl_runs_destroy(NULL);
}

static void tells_where_it_cannot_write(void **state)
{
    struct bl_error error = {""};
    struct bl_runs *runs;
    uint8_t key[BL_KEY_MAX];
    size_t key_len = key_make("some.name.test", key);
    int rc = 0;

    (void)state;
    assert_int_equal(bl_runs_create("/nonexistent", 0, &runs, &error), 0);
    for (unsigned i = 0; rc == 0 && i < 10000; i++)
        rc = bl_runs_add(runs, &(struct bl_record){key, key_len, i, 0, 3}, &error);
    assert_true(rc < 0);
    assert_non_null(strstr(error.text, "/nonexistent"));
    bl_runs_destroy(runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_everything),
        cmocka_unit_test(sorts_nothing),
        cmocka_unit_test(tells_where_it_cannot_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
