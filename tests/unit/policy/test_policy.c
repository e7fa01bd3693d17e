#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "resolver/policy/policy.h"
#include "tests/unit/policy/fake_store.h"

static struct config *config_of(const char *text)
{
    struct config *config = NULL;
    struct config_faults faults = {0};

    if (config_load_text("test.yaml", text, strlen(text), &config, &faults) < 0)
        fail_msg("%s", faults.items[0].text);
    return config;
}

static struct policy *policy_of(const struct config *config, const struct bl_store *store)
{
    struct policy *policy = NULL;
    struct bl_error error = {0};

    if (policy_build(config, store, 3, &policy, &error) < 0)
        fail_msg("%s", error.text);
    return policy;
}

/* Facts of the store below. */
enum {
    NONE,
    GAMBLING,
    GAMES,
    BOTH,
    SEALED,
    SEALED_ALLOWED,
    ALLOWED_ABOVE,
    ALLOWED_BELOW,
    NATIONAL,
    IMPORTANT,
    NATIONAL_BLOCK,
    OTHERS_ALLOW,
    GENERAL_ALLOW,
    UNKNOWN,
    FACTS
};

#define RULE(category, depth, tier, action, important)                                             \
    {                                                                                              \
        category, depth, tier, action, important                                                   \
    }
enum { C_GAMES, C_GAMBLING, C_ILLEGAL, C_UNKNOWN, C_APPROVED };

/* 2026-11-23 is a Monday; London is on GMT. */
enum { MONDAY = 1795392000, HOUR = 3600 };

static const struct bl_store STORE =
    {
        .categories = {{"games", 10, 0},
                       {"gambling", 10, 0},
                       {"illegal", 1, 0},
                       {"not-configured", 1, 0},
                       {"approved", 1, 0}},
        .category_count = 5,
        .fact_count = FACTS,
        .rules =
            {
                [GAMBLING] = {RULE(C_GAMBLING, 0, 0, BL_BLOCK, 0)},
                [GAMES] = {RULE(C_GAMES, 0, 0, BL_BLOCK, 0)},
                [BOTH] = {RULE(C_GAMES, 0, 0, BL_BLOCK, 0), RULE(C_GAMBLING, 1, 0, BL_BLOCK, 0)},
                [SEALED] = {RULE(C_GAMES, 0, 0, BL_BLOCK, 0), RULE(C_ILLEGAL, 1, 0, BL_BLOCK, 0)},
                [SEALED_ALLOWED] = {RULE(C_ILLEGAL, 0, 2, BL_ALLOW, 1),
                                    RULE(C_ILLEGAL, 0, 0, BL_BLOCK, 0)},
                [ALLOWED_ABOVE] = {RULE(C_GAMES, 0, 0, BL_BLOCK, 0),
                                   RULE(C_GAMES, 1, 0, BL_ALLOW, 0)},
                [ALLOWED_BELOW] = {RULE(C_GAMES, 0, 0, BL_ALLOW, 0),
                                   RULE(C_GAMES, 1, 0, BL_BLOCK, 0)},
                [NATIONAL] = {RULE(C_GAMES, 0, 0, BL_BLOCK, 1), RULE(C_GAMES, 2, 2, BL_ALLOW, 0)},
                [IMPORTANT] = {RULE(C_GAMES, 0, 0, BL_BLOCK, 1), RULE(C_GAMES, 0, 0, BL_ALLOW, 0)},
                [NATIONAL_BLOCK] = {RULE(C_GAMES, 0, 1, BL_ALLOW, 0),
                                    RULE(C_GAMES, 3, 2, BL_BLOCK, 0)},
                [OTHERS_ALLOW] = {RULE(C_GAMBLING, 0, 0, BL_ALLOW, 0),
                                  RULE(C_GAMES, 0, 0, BL_BLOCK, 0)},
                [GENERAL_ALLOW] = {RULE(C_APPROVED, 0, 0, BL_ALLOW, 0),
                                   RULE(C_GAMES, 0, 0, BL_BLOCK, 0)},
                [UNKNOWN] = {RULE(C_UNKNOWN, 0, 0, BL_BLOCK, 0)},
            },
        .rule_counts = {0, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1},
};

#define HEAD                                                                                       \
    "upstreams: [192.0.2.53]\n"                                                                    \
    "categories:\n"                                                                                \
    "  games: {severity: low, title: Games}\n"                                                     \
    "  gambling: {severity: high, answer: refused}\n"                                              \
    "  illegal: {severity: urgent, sealed: true}\n"                                                \
    "  approved: {exempts-all: true}\n"

