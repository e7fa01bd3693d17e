#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "resolver/cache/keep.h"
#include "tests/support/folder.h"

enum { GENERATION = 7, ZONES = 11, SIZE = 1 << 20, MESSAGE = DNS_HEADER + 8 + 4 + 16 };

static const struct cache_origin ORIGIN = {GENERATION, ZONES};
static char folder[FOLDER_ROOM], path[96];

static int group_open(void **state)
{
    (void)state;
    folder_make(folder);
    snprintf(path, sizeof path, "%s/worker-0", folder);
    return 0;
}

static int group_close(void **state)
{
    (void)state;
    folder_drop(folder);
    return 0;
}

/* "aNN.test", one A record, and its whole answer. */
static void insert(struct cache *cache, unsigned number, uint32_t ttl_s, int64_t now_ms)
{
    static const uint8_t record[16] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1};
    uint8_t message[64] = {[2] = 0x81, [5] = 1, [7] = 1}, name[] = "\3aNN\4test";
    const uint16_t ttl = DNS_HEADER + sizeof name + 4 + 6;

    name[2] = (uint8_t)('0' + number / 10);
    name[3] = (uint8_t)('0' + number % 10);
    memcpy(message + DNS_HEADER, name, sizeof name);
    dns_put_16(message + DNS_HEADER + sizeof name, DNS_A);
    dns_put_16(message + DNS_HEADER + sizeof name + 2, DNS_CLASS_IN);
    memcpy(message + DNS_HEADER + sizeof name + 4, record, sizeof record);
    cache_insert(cache,
                 &(struct cache_reply){
                     .key = {.name = name, .name_len = sizeof name, .type = 1, .class = 1},
                     .message = message,
                     .message_len = DNS_HEADER + sizeof name + 4 + sizeof record,
                     .ttls = &ttl,
                     .ttl_count = 1,
                     .ttl_s = ttl_s,
                     .epoch = GENERATION,
                     .has_targets = number % 2,
                 },
                 now_ms);
}

static struct cache_entry *find(struct cache *cache, unsigned number)
{
    uint8_t name[] = "\3aNN\4test";

    name[2] = (uint8_t)('0' + number / 10);
    name[3] = (uint8_t)('0' + number % 10);
    return cache_find(
        cache, &(struct cache_key){.name = name, .name_len = sizeof name, .type = 1, .class = 1});
}

static void keep(unsigned count)
{
    struct bl_error error = {0};
    struct cache *cache;

    assert_int_equal(cache_create(SIZE, &cache, NULL), 0);
    for (unsigned i = 0; i < count; i++)
        insert(cache, i, 60, 1000 * i);
    insert(cache, 0, 60, 5000); /* the older one of the same name does not go along */
    assert_int_equal(cache_keep(cache, path, ORIGIN,
                                (struct moment){.mono_ms = 10000, .wall_ms = 50000}, &error),
                     0);
    cache_destroy(cache);
}

static int adopt(struct cache **cache, struct cache_origin origin, int64_t wall_ms, size_t *count)
{
    struct bl_error error = {0};
    int code;

    assert_int_equal(cache_create(SIZE, cache, NULL), 0);
    code = cache_adopt(*cache, path, origin, (struct moment){.mono_ms = 700000, .wall_ms = wall_ms},
                       count, &error);
    assert_int_equal(access(path, F_OK), -1); /* gone, whatever it was */
    if (code < 0) {
        assert_non_null(strstr(error.text, path));
        assert_int_equal(cache_state(*cache).entries, 0);
    }
    return code;
}

static void test_round(void **state)
{
    struct cache_entry *entry;
    struct cache *cache;
    struct stat stat_of;
    size_t count;

    (void)state;
    keep(10);
    assert_int_equal(stat(path, &stat_of), 0);
    assert_int_equal(stat_of.st_mode & 0777, 0600); /* what was looked up is nobody's business */
    assert_int_equal(adopt(&cache, ORIGIN, 53000, &count), 0);
    assert_int_equal(count, 10);
    entry = find(cache, 3);
    assert_non_null(entry);
    /* Seven seconds old when it was written, three seconds passed. */
    assert_int_equal(entry->stored_ms, 700000 - 7000 - 3000);
    assert_int_equal(entry->ttl_s, 60);
    assert_true(entry->has_targets);
    assert_int_not_equal(entry->epoch, GENERATION); /* its facts are told anew */
    assert_int_equal(find(cache, 0)->stored_ms, 700000 - 5000 - 3000);
    cache_destroy(cache);
}

static void test_refused(void **state)
{
    struct cache *cache;
    size_t count;

    (void)state;
    assert_int_equal(adopt(&cache, ORIGIN, 53000, &count), 0); /* there is none */
    assert_int_equal(count, 0);
    cache_destroy(cache);
    keep(3);
    assert_true(adopt(&cache, (struct cache_origin){GENERATION + 1, ZONES}, 53000, &count) < 0);
    cache_destroy(cache);
    keep(3);
    assert_true(adopt(&cache, (struct cache_origin){GENERATION, ZONES + 1}, 53000, &count) < 0);
    cache_destroy(cache);
    keep(3);
    assert_true(adopt(&cache, ORIGIN, 49000, &count) < 0); /* the clock went back */
    cache_destroy(cache);
    keep(3);
    assert_int_equal(adopt(&cache, ORIGIN, 50000 + 86400 * 1000 + 61000, &count), 0);
    assert_int_equal(count, 0); /* too old to be of use even stale */
    cache_destroy(cache);
}

/* Cut anywhere, or with any octet changed: refused whole. */
static void test_damaged(void **state)
{
    static uint8_t bytes[8192];
    size_t len;

    (void)state;
    keep(2);
    {
        FILE *file = fopen(path, "rb");
        assert_non_null(file);
        len = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
    }
    assert_in_range(len, 100, 4000);
    for (size_t i = 0; i < 2 * len; i++) {
        size_t size = i < len ? i : len, count;
        struct cache *cache;
        FILE *file;
        if (i >= 24 + len && i < 32 + len)
            continue; /* when it was written: any time before now will do */
        file = fopen(path, "wb");
        assert_non_null(file);
        if (i >= len)
            bytes[i - len] ^= 0x40;
        assert_int_equal(fwrite(bytes, 1, size, file), size);
        fclose(file);
        if (i >= len)
            bytes[i - len] ^= 0x40;
        if (adopt(&cache, ORIGIN, 53000, &count) == 0)
            fail_msg("%s at %zu was not noticed", i < len ? "a cut" : "a change", i % len);
        cache_destroy(cache);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round, group_open, group_close),
        cmocka_unit_test_setup_teardown(test_refused, group_open, group_close),
        cmocka_unit_test_setup_teardown(test_damaged, group_open, group_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
