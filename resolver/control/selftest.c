#include "resolver/control/selftest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "blocklists/types.h"
#include "resolver/policy/policy.h"
#include "resolver/query/query.h"

enum { ANSWER_MOST = 65535, QUERIES = 64, QUESTION_MAX = DNS_HEADER + BL_NAME_MAX + 4 };

/* A name that stands for its category: a listed one, or, where only what is below names is listed,
 * one of those. */
struct sample {
    struct bl_name name;
    bool found, alone; /* alone: it is in no other category, so that it says most */
    bool with_below;
    uint16_t type; /* to ask for: that of an address, where the entry stands for it */
};

struct selftest {
    struct world *world;
    struct moment moment;
    struct pipeline *pipeline;
    struct counters counters;
    struct sample *samples; /* by the store's category */
    unsigned samples_wanted;
    uint8_t answer[ANSWER_MOST];
    json_t *checks;
    unsigned passed, failed, untested;
};

/* What became of a question. */
enum outcome { OUTCOME_DENIED, OUTCOME_ALLOWED, OUTCOME_LOCAL, OUTCOME_SAFE, OUTCOME_REFUSED };

static const char *const OUTCOMES[] = {"denied", "allowed", "answered here", "made safe",
                                       "refused"};

static bool sample_name(const struct bl_entry *entry, struct bl_name *out_name)
{
    static const char below[] = "\3www";

    if (entry->scope & BL_EXACT) {
        *out_name = entry->name;
        return true;
    }
    if (entry->name.len + sizeof below - 1 > BL_NAME_MAX)
        return false;
    memcpy(out_name->wire, below, sizeof below - 1);
    memcpy(out_name->wire + sizeof below - 1, entry->name.wire, entry->name.len);
    out_name->len = (uint8_t)(entry->name.len + sizeof below - 1);
    return true;
}

/* A type that the entry stands for, and that may be asked for; 0: none. */
static uint16_t sample_type(const struct bl_types *types)
{
    static const uint16_t usual[] = {DNS_A, DNS_AAAA, DNS_HTTPS};
    struct dns_question question = {.class = DNS_CLASS_IN};

    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        if (bl_types_cover(types, usual[i]))
            return usual[i];
    for (question.type = 1; question.type < UINT16_MAX; question.type++)
        if (bl_types_cover(types, question.type) && question.type != DNS_ANY &&
            query_is_forwardable(&question))
            return question.type;
    return 0;
}

static int sample_take(void *user, unsigned source, const struct bl_entry *entry)
{
    struct selftest *test = user;
    unsigned category = bl_store_source(test->world->store, source)->category;
    struct sample *sample = &test->samples[category];
    struct bl_found found, any;
    struct bl_name name;
    uint16_t type;
    size_t rules;

    if (entry->is_address || entry->action != BL_BLOCK || sample->alone ||
        !sample_name(entry, &name))
        return 0;
    type = sample_type(&entry->types);
    if (type == 0)
        return 0;
    found = bl_store_find(test->world->store, name.wire, name.len, type);
    /* What is below is asked for with another type. */
    any = bl_store_find(test->world->store, name.wire, name.len, BL_ALL_TYPES);
    bl_store_fact(test->world->store, found.fact, &rules);
    if (sample->found && rules != 1)
        return 0;
    *sample = (struct sample){.name = name,
                              .found = true,
                              .type = type,
                              .alone = rules == 1,
                              .with_below = (entry->scope & BL_BELOW) != 0 && name.len < 240 &&
                                            found.fact == any.fact};
    return sample->alone && --test->samples_wanted == 0;
}

