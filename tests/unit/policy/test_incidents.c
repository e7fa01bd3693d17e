/* Incidents and faults: followed up, closed, extracted, and each step in the change log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "resolver/policy/calendar.h"
#include "resolver/policy/incidents.h"
#include "tests/support/folder.h"

struct office {
    char folder[FOLDER_ROOM];
    struct state *state;
    struct actor actor;
    struct calendar *calendar;
    int64_t now_ms;
    char said[sizeof(((struct bl_error *)0)->text)]; /* of the last refusal */
};

static int office_open(void **state)
{
    struct office *office = calloc(1, sizeof *office);

    assert_non_null(office);
    folder_make(office->folder);
    assert_int_equal(state_open(office->folder, true, &office->state, NULL), 0);
    office->actor = (struct actor){.uid = 1000, .login_uid = 1000, .role = "viewer"};
    strcpy(office->actor.user, "dsl");
    strcpy(office->actor.login, "dsl");
    office->now_ms = INT64_C(1795428900000);
    assert_int_equal(
        calendar_create(&(struct config_calendar){.time_zone = "UTC"}, &office->calendar, NULL), 0);
    *state = office;
    return 0;
}

static int office_close(void **state)
{
    struct office *office = *state;

    state_close(office->state);
    calendar_free(office->calendar);
    folder_drop(office->folder);
    free(office);
    return 0;
}

typedef int act_function(struct act *, const json_t *, json_t *, struct bl_error *);

/* One act in a change of its own; `request` is taken. */
static int act_do(struct office *office, act_function *function, json_t *request,
                  json_t **out_reply)
{
    struct act act = {.calendar = office->calendar};
    struct bl_error error = {""};
    json_t *reply = json_object();

    assert_non_null(request);
    assert_int_equal(
        change_begin(office->state, &office->actor, office->now_ms, &act.change, &error), 0);
    int code = function(&act, request, reply, &error);
    if (code == 0)
        assert_int_equal(change_commit(act.change, &error), 0);
    else
        change_abort(act.change);
    if (code < 0)
        assert_true(error.text[0] != '\0');
    strcpy(office->said, error.text);
    json_decref(request);
    if (out_reply != NULL && code == 0)
        *out_reply = reply;
    else
        json_decref(reply);
    return code;
}

static uint64_t log_count(struct office *office)
{
    struct change *change;

    assert_int_equal(change_begin(office->state, NULL, office->now_ms, &change, NULL), 0);
    uint64_t count = changes_count(change);
    change_abort(change);
    return count;
}

static json_t *denial_of(const char *code, const char *device)
{
    return json_pack("{ss,ss,ss,ss,ss,ss,sI}", "case", code, "device", device, "category",
                     "self-harm", "title", "Self-harm and suicide", "group", "pupils", "name",
                     "alone.example", "wall_ms", (json_int_t)1795428000000);
}

static void an_incident_from_open_to_close(void **state)
{
    struct office *office = *state;
    json_t *reply;

    assert_int_equal(act_do(office, act_incident_open,
                            json_pack("{ss,so}", "text", "the alert of eleven", "denial",
                                      denial_of("K7Q-M2F9", "10.1.2.17")),
                            &reply),
                     0);
    const json_t *incident = json_object_get(reply, "incident");
    assert_int_equal(json_integer_value(json_object_get(incident, "id")), 1);
    assert_string_equal(json_string_value(json_object_get(incident, "title")),
                        "Self-harm and suicide");
    assert_string_equal(json_string_value(json_object_get(incident, "opened_by")), "dsl");
    json_decref(reply);
    assert_int_equal(act_do(office, act_incident_note,
                            json_pack("{si,ss,ss}", "id", 1, "text", "spoke with the class teacher",
                                      "kind", "action"),
                            NULL),
                     0);
    assert_int_equal(act_do(office, act_incident_close,
                            json_pack("{si,ss}", "id", 1, "text", "a project on mental health"),
                            &reply),
                     0);
    json_decref(reply);
    assert_int_equal(log_count(office), 3);
    /* Closed is closed, and is found where all are asked for. */
    assert_int_equal(
        act_do(office, act_incident_note, json_pack("{si,ss}", "id", 1, "text", "late"), NULL),
        -EINVAL);
    assert_int_equal(act_do(office, act_incidents, json_object(), &reply), 0);
    assert_int_equal(json_array_size(json_object_get(reply, "incidents")), 0);
    json_decref(reply);
    assert_int_equal(act_do(office, act_incidents, json_pack("{sb}", "all", 1), &reply), 0);
    incident = json_array_get(json_object_get(reply, "incidents"), 0);
    assert_string_equal(json_string_value(json_object_get(incident, "outcome")),
                        "a project on mental health");
    assert_int_equal(json_array_size(json_object_get(incident, "notes")), 2);
    json_decref(reply);
}

