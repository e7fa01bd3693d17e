/* Versions of the policy: what makes one, and what is read of it later. */
#include <errno.h>

#include "tests/unit/policy/school.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_SCHOOL(versions_can_be_read_again),
        IN_A_SCHOOL(what_rules_refer_to_makes_versions),
        IN_A_SCHOOL(versions_keep_reason_and_approver),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