static struct ruling judge_at(const struct policy *policy, uint16_t group, const char *name,
                              bl_fact fact, int64_t wall_s)
{
    struct policy_now now;
    struct ruling ruling;
    struct bl_name wire;

    assert_int_equal(bl_name_parse(name, strlen(name), &wire), BL_NAME_FINE);
    assert_int_equal(policy_now_init(&now, policy), 0);
    policy_now_update(&now, (struct moment){.wall_ms = wall_s * 1000});
    ruling = policy_judge(&now, group, wire.wire, wire.len, fact);
    policy_now_fini(&now);
    return ruling;
}

static void lists_and_tiers(void **state)
{
    static const struct {
        bl_fact fact;
        enum verdict verdict;
        enum rule_kind rule;
        const char *category;
    } CASES[] = {
        {NONE, VERDICT_ALLOW, RULE_NONE, ""},
        {GAMBLING, VERDICT_DENY, RULE_CATEGORY, "gambling"},
        {GAMES, VERDICT_DENY, RULE_CATEGORY, "games"},
        {BOTH, VERDICT_DENY, RULE_CATEGORY, "gambling"}, /* the more severe one names it */
        {SEALED, VERDICT_DENY, RULE_SEALED, "illegal"},
        {SEALED_ALLOWED, VERDICT_DENY, RULE_SEALED, "illegal"},
        {ALLOWED_ABOVE, VERDICT_DENY, RULE_CATEGORY, "games"},
        {ALLOWED_BELOW, VERDICT_ALLOW, RULE_LIST_ALLOW, "games"},
        {NATIONAL, VERDICT_ALLOW, RULE_LIST_ALLOW, "games"},
        {IMPORTANT, VERDICT_DENY, RULE_CATEGORY, "games"},
        {NATIONAL_BLOCK, VERDICT_DENY, RULE_CATEGORY, "games"},
        {OTHERS_ALLOW, VERDICT_DENY, RULE_CATEGORY, "games"},
        {GENERAL_ALLOW, VERDICT_ALLOW, RULE_LIST_ALLOW, "games"},
        {UNKNOWN, VERDICT_ALLOW, RULE_NONE, ""},
    };
    struct config *config =
        config_of(HEAD "groups: {pupils: {subnets: [10.0.0.0/8], deny: [games, gambling]}}\n");
    struct policy *policy = policy_of(config, &STORE);

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct ruling ruling = judge_at(policy, 0, "www.x.test", CASES[i].fact, 0);
        if (ruling.verdict != CASES[i].verdict || ruling.rule != CASES[i].rule ||
            strcmp(policy_category_name(policy, ruling.category), CASES[i].category) != 0)
            fail_msg("fact %u: %s by %s, category \"%s\"", CASES[i].fact,
                     policy_verdict_text(ruling.verdict), policy_rule_text(ruling.rule),
                     policy_category_name(policy, ruling.category));
    }
    assert_int_equal(policy_version(policy), 3);
    policy_free(policy);
    config_free(config);
}

static void groups_differ(void **state)
{
    struct config *config = config_of(HEAD "answer: nodata\n"
                                           "groups:\n"
                                           "  pupils: {subnets: [10.0.0.0/8], deny: [games]}\n"
                                           "  staff: {observe: [games], answer: 'null'}\n"
                                           "  guests: {deny: [games, gambling], answer: 'null'}\n");
    struct policy *policy = policy_of(config, &STORE);
    struct ruling ruling = judge_at(policy, 0, "x.test", GAMES, 0);

    (void)state;
    assert_int_equal(ruling.verdict, VERDICT_DENY);
    assert_int_equal(policy_answer(policy, ruling.answer)->kind, ANSWER_NODATA);
    assert_int_equal(ruling.severity, SEVERITY_LOW);
    ruling = judge_at(policy, 0, "x.test", GAMBLING, 0);
    assert_int_equal(ruling.verdict, VERDICT_ALLOW);
    assert_int_equal(ruling.rule, RULE_UNFILTERED);
    ruling = judge_at(policy, 1, "x.test", GAMES, 0);
    assert_int_equal(ruling.verdict, VERDICT_OBSERVE);
    ruling = judge_at(policy, 1, "x.test", SEALED, 0);
    assert_int_equal(ruling.verdict, VERDICT_DENY);
    assert_int_equal(policy_answer(policy, ruling.answer)->kind, ANSWER_NULL);
    ruling = judge_at(policy, 2, "x.test", GAMES, 0);
    assert_int_equal(policy_answer(policy, ruling.answer)->kind, ANSWER_NULL);
    ruling = judge_at(policy, 2, "x.test", GAMBLING, 0); /* the category's answer goes first */
    assert_int_equal(policy_answer(policy, ruling.answer)->kind, ANSWER_REFUSED);
    policy_free(policy);
    config_free(config);
}

