/* Sessions by hand, where a second manager is wanted for what loosens. */
#include <errno.h>

#include "tests/unit/policy/school.h"

static json_t *session_request(const char *address, const char *group, const char *reason)
{
    return json_pack("{s:s, s:s, s:s, s:i, s:s*}", "address", address, "user", "t.smith", "group",
                     group, "seconds", 3600, "reason", reason);
}

static size_t sessions_count(struct school *school, struct policy_grant *out_last)
{
    struct policy_rules *rules = rules_now(school);
    size_t count = 0;

    for (size_t i = 0; i < rules->grant_count; i++) {
        if (rules->grants[i].kind == GRANT_SESSION) {
            *out_last = rules->grants[i];
            count++;
        }
    }
    out_last->group = out_last->by = NULL; /* they end with the rules */
    policy_rules_free(rules);
    return count;
}

/* A session that loosens waits, one that does not begins at once; so does one of a logon script. */
static void sessions_wait(void **state)
{
    struct school *school = *state;
    struct policy_grant last;
    struct bl_error error = {0};
    json_t *reply, *session;

    config_take(school, "true, automatic-sessions: {radius: [staff]}");
    assert_refused(school, act_session_start, session_request("10.1.0.5", "staff", NULL), -EINVAL,
                   "say why");
    assert_int_equal(act_do(school, act_session_start, session_request("10.1.0.5", "staff", "ill"),
                            &reply, &error),
                     0);
    session = json_object_get(reply, "session");
    assert_string_equal(json_string_value(json_object_get(session, "state")), "pending");
    assert_non_null(
        strstr(json_string_value(json_array_get(json_object_get(session, "loosens"), 0)),
               "staff instead of pupils: category:games was denied and would be not"));
    json_decref(reply);
    assert_int_equal(sessions_count(school, &last), 0);
    /* What the configuration gives the address anyway; outside any subnet nobody may ask at all. */
    assert_done(school, act_session_start, session_request("10.1.0.6", "pupils", NULL));
    assert_int_equal(sessions_count(school, &last), 1);
    assert_done(school, act_session_start, session_request("192.0.2.1", "pupils", "a visitor"));
    assert_int_equal(sessions_count(school, &last), 1);
    /* Asked again, the newer one takes the place of the older. */
    assert_done(school, act_session_start, session_request("10.1.0.5", "staff", "still ill"));
    assert_refused(school, act_approve, json_pack("{s:i, s:s}", "id", 1, "reason", "x"), -ENOENT,
                   "no grant");
    assert_refused(school, act_approve, json_pack("{s:i, s:s}", "id", 4, "reason", "x"), -EPERM,
                   "another manager");
    school->now_ms += 600000;
    actor_set(school, "john");
    assert_done(school, act_approve, json_pack("{s:i, s:s}", "id", 4, "reason", "fine"));
    assert_int_equal(sessions_count(school, &last), 2);
    assert_int_equal(last.end_ms, school->now_ms + 3600000); /* counted from now on */
    assert_refused(school, act_approve, json_pack("{s:i, s:s}", "id", 4, "reason", "x"), -EINVAL,
                   "does not wait");
    /* Rejected it is gone, and what was in force at the address is still. */
    assert_done(school, act_session_start, session_request("10.1.0.6", "staff", "x"));
    assert_int_equal(sessions_count(school, &last), 2);
    assert_done(school, act_revoke, json_pack("{s:i, s:s}", "id", 5, "reason", "no"));
    assert_int_equal(sessions_count(school, &last), 2);
    /* A service's own sessions, not those of whoever stands behind it; and of its groups only. */
    actor_set(school, "radius");
    assert_done(school, act_session_start, session_request("10.1.0.8", "staff", "behind root"));
    assert_int_equal(sessions_count(school, &last), 2);
    snprintf(school->actor.user, sizeof school->actor.user, "radius");
    assert_done(school, act_session_start, session_request("10.1.0.8", "staff", NULL));
    assert_int_equal(sessions_count(school, &last), 3);
    assert_refused(school, act_approve, json_pack("{s:i, s:s}", "id", 6, "reason", "x"), -ENOENT,
                   "no grant"); /* that one took its place */
    assert_done(school, act_session_start, session_request("192.0.2.2", "pupils", "not its group"));
    assert_int_equal(sessions_count(school, &last), 3);
}

/* A grant of its own makes a group looser, another address of the device another measure; and what
 * is at the address when a second manager comes must be what was there. */
static void sessions_wait_for_more(void **state)
{
    struct school *school = *state;
    struct neighbour neighbour = {.mac = {2, 0, 0, 0, 0, 9}};
    struct policy_grant last;

    config_take(school, "true");
    assert_done(school, act_session_start, session_request("10.1.0.9", "pupils", NULL));
    assert_int_equal(sessions_count(school, &last), 1);
    /* The same rules, but for what is denied to the one beside them. */
    assert_done(school, act_grant, grant_request("deny", "chat.test", 60));
    assert_done(school, act_session_start, session_request("10.1.0.5", "years", "x"));
    assert_int_equal(sessions_count(school, &last), 1);
    school->now_ms += 60000;
    assert_done(school, act_session_start, session_request("10.1.0.5", "years", NULL));
    assert_int_equal(sessions_count(school, &last), 2);
    assert_int_equal(address_parse("192.0.2.9", 0, &neighbour.address), 0);
    devices_see(school->devices, &neighbour, 1);
    assert_done(school, act_session_start, session_request("10.1.0.9", "pupils", "elsewhere too"));
    assert_int_equal(sessions_count(school, &last), 2);
    actor_set(school, "john");
    neighbour.mac[5] = 0x77;
    assert_int_equal(address_parse("10.1.0.9", 0, &neighbour.address), 0);
    devices_see(school->devices, &neighbour, 1);
    assert_refused(school, act_approve, json_pack("{s:i, s:s}", "id", 5, "reason", "x"), -EINVAL,
                   "another device has the address");
}

/* What came to be granted since is more than whoever confirms the session was shown. */
static void sessions_show_all(void **state)
{
    struct school *school = *state;
    json_t *grant = grant_request("allow", "chat.test", 7200);
    struct policy_grant last;

    config_take(school, "true");
    school->now_ms += 4500000; /* half an hour before the lessons end */
    assert_done(school, act_session_start, session_request("10.1.0.5", "staff", "ill"));
    json_object_set_new(grant, "group", json_string("staff"));
    assert_done(school, act_grant, grant);
    actor_set(school, "john");
    school->now_ms += 2400000; /* other rules are in force, but they are no others */
    assert_done(school, act_approve, json_pack("{s:i, s:s}", "id", 2, "reason", "fine"));
    assert_refused(school, act_approve, json_pack("{s:i, s:s}", "id", 1, "reason", "x"), -EINVAL,
                   "more by now than when it was asked for (grant 2, which allows chat.test");
    actor_set(school, "mary");
    assert_done(school, act_session_start, session_request("10.1.0.5", "staff", "ill"));
    actor_set(school, "john");
    school->now_ms += 1800000;
    assert_done(school, act_approve, json_pack("{s:i, s:s}", "id", 3, "reason", "fine"));
    assert_int_equal(sessions_count(school, &last), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_SCHOOL(sessions_wait),
        IN_A_SCHOOL(sessions_show_all),
        IN_A_SCHOOL(sessions_wait_for_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
