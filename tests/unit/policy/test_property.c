/* Random policies, lists, names and times: the tables and the explanation agree, sealed categories
 * always deny, and no verdict changes before the moment that the TTL limit promises. Policies have
 * groups that extend others, walled gardens, services, periods, devices fixed by MAC address and by
 * address, exceptions, blocks and sessions; some questions come by a forwarder.
 *
 * CHALKGATE_SEED=N takes other policies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "resolver/policy/policy.h"
#include "tests/unit/policy/fake_store.h"

static uint64_t seed;

static unsigned below(unsigned bound)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed % bound);
}

static const char *const CATEGORIES[] = {"a", "b", "c", "d", "e", "sealed", "general"};
static const char *const SERVICES[] = {"s0", "s1"};
static const char *const NAMES[] = {"x.test", "y.x.test", "z.y.x.test", "w.test", "test"};
static const char *const ASKED[] = {"x.test", "y.x.test",  "q.z.y.x.test",
                                    "w.test", "notx.test", "v.test"};

static void store_make(struct bl_store *store)
{
    *store = (struct bl_store){.category_count = 8, .fact_count = 1 + below(30)};
    for (unsigned i = 0; i < 7; i++)
        store->categories[i] = (struct bl_category){.name = CATEGORIES[i], .names = 1};
    store->categories[7] = (struct bl_category){.name = "elsewhere", .names = 1};
    for (unsigned fact = 1; fact < store->fact_count; fact++) {
        unsigned depth = 0;
        store->rule_counts[fact] = 1 + below(FAKE_RULES_MAX);
        for (size_t i = 0; i < store->rule_counts[fact]; i++) {
            depth += below(3) == 0;
            store->rules[fact][i] = (struct bl_fact_rule){.category = (uint16_t)below(8),
                                                          .depth = (uint8_t)depth,
                                                          .tier = (uint8_t)below(3),
                                                          .action = (uint8_t)(below(3) == 0),
                                                          .important = below(5) == 0};
        }
    }
}

enum { CATEGORY_TARGETS = 5, NAME_TARGETS = 5, TARGETS = CATEGORY_TARGETS + NAME_TARGETS + 2 };

/* Each target under one of deny, observe and allow at most. */
static void targets_write(FILE *out)
{
    unsigned where[TARGETS];

    for (unsigned i = 0; i < TARGETS; i++)
        where[i] = below(5);
    for (unsigned list = 0; list < 3; list++) {
        static const char *const WORDS[] = {"deny", "observe", "allow"};
        bool first = true;
        fprintf(out, "%s: [", WORDS[list]);
        for (unsigned i = 0; i < TARGETS; i++) {
            unsigned name = i - CATEGORY_TARGETS;
            if (where[i] != list || (i >= CATEGORY_TARGETS && list == 1))
                continue;
            fprintf(out, "%s'%s%s'", first ? "" : ", ",
                    i < CATEGORY_TARGETS  ? "category:"
                    : name < NAME_TARGETS ? "name:"
                                          : "service:",
                    i < CATEGORY_TARGETS  ? CATEGORIES[i]
                    : name < NAME_TARGETS ? NAMES[name]
                                          : SERVICES[name - NAME_TARGETS]);
            first = false;
        }
        fputs("], ", out);
    }
}

static void groups_write(FILE *out)
{
    static const char *const SUBNETS[] = {"10.0.0.0/16', '10.9.0.0/16", "10.0.0.2', '10.1.0.0/16",
                                          "fd00::/64"};

    fputs("groups:\n", out);
    for (unsigned i = 0; i < 3; i++) {
        fprintf(out, "  g%u: {subnets: ['%s'], walled-garden: %s, ", i, SUBNETS[i],
                below(6) == 0 ? "true" : "false");
        if (i == 2 && below(3) == 0)
            fprintf(out, "extends: g%u, ", below(2));
        targets_write(out);
        fputs("schedule: [", out);
        for (unsigned j = below(4); j > 0; j--) {
            fprintf(out, "{%s: [p%u], %s", below(2) ? "during" : "outside", below(3),
                    below(4) == 0 ? "internet: false, " : "");
            targets_write(out);
            fputs("}, ", out);
        }
        fputs("]}\n", out);
    }
}