static void exceptions_for_names(void **state)
{
    static const struct {
        const char *name;
        bl_fact fact;
        enum verdict verdict;
        enum rule_kind rule;
    } CASES[] = {
        {"play.test", GAMES, VERDICT_ALLOW, RULE_EXCEPTION},
        {"a.b.play.test", GAMES, VERDICT_ALLOW, RULE_EXCEPTION},
        {"bad.play.test", GAMES, VERDICT_DENY, RULE_CATEGORY}, /* denied both ways: the category */
        {"x.bad.play.test", NONE, VERDICT_DENY, RULE_EXCEPTION}, /* the more specific name wins */
        {"good.bad.play.test", NONE, VERDICT_ALLOW, RULE_EXCEPTION},
        {"notplay.test", GAMES, VERDICT_DENY, RULE_CATEGORY},
        {"play.test.other.test", GAMES, VERDICT_DENY, RULE_CATEGORY},
        {"test", GAMES, VERDICT_DENY, RULE_CATEGORY},
        {"play.test", SEALED, VERDICT_DENY, RULE_SEALED},
        {"www.tiktok.com", NONE, VERDICT_DENY, RULE_EXCEPTION},
        {"scratch.mit.edu", GAMES, VERDICT_ALLOW, RULE_EXCEPTION},
        {"mit.edu", GAMES, VERDICT_DENY, RULE_CATEGORY},
    };
    struct config *config =
        config_of(HEAD "groups:\n"
                       "  pupils:\n"
                       "    subnets: [10.0.0.0/8]\n"
                       "    deny: [games, bad.play.test, service:tiktok]\n"
                       "    allow: [play.test, good.bad.play.test, service:scratch]\n"
                       "  other: {deny: [games]}\n");
    struct policy *policy = policy_of(config, &STORE);

    (void)state;
    assert_true(policy_has_names(policy));
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct ruling ruling = judge_at(policy, 0, CASES[i].name, CASES[i].fact, 0);
        if (ruling.verdict != CASES[i].verdict || ruling.rule != CASES[i].rule)
            fail_msg("%s: %s by %s", CASES[i].name, policy_verdict_text(ruling.verdict),
                     policy_rule_text(ruling.rule));
    }
    assert_int_equal(judge_at(policy, 1, "play.test", GAMES, 0).verdict, VERDICT_DENY);
    policy_free(policy);
    config_free(config);
}

static void walled_garden(void **state)
{
    struct config *config =
        config_of(HEAD "groups: {exam: {subnets: [10.0.0.0/8], walled-garden: true, allow: "
                       "[exam.test, category:games]}}\n");
    struct policy *policy = policy_of(config, &STORE);
    struct policy_now now;

    (void)state;
    assert_int_equal(judge_at(policy, 0, "www.exam.test", NONE, 0).verdict, VERDICT_ALLOW);
    assert_int_equal(judge_at(policy, 0, "else.test", NONE, 0).rule, RULE_GARDEN);
    assert_int_equal(judge_at(policy, 0, "else.test", GAMBLING, 0).verdict, VERDICT_DENY);
    assert_int_equal(judge_at(policy, 0, "else.test", GAMES, 0).verdict, VERDICT_ALLOW);
    assert_int_equal(judge_at(policy, 0, "www.exam.test", SEALED, 0).rule, RULE_SEALED);
    assert_int_equal(policy_now_init(&now, policy), 0);
    policy_now_update(&now, (struct moment){0});
    assert_int_equal(policy_judge_fact(&now, 0, GAMBLING).verdict, VERDICT_ALLOW);
    assert_int_equal(policy_judge_fact(&now, 0, SEALED).verdict, VERDICT_DENY);
    policy_now_fini(&now);
    policy_free(policy);
    config_free(config);
}

static void sealed_needs_names(void **state)
{
    struct config *config = config_of("upstreams: [192.0.2.53]\n"
                                      "categories: {csam: {sealed: true}}\n"
                                      "groups: {a: {}}\n");
    struct policy *policy = NULL;
    struct bl_error error = {0};

    (void)state;
    assert_int_equal(policy_build(config, &STORE, 1, &policy, &error), -ENODATA);
    assert_null(policy);
    assert_string_equal(error.text,
                        "category \"csam\" is sealed, but generation 7 of the lists has no names "
                        "for it; import its list before the filter can start");
    config_free(config);
}