/* The question goes out in mixed case: a listed name is listed however it is spelt. */
static size_t question_write(uint8_t *packet, const struct bl_name *name, bool below, unsigned type)
{
    size_t at = DNS_HEADER;

    memset(packet, 0, DNS_HEADER);
    packet[2] = DNS_RD >> 8;
    packet[5] = 1;
    if (below) {
        memcpy(packet + at, "\3wWw", 4);
        at += 4;
    }
    memcpy(packet + at, name->wire, name->len);
    for (size_t i = at; i < at + name->len; i += 2)
        if (packet[i] >= 'a' && packet[i] <= 'z')
            packet[i] = (uint8_t)(packet[i] - 32);
    at += name->len;
    dns_put_16(packet + at, type);
    dns_put_16(packet + at + 2, DNS_CLASS_IN);
    return at + 4;
}

static bool exchange_is_for(const struct exchange *exchange, const struct dns_question *question)
{
    return exchange->name_len == question->asked_len &&
           memcmp(exchange->name, question->name, question->asked_len) == 0;
}

/* Forgets a question that would have gone to an upstream. */
static enum outcome forwarded(struct selftest *test, struct query *query)
{
    struct exchange *exchange = query->exchange;
    bool as_asked = exchange_is_for(exchange, &query->question);

    while (query_waiting(exchange))
        ;
    query_release(test->pipeline, query);
    exchange_end(test->pipeline->exchanges, exchange);
    return as_asked ? OUTCOME_ALLOWED : OUTCOME_SAFE;
}

static enum outcome ask(struct selftest *test, const struct address *client,
                        const struct bl_name *name, bool below, unsigned type)
{
    struct query *query = query_take(test->pipeline);
    uint64_t denied = test->counters.denied, refused = test->counters.refused_clients;
    uint8_t packet[QUESTION_MAX + 4];

    if (!query)
        return OUTCOME_REFUSED;
    query->packet = packet;
    query->packet_len = question_write(packet, name, below, type);
    query->client = *client;
    query->local = *client;
    query->transport = OVER_TCP; /* limits of datagrams per network are not what is tested */
    query->channel = NULL;
    query->answer = test->answer;
    query->answer_room = sizeof test->answer;
    if (query_begin(test->pipeline, query) == QUERY_FORWARD)
        return forwarded(test, query);
    query_release(test->pipeline, query);
    if (test->counters.denied != denied)
        return OUTCOME_DENIED;
    return test->counters.refused_clients != refused ? OUTCOME_REFUSED : OUTCOME_LOCAL;
}

static void row_add(struct selftest *test, const char *group, const char *check,
                    const char *subject, const char *expected, const char *found, bool tested,
                    bool passed, const char *note)
{
    json_array_append_new(test->checks,
                          json_pack("{s:s,s:s,s:s,s:s,s:s,s:b,s:b,s:s}", "group", group, "check",
                                    check, "subject", subject, "expected", expected, "found", found,
                                    "tested", (int)tested, "passed", (int)passed, "note", note));
    test->untested += !tested;
    test->failed += !passed;
    test->passed += tested && passed;
}

static void check_add(struct selftest *test, const char *group, const char *check,
                      const char *subject, const char *expected, enum outcome found, bool passed,
                      const char *note)
{
    row_add(test, group, check, subject, expected, OUTCOMES[found], true, passed, note);
}

/* What could not be asked, and why. It is no failure, unless it is something that no school may be
 * without. */
static void untested_add(struct selftest *test, const char *group, const char *check, bool failed,
                         const char *note)
{
    row_add(test, group, check, "", failed ? "denied" : "", "not tested", false, !failed, note);
}

static bool is_among(const struct config_targets *targets, uint16_t category)
{
    for (size_t i = 0; i < targets->category_count; i++)
        if (targets->categories[i] == category)
            return true;
    return false;
}

/* Whether the configuration denies the category to the group in so many words. */
static bool is_denied_by_configuration(const struct config_group *group, uint16_t category)
{
    return is_among(&group->deny, category);
}

/* Whether a school may not be without it: a sealed one, and an urgent one that somebody is denied
 * or that is watched for. */