/* One known by its MAC address, one by an address; each with a group of its own or not. */
static void devices_write(FILE *out)
{
    static const char *const KNOWN_BY[] = {"mac: '02:00:00:00:00:01'", "addresses: ['10.1.0.1']"};

    fputs("forwarders: [10.9.0.1]\n", out);
    if (below(2))
        return;
    fputs("devices:\n", out);
    for (unsigned i = 0; i < 2; i++) {
        unsigned group = below(4);
        fprintf(out, "  d%u: {%s", i, KNOWN_BY[i]);
        if (group < 3)
            fprintf(out, ", group: g%u", group);
        fputs("}\n", out);
    }
}

static struct config *config_make(void)
{
    static const char *const ZONES[] = {"Europe/London", "UTC", "America/New_York",
                                        "Australia/Lord_Howe"};
    static const char *const WHENS[] = {"school-days", "other-days", "always"};
    struct config *config = NULL;
    struct config_faults faults = {0};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    fputs("upstreams: [192.0.2.53]\ncategories:\n", out);
    for (unsigned i = 0; i < 7; i++)
        fprintf(out, "  %s: {severity: %s, sealed: %s, exempts-all: %s}\n", CATEGORIES[i],
                below(2) ? "low" : "high", i == 5 ? "true" : "false", i == 6 ? "true" : "false");
    fprintf(out,
            "calendar:\n  time-zone: %s\n  terms: {t: 2026-09-03..2027-07-20}\n"
            "  holidays: [2026-10-26..2026-10-30]\n  periods:\n",
            ZONES[below(4)]);
    for (unsigned i = 0; i < 3; i++) {
        unsigned from = below(1439), to = from + 1 + below(1200);
        fprintf(out, "    p%u: {days: [%s], when: %s, times: ['%02u:%02u-%02u:%02u']}\n", i,
                below(2) ? "mon-fri" : "mon, sat-sun", WHENS[below(3)], from / 60, from % 60,
                to % 1440 / 60, to % 60);
    }
    fputs("  exceptions: [{date: 2026-11-25, school: closed}, {date: 2026-11-26, period: p0}]\n"
          "services: {s0: {names: [x.test]}, s1: {names: [y.x.test, v.test]}}\n",
          out);
    groups_write(out);
    devices_write(out);
    fclose(out);
    if (config_load_text("random.yaml", text, len, &config, &faults) < 0)
        fail_msg("%s\n%s", faults.items[0].text, text);
    free(text);
    return config;
}

static const char *const ADDRESSES[] = {
    "10.0.0.1", "10.0.0.2",  "10.1.0.1", "fd00::1",
    "fd00::2",  "192.0.2.1", "10.9.0.1"}; /* the last is a forwarder's */
enum { CLIENTS = 6 };
static const uint8_t MACS[][MAC_LEN] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};

static struct address address_of(const char *text)
{
    struct address address = {0};

    assert_int_equal(address_parse(text, 0, &address), 0);
    return address;
}

static void grant_make(struct policy_grant *grant, uint32_t id)
{
    static const char *const GROUPS[] = {"g0", "g1", "g2", "gone"};
    int64_t start = (20700 + below(300)) * INT64_C(86400000) + below(86400) * INT64_C(1000);
    struct bl_name name;

    *grant = (struct policy_grant){.id = id,
                                   .kind = (uint8_t)below(4),
                                   .start_ms = INT64_MIN,
                                   .end_ms = INT64_MAX,
                                   .group = GROUPS[below(4)],
                                   .by = "",
                                   .reason = "",
                                   .approved_by = ""};
    if (grant->kind != GRANT_SESSION && below(3))
        grant->start_ms = start;
    if (below(4))
        grant->end_ms = start + (1 + below(20 * 86400)) * INT64_C(1000);
    if (grant->kind == GRANT_SESSION || grant->kind == GRANT_BLOCK || below(3) == 0) {
        grant->device.has_address = below(2);
        grant->device.has_mac = !grant->device.has_address || below(2);
        grant->device.address = address_of(ADDRESSES[below(6)]);
        memcpy(grant->device.mac, MACS[below(2)], MAC_LEN);
        grant->device_text = grant->kind == GRANT_SESSION ? NULL : "a device";
    }
    grant->target_kind = (uint8_t)(TARGET_NAME + below(3));
    grant->target =
        grant->target_kind == TARGET_SERVICE ? SERVICES[below(2)] : CATEGORIES[below(5)];
    if (grant->target_kind == TARGET_NAME) {
        grant->target = NAMES[below(5)];
        assert_int_equal(bl_name_parse(grant->target, strlen(grant->target), &name), BL_NAME_FINE);
        memcpy(grant->name, name.wire, name.len);
    }
}

static struct policy_rules *rules_make(void)
{
    struct policy_rules *rules = calloc(1, sizeof *rules);

