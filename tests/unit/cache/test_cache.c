#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "resolver/cache/cache.h"

enum { NAMES = 5000 };

static struct cache_key key_of(unsigned number, uint8_t name[16])
{
    name[0] = 8;
    snprintf((char *)name + 1, 15, "n%07u", number % 10000000u);
    name[9] = 0;
    return (struct cache_key){.name = name, .name_len = 10, .type = 1, .class = 1};
}

static void insert(struct cache *cache, unsigned number, unsigned version, size_t message_len)
{
    static uint8_t message[CACHE_MESSAGE_MAX];
    static const uint16_t ttls[3] = {1, 2, 3};
    struct cache_fact facts[2] = {{.fact = 7, .at = 9, .via = 1, .matched = 2}, {.fact = 8}};
    uint8_t name[16];
    struct cache_reply reply = {.key = key_of(number, name),
                                .message = message,
                                .message_len = message_len,
                                .ttls = ttls,
                                .ttl_count = 3,
                                .facts = facts,
                                .fact_count = 1,
                                .fact_room = 2,
                                .ttl_s = 60};

    memset(message, (int)(version & 0xff), message_len);
    memcpy(message, &number, sizeof number);
    memcpy(message + sizeof number, &version, sizeof version);
    cache_insert(cache, &reply, 1000);
}

static const uint8_t *find(struct cache *cache, unsigned number, struct cache_entry **out_entry)
{
    uint8_t name[16];
    struct cache_key key = key_of(number, name);
    struct cache_entry *entry = cache_find(cache, &key);

    *out_entry = entry;
    return entry ? cache_message(entry) : NULL;
}

/* Whatever is found is what was put in last under that key; nothing else is asked of a cache. */
static void test_random_use_against_a_model(void **state)
{
    static unsigned versions[NAMES];
    struct cache *cache;
    unsigned seed = 1, found = 0, version = 0;
    (void)state;
    assert_int_equal(cache_create(200000, &cache, NULL), 0);
    for (int step = 0; step < 200000; step++) {
        unsigned number = (unsigned)rand_r(&seed) % NAMES;
        struct cache_entry *entry;
        if (rand_r(&seed) % 3 == 0)
            number %= 50; /* some are asked often */
        if (rand_r(&seed) % 2) {
            insert(cache, number, ++version, 20 + (size_t)rand_r(&seed) % 900);
            versions[number] = version;
            continue;
        }
        const uint8_t *message = find(cache, number, &entry);
        if (!message)
            continue;
        found++;
        assert_memory_equal(message, &number, sizeof number);
        assert_memory_equal(message + sizeof number, &versions[number], sizeof number);
        assert_int_equal(message[entry->message_len - 1], versions[number] & 0xff);
        assert_int_equal(cache_ttls(entry)[2], 3);
        assert_int_equal(cache_facts(entry)[0].fact, 7);
    }
    assert_true(found > 10000);
    assert_true(cache_state(cache).bytes_used <= 200000);
    assert_true(cache_state(cache).evicted > 1000);
    cache_destroy(cache);
}

/* A flood of names asked once does not drive out what is in use (CVE-2023-2828 and CacheFlush). */
static void test_flood_leaves_what_is_used(void **state)
{
    struct cache *cache;
    struct cache_entry *entry;
    (void)state;
    assert_int_equal(cache_create(100000, &cache, NULL), 0);
    for (unsigned hot = 0; hot < 20; hot++)
        insert(cache, hot, 1, 100);
    for (unsigned flood = 1000; flood < 100000; flood++) {
        insert(cache, flood, 1, 100);
        assert_non_null(find(cache, flood % 20, &entry));
    }
    assert_true(cache_state(cache).kept > 0);
    cache_destroy(cache);
}

static void test_key_has_every_part(void **state)
{
    struct cache *cache;
    uint8_t name[16];
    struct cache_key key = key_of(1, name), other;
    (void)state;
    assert_int_equal(cache_create(100000, &cache, NULL), 0);
    insert(cache, 1, 1, 50);
    assert_non_null(cache_find(cache, &key));
    other = key, other.type = 28;
    assert_null(cache_find(cache, &other));
    other = key, other.class = 3;
    assert_null(cache_find(cache, &other));
    other = key, other.dnssec = 1; /* CVE-2018-14663 and its like: DO and CD do not share answers */
    assert_null(cache_find(cache, &other));
    other = key, other.dnssec = 2;
    assert_null(cache_find(cache, &other));
    cache_destroy(cache);
}

static void test_facts_of_another_generation(void **state)
{
    struct cache_fact more[3] = {{.fact = 1}, {.fact = 2}, {.fact = 3}};
    struct cache *cache;
    struct cache_entry *entry;
    (void)state;
    assert_int_equal(cache_create(100000, &cache, NULL), 0);
    insert(cache, 1, 1, 50);
    find(cache, 1, &entry);
    assert_true(cache_update_facts(cache, entry, more, 2, 99));
    assert_int_equal(entry->epoch, 99);
    assert_int_equal(entry->fact_count, 2);
    assert_int_equal(cache_facts(entry)[1].fact, 2);
    assert_false(cache_update_facts(cache, entry, more, 3, 100)); /* no room: gone, not wrong */
    assert_null(find(cache, 1, &entry));
    cache_destroy(cache);
}

static void test_flush(void **state)
{
    static const uint8_t one[] = "\x08n0000001";
    struct cache *cache;
    struct cache_entry *entry;
    (void)state;
    assert_int_equal(cache_create(100000, &cache, NULL), 0);
    for (unsigned i = 0; i < 10; i++)
        insert(cache, i, 1, 50);
    assert_int_equal(cache_flush(cache, one), 1);
    assert_null(find(cache, 1, &entry));
    assert_non_null(find(cache, 2, &entry));
    assert_int_equal(cache_flush(cache, NULL), 9);
    assert_int_equal(cache_state(cache).entries, 0);
    cache_destroy(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_use_against_a_model),
        cmocka_unit_test(test_flood_leaves_what_is_used),
        cmocka_unit_test(test_key_has_every_part),
        cmocka_unit_test(test_facts_of_another_generation),
        cmocka_unit_test(test_flush),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
