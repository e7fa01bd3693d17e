#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "resolver/base/clock.h"
#include "resolver/base/log.h"
#include "resolver/control/control.h"
#include "resolver/control/daemon.h"
#include "resolver/control/rules.h"
#include "resolver/control/selftest.h"
#include "resolver/denials/alert.h"

/* The last result stays in the state folder, for reports and for who asks when the check was made.
 * A new one takes its place whole. */
static int result_keep(const char *state, const json_t *result, struct bl_error *error)
{
    char path[4096], fresh[4096];

    snprintf(path, sizeof path, "%s/selftest.json", state);
    snprintf(fresh, sizeof fresh, "%s/selftest.json.new", state);
    if (json_dump_file(result, fresh, JSON_INDENT(1)) != 0 || rename(fresh, path) < 0) {
        unlink(fresh);
        return bl_error_set(error, -EIO, "cannot keep the result in %s: %s", path, strerror(errno));
    }
    return 0;
}

enum { FAILURES_KEPT = 20, UNTESTED_KEPT = 60 };

static void failure_words(const json_t *check, char *text, size_t size)
{
    const char *group = json_string_value(json_object_get(check, "group"));
    const char *name = json_string_value(json_object_get(check, "check"));
    const char *found = json_string_value(json_object_get(check, "found"));

    if (!json_is_true(json_object_get(check, "tested")))
        snprintf(text, size, "%.60s%s%.60s: %.60s, as %.400s", group, *group ? ", " : "", name,
                 found, json_string_value(json_object_get(check, "note")));
    else
        snprintf(text, size, "%.60s%s%.60s, %.300s: %.60s, not %.60s", group, *group ? ", " : "",
                 name, json_string_value(json_object_get(check, "subject")), found,
                 json_string_value(json_object_get(check, "expected")));
}

/* Old lists have had an alert when they became so (upkeep.c): one each night more teaches people to
 * pass over alerts. */
static bool has_own_alert(const json_t *check)
{
    const char *name = json_string_value(json_object_get(check, "check"));

    return name != NULL && strcmp(name, SELFTEST_LIST_AGES) == 0;
}

/* What was not in order, in words; the first ones. */
static json_t *failures(const json_t *result, bool for_alert)
{
    json_t *list = json_array(), *check;
    char text[700];
    size_t i;

    json_array_foreach(json_object_get(result, "checks"), i, check)
    {
        if (json_is_true(json_object_get(check, "passed")) ||
            json_array_size(list) == FAILURES_KEPT || (for_alert && has_own_alert(check)))
            continue;
        failure_words(check, text, sizeof text);
        json_array_append_new(list, json_string(text));
    }
    return list;
}

/* What was not asked, and is not among the failures: "games", "subnet of visitors". */
static json_t *untested(const json_t *result)
{
    json_t *list = json_array(), *check;
    char text[160];
    size_t i;

    json_array_foreach(json_object_get(result, "checks"), i, check)
    {
        const char *group = json_string_value(json_object_get(check, "group"));
        if (json_is_true(json_object_get(check, "tested")) ||
            !json_is_true(json_object_get(check, "passed")) ||
            json_array_size(list) == UNTESTED_KEPT)
            continue;
        snprintf(text, sizeof text, "%.60s%s%.60s",
                 json_string_value(json_object_get(check, "check")), *group ? " of " : "", group);
        json_array_append_new(list, json_string(text));
    }
    return list;
}

/* Somebody is to know before the school day, where there is a command for alerts. */
static void failure_tell(struct daemon *daemon, const struct world *world, const json_t *result)
{
    json_int_t failed = 0;
    char when[40], text[160];
    time_t seconds = (time_t)json_integer_value(json_object_get(result, "time"));
    struct tm local;
    json_t *check;
    size_t i;

    json_array_foreach(json_object_get(result, "checks"), i, check) failed +=
        !json_is_true(json_object_get(check, "passed")) && !has_own_alert(check);
    if (failed == 0 || world->config->alerts.command_count == 0 || daemon->alerts == NULL)
        return;
    localtime_r(&seconds, &local);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S%z", &local);
    snprintf(text, sizeof text,
             "%lld check%s of the self-test failed; `chalkgate selftest` shows %s",
             (long long)failed, failed == 1 ? "" : "s", failed == 1 ? "it" : "them");
    alerts_raise(daemon->alerts, json_pack("{ss,ss,ss,ss,sI,so}", "time", when, "kind",
                                           "selftest-failed", "severity", "high", "text", text,
                                           "failed", failed, "failures", failures(result, true)));
}

/* An entry of the change log: the evidence that checks were made, which nobody can slip in later.
 */
static void result_note(struct daemon *daemon, const struct caller *caller, const json_t *result)
{
    struct actor actor = rules_actor(caller);

    pthread_mutex_lock(&daemon->change);
    rules_note(daemon, &actor, "selftest", "filter", NULL,
               json_pack("{so,so,sO,sO,sO}", "failures", failures(result, false), "not-tested",
                         untested(result), "passed", json_object_get(result, "passed"), "failed",
                         json_object_get(result, "failed"), "generation",
                         json_object_get(result, "generation")),
               "what each group is refused was asked through the path of its devices, and the "
               "resolver over the network");
    pthread_mutex_unlock(&daemon->change);
}

static int handle_selftest(struct daemon *daemon, const struct caller *caller, json_t *request,
                           int fd, json_t *reply, struct bl_error *error)
{
    struct world *world = daemon_world(daemon);
    struct moment now = clock_read();
    struct bl_error kept;
    int code;

    (void)request;
    (void)fd;
    json_object_set_new(reply, "time", json_integer(now.wall_ms / 1000));
    json_object_set_new(reply, "by", json_string(caller->login));
    json_object_set_new(reply, "generation",
                        json_integer((json_int_t)bl_store_generation(world->store)));
    json_object_set_new(reply, "policy-version", json_integer(policy_version(world->policy)));
    code = selftest_run(world, now, reply, error);
    if (code == 0)
        code = selftest_outside(daemon, world->config, reply, error);
    if (code == 0)
        failure_tell(daemon, world, reply);
    world_unref(world);
    if (code < 0)
        return code;
    if (result_keep(daemon->state, reply, &kept) < 0)
        log_warning("self-test: %s", kept.text);
    result_note(daemon, caller, reply);
    log_notice("self-test asked for by %s: %lld checks passed, %lld failed, %lld could not be made",
               caller->login, (long long)json_integer_value(json_object_get(reply, "passed")),
               (long long)json_integer_value(json_object_get(reply, "failed")),
               (long long)json_integer_value(json_object_get(reply, "untested")));
    return 0;
}

const struct control_verb control_selftest_verbs[] = {
    {"selftest", ROLE_VIEWER, CONTROL_READS, handle_selftest},
    {0},
};