static bool is_needed(const struct config *config, uint16_t category)
{
    bool used = config->categories[category].sealed;

    if (config->categories[category].severity == SEVERITY_URGENT)
        for (size_t i = 0; i < config->group_count && !used; i++)
            used = is_among(&config->groups[i].deny, category) ||
                   is_among(&config->groups[i].observe, category);
    return used;
}

/* A category without a name that could be asked for: the same for every group. */
static void category_untested(struct selftest *test, uint16_t category)
{
    const struct config_category *configured = &test->world->config->categories[category];
    int index = bl_store_category_find(test->world->store, configured->name);
    const struct bl_category *listed =
        index < 0 ? NULL : bl_store_category(test->world->store, (unsigned)index);
    bool only_addresses = listed && listed->names == 0 && listed->addresses > 0;
    char note[600];

    if (index >= 0 && test->samples[index].found)
        return;
    if (only_addresses)
        snprintf(note, sizeof note,
                 "only addresses are listed in it, which are met in answers: `chalkgate lists show "
                 "%.100s` shows them",
                 configured->name);
    else if (configured->source_count > 0)
        snprintf(note, sizeof note,
                 "its lists name nothing, or were never read: please try `chalkgate lists update`, "
                 "then `chalkgate lists show %.100s`",
                 configured->name);
    else
        snprintf(note, sizeof note,
                 "no list names anything in it: `chalkgate lists import --category %.100s FILE` "
                 "brings one; or take it out of config.yaml, where it is not wanted",
                 configured->name);
    untested_add(test, "", configured->name,
                 !only_addresses && is_needed(test->world->config, category), note);
}

static void check_category(struct selftest *test, uint16_t group, const struct address *client,
                           uint16_t category)
{
    const struct config_category *configured = &test->world->config->categories[category];
    const struct config_group *member = &test->world->config->groups[group];
    int index = bl_store_category_find(test->world->store, configured->name);
    const struct sample *sample = index < 0 ? NULL : &test->samples[index];
    struct policy_explanation explanation;
    char subject[BL_NAME_TEXT_MAX];
    bool should_deny, base;
    enum outcome found;
    const char *note = "";

    if (!sample || !sample->found) /* told once for all groups: category_untested() */
        return;
    bl_name_text(sample->name.wire, subject);
    if (policy_explain(
            test->world->policy, group, sample->name.wire,
            bl_store_find(test->world->store, sample->name.wire, sample->name.len, sample->type),
            test->moment.wall_ms, &explanation) < 0) {
        untested_add(test, member->name, configured->name, configured->sealed,
                     "memory was short; please try again");
        return;
    }
    should_deny = configured->sealed || explanation.ruling.verdict == VERDICT_DENY;
    base = is_denied_by_configuration(member, category);
    if (base && !should_deny)
        note = policy_rule_text((enum rule_kind)explanation.ruling.rule);
    policy_explanation_free(&explanation);
    found = ask(test, client, &sample->name, false, sample->type);
    if ((found == OUTCOME_DENIED) == should_deny && should_deny && sample->with_below)
        found = ask(test, client, &sample->name, true, DNS_HTTPS);
    check_add(test, member->name, configured->name, subject, should_deny ? "denied" : "allowed",
              found, (found == OUTCOME_DENIED) == should_deny && found != OUTCOME_REFUSED, note);
}

static enum outcome ask_text(struct selftest *test, const struct address *client, const char *text,
                             unsigned type)
{
    struct bl_name name;

    if (bl_name_parse(text, strlen(text), &name) != BL_NAME_FINE)
        return OUTCOME_REFUSED;
    return ask(test, client, &name, false, type);
}

/* Names by which devices ask whether they may go round the resolver: they never leave the school.
 */