static void what_is_refused_leaves_nothing(void **state)
{
    struct office *office = *state;

    assert_int_equal(act_do(office, act_incident_open, json_object(), NULL), -EINVAL);
    assert_int_equal(act_do(office, act_incident_open, json_pack("{ss}", "text", "  \n"), NULL),
                     -EINVAL);
    assert_int_equal(
        act_do(office, act_incident_note, json_pack("{si,ss}", "id", 9, "text", "x"), NULL),
        -ENOENT);
    assert_int_equal(act_do(office, act_incident_close, json_pack("{ss}", "text", "x"), NULL),
                     -ENOENT);
    assert_int_equal(act_do(office, act_fault_report, json_pack("{ss}", "text", "x"), NULL),
                     -EINVAL);
    char *words = malloc(INCIDENT_TEXT_MAX + 2);
    memset(words, 'x', INCIDENT_TEXT_MAX + 1);
    words[INCIDENT_TEXT_MAX + 1] = '\0';
    assert_int_equal(act_do(office, act_incident_open, json_pack("{ss}", "text", words), NULL),
                     -EINVAL);
    free(words);
    assert_int_equal(log_count(office), 0);
}

static void a_case_is_in_one_incident_unless_asked_again(void **state)
{
    struct office *office = *state;
    json_t *request =
        json_pack("{ss,so}", "text", "why", "denial", denial_of("AAA-AAA1", "10.1.2.17"));
    json_t *reply;

    assert_int_equal(act_do(office, act_incident_open, json_incref(request), NULL), 0);
    strcpy(office->actor.login, "head");
    assert_int_equal(act_do(office, act_incident_open, json_incref(request), NULL), -EEXIST);
    assert_string_equal(office->said,
                        "case AAA-AAA1 is in incident 1 already, which dsl opened on "
                        "2026-11-23T10:15; add to that with `chalkgate incident note 1 TEXT`, or "
                        "open another one all the same with --again");
    /* Noted once more, it is still one case. */
    act_do(office, act_incident_note,
           json_pack("{si,ss,so}", "id", 1, "text", "the same", "denial",
                     denial_of("AAA-AAA1", "10.1.2.17")),
           &reply);
    assert_int_equal(json_array_size(json_object_get(json_object_get(reply, "incident"), "cases")),
                     1);
    json_decref(reply);
    /* A further case of an incident counts, and a closed incident is told of, too. */
    act_do(office, act_incident_note,
           json_pack("{si,ss,so}", "id", 1, "text", "his friend", "denial",
                     denial_of("BBB-BBB2", "10.1.2.18")),
           NULL);
    act_do(office, act_incident_close, json_pack("{si,ss}", "id", 1, "text", "done"), NULL);
    json_object_set_new(request, "denial", denial_of("BBB-BBB2", "10.1.2.18"));
    assert_int_equal(act_do(office, act_incident_open, json_incref(request), NULL), -EEXIST);
    assert_non_null(strstr(office->said, "which is closed; `chalkgate incident show 1`"));
    json_object_set_new(request, "again", json_true());
    assert_int_equal(act_do(office, act_incident_open, json_incref(request), &reply), 0);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(reply, "incident"), "id")),
                     2);
    json_decref(reply);
    json_decref(request);
}

static void an_extract_has_one_device_and_a_place_in_the_chain(void **state)
{
    struct office *office = *state;
    json_t *reply;

    act_do(office, act_incident_open,
           json_pack("{ss,so}", "text", "why", "denial", denial_of("AAA-AAA1", "10.1.2.17")), NULL);
    act_do(office, act_incident_note,
           json_pack("{si,ss,so}", "id", 1, "text", "10.1.2.99 (BBB-BBB2) sat beside 10.1.2.17.",
                     "denial", denial_of("BBB-BBB2", "10.1.2.99")),
           NULL);
    act_do(office, act_incident_note,
           json_pack("{si,ss,so}", "id", 1, "text", "again, after 10.1.2.99.", "denial",
                     denial_of("CCC-CCC3", "10.1.2.17")),
           NULL);
    assert_int_equal(act_do(office, act_incident_export,
                            json_pack("{si,ss}", "id", 1, "text", "for the parents"), &reply),
                     0);
    json_t *extract = json_object_get(reply, "extract");
    char *text = json_dumps(extract, JSON_COMPACT);
    assert_null(strstr(text, "10.1.2.99"));
    assert_null(strstr(text, "BBB-BBB2"));
    assert_non_null(strstr(text, "[left out] ([left out]) sat beside 10.1.2.17."));
    assert_non_null(strstr(text, "again, after [left out]."));
    assert_non_null(strstr(text, "CCC-CCC3"));
    free(text);
    assert_int_equal(json_integer_value(json_object_get(extract, "cases_of_others_left_out")), 1);
    assert_int_equal(json_integer_value(json_object_get(reply, "entry")), 4);

    struct change *change;
    json_t *entries;
    uint64_t count, broken;
    char head[65];
    assert_int_equal(change_begin(office->state, NULL, office->now_ms, &change, NULL), 0);
    assert_int_equal(changes_read(change, 4, 1, &entries, NULL), 0);
    text = json_dumps(entries, JSON_COMPACT);
    assert_non_null(strstr(text, json_string_value(json_object_get(reply, "sha256"))));
    assert_int_equal(changes_verify(change, &count, &broken, head, NULL), 0);
    change_abort(change);
    free(text);
    json_decref(entries);
    json_decref(reply);
}

