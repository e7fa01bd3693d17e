/* Grants, versions and the change log: kept, ended, refused, and proved whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "resolver/devices/devices.h"
#include "resolver/policy/acts.h"
#include "resolver/policy/grants.h"
#include "resolver/policy/versions.h"
#include "tests/support/folder.h"

enum { CONFIG_ROOM = 4096 };

static const char CONFIG[] = "upstreams: [192.0.2.53]\n"
                             "calendar:\n"
                             "  time-zone: Europe/London\n"
                             "  periods: {lessons: {times: [09:00-12:00]}}\n"
                             "categories: {games: {}, illegal: {sealed: true}}\n"
                             "devices: {tablet-7: {mac: '02:00:00:00:00:07'}}\n"
                             "roles: {requires-approval: %s}\n"
                             "groups:\n"
                             "  pupils: {subnets: [10.1.0.0/16, 'fd00::/64'], deny: [games]}\n"
                             "  staff: {schedule: [{during: [lessons], deny: [games]}]}\n";

struct school {
    char folder[FOLDER_ROOM];
    struct config *config;
    struct calendar *calendar;
    struct state *state;
    struct devices *devices;
    int64_t now_ms;
    struct actor actor;
};

static struct config *config_of(const char *text)
{
    struct config *config = NULL;
    struct config_faults faults = {0};

    if (config_load_text("test.yaml", text, strlen(text), &config, &faults) < 0)
        fail_msg("%s", faults.items[0].text);
    return config;
}

static void actor_set(struct school *school, const char *login)
{
    school->actor = (struct actor){.uid = 0, .login_uid = 1000, .role = "manager"};
    snprintf(school->actor.user, sizeof school->actor.user, "root");
    snprintf(school->actor.login, sizeof school->actor.login, "%s", login);
}

/* 10.1.0.9 is a neighbour; one laptop and two phones have leases. */
static void devices_fill(struct devices *devices)
{
    static const char LEASES[] = "0 02:00:00:00:00:21 10.1.0.21 laptop *\n"
                                 "0 02:00:00:00:00:22 10.1.0.22 phone *\n"
                                 "0 02:00:00:00:00:23 10.1.0.23 phone *\n";
    struct neighbour neighbour = {.mac = {2, 0, 0, 0, 0, 9}};
    struct leases leases = {0};

    assert_int_equal(address_parse("10.1.0.9", 0, &neighbour.address), 0);
    devices_see(devices, &neighbour, 1);
    assert_int_equal(leases_read(LEASE_DNSMASQ, LEASES, sizeof LEASES - 1, &leases), 0);
    leases_settle(&leases, 0);
    devices_lease(devices, 0, &leases);
}

static int school_open(void **state)
{
    struct school *school = calloc(1, sizeof *school);
    char text[CONFIG_ROOM];

    assert_non_null(school);
    folder_make(school->folder);
    snprintf(text, sizeof text, CONFIG, "false");
    school->config = config_of(text);
    assert_int_equal(calendar_create(&school->config->calendar, &school->calendar, NULL), 0);
    assert_int_equal(state_open(school->folder, true, &school->state, NULL), 0);
    assert_int_equal(devices_create(&school->devices), 0);
    devices_fill(school->devices);
    school->now_ms = INT64_C(1795428900000); /* 2026-11-23T10:15 in London */
    actor_set(school, "mary");
    *state = school;
    return 0;
}

static int school_close(void **state)
{
    struct school *school = *state;

    state_close(school->state);
    devices_free(school->devices);
    calendar_free(school->calendar);
    config_free(school->config);
    folder_drop(school->folder);
    free(school);
    return 0;
}

typedef int act_function(struct act *, const json_t *, json_t *, struct bl_error *);

/* Does an act and commits it; gives its code. The request is taken; the reply stands in *out_reply.
 */
static int act_do(struct school *school, act_function *function, json_t *request,
                  json_t **out_reply, struct bl_error *error)
{
    struct act act = {
        .config = school->config, .calendar = school->calendar, .devices = school->devices};
    json_t *reply = json_object();
    int code;

    assert_non_null(request);
    assert_int_equal(
        change_begin(school->state, &school->actor, school->now_ms, &act.change, error), 0);
    code = function(&act, request, reply, error);
    if (code == 0)
        code = change_commit(act.change, error);
    else
        change_abort(act.change);
    json_decref(request);
    if (out_reply)
        *out_reply = reply;
    else
        json_decref(reply);
    return code;
}