static void longest_prefix(void **state)
{
    static const struct {
        const char *address, *group;
    } CASES[] = {
        {"10.0.0.0", "big"},         {"9.255.255.255", ""},
        {"10.255.255.255", "big"},   {"11.0.0.0", ""},
        {"10.1.0.0", "middle"},      {"10.1.255.255", "middle"},
        {"10.2.0.0", "big"},         {"10.1.2.0", "small"},
        {"10.1.2.3", "one"},         {"10.1.2.4", "small"},
        {"10.1.3.0", "middle"},      {"255.255.255.255", "last"},
        {"255.255.255.254", ""},     {"0.0.0.0", ""},
        {"::ffff:10.1.2.3", "one"},  {"::", "six"},
        {"2001:db8::1", "doc"},      {"2001:db8:1::", "doc-one"},
        {"2001:db9::", "six"},       {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "six"},
        {"::fffe:ffff:ffff", "six"}, {"::1:0:0:0", "six"},
    };
    struct config *config = config_of("upstreams: [192.0.2.53]\n"
                                      "groups:\n"
                                      "  big: {subnets: [10.0.0.0/8]}\n"
                                      "  middle: {subnets: [10.1.0.0/16]}\n"
                                      "  small: {subnets: [10.1.2.0/24]}\n"
                                      "  one: {subnets: [10.1.2.3]}\n"
                                      "  last: {subnets: [255.255.255.255]}\n"
                                      "  six: {subnets: ['::/0']}\n"
                                      "  doc: {subnets: ['2001:db8::/32']}\n"
                                      "  doc-one: {subnets: ['2001:db8:1::/48']}\n");
    struct policy *policy = policy_of(config, &STORE);

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct address address;
        assert_int_equal(address_parse(CASES[i].address, 0, &address), 0);
        assert_string_equal(policy_group_name(policy, policy_group_of(policy, &address)),
                            CASES[i].group);
    }
    policy_free(policy);
    config_free(config);
}

static void ten_thousand_groups(void **state)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    struct config *config;
    struct policy *policy;

    (void)state;
    fputs(HEAD "groups:\n", out);
    for (int i = 0; i < 10000; i++)
        fprintf(out, "  g%d: {subnets: [10.%d.%d.0/24], deny: [%s]}\n", i, i / 256, i % 256,
                i % 3 ? "games" : "gambling");
    fclose(out);
    config = config_of(text);
    policy = policy_of(config, &STORE);
    for (int i = 0; i < 10000; i += 37) {
        struct address address;
        char line[64];
        snprintf(line, sizeof line, "10.%d.%d.77", i / 256, i % 256);
        assert_int_equal(address_parse(line, 0, &address), 0);
        assert_int_equal(policy_group_of(policy, &address), i);
    }
    assert_int_equal(judge_at(policy, 9999, "x.test", GAMES, 0).verdict, VERDICT_ALLOW);
    assert_int_equal(judge_at(policy, 9998, "x.test", GAMES, 0).verdict, VERDICT_DENY);
    policy_free(policy);
    config_free(config);
    free(text);
}

/* A school trust signs on over RADIUS: a session each, and some devices are blocked. */
static struct policy_rules *many_devices(uint32_t sessions, uint32_t blocks)
{
    struct policy_rules *rules = calloc(1, sizeof *rules);
    uint32_t count = sessions + blocks;

    assert_non_null(rules);
    rules->grants = arena_take(&rules->arena, count, sizeof *rules->grants);
    rules->neighbours = arena_take(&rules->arena, count, sizeof *rules->neighbours);
    rules->grant_count = rules->neighbour_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct policy_grant *grant = &rules->grants[i];
        struct policy_neighbour *neighbour = &rules->neighbours[i];
        *grant = (struct policy_grant){.id = i + 1,
                                       .kind = i < sessions ? GRANT_SESSION : GRANT_BLOCK,
                                       .start_ms = INT64_MIN,
                                       .end_ms = (MONDAY + 8 * HOUR + i) * INT64_C(1000),
                                       .group = i < sessions ? "staff" : NULL,
                                       .device_text = i < sessions ? NULL : "a device",
                                       .by = "",
                                       .reason = "",
                                       .approved_by = ""};
        memcpy(neighbour->mac, (uint8_t[]){2, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i}, MAC_LEN);
        memcpy(neighbour->address.bytes + 10,
               (uint8_t[]){0xff, 0xff, 10, 1, (uint8_t)(i >> 8), (uint8_t)i}, 6);
        memcpy(grant->device.mac, neighbour->mac, MAC_LEN);
        grant->device.address = neighbour->address;
        grant->device.has_mac = grant->device.has_address = true;
    }
    return rules;
}