static void faults_are_kept(void **state)
{
    struct office *office = *state;
    json_t *reply;

    assert_int_equal(act_do(office, act_fault_report,
                            json_pack("{ss,ss,ss}", "kind", "should-be-allowed", "name",
                                      "museum.example", "text", "year 5 needs it"),
                            NULL),
                     0);
    assert_int_equal(act_do(office, act_faults, json_object(), &reply), 0);
    assert_int_equal(json_array_size(json_object_get(reply, "faults")), 1);
    json_decref(reply);
    assert_int_equal(act_do(office, act_fault_close,
                            json_pack("{si,ss}", "id", 1, "text", "allowed for good"), NULL),
                     0);
    assert_int_equal(
        act_do(office, act_fault_close, json_pack("{si,ss}", "id", 1, "text", "again"), NULL),
        -EINVAL);
    assert_int_equal(act_do(office, act_faults, json_object(), &reply), 0);
    assert_int_equal(json_array_size(json_object_get(reply, "faults")), 0);
    json_decref(reply);
    assert_int_equal(log_count(office), 2);
}

static void a_fault_is_about_a_name_or_none(void **state)
{
    static const char *const bad[] = {
        "the maths site", "https://museum.example/egypt", "10.1.2.3", "", "a..b", "."};
    static const char *const good[][2] = {{"WWW.Museum.Example.", "www.museum.example"},
                                          {"b\u00fccher.example", "xn--bcher-kva.example"}};
    struct office *office = *state;
    json_t *reply;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(act_do(office, act_fault_report,
                                json_pack("{ss,ss,ss}", "kind", "other", "name", bad[i], "text",
                                          "year 5 needs it"),
                                NULL),
                         -EINVAL);
        assert_non_null(strstr(office->said, "such as www.museum.example"));
    }
    assert_int_equal(log_count(office), 0);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(act_do(office, act_fault_report,
                                json_pack("{ss,ss,ss}", "kind", "other", "name", good[i][0], "text",
                                          "year 5 needs it"),
                                &reply),
                         0);
        const json_t *fault = json_object_get(reply, "fault");
        assert_string_equal(json_string_value(json_object_get(fault, "name")), good[i][1]);
        json_decref(reply);
    }
}

static void held_count(void *user, int64_t wall_ms)
{
    assert_true(wall_ms == 1795428000000);
    ++*(int *)user;
}

static void open_incidents_hold_their_days(void **state)
{
    struct office *office = *state;
    struct change *change;
    int count = 0;

    act_do(office, act_incident_open,
           json_pack("{ss,so}", "text", "why", "denial", denial_of("AAA-AAA1", "10.1.2.17")), NULL);
    act_do(office, act_incident_open,
           json_pack("{ss,so}", "text", "why", "denial", denial_of("AAA-AAA2", "10.1.2.18")), NULL);
    act_do(office, act_incident_close, json_pack("{si,ss}", "id", 2, "text", "done"), NULL);
    assert_int_equal(change_begin(office->state, NULL, office->now_ms, &change, NULL), 0);
    assert_int_equal(incidents_held(change, held_count, &count, NULL), 0);
    change_abort(change);
    assert_int_equal(count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_incident_from_open_to_close, office_open, office_close),
        cmocka_unit_test_setup_teardown(what_is_refused_leaves_nothing, office_open, office_close),
        cmocka_unit_test_setup_teardown(an_extract_has_one_device_and_a_place_in_the_chain,
                                        office_open, office_close),
        cmocka_unit_test_setup_teardown(a_case_is_in_one_incident_unless_asked_again, office_open,
                                        office_close),
        cmocka_unit_test_setup_teardown(faults_are_kept, office_open, office_close),
        cmocka_unit_test_setup_teardown(a_fault_is_about_a_name_or_none, office_open, office_close),
        cmocka_unit_test_setup_teardown(open_incidents_hold_their_days, office_open, office_close)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
