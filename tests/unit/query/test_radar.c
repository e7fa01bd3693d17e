#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "resolver/query/radar.h"
#include "tests/bench/school.h"

static struct radar_sighting seen[2 * RADAR_DEVICES];

static int open_school(void **state)
{
    static struct school school;

    memset(&school, 0, sizeof school);
    school_open(&school, &(struct school_options){.names = 10, .clients = 4});
    school.world->config->categories[0].circumvention = true;
    assert_int_equal(radar_create(&school.pipeline->radar), 0);
    *state = &school;
    return 0;
}

static int close_school(void **state)
{
    school_close(*state);
    return 0;
}

static void ask(struct school *school, uint32_t client_number, const char *text, unsigned type)
{
    uint8_t packet[SCHOOL_QUESTION_MAX];
    struct address client = school_client(school, client_number);
    struct bl_name name;
    size_t len;

    assert_int_equal(bl_name_parse(text, strlen(text), &name), BL_NAME_FINE);
    len = school_question(packet, 7, &name, type, false);
    school_ask(school, packet, len, &client, &len);
}

static void ask_listed(struct school *school, uint32_t client_number)
{
    char text[BL_NAME_TEXT_MAX];
    struct bl_name name;

    school_listed(1, &name);
    bl_name_text(name.wire, text);
    ask(school, client_number, text, DNS_A);
}

static size_t signs(struct school *school, int64_t later_ms)
{
    size_t count;

    school->moment.mono_ms += later_ms;
    pipeline_wake(school->pipeline, school->moment);
    count = radar_read(school->pipeline, seen);
    return radar_merge(seen, count, school->moment.mono_ms);
}

static void test_bypass(void **state)
{
    struct school *school = *state;

    ask(school, 0, "ordinary.town", DNS_A);
    for (unsigned i = 0; i < 9; i++)
        ask_listed(school, 0);
    assert_int_equal(signs(school, 0), 0);
    ask_listed(school, 0);
    assert_int_equal(signs(school, 0), 1);
    assert_int_equal(seen[0].signs, RADAR_BYPASS);
    assert_int_equal(seen[0].bypass, 10);
    assert_int_equal(signs(school, 6 * 60 * 1000), 1); /* and nothing since */
    assert_int_equal(seen[0].signs, RADAR_BYPASS | RADAR_SILENT);
    assert_int_equal(signs(school, 60 * 60 * 1000), 0); /* long ago */
}

static void test_bootstrap_only(void **state)
{
    struct school *school = *state;

    for (unsigned i = 0; i < 3; i++)
        ask_listed(school, 1);
    assert_int_equal(signs(school, 59 * 1000), 0);
    assert_int_equal(signs(school, 1000), 1);
    assert_int_equal(seen[0].signs, RADAR_BOOTSTRAP);
    ask(school, 1, "else.town", DNS_A);
    assert_int_equal(signs(school, 0), 0);
}

/* What a device has from the cache is something else too, and no silence. */
static void test_cached_answers(void **state)
{
    struct school *school = *state;
    uint64_t hits;

    ask(school, 0, "popular.town", DNS_A);
    for (unsigned i = 0; i < 3; i++)
        ask_listed(school, 1);
    assert_int_equal(signs(school, 1000), 0);
    hits = school->counters.cache_hits;
    ask(school, 1, "popular.town", DNS_A);
    assert_int_equal(school->counters.cache_hits, hits + 1);
    assert_int_equal(signs(school, 60 * 1000), 0);
    assert_int_equal(signs(school, 6 * 60 * 1000), 0);
}

/* iodine and dnscat: data in long labels. What is recorded is one sighting, not each question. */
static void test_tunnel(void **state)
{
    struct school *school = *state;
    char text[128];

    for (unsigned i = 0; i < 120; i++) {
        snprintf(text, sizeof text, "%08x0abcdefghij0klmnopqrstuvwxyz2345.t%u.tunnel.town",
                 i * 2654435761u, i);
        ask(school, 2, text, i % 2 ? DNS_TXT : DNS_A);
    }
    assert_int_equal(signs(school, 0), 1);
    assert_int_equal(seen[0].signs, RADAR_TUNNEL);
    assert_int_equal(seen[0].odd, 120);
    assert_int_equal(school->counters.observed, 1);
}

/* Names that are long for good reasons are not odd enough in number or form. */
static void test_ordinary_names(void **state)
{
    static const char *const NAMES[] = {
        "a248.e.akamai.net",
        "d1a2b3c4d5e6f7.cloudfront.net",
        "android.clients.google.com",
        "very-long-hyphenated-product-name-of-a-shop.example.town",
        "p16-sign-va.tiktokcdn.com",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.3.ip6.arpa",
    };
    struct school *school = *state;
    size_t count;

    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        ask(school, 3, NAMES[i], i == 5 ? DNS_PTR : DNS_A);
    count = radar_read(school->pipeline, seen);
    assert_int_equal(count, 1);
    assert_int_equal(seen[0].odd, 0);
}

/* Each worker sees a part of a device's questions. */
static void test_merge(void **state)
{
    struct radar_sighting parts[] = {
        {.client = {.bytes = {1}}, .odd = 60, .other = 5, .last_ms = 1000, .group = 1},
        {.client = {.bytes = {2}}, .odd = 60, .last_ms = 1000},
        {.client = {.bytes = {1}}, .odd = 50, .last_ms = 2000, .group = 2},
    };

    (void)state;
    assert_int_equal(radar_merge(parts, 3, 3000), 1);
    assert_int_equal(parts[0].client.bytes[0], 1);
    assert_int_equal(parts[0].odd, 110);
    assert_int_equal(parts[0].group, 2);
    assert_int_equal(parts[0].signs, RADAR_TUNNEL);
}

/* A flood of forged senders stays within the table. */
static void test_many_devices(void **state)
{
    struct school *school = *state;
    struct ruling ruling = {.category = 0};
    struct query query = {.client = {.bytes = {[10] = 0xff, [11] = 0xff, [12] = 10}}};

    for (uint32_t i = 0; i < 20000; i++) {
        dns_put_32(query.client.bytes + 12, 0x0a000000u + i);
        radar_denied(school->pipeline, &query, ruling);
    }
    assert_in_range(radar_read(school->pipeline, seen), 900, RADAR_DEVICES);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_school, close_school)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bypass),       TEST(test_bootstrap_only), TEST(test_cached_answers),
        TEST(test_tunnel),       TEST(test_ordinary_names), cmocka_unit_test(test_merge),
        TEST(test_many_devices),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
