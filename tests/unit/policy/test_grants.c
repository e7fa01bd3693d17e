/* Grants: whom they are for, how long they last, and what cannot be granted. */
#include <errno.h>

#include "resolver/policy/versions.h"
#include "tests/unit/policy/school.h"

static void grants_last_and_end(void **state)
{
    struct school *school = *state;
    struct policy_rules *rules;

    assert_done(school, act_grant, grant_request("allow", "Chess.Test.", 45 * 60));
    assert_done(school, act_grant, grant_request("deny", "service:youtube", 60));
    state_close(school->state); /* survives a restart */
    assert_int_equal(state_open(school->folder, true, &school->state, NULL), 0);
    rules = rules_now(school);
    assert_int_equal(rules->grant_count, 2);
    assert_string_equal(rules->grants[0].target, "chess.test");
    assert_string_equal(rules->grants[0].group, "pupils");
    assert_string_equal(rules->grants[0].by, "mary");
    assert_string_equal(rules->grants[0].reason, "a lesson");
    assert_string_equal(rules->grants[0].approved_by, "head");
    assert_true(rules->grants[0].start_ms == INT64_MIN);
    assert_int_equal(rules->grants[0].end_ms, school->now_ms + 45 * 60000);
    assert_int_equal(rules->grants[1].kind, GRANT_DENY);
    assert_int_equal(rules->version, 2);
    policy_rules_free(rules);
    school->now_ms += 60000;
    rules = rules_now(school);
    assert_int_equal(rules->grant_count, 1);
    policy_rules_free(rules);
    assert_done(school, act_revoke, json_pack("{s:i, s:s}", "id", 1, "reason", "done early"));
    rules = rules_now(school);
    assert_int_equal(rules->grant_count, 0);
    policy_rules_free(rules);
    assert_refused(school, act_revoke, json_pack("{s:i, s:s}", "id", 1, "reason", "again"), -ENOENT,
                   "no grant 1");
}

static void what_cannot_be_granted(void **state)
{
    struct school *school = *state;
    static const char LONG[] =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        ".test";
    static const char *const NO_REASONS[][2] = {
        {"", "say why"}, {" \t ", "say why"}, {"two\nlines", "one line"}, {"\x1b[2J", "one line"}};

    assert_refused(school, act_grant, grant_request("allow", "category:illegal", 60), -EPERM,
                   "sealed");
    assert_refused(school, act_grant, grant_request("allow", "category:gmes", 60), -EINVAL,
                   "no category \"gmes\"; did you mean \"games\"?");
    assert_refused(school, act_grant, grant_request("allow", "service:nope", 60), -EINVAL,
                   "no service");
    assert_refused(school, act_grant, grant_request("allow", LONG, 60), -EINVAL, "is no name");
    assert_refused(school, act_grant, grant_request("allow", "x.test", 0), -EINVAL, "a second");
    assert_refused(school, act_grant, grant_request("permit", "x.test", 60), -EINVAL, "allows or");
    assert_refused(school, act_grant,
                   json_pack("{s:s, s:s, s:s, s:i}", "kind", "allow", "target", "x.test", "group",
                             "pupils", "seconds", 60),
                   -EINVAL, "--reason");
    for (size_t i = 0; i < sizeof NO_REASONS / sizeof *NO_REASONS; i++) {
        json_t *request = grant_request("allow", "x.test", 60);
        json_object_set_new(request, "reason", json_string(NO_REASONS[i][0]));
        assert_refused(school, act_grant, request, -EINVAL, NO_REASONS[i][1]);
    }
    assert_refused(school, act_grant,
                   json_pack("{s:s, s:s, s:s, s:s, s:i}", "kind", "allow", "target", "x.test",
                             "reason", "r", "group", "nobody", "seconds", 60),
                   -EINVAL, "no group");
    assert_refused(school, act_grant,
                   json_pack("{s:s, s:s, s:s, s:s}", "kind", "allow", "target", "x.test", "reason",
                             "r", "group", "pupils"),
                   -EINVAL, "for how long");
    assert_refused(school, act_grant,
                   json_pack("{s:s, s:s, s:s, s:s, s:I}", "kind", "allow", "target", "x.test",
                             "reason", "r", "group", "pupils", "until",
                             (json_int_t)(school->now_ms / 1000)),
                   -EINVAL, "has passed");
    assert_refused(school, act_grant,
                   json_pack("{s:s, s:s, s:s, s:i, s:s}", "kind", "allow", "target", "x.test",
                             "reason", "r", "seconds", 60, "device", "nothing"),
                   -EINVAL, "no device");
    assert_refused(
        school, act_block_device,
        json_pack("{s:s, s:s, s:b}", "device", "10.1.0.9", "reason", "r", "permanent", 1), -EINVAL,
        "needs an end");
}