    assert_non_null(rules);
    rules->version = 9;
    rules->grant_count = below(12);
    rules->grants = arena_take(&rules->arena, rules->grant_count, sizeof *rules->grants);
    for (uint32_t i = 0; i < rules->grant_count; i++)
        grant_make(&rules->grants[i], i + 1);
    rules->neighbour_count = below(4);
    rules->neighbours =
        arena_take(&rules->arena, rules->neighbour_count, sizeof *rules->neighbours);
    for (size_t i = 0; i < rules->neighbour_count; i++) {
        rules->neighbours[i].address = address_of(ADDRESSES[i * 2]);
        memcpy(rules->neighbours[i].mac, MACS[below(2)], MAC_LEN);
    }
    return rules;
}

static bool fact_is_sealed(const struct bl_store *store, bl_fact fact)
{
    for (size_t i = 0; i < store->rule_counts[fact]; i++) {
        if (store->rules[fact][i].category == 5 && store->rules[fact][i].action == BL_BLOCK)
            return true;
    }
    return false;
}

static void assert_same(const struct policy *policy, struct ruling table, struct ruling told)
{
    if (table.verdict == told.verdict && table.rule == told.rule &&
        table.category == told.category && table.answer == told.answer &&
        table.severity == told.severity && table.detail == told.detail)
        return;
    fail_msg(
        "the table says %s by %s (%u, answer %u, %u), the explanation %s by %s (%u, answer %u, "
        "%u)",
        policy_verdict_text(table.verdict), policy_rule_text(table.rule), table.category,
        table.answer, table.detail, policy_verdict_text(told.verdict), policy_rule_text(told.rule),
        told.category, told.answer, told.detail);
    (void)policy;
}

struct question {
    struct address client;
    const uint8_t *mac; /* as a forwarder tells it, or NULL */
    bl_fact fact;
    struct bl_name name;
};

/* As a worker does it: the client's group now, then the verdict. */
static struct ruling judge(struct policy_now *now, const struct question *question, int64_t wall_ms,
                           uint16_t *out_group)
{
    policy_now_update(now, (struct moment){.wall_ms = wall_ms});
    *out_group = policy_client_group(now, &question->client, question->mac, MAC_LEN);
    if (*out_group == POLICY_NO_GROUP)
        return (struct ruling){.verdict = VERDICT_DENY, .rule = RULE_KINDS};
    return policy_judge(now, *out_group, question->name.wire, question->name.len, question->fact);
}

static const uint8_t *mac_of(const struct policy_rules *rules, const struct address *client)
{
    for (size_t i = 0; i < rules->neighbour_count; i++) {
        if (address_equal_host(&rules->neighbours[i].address, client))
            return rules->neighbours[i].mac;
    }
    return NULL;
}

/* By MAC address where both are known; else by address, or by the MAC address seen there. */
static bool is_at(const struct policy_rules *rules, const struct policy_device *device,
                  const struct address *client)
{
    const uint8_t *mac = mac_of(rules, client), *there;

    if (device->has_mac && mac)
        return memcmp(device->mac, mac, MAC_LEN) == 0;
    there = device->has_address ? mac_of(rules, &device->address) : NULL;
    return device->has_address && (address_equal_host(&device->address, client) ||
                                   (mac && there && memcmp(mac, there, MAC_LEN) == 0));
}

/* The device's session, if one lasts: worked out the simple way. */
static const char *session_group(const struct policy *policy, const struct address *client,
                                 int64_t wall_ms)
{
    const struct policy_rules *rules = policy_rules(policy);
    const char *group = NULL;

    for (size_t i = 0; i < rules->grant_count; i++) {
        const struct policy_grant *grant = &rules->grants[i];
        if (grant->kind == GRANT_SESSION && is_at(rules, &grant->device, client) &&
            wall_ms < grant->end_ms && strcmp(grant->group, "gone") != 0)
            group = grant->group;
    }
    return group;
}

/* Whether a block of the device holds. */
static bool is_blocked(const struct policy *policy, const struct question *question,
                       int64_t wall_ms)
{
    const struct policy_rules *rules = policy_rules(policy);

    for (size_t i = 0; i < rules->grant_count; i++) {
        const struct policy_grant *grant = &rules->grants[i];
        bool is_it = question->mac ? grant->device.has_mac &&
                                         memcmp(grant->device.mac, question->mac, MAC_LEN) == 0
                                   : is_at(rules, &grant->device, &question->client);
        if (grant->kind == GRANT_BLOCK && is_it && wall_ms >= grant->start_ms &&
            wall_ms < grant->end_ms)
            return true;
    }
    return false;
}