static void assert_done(struct school *school, act_function *function, json_t *request)
{
    struct bl_error error = {0};

    if (act_do(school, function, request, NULL, &error) < 0)
        fail_msg("%s", error.text);
}

static void assert_refused(struct school *school, act_function *function, json_t *request, int code,
                           const char *words)
{
    struct bl_error error = {0};

    assert_int_equal(act_do(school, function, request, NULL, &error), code);
    if (!strstr(error.text, words))
        fail_msg("\"%s\" is not said: %s", words, error.text);
}

static struct policy_rules *rules_now(struct school *school)
{
    struct policy_rules *rules = NULL;
    struct change *change;

    assert_int_equal(change_begin(school->state, NULL, school->now_ms, &change, NULL), 0);
    assert_int_equal(policy_rules_read(change, &rules, NULL), 0);
    change_abort(change);
    return rules;
}

static json_t *grant_request(const char *kind, const char *target, int seconds)
{
    return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s}", "kind", kind, "target", target, "group",
                     "pupils", "seconds", seconds, "reason", "a lesson", "approved_by", "head");
}

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
    const char *wanted[] = {"02:00:00:00:00:09", NULL};

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
    (void)wanted;
}

static void a_second_manager(void **state)
{
    struct school *school = *state;
    char text[CONFIG_ROOM];
    struct policy_rules *rules;
    json_t *asked = grant_request("allow", "chess.test", 600);

    json_object_set_new(asked, "approved_by", json_string("the head"));
    calendar_free(school->calendar);
    config_free(school->config);
    snprintf(text, sizeof text, CONFIG, "true");
    school->config = config_of(text);
    assert_int_equal(calendar_create(&school->config->calendar, &school->calendar, NULL), 0);
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

static const json_t *row_find(const json_t *reply, const char *subnet, const char *target)
{
    size_t index;
    json_t *row;

    json_array_foreach(json_object_get(reply, "rows"), index, row)
    {
        if (strcmp(json_string_value(json_object_get(row, "subnet")), subnet) == 0 &&
            strcmp(json_string_value(json_object_get(row, "target")), target) == 0)
            return row;
    }
    return NULL;
}

static const char *rule_field(const json_t *row, size_t rule, size_t field)
{
    return json_string_value(
        json_array_get(json_array_get(json_object_get(row, "rules"), rule), field));
}

static void versions_can_be_read_again(void **state)
{
    struct school *school = *state;
    struct bl_error error = {0};
    json_t *reply;

    assert_done(school, act_grant, grant_request("allow", "category:games", 900));
    assert_done(school, act_revoke, json_pack("{s:i, s:s}", "id", 1, "reason", "done"));
    assert_int_equal(
        act_do(school, act_policy_show, json_pack("{s:i}", "version", 1), &reply, &error), 0);
    assert_string_equal(rule_field(row_find(reply, "10.1.0.0/16", "category:games"), 0, 0), "deny");
    assert_string_equal(rule_field(row_find(reply, "10.1.0.0/16", "category:games"), 1, 0),
                        "allow");
    assert_string_equal(rule_field(row_find(reply, "fd00::/64", "category:games"), 1, 1),
                        "until 2026-11-23T10:30");
    assert_string_equal(rule_field(row_find(reply, "fd00::/64", "category:games"), 1, 2),
                        "grant 1 of mary: a lesson");
    assert_string_equal(rule_field(row_find(reply, "group:staff", "category:games"), 0, 1),
                        "during lessons");
    assert_string_equal(rule_field(row_find(reply, "group:staff", "category:illegal"), 0, 0),
                        "sealed");
    assert_string_equal(
        rule_field(row_find(reply, "school", "calendar.periods.lessons.times"), 0, 0),
        "[09:00-12:00]");
    assert_string_equal(rule_field(row_find(reply, "school", "categories.illegal.sealed"), 0, 0),
                        "true");
    json_decref(reply);
    assert_int_equal(act_do(school, act_policy_show, json_object(), &reply, &error), 0);
    assert_int_equal(json_integer_value(json_object_get(reply, "version")), 2);
    assert_int_equal(json_array_size(json_object_get(reply, "versions")), 2);
    assert_int_equal(
        json_array_size(json_object_get(row_find(reply, "10.1.0.0/16", "category:games"), "rules")),
        1);
    json_decref(reply);
    assert_refused(school, act_policy_show, json_pack("{s:i}", "version", 3), -ENOENT,
                   "no version 3");
}

static int configuration(struct act *act, const json_t *request, json_t *reply,
                         struct bl_error *error)
{
    (void)request;
    (void)reply;
    return act_configuration(act, error);
}

static json_int_t version_now(struct school *school)
{
    struct bl_error error = {0};
    json_t *reply;
    json_int_t version;

    assert_int_equal(act_do(school, act_policy_show, json_object(), &reply, &error), 0);
    version = json_integer_value(json_object_get(reply, "version"));
    json_decref(reply);
    return version;
}

/* Rules say "during lessons": when that is, and what a device is, makes a version as rules do. */
static void what_rules_refer_to_makes_versions(void **state)
{
    static const char *const EDITS[][2] = {
        {"09:00-12:00", "09:00-11:00"},
        {"02:00:00:00:00:07'", "02:00:00:00:00:08'"},
        {"games: {}", "games: {title: 'Tab\tin it', severity: high}"},
        {"deny: [games]}]", "deny: [games]}] "}, /* says the same */
    };
    struct school *school = *state;
    char text[CONFIG_ROOM];

    assert_done(school, configuration, json_object());
    assert_int_equal(version_now(school), 1);
    snprintf(text, sizeof text, CONFIG, "false");
    for (size_t i = 0; i < sizeof EDITS / sizeof *EDITS; i++) {
        char edited[CONFIG_ROOM], *at = strstr(text, EDITS[i][0]);
        assert_non_null(at);
        snprintf(edited, sizeof edited, "%.*s%s%s", (int)(at - text), text, EDITS[i][1],
                 at + strlen(EDITS[i][0]));
        memcpy(text, edited, sizeof text);
        calendar_free(school->calendar);
        config_free(school->config);
        school->config = config_of(text);
        assert_int_equal(calendar_create(&school->config->calendar, &school->calendar, NULL), 0);
        assert_done(school, configuration, json_object());
        assert_int_equal(version_now(school), i < 3 ? i + 2 : 4);
    }
}

/* With whoever approved it, and with a reason of the greatest length in many octets. */
static void versions_keep_reason_and_approver(void **state)
{
    struct school *school = *state;
    json_t *request = grant_request("allow", "chess.test", 900), *reply;
    struct bl_error error = {0};
    char reason[501];

    for (size_t i = 0; i < 500; i += 2)
        memcpy(reason + i, "\xc3\xa9", 3);
    json_object_set_new(request, "reason", json_string(reason));
    json_object_set_new(request, "approved_by", json_string("the\thead"));
    assert_done(school, act_grant, request);
    assert_int_equal(act_do(school, act_policy_show, json_object(), &reply, &error), 0);
    const json_t *row = row_find(reply, "10.1.0.0/16", "name:chess.test");
    assert_string_equal(strstr(rule_field(row, 0, 2), ": ") + 2, reason);
    assert_string_equal(rule_field(row, 0, 3), "the head");
    json_decref(reply);
    request = grant_request("allow", "chess.test", 900);
    memset(reason, 'x', 201);
    reason[201] = '\0';
    json_object_set_new(request, "approved_by", json_string(reason));
    assert_refused(school, act_grant, request, -EINVAL, "at most 200");
}

static int verify(struct school *school, uint64_t *out_broken)
{
    struct change *change;
    uint64_t count;
    char head[65];
    int code;

    assert_int_equal(change_begin(school->state, NULL, 0, &change, NULL), 0);
    code = changes_verify(change, &count, out_broken, head, NULL);
    change_abort(change);
    return code;
}

static void every_octet_counts(void **state)
{
    struct school *school = *state;
    uint64_t broken;

    for (int i = 0; i < 4; i++)
        assert_done(school, act_grant, grant_request("allow", "chess.test", 60 + i));
    assert_int_equal(verify(school, &broken), 0);
    for (uint8_t number = 1; number <= 4; number++) {
        uint8_t key[8] = {[7] = number}, entry[4096];
        struct change *change;
        MDB_val value;
        size_t len = 1;
        for (size_t at = 0; at < len; at++) {
            assert_int_equal(change_begin(school->state, &school->actor, 0, &change, NULL), 0);
            assert_int_equal(change_get(change, TABLE_CHANGES, key, sizeof key, &value), 0);
            len = value.mv_size;
            assert_true(len < sizeof entry);
            memcpy(entry, value.mv_data, len);
            entry[at] ^= 0x20;
            assert_int_equal(change_put(change, TABLE_CHANGES, key, sizeof key, entry, len, NULL),
                             0);
            uint64_t count, found = 0;
            char head[65];
            assert_int_equal(changes_verify(change, &count, &found, head, NULL), -EBADMSG);
            assert_int_equal(found, number);
            change_abort(change);
        }
    }
    assert_int_equal(verify(school, &broken), 0);
}

static void nothing_is_taken_out(void **state)
{
    struct school *school = *state;
    struct change *change;
    uint8_t second[8] = {[7] = 2}, last[8] = {[7] = 3}, next[8] = {[7] = 4};
    uint64_t count, broken;
    char head[65];
    MDB_val value;

    for (int i = 0; i < 3; i++)
        assert_done(school, act_grant, grant_request("allow", "chess.test", 60 + i));
    assert_int_equal(change_begin(school->state, &school->actor, 0, &change, NULL), 0);
    assert_int_equal(change_delete(change, TABLE_CHANGES, second, sizeof second, NULL), 0);
    assert_int_equal(changes_verify(change, &count, &broken, head, NULL), -EBADMSG);
    assert_int_equal(broken, 2);
    change_abort(change);
    assert_int_equal(change_begin(school->state, &school->actor, 0, &change, NULL), 0);
    assert_int_equal(change_delete(change, TABLE_CHANGES, last, sizeof last, NULL), 0);
    assert_int_equal(changes_verify(change, &count, &broken, head, NULL), -EBADMSG);
    change_abort(change);
    assert_int_equal(change_begin(school->state, &school->actor, 0, &change, NULL), 0);
    assert_int_equal(change_get(change, TABLE_CHANGES, last, sizeof last, &value), 0);
    assert_int_equal(
        change_put(change, TABLE_CHANGES, next, sizeof next, value.mv_data, value.mv_size, NULL),
        0);
    assert_int_equal(changes_verify(change, &count, &broken, head, NULL), -EBADMSG);
    change_abort(change);
}

static int head_verify(struct act *act, const json_t *request, json_t *reply,
                       struct bl_error *error)
{
    return act_changes_verify(act, json_string_value(json_object_get(request, "head")), reply,
                              error);
}

/* Whoever can write the file can cut the log and its head alike: the chain is whole then, and only
 * a hash that was kept elsewhere tells. */
static void a_head_on_paper(void **state)
{
    struct school *school = *state;
    struct change *change;
    uint8_t second[8] = {[7] = 2}, last[8] = {[7] = 3}, head[8 + 32] = {[7] = 2};
    char paper[3][65];
    struct bl_error error = {0};
    json_t *reply = NULL;
    MDB_val value;

    for (int i = 0; i < 3; i++) {
        assert_done(school, act_grant, grant_request("allow", "chess.test", 60 + i));
        assert_int_equal(act_do(school, head_verify, json_object(), &reply, &error), 0);
        snprintf(paper[i], sizeof paper[i], "%s",
                 json_string_value(json_object_get(reply, "head")));
        json_decref(reply);
    }
    for (int i = 0; i < 3; i++)
        assert_done(school, head_verify, json_pack("{s:s}", "head", paper[i]));
    assert_int_equal(change_begin(school->state, &school->actor, 0, &change, NULL), 0);
    assert_int_equal(change_get(change, TABLE_CHANGES, second, sizeof second, &value), 0);
    memcpy(head + 8, value.mv_data, 32);
    assert_int_equal(change_delete(change, TABLE_CHANGES, last, sizeof last, NULL), 0);
    assert_int_equal(change_put(change, TABLE_META, "head", 4, head, sizeof head, NULL), 0);
    assert_int_equal(change_commit(change, NULL), 0);
    assert_done(school, head_verify, json_object());
    assert_done(school, head_verify, json_pack("{s:s}", "head", paper[0]));
    assert_done(school, head_verify, json_pack("{s:s}", "head", paper[1]));
    assert_refused(school, head_verify, json_pack("{s:s}", "head", paper[2]), -EBADMSG,
                   "no entry has the hash that was given");
    /* What is written on does not bring it back. */
    assert_done(school, act_grant, grant_request("allow", "chess.test", 62));
    assert_done(school, act_grant, grant_request("allow", "chess.test", 63));
    assert_refused(school, head_verify, json_pack("{s:s}", "head", paper[2]), -EBADMSG,
                   "no entry has the hash that was given");
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

static void damaged_files(void **state)
{
    struct school *school = *state;
    struct state *other = NULL;
    struct bl_error error = {0};
    char path[100];
    int fd;

    assert_done(school, act_grant, grant_request("allow", "chess.test", 60));
    state_close(school->state);
    school->state = NULL;
    snprintf(path, sizeof path, "%s/state.mdb", school->folder);
    assert_int_equal(truncate(path, 9000), 0);
    assert_int_equal(state_open(school->folder, true, &other, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "is damaged"));
    fd = open(path, O_WRONLY | O_TRUNC);
    assert_true(write(fd, "not a database, but long enough to be looked at", 47) == 47);
    assert_int_equal(ftruncate(fd, 40000), 0);
    close(fd);
    assert_int_equal(state_open(school->folder, true, &other, &error), -EBADMSG);
    unlink(path);
    assert_int_equal(state_open(school->folder, false, &other, &error), -ENOENT);
}

/* Two values that fit the map one by one and not together, in one change. */
static int much_put(struct school *school, struct bl_error *error)
{
    enum { MUCH = 40 << 20 };
    struct change *change;
    char *much = calloc(1, MUCH);
    int code;

    assert_non_null(much);
    memset(much, 'x', MUCH);
    assert_int_equal(change_begin(school->state, &school->actor, school->now_ms, &change, error),
                     0);
    code = change_put(change, TABLE_PAST, "zz1", 3, much, MUCH, error);
    if (code == 0)
        code = change_put(change, TABLE_PAST, "zz2", 3, much, MUCH, error);
    if (code == 0)
        code = change_commit(change, error);
    else
        change_abort(change);
    free(much);
    return code;
}

/* LMDB's map does not grow by itself (Knot 1885, MDB_MAP_FULL for ever): what does not fit is
 * refused whole and said, nothing is lost by it, and there is room when it is tried again. */
static void the_map_is_full(void **state)
{
    struct school *school = *state;
    struct bl_error error = {0};
    struct change *change;
    MDB_val value;

    assert_done(school, act_grant, grant_request("allow", "chess.test", 60));
    assert_int_equal(much_put(school, &error), -ENOSPC);
    assert_non_null(strstr(error.text, "nothing was changed"));
    assert_done(school, act_grant, grant_request("allow", "draughts.test", 60));
    assert_int_equal(much_put(school, &error), 0);
    state_close(school->state);
    assert_int_equal(state_open(school->folder, true, &school->state, &error), 0);
    assert_int_equal(change_begin(school->state, NULL, 0, &change, &error), 0);
    assert_int_equal(change_get(change, TABLE_PAST, "zz2", 3, &value), 0);
    assert_int_equal(value.mv_size, 40 << 20);
    change_abort(change);
    assert_done(school, act_grant, grant_request("allow", "go.test", 60));
}

int main(void)
{
#define IN_A_SCHOOL(test) cmocka_unit_test_setup_teardown(test, school_open, school_close)
    const struct CMUnitTest tests[] = {
        IN_A_SCHOOL(grants_last_and_end),
        IN_A_SCHOOL(what_cannot_be_granted),
        IN_A_SCHOOL(devices_by_their_own_name),
        IN_A_SCHOOL(devices_and_sessions),
        IN_A_SCHOOL(a_second_manager),
        IN_A_SCHOOL(begins_later),
        IN_A_SCHOOL(versions_can_be_read_again),
        IN_A_SCHOOL(what_rules_refer_to_makes_versions),
        IN_A_SCHOOL(versions_keep_reason_and_approver),
        IN_A_SCHOOL(every_octet_counts),
        IN_A_SCHOOL(nothing_is_taken_out),
        IN_A_SCHOOL(a_head_on_paper),
        IN_A_SCHOOL(ten_thousand_grants),
        IN_A_SCHOOL(damaged_files),
        IN_A_SCHOOL(the_map_is_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