/* A name that a device gives itself stands for its MAC address; one that two give for none. */
static void devices_by_their_own_name(void **state)
{
    struct school *school = *state;
    struct policy_rules *rules;

    assert_done(
        school, act_block_device,
        json_pack("{s:s, s:s, s:i}", "device", "Laptop", "reason", "time out", "seconds", 3600));
    assert_refused(
        school, act_block_device,
        json_pack("{s:s, s:s, s:i}", "device", "phone", "reason", "time out", "seconds", 3600),
        -EINVAL, "2 devices call themselves");
    assert_refused(
        school, act_block_device,
        json_pack("{s:s, s:s, s:i}", "device", "toaster", "reason", "time out", "seconds", 3600),
        -EINVAL, "no device \"toaster\"");
    rules = rules_now(school);
    assert_int_equal(rules->grant_count, 1);
    assert_true(rules->grants[0].device.has_mac && !rules->grants[0].device.has_address);
    assert_int_equal(rules->grants[0].device.mac[5], 0x21);
    policy_rules_free(rules);
}

static void devices_and_sessions(void **state)
{
    struct school *school = *state;
    struct policy_rules *rules;

    assert_done(
        school, act_block_device,
        json_pack("{s:s, s:s, s:i}", "device", "10.1.0.9", "reason", "time out", "seconds", 3600));
    assert_done(
        school, act_block_device,
        json_pack("{s:s, s:s, s:i}", "device", "tablet-7", "reason", "time out", "seconds", 3600));
    assert_done(school, act_session_start,
                json_pack("{s:s, s:s, s:s, s:i}", "address", "::ffff:10.1.0.5", "user", "t.smith",
                          "group", "staff", "seconds", 8 * 3600));
    rules = rules_now(school);
    assert_int_equal(rules->grant_count, 3);
    assert_int_equal(rules->version, 2); /* sessions make no version */
    assert_true(rules->grants[0].device.has_mac && rules->grants[0].device.has_address);
    assert_int_equal(rules->grants[0].device.mac[5], 9);
    assert_string_equal(rules->grants[1].device_text, "tablet-7");
    assert_int_equal(rules->grants[2].kind, GRANT_SESSION);
    assert_string_equal(rules->grants[2].user, "t.smith");
    policy_rules_free(rules);
    /* Another user at the same address takes its place. */
    assert_done(school, act_session_start,
                json_pack("{s:s, s:s, s:s, s:i}", "address", "10.1.0.5", "user", "b.jones", "group",
                          "staff", "seconds", 60));
    rules = rules_now(school);
    assert_int_equal(rules->grant_count, 3);
    assert_string_equal(rules->grants[2].user, "b.jones");
    policy_rules_free(rules);
    assert_refused(school, act_session_start,
                   json_pack("{s:s, s:s, s:s, s:i}", "address", "10.1.0.5", "user", "b\x1b[2J",
                             "group", "staff", "seconds", 60),
                   -EINVAL, "control character");
    assert_done(school, act_session_end, json_pack("{s:s}", "user", "b.jones"));
    assert_refused(school, act_session_end, json_pack("{s:s}", "address", "10.1.0.5"), -ENOENT,
                   "nobody");
}