static void many_users_sign_on(void **state)
{
    static const char TEXT[] = HEAD "groups:\n"
                                    "  pupils: {subnets: [10.1.0.0/16]}\n"
                                    "  staff: {subnets: [10.2.0.0/16]}\n";
    struct config *config = config_of(TEXT);
    struct policy *policy = NULL;
    struct policy_now now;

    (void)state;
    assert_int_equal(policy_build_with(config, &STORE, many_devices(2000, 200), &policy, NULL), 0);
    assert_int_equal(policy_now_init(&now, policy), 0);
    for (uint32_t i = 0; i < 2200; i += 37) {
        struct address address = {0};
        memcpy(address.bytes + 10, (uint8_t[]){0xff, 0xff, 10, 1, (uint8_t)(i >> 8), (uint8_t)i},
               6);
        policy_now_update(&now, (struct moment){.wall_ms = MONDAY * INT64_C(1000)});
        assert_string_equal(policy_group_name(policy, policy_client_group(&now, &address, NULL, 0)),
                            i < 2000 ? "staff" : "pupils");
    }
    policy_now_fini(&now);
    policy_free(policy);
    config_free(config);
}

static void schedules(void **state)
{
    static const struct {
        int second; /* of Monday */
        bl_fact fact;
        enum verdict verdict;
        int until; /* second of Monday at which the group's verdicts next change */
    } CASES[] = {
        {8 * HOUR, GAMES, VERDICT_ALLOW, 9 * HOUR},
        {9 * HOUR - 1, GAMES, VERDICT_ALLOW, 9 * HOUR},
        {9 * HOUR, GAMES, VERDICT_DENY, 12 * HOUR},
        {12 * HOUR - 1, GAMES, VERDICT_DENY, 12 * HOUR},
        {12 * HOUR, GAMES, VERDICT_ALLOW, 13 * HOUR},
        {13 * HOUR, GAMES, VERDICT_DENY, 15 * HOUR},
        {15 * HOUR, GAMES, VERDICT_ALLOW, 22 * HOUR},
        {22 * HOUR, NONE, VERDICT_DENY, 30 * HOUR},
        {24 * HOUR, NONE, VERDICT_DENY, 30 * HOUR},
        {30 * HOUR - 1, NONE, VERDICT_DENY, 30 * HOUR},
        {30 * HOUR, NONE, VERDICT_ALLOW, 33 * HOUR},
    };
    struct config *config =
        config_of(HEAD "calendar:\n"
                       "  time-zone: Europe/London\n"
                       "  periods:\n"
                       "    lessons: {times: [09:00-12:00, 13:00-15:00]}\n"
                       "    night: {days: [mon-sun], when: always, times: [22:00-06:00]}\n"
                       "groups:\n"
                       "  staff:\n"
                       "    schedule:\n"
                       "      - {during: [lessons], deny: [games]}\n"
                       "      - {during: [night], internet: false}\n"
                       "  always: {deny: [games]}\n");
    struct policy *policy = policy_of(config, &STORE);
    struct policy_now now;

    (void)state;
    assert_int_equal(policy_now_init(&now, policy), 0);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct moment moment = {.wall_ms = ((int64_t)MONDAY + CASES[i].second) * 1000};
        struct ruling ruling;
        policy_now_update(&now, moment);
        ruling = policy_judge_fact(&now, 0, CASES[i].fact);
        if (ruling.verdict != CASES[i].verdict)
            fail_msg("second %d: %s", CASES[i].second, policy_verdict_text(ruling.verdict));
        assert_int_equal(policy_ttl_limit(&now, 0, moment), CASES[i].until - CASES[i].second);
        assert_int_equal(policy_judge_fact(&now, 1, GAMES).verdict, VERDICT_DENY);
        assert_int_equal(policy_ttl_limit(&now, 1, moment), UINT32_MAX);
    }
    /* A clock that is set back half a day is believed. */
    policy_now_update(&now, (struct moment){.wall_ms = ((int64_t)MONDAY + 10 * HOUR) * 1000});
    assert_int_equal(policy_judge_fact(&now, 0, GAMES).verdict, VERDICT_DENY);
    policy_now_fini(&now);
    policy_free(policy);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_and_tiers),
        cmocka_unit_test(groups_differ),
        cmocka_unit_test(exceptions_for_names),
        cmocka_unit_test(walled_garden),
        cmocka_unit_test(sealed_needs_names),
        cmocka_unit_test(longest_prefix),
        cmocka_unit_test(ten_thousand_groups),
        cmocka_unit_test(many_users_sign_on),
        cmocka_unit_test(schedules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
