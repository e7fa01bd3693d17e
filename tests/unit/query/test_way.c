/* What `why` tells of a name beyond the policy's verdict, where it must be what the query path
 * does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "resolver/query/local.h"
#include "resolver/query/safe_search.h"
#include "resolver/query/way.h"
#include "tests/support/store_fixture.h"

static const char CONFIG[] = "upstreams: [192.0.2.53]\n"
                             "categories: {games: {}, ads: {}, news: {}}\n"
                             "groups: {pupils: {subnets: [10.1.0.0/16], deny: [games, ads]}}\n";

static const struct fixture_list LISTS[] = {
    {"games", BL_TIER_SCHOOL,
     "games.org v6.org$AAAA *.wild.org$AAAA net.org @x.net.org$A @open.org @half.org$AAAA "
     "@both.org both.org$AAAA"},
    {"ads", BL_TIER_SCHOOL, "198.51.100.0/24"},
    {"news", BL_TIER_SCHOOL, "paper.org @free.paper.org"},
    {"unknown", BL_TIER_SCHOOL, "stranger.org"},
};

/* NULL: does not matter. */
static const struct {
    const char *name, *type;
    const char *resolved; /* what upstreams answered */
    const char *verdict, *because, *answer, *handled;
} CASES[] = {
    {"games.org", "A", NULL, "denied", "games, denied", "nxdomain", NULL},
    {"v6.org", "AAAA", NULL, "denied", "games, denied", "nodata", NULL},
    /* An entry that does not count is told of, and why it does not. */
    {"v6.org", "A", NULL, "allowed", "listed, but not for questions of type A", NULL, NULL},
    {"half.org", "A", NULL, "allowed", "the lists have nothing but an allow entry", NULL, NULL},
    {"half.org", "AAAA", NULL, "allowed", "the lists have nothing but an allow entry", NULL, NULL},
    {"open.org", "A", NULL, "allowed", "the lists have nothing but an allow entry", NULL, NULL},
    {"both.org", "A", NULL, "allowed", "listed, but not for questions of type A", NULL, NULL},
    {"paper.org", "A", NULL, "allowed", "news is not denied to pupils", NULL, NULL},
    {"free.paper.org", "A", NULL, "allowed", "an allow entry of the lists beats the block", NULL,
     NULL},
    {"stranger.org", "A", NULL, "allowed", "listed, but in no category that", NULL, NULL},
    {"nowhere.org", "A", NULL, "allowed", "on no list", NULL, NULL},
    /* Answers, in the order in which they are judged: of the inside, then names, then addresses. */
    {"a.org", "A", "{'targets': ['games.org'], 'addresses': ['198.51.100.1']}", "denied",
     "its answer leads to games.org: games", "nxdomain", NULL},
    {"a.org", "A", "{'targets': ['games.org'], 'addresses': ['198.51.100.1', '10.0.0.1']}",
     "denied", "its answer has 10.0.0.1, an address of the inside", NULL, NULL},
    {"a.org", "A", "{'targets': ['plain.org'], 'addresses': ['192.0.2.1', '198.51.100.1']}",
     "denied", "its answer leads to 198.51.100.1: ads", NULL, NULL},
    {"a.org", "A", "{'targets': ['plain.org'], 'addresses': ['192.0.2.1']}", "allowed",
     "on no list", NULL, "asked of the upstreams"},
    /* An alias to what is listed for some types: the whole target counts. */
    {"a.org", "AAAA", "{'targets': ['b.wild.org'], 'addresses': []}", "denied",
     "its answer leads to b.wild.org: games", "nodata", NULL},
    {"a.org", "AAAA", "{'targets': ['x.net.org'], 'addresses': []}", "denied",
     "its answer leads to x.net.org: games", "nodata", NULL},
    {"a.org", "A", "{'targets': ['x.net.org'], 'addresses': []}", "allowed", NULL, NULL, NULL},
    {"a.org", "AAAA", "{'targets': ['y.net.org'], 'addresses': []}", "denied", NULL, "nxdomain",
     NULL},
    {"ipv4only.arpa", "A", NULL, "allowed", NULL, NULL, "the addresses that RFC 8880 gives"},
    {"x.ipv4only.arpa", "A", NULL, "allowed", NULL, NULL, "below a name of RFC 8880's"},
};

static void assert_begins(const json_t *story, size_t i, const char *key, const char *begin)
{
    const char *told = json_string_value(json_object_get(story, key));

    if (begin && (!told || strncmp(told, begin, strlen(begin)) != 0))
        fail_msg("%s %s: expected %s \"%s…\", told \"%s\"", CASES[i].name, CASES[i].type, key,
                 begin, told ? told : "nothing");
}

static json_t *request_of(size_t i)
{
    json_t *request = json_pack("{s:[s], s:s, s:s}", "names", CASES[i].name, "type", CASES[i].type,
                                "group", "pupils");
    char text[256];

    if (!CASES[i].resolved)
        return request;
    snprintf(text, sizeof text, "%s", CASES[i].resolved);
    for (char *at = text; (at = strchr(at, '\''));)
        *at = '"';
    json_object_set_new(request, "resolved",
                        json_pack("{s:o}", CASES[i].name, json_loads(text, 0, NULL)));
    return request;
}

static void test_tells_what_is_done(void **state)
{
    struct bl_store *store = fixture_store(LISTS, sizeof LISTS / sizeof *LISTS, NULL);
    struct safe_search *safe_search;
    struct config_faults faults = {0};
    struct local_names *local;
    struct policy *policy;
    struct config *config;
    struct bl_error error = {""};
    struct story_world world = {.store = store, .beyond = way_tell};
    struct way way;

    (void)state;
    assert_int_equal(config_load_text("test.yaml", CONFIG, strlen(CONFIG), &config, &faults), 0);
    assert_int_equal(policy_build(config, store, 1, &policy, &error), 0);
    assert_int_equal(local_create(config, &local), 0);
    assert_int_equal(
        safe_search_create(safe_search_shipped, safe_search_shipped_len, &safe_search, &error), 0);
    way = (struct way){.local = local, .safe_search = safe_search};
    world.config = config;
    world.policy = policy;
    world.beyond_user = &way;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        json_t *request = request_of(i), *reply = json_object();
        const json_t *story;

        assert_int_equal(story_answer(&world, request, INT64_C(1795428900), reply, &error), 0);
        story = json_array_get(json_object_get(reply, "stories"), 0);
        assert_begins(story, i, "verdict", CASES[i].verdict);
        assert_begins(story, i, "because", CASES[i].because);
        assert_begins(story, i, "answer", CASES[i].answer);
        assert_begins(story, i, "handled", CASES[i].handled);
        json_decref(request);
        json_decref(reply);
    }
    safe_search_free(safe_search);
    local_free(local);
    policy_free(policy);
    config_free(config);
    bl_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tells_what_is_done)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
