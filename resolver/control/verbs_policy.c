/* What people do to the policy and ask of it, by the functions of policy/acts.h. */
#include <errno.h>
#include <string.h>

#include "resolver/base/clock.h"
#include "resolver/base/log.h"
#include "resolver/control/advice.h"
#include "resolver/control/lists_word.h"
#include "resolver/control/rules.h"
#include "resolver/policy/grants.h"
#include "resolver/query/why.h"

#define HANDLE_ACT(name, function, told)                                                           \
    static int name(struct daemon *daemon, const struct caller *caller, json_t *request, int fd,   \
                    json_t *reply, struct bl_error *error)                                         \
    {                                                                                              \
        int code = rules_act(daemon, caller, function, request, reply, error);                     \
        (void)fd;                                                                                  \
        if (code == 0)                                                                             \
            log_notice("%s: %s", caller->login, told);                                             \
        return code;                                                                               \
    }

HANDLE_ACT(handle_grant, act_grant, "an exception was made")
HANDLE_ACT(grant_revoke, act_revoke, "an exception was ended")
HANDLE_ACT(grant_approve, act_approve, "an exception was approved")
HANDLE_ACT(handle_block, act_block_device, "a device was blocked")
HANDLE_ACT(handle_session_start, act_session_start, "a session was started")
HANDLE_ACT(handle_session_end, act_session_end, "a session was ended")

/* Lists that waited leave the disk. */
static int handle_revoke(struct daemon *daemon, const struct caller *caller, json_t *request,
                         int fd, json_t *reply, struct bl_error *error)
{
    int code = grant_revoke(daemon, caller, request, fd, reply, error);

    if (code == 0)
        lists_word_sweep(daemon);
    return code;
}

/* The reload, or the lists, that wait under this number. */
static int waiting_find(struct act *act, const json_t *request, json_t *reply,
                        struct bl_error *error)
{
    json_int_t id = json_integer_value(json_object_get(request, "id"));
    const char *kind;
    json_t *grant;
    int code =
        id < 1 || id > UINT32_MAX ? -ENOENT : grant_get(act->change, (uint32_t)id, &grant, error);

    if (code < 0)
        return 0; /* act_approve() says what is wrong */
    kind = json_string_value(json_object_get(grant, "kind"));
    if (kind && (strcmp(kind, "reload") == 0 || strcmp(kind, "lists") == 0))
        json_object_set(reply, "grant", grant);
    json_decref(grant);
    return 0;
}

static int reload_approve(struct daemon *daemon, const struct caller *caller, json_t *request,
                          json_t *reply, struct bl_error *error)
{
    struct world *world;
    struct actor actor = rules_actor(caller);
    const char *reason = json_string_value(json_object_get(request, "reason"));
    struct rules_change change = {.actor = &actor,
                                  .action = "approve",
                                  .reason = reason,
                                  .approves =
                                      (uint32_t)json_integer_value(json_object_get(request, "id"))};
    int code;

    if (!reason || !*reason)
        return bl_error_set(error, -EINVAL, "please say why, with --reason");
    code = daemon_reload(daemon, &change, NULL, error);
    if (code < 0)
        return code;
    log_notice("the configuration was approved by %s: %s", caller->login, reason);
    world = daemon_world(daemon);
    json_object_set_new(reply, "warnings", advice_of(daemon, world));
    world_unref(world);
    return 0;
}

static int handle_approve(struct daemon *daemon, const struct caller *caller, json_t *request,
                          int fd, json_t *reply, struct bl_error *error)
{
    const json_t *waiting;
    int code = rules_read(daemon, waiting_find, request, reply, error);

    if (code < 0)
        return code;
    waiting = json_object_get(reply, "grant");
    if (!waiting)
        return grant_approve(daemon, caller, request, fd, reply, error);
    if (strcmp(json_string_value(json_object_get(waiting, "kind")), "lists") == 0)
        return lists_word_approve(daemon, caller, request, reply, error);
    return reload_approve(daemon, caller, request, reply, error);
}

#define HANDLE_READ(name, function)                                                                \
    static int name(struct daemon *daemon, const struct caller *caller, json_t *request, int fd,   \
                    json_t *reply, struct bl_error *error)                                         \
    {                                                                                              \
        (void)caller;                                                                              \
        (void)fd;                                                                                  \
        return rules_read(daemon, function, request, reply, error);                                \
    }

/* What is broken is an answer, too. */
static int verify(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    int code =
        act_changes_verify(act, json_string_value(json_object_get(request, "head")), reply, error);

    if (code < 0)
        json_object_set_new(reply, "fault", json_string(error->text));
    return 0;
}

HANDLE_READ(handle_grants, act_grants)
HANDLE_READ(handle_policy, act_policy_show)
HANDLE_READ(handle_changes, act_changes)
HANDLE_READ(handle_verify, verify)

/* What the record has of a moment: without the record, why. */
static void record_read(struct daemon *daemon, int64_t at_ms, struct then *out_then)
{
    struct bl_error error = {0};
    struct change *change;

    if (!daemon->rules) {
        then_read_nothing(daemon->rules_fault, at_ms, out_then);
    } else if (change_begin(daemon->rules, NULL, clock_read().wall_ms, &change, &error) < 0) {
        then_read_nothing(error.text, at_ms, out_then);
    } else {
        then_read(change, at_ms, out_then);
        change_abort(change);
    }
}

static int handle_why(struct daemon *daemon, const struct caller *caller, json_t *request, int fd,
                      json_t *reply, struct bl_error *error)
{
    struct world *world = daemon_world(daemon);
    struct why why = {.today = {.config = world->config,
                                .store = world->store,
                                .policy = world->policy,
                                .devices = daemon->devices},
                      .way = {.local = world->local, .safe_search = world->safe_search},
                      .state = daemon->state};
    int64_t now_s = clock_read().wall_ms / 1000, at_ms;
    struct then then;
    bool is_past = why_is_past(request, now_s, &at_ms);
    int code;

    (void)caller;
    (void)fd;
    if (is_past)
        record_read(daemon, at_ms, &then);
    code = why_answer(&why, is_past ? &then : NULL, request, now_s, reply, error);
    world_unref(world);
    return code;
}

const struct control_verb control_policy_verbs[] = {
    {"grant", ROLE_MANAGER, CONTROL_CHANGES, handle_grant},
    {"revoke", ROLE_MANAGER, CONTROL_CHANGES, handle_revoke},
    {"approve", ROLE_MANAGER, CONTROL_CHANGES, handle_approve},
    {"block-device", ROLE_MANAGER, CONTROL_CHANGES, handle_block},
    {"session-start", ROLE_MANAGER, CONTROL_CHANGES, handle_session_start},
    {"session-end", ROLE_MANAGER, CONTROL_CHANGES, handle_session_end},
    {"sessions", ROLE_VIEWER, CONTROL_READS, handle_grants},
    {"grants", ROLE_VIEWER, CONTROL_READS, handle_grants},
    {"policy", ROLE_VIEWER, CONTROL_READS, handle_policy},
    {"changes", ROLE_VIEWER, CONTROL_READS, handle_changes},
    {"changes-verify", ROLE_VIEWER, CONTROL_READS, handle_verify},
    {"why", ROLE_VIEWER, CONTROL_READS, handle_why},
    {0},
};
