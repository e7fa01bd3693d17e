/* A school whose grants, versions and change log are tried: a configuration, devices, and a state
 * in a folder of its own. */
#ifndef TESTS_UNIT_POLICY_SCHOOL_H
#define TESTS_UNIT_POLICY_SCHOOL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/devices/devices.h"
#include "resolver/policy/acts.h"
#include "resolver/policy/grants.h"
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
                             "  years: {extends: pupils}\n"
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

static inline struct config *config_of(const char *text)
{
    struct config *config = NULL;
    struct config_faults faults = {0};

    if (config_load_text("test.yaml", text, strlen(text), &config, &faults) < 0)
        fail_msg("%s", faults.items[0].text);
    return config;
}

static inline void actor_set(struct school *school, const char *login)
{
    school->actor = (struct actor){.uid = 0, .login_uid = 1000, .role = "manager"};
    snprintf(school->actor.user, sizeof school->actor.user, "root");
    snprintf(school->actor.login, sizeof school->actor.login, "%s", login);
}

/* 10.1.0.9 is a neighbour; one laptop and two phones have leases. */
static inline void devices_fill(struct devices *devices)
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

static inline int school_open(void **state)
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

static inline int school_close(void **state)
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

/* With this in the place of what `requires-approval` says. */
static inline void config_take(struct school *school, const char *approval)
{
    char text[CONFIG_ROOM];

    calendar_free(school->calendar);
    config_free(school->config);
    snprintf(text, sizeof text, CONFIG, approval);
    school->config = config_of(text);
    assert_int_equal(calendar_create(&school->config->calendar, &school->calendar, NULL), 0);
}

typedef int act_function(struct act *, const json_t *, json_t *, struct bl_error *);

/* Does an act and commits it; gives its code. The request is taken; the reply stands in *out_reply.
 */
static inline int act_do(struct school *school, act_function *function, json_t *request,
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

static inline void assert_done(struct school *school, act_function *function, json_t *request)
{
    struct bl_error error = {0};

    if (act_do(school, function, request, NULL, &error) < 0)
        fail_msg("%s", error.text);
}

static inline void assert_refused(struct school *school, act_function *function, json_t *request,
                                  int code, const char *words)
{
    struct bl_error error = {0};

    assert_int_equal(act_do(school, function, request, NULL, &error), code);
    if (!strstr(error.text, words))
        fail_msg("\"%s\" is not said: %s", words, error.text);
}

static inline struct policy_rules *rules_now(struct school *school)
{
    struct policy_rules *rules = NULL;
    struct change *change;

    assert_int_equal(change_begin(school->state, NULL, school->now_ms, &change, NULL), 0);
    assert_int_equal(policy_rules_read(change, &rules, NULL), 0);
    change_abort(change);
    return rules;
}

static inline json_t *grant_request(const char *kind, const char *target, int seconds)
{
    return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s}", "kind", kind, "target", target, "group",
                     "pupils", "seconds", seconds, "reason", "a lesson", "approved_by", "head");
}

#define IN_A_SCHOOL(test) cmocka_unit_test_setup_teardown(test, school_open, school_close)

#endif