/* The group that the configuration gives the device, by its MAC address or its address. */
static const char *device_group(const struct policy *policy, const struct config *config,
                                const struct question *question)
{
    const uint8_t *mac =
        question->mac ? question->mac : mac_of(policy_rules(policy), &question->client);

    for (size_t i = 0; i < config->device_count; i++) {
        const struct config_device *device = &config->devices[i];
        bool is_it = device->mac.set ? mac && memcmp(mac, device->mac.bytes, MAC_LEN) == 0
                                     : address_equal_host(&device->addresses[0], &question->client);
        if (is_it) /* the first counts; one without a group is of its subnet's */
            return device->group == CONFIG_NONE ? NULL : config->groups[device->group].name;
    }
    return NULL;
}

/* A client of a subnet, or the forwarder with somebody's MAC address. */
static struct question question_make(const struct bl_store *store)
{
    const char *asked = ASKED[below(6)];
    struct question question = {.client = address_of(ADDRESSES[below(CLIENTS + 1)]),
                                .fact = (bl_fact)below(store->fact_count)};
    struct address forwarder = address_of(ADDRESSES[CLIENTS]);

    if (address_equal_host(&question.client, &forwarder))
        question.mac = MACS[below(2)];
    assert_int_equal(bl_name_parse(asked, strlen(asked), &question.name), BL_NAME_FINE);
    return question;
}

static void client_check(const struct policy *policy, const struct config *config,
                         const struct question *question, int64_t wall_ms, uint16_t group,
                         struct ruling table)
{
    const char *session, *device = device_group(policy, config, question);

    session = question->mac ? NULL : session_group(policy, &question->client, wall_ms);
    if (session)
        assert_string_equal(policy_group_name(policy, group), session);
    else if (device)
        assert_string_equal(policy_group_name(policy, group), device);
    if (is_blocked(policy, question, wall_ms))
        assert_int_equal(table.verdict, VERDICT_DENY);
}

static void question_check(const struct policy *policy, const struct config *config,
                           const struct bl_store *store, struct policy_now *now, int64_t wall_ms)
{
    struct question question = question_make(store);
    struct policy_explanation told;
    struct ruling table, later;
    uint16_t group, other;
    uint32_t ttl;

    table = judge(now, &question, wall_ms, &group);
    client_check(policy, config, &question, wall_ms, group, table);
    if (group == POLICY_NO_GROUP)
        return;
    ttl = policy_ttl_limit(now, group, (struct moment){.wall_ms = wall_ms});
    assert_int_equal(policy_explain(policy, group, question.name.wire,
                                    (struct bl_found){.fact = question.fact}, wall_ms, &told),
                     0);
    assert_same(policy, table, told.ruling);
    policy_explanation_free(&told);
    if (fact_is_sealed(store, question.fact)) {
        assert_int_equal(table.verdict, VERDICT_DENY);
        assert_int_equal(table.rule, RULE_SEALED);
    }
    if (ttl == 0)
        return;
    /* Somewhere before the answer's TTL ends, and in its last second. */
    later = judge(now, &question, wall_ms + below(ttl > 1000000 ? 1000000 : ttl) * INT64_C(1000),
                  &other);
    assert_same(policy, table, later);
    assert_int_equal(group, other);
    if (ttl < 1000000)
        assert_same(policy, table,
                    judge(now, &question, wall_ms + (ttl - 1) * INT64_C(1000), &other));
}

static void random_policies(void **state)
{
    const char *chosen = getenv("CHALKGATE_SEED");
    uint64_t first = chosen ? strtoull(chosen, NULL, 10) : 0;

    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        struct bl_store store;
        struct config *config;
        struct policy *policy = NULL;
        struct policy_now now;
        seed = UINT64_C(0x9e3779b97f4a7c15) * (first * 300 + round + 1);
        store_make(&store);
        config = config_make();
        assert_int_equal(policy_build_with(config, &store, rules_make(), &policy, NULL), 0);
        assert_int_equal(policy_now_init(&now, policy), 0);
        for (unsigned i = 0; i < 150; i++) {
            /* Autumn 2026 to summer 2027, both changes of the clock well within, and around them.
             */
            int64_t day = 20700 + below(300);
            if (below(4) == 0)
                day = below(2) ? 20751 : 20905;
            question_check(policy, config, &store, &now,
                           day * 86400000 + below(86400) * INT64_C(1000) + below(1000));
        }
        policy_now_fini(&now);
        policy_free(policy);
        config_free(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_policies)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