static void a_second_manager(void **state)
{
    struct school *school = *state;
    struct policy_rules *rules;
    json_t *asked = grant_request("allow", "chess.test", 600);

    json_object_set_new(asked, "approved_by", json_string("the head"));
    config_take(school, "true");
    assert_done(school, act_grant, asked);
    assert_done(school, act_grant, grant_request("deny", "bad.test", 600));
    rules = rules_now(school);
    assert_int_equal(rules->grant_count, 1); /* the denial needs nobody else */
    policy_rules_free(rules);
    assert_refused(school, act_approve, json_pack("{s:i, s:s}", "id", 1, "reason", "fine"), -EPERM,
                   "another manager");
    assert_refused(school, act_approve, json_pack("{s:i, s:s}", "id", 2, "reason", "fine"), -EINVAL,
                   "does not wait");
    assert_refused(school, act_revoke, json_pack("{s:i, s:s}", "id", 2, "reason", "fine"), -EPERM,
                   "second manager");
    actor_set(school, "john");
    school->now_ms += 300000;
    assert_done(school, act_approve, json_pack("{s:i, s:s}", "id", 1, "reason", "fine"));
    assert_done(school, act_revoke, json_pack("{s:i, s:s}", "id", 2, "reason", "fine"));
    rules = rules_now(school);
    assert_int_equal(rules->grant_count, 1);
    assert_int_equal(rules->grants[0].end_ms, school->now_ms + 600000); /* counted from now on */
    assert_string_equal(rules->grants[0].approved_by, "the head, confirmed by john");
    policy_rules_free(rules);
}

static void begins_later(void **state)
{
    struct school *school = *state;
    json_int_t now_s = school->now_ms / 1000;
    struct policy_rules *rules;
    json_t *request = grant_request("allow", "chess.test", 600);

    json_object_set_new(request, "from", json_integer(now_s + 3600));
    assert_done(school, act_grant, request);
    rules = rules_now(school);
    assert_int_equal(rules->grants[0].start_ms, school->now_ms + 3600000);
    assert_int_equal(rules->grants[0].end_ms, school->now_ms + 4200000);
    policy_rules_free(rules);
    /* One that would never be in force is a slip of the finger. */
    request = grant_request("allow", "chess.test", 600);
    json_object_del(request, "seconds");
    json_object_set_new(request, "until", json_integer(now_s + 3600));
    json_object_set_new(request, "from", json_integer(now_s + 3600));
    assert_refused(school, act_grant, request, -EINVAL, "before it begins");
    request = grant_request("allow", "chess.test", 600);
    json_object_set_new(request, "from", json_integer(INT64_MAX));
    assert_refused(school, act_grant, request, -EINVAL, "no time");
    request = grant_request("allow", "chess.test", 600);
    json_object_del(request, "seconds");
    json_object_set_new(request, "until", json_integer(INT64_MIN));
    assert_refused(school, act_grant, request, -EINVAL, "has passed");
}

static void ten_thousand_grants(void **state)
{
    struct school *school = *state;
    struct act act = {.config = school->config, .calendar = school->calendar};
    struct policy_rules *rules;
    bool changed;

    assert_int_equal(change_begin(school->state, &school->actor, school->now_ms, &act.change, NULL),
                     0);
    for (int i = 0; i < 10000; i++) {
        char name[64];
        json_t *grant;
        snprintf(name, sizeof name, "n%d.test", i);
        grant = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s}", "kind", "allow",
                          "target_kind", "name", "target", name, "group", "pupils", "state",
                          "active", "end", (json_int_t)(school->now_ms + 1000 + i), "reason", "r",
                          "by", "mary", "user", "root");
        assert_int_equal(grant_add(act.change, grant, NULL), 0);
        json_decref(grant);
    }
    assert_int_equal(version_update(act.change, act.config, act.calendar, "many", &changed, NULL),
                     0);
    assert_true(changed);
    assert_int_equal(change_commit(act.change, NULL), 0);
    rules = rules_now(school);
    assert_int_equal(rules->grant_count, 10000);
    policy_rules_free(rules);
    assert_done(school, act_grant, grant_request("deny", "one.more.test", 60));
    school->now_ms += 6000;
    rules = rules_now(school);
    assert_int_equal(rules->grant_count, 5000);
    policy_rules_free(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_SCHOOL(grants_last_and_end),       IN_A_SCHOOL(what_cannot_be_granted),
        IN_A_SCHOOL(devices_by_their_own_name), IN_A_SCHOOL(devices_and_sessions),
        IN_A_SCHOOL(a_second_manager),          IN_A_SCHOOL(begins_later),
        IN_A_SCHOOL(ten_thousand_grants),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