static void check_canaries(struct selftest *test, const char *group, const struct address *client)
{
    static const char *const names[] = {"use-application-dns.net", "mask.icloud.com",
                                        "mask-h2.icloud.com", "_dns.resolver.arpa"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        enum outcome found = ask_text(test, client, names[i], DNS_A);
        check_add(test, group, "canary", names[i], OUTCOMES[OUTCOME_LOCAL], found,
                  found == OUTCOME_LOCAL || found == OUTCOME_DENIED, "");
    }
}

static void check_safe_search(struct selftest *test, const char *group,
                              const struct address *client)
{
    static const char *const engines[] = {"www.google.com", "www.google.co.uk", "www.bing.com",
                                          "duckduckgo.com", "www.youtube.com"};

    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
        enum outcome found = ask_text(test, client, engines[i], DNS_A);
        check_add(test, group, "safe search", engines[i], OUTCOMES[OUTCOME_SAFE], found,
                  found == OUTCOME_SAFE || found == OUTCOME_DENIED, "");
    }
}

/* An address that belongs to the group: the first host of one of its subnets that no longer prefix
 * of another group takes away. */
static bool client_of(const struct world *world, uint16_t group, struct address *out_client)
{
    const struct config_group *configured = &world->config->groups[group];

    for (size_t i = 0; i < configured->subnet_count; i++)
        for (unsigned host = 0; host < 4; host++) {
            struct address client = {.port = 40000};
            memcpy(client.bytes, configured->subnets[i].bytes, sizeof client.bytes);
            client.bytes[15] = (uint8_t)(client.bytes[15] + host);
            if (policy_group_of(world->policy, &client) != group)
                continue;
            *out_client = client;
            return true;
        }
    return false;
}

static void check_group(struct selftest *test, uint16_t group)
{
    const struct config *config = test->world->config;
    const struct config_group *configured = &config->groups[group];
    struct address client;

    if (!client_of(test->world, group, &client)) {
        untested_add(
            test, configured->name, "subnet", false,
            "no subnet of its own, so that no device can stand for it; `chalkgate why NAME "
            "--group` tells what its devices would be refused");
        return;
    }
    for (size_t i = 0; i < config->category_count; i++)
        check_category(test, group, &client, (uint16_t)i);
    check_canaries(test, configured->name, &client);
    if (configured->safe_search != SAFE_SEARCH_OFF)
        check_safe_search(test, configured->name, &client);
}

int selftest_run(struct world *world, struct moment moment, json_t *reply, struct bl_error *error)
{
    struct selftest *test = calloc(1, sizeof *test);
    unsigned categories = bl_store_category_count(world->store);
    int code = -ENOMEM;

    if (!test)
        return bl_error_set(error, -ENOMEM, "no memory for the self-test");
    test->world = world;
    test->moment = moment;
    test->samples_wanted = categories;
    test->samples = calloc(categories + 1, sizeof *test->samples);
    test->checks = json_array();
    if (!test->samples || !test->checks) {
        bl_error_set(error, code, "no memory for the self-test");
        goto end;
    }
    code = pipeline_create(&(struct pipeline_options){.world = world,
                                                      .counters = &test->counters,
                                                      .max_queries = QUERIES},
                           moment, &test->pipeline, error);
    if (code < 0)
        goto end;
    pipeline_wake(test->pipeline, moment);
    code = bl_store_walk(world->store, sample_take, test, error);
    if (code < 0)
        goto end;
    for (size_t category = 0; category < world->config->category_count; category++)
        category_untested(test, (uint16_t)category);
    for (size_t group = 0; group < world->config->group_count; group++)
        check_group(test, (uint16_t)group);
    json_object_set(reply, "checks", test->checks);
    json_object_set_new(reply, "passed", json_integer(test->passed));
    json_object_set_new(reply, "failed", json_integer(test->failed));
    json_object_set_new(reply, "untested", json_integer(test->untested));
    code = 0;
end:
    json_decref(test->checks);
    pipeline_destroy(test->pipeline);
    free(test->samples);
    free(test);
    return code;
}
