#include "resolver/control/rules.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "resolver/base/clock.h"
#include "resolver/base/log.h"
#include "resolver/policy/grants.h"
#include "resolver/policy/moments.h"
#include "resolver/policy/seals.h"
#include "resolver/policy/versions.h"

enum { DIFFERENCES_MOST = 500, REFUSAL_REST_MS = 600000 };

/* A first start has no journals yet. */
static void loss_tell(const struct daemon *daemon)
{
    char state[4096], journal[4096];

    snprintf(state, sizeof state, "%s/state.mdb", daemon->state);
    snprintf(journal, sizeof journal, "%s/journal", daemon->state);
    if (access(state, F_OK) < 0 && errno == ENOENT && access(journal, F_OK) == 0)
        log_warning("%s is not there, though chalkgated has run here before: exceptions, blocks "
                    "and the change log begin anew. If that was not meant, please stop chalkgated "
                    "and restore a backup",
                    state);
}

void rules_open(struct daemon *daemon)
{
    struct bl_error error = {0};

    daemon->rules_fault[0] = '\0';
    loss_tell(daemon);
    if (state_open(daemon->state, true, &daemon->rules, &error) == 0)
        return;
    daemon->rules = NULL;
    snprintf(daemon->rules_fault, sizeof daemon->rules_fault, "%s", error.text);
    log_error("%s; grants and blocks are not in force, the configuration's rules are", error.text);
}

void rules_close(struct daemon *daemon)
{
    state_close(daemon->rules);
    daemon->rules = NULL;
}

static const char *role_text(enum control_role role)
{
    return role == ROLE_MANAGER ? "manager" : role == ROLE_VIEWER ? "viewer" : "none";
}

struct actor rules_actor(const struct caller *caller)
{
    struct actor actor = {.uid = caller->uid,
                          .login_uid =
                              caller->login_uid == (uid_t)-1 ? caller->uid : caller->login_uid,
                          .role = role_text(caller->role)};

    snprintf(actor.user, sizeof actor.user, "%s", caller->user);
    snprintf(actor.login, sizeof actor.login, "%s", caller->login);
    return actor;
}

struct actor rules_actor_system(const char *user)
{
    struct actor actor = {.uid = geteuid(), .login_uid = geteuid(), .role = "system"};
    char room[4096];
    struct passwd entry, *found = NULL;

    if (user)
        actor.uid = actor.login_uid = 0;
    else if (getpwuid_r(geteuid(), &entry, room, sizeof room, &found) == 0 && found)
        user = entry.pw_name;
    snprintf(actor.user, sizeof actor.user, "%s", user ? user : "?");
    snprintf(actor.login, sizeof actor.login, "%s", actor.user);
    return actor;
}

static int unavailable(const struct daemon *daemon, struct bl_error *error)
{
    return bl_error_set(error, -EIO, "changes cannot be recorded, so they are refused: %s",
                        daemon->rules_fault);
}

static void difference_add(void *user, char sign, const char *line)
{
    json_t *differences = user;

    if (json_array_size(differences) < DIFFERENCES_MOST)
        json_array_append_new(differences, json_sprintf("%c %s", sign, line));
}

/* The version and the entry that a new configuration makes. */
static int configuration_record(struct act *act, const struct config *before, const char *action,
                                const char *reason, struct bl_error *error)
{
    json_t *differences = json_array(), *after;
    int code = 0;

    if (before)
        code = config_difference(before, act->config, difference_add, differences);
    after = json_pack("{s:s, s:o}", "config", act->config->path, "differences", differences);
    if (code == 0)
        code = act_note(act, action, act->config->path, NULL, after, reason, error);
    else
        bl_error_set(error, code, "no memory to compare the configurations");
    json_decref(after);
    return code;
}

/* The addresses of the devices that matter go with the rules. */
static int rules_fill(struct daemon *daemon, const struct config *config,
                      struct policy_rules *rules, struct bl_error *error)
{
    if (policy_neighbours_find(rules, config, daemon->devices, &rules->arena, &rules->neighbours,
                               &rules->neighbour_count))
        return 0;
    policy_rules_free(rules);
    return bl_error_set(error, -ENOMEM, "no memory for the policy");
}

static int rules_take(struct daemon *daemon, struct change *change, const struct config *config,
                      struct policy_rules **out_rules, struct bl_error *error)
{
    int code = policy_rules_read(change, out_rules, error);

    return code < 0 ? code : rules_fill(daemon, config, *out_rules, error);
}

/* Those of a daemon whose grants cannot be read: devices of the configuration are known still. */
static int rules_bare(struct daemon *daemon, const struct config *config, uint32_t version,
                      struct policy_rules **out_rules, struct bl_error *error)
{
    *out_rules = calloc(1, sizeof **out_rules);
    if (!*out_rules)
        return bl_error_set(error, -ENOMEM, "no memory for the policy");
    (*out_rules)->version = version;
    return rules_fill(daemon, config, *out_rules, error);
}

static int world_record(struct daemon *daemon, struct config *config, const struct config *before,
                        const struct rules_change *change, struct act *act,
                        struct world **out_world, struct bl_error *error)
{
    struct calendar *calendar = NULL;
    struct policy_rules *rules = NULL;
    int code = calendar_create(&config->calendar, &calendar, error);

    act->config = config;
    act->calendar = calendar;
    if (code == 0 && change->approves)
        code = act_reload_approve(act, change->approves, error);
    if (code == 0)
        code = configuration_record(act, before, change->action, change->reason, error);
    if (code == 0)
        code = act_config_keep(act, error);
    if (code == 0)
        code = moments_note_config(act->change, config, error);
    if (code == 0)
        code = rules_take(daemon, act->change, config, &rules, error);
    calendar_free(calendar);
    if (code < 0) {
        config_free(config);
        return code;
    }
    return world_create_with(config, rules, daemon->world, out_world, error);
}

/* Of a daemon that cannot read its grants; the seals stand beside them. */
static int rules_world_bare(struct daemon *daemon, struct config *config, struct world **out_world,
                            struct bl_error *error)
{
    struct policy_rules *bare = NULL;
    struct bl_error unkept = {0};
    int code = seals_check(daemon->state, config, error);

    if (code == 0)
        code = rules_bare(daemon, config, 1, &bare, error);
    if (code < 0) {
        config_free(config);
        return code;
    }
    code = world_create_with(config, bare, daemon->world, out_world, error);
    if (code == 0 && seals_write(daemon->state, (*out_world)->config, &unkept) < 0)
        log_error("%s", unkept.text);
    return code;
}

int rules_reload_ask(struct daemon *daemon, const struct config *config,
                     const struct config *before, const struct rules_change *change, json_t *reply,
                     struct bl_error *error)
{
    struct act act = {.config = config};
    int code;

    if (!before->roles.requires_approval)
        return 0;
    if (!daemon->rules)
        return unavailable(daemon, error);
    code = change_begin(daemon->rules, change->actor, clock_read().wall_ms, &act.change, error);
    if (code < 0)
        return code;
    code = act_reload_ask(&act, before, change->reason, reply, error);
    if (code < 0 || !json_object_get(reply, "grant")) {
        change_abort(act.change);
        return code;
    }
    code = change_commit(act.change, error);
    return code < 0 ? code : 1;
}

int rules_world(struct daemon *daemon, struct config *config, const struct config *before,
                const struct rules_change *change, struct world **out_world, struct bl_error *error)
{
    struct act act = {0};
    struct world *world = NULL;
    int code;

    if (!daemon->rules)
        return rules_world_bare(daemon, config, out_world, error);
    code = change_begin(daemon->rules, change->actor, clock_read().wall_ms, &act.change, error);
    if (code < 0) {
        config_free(config);
        return code;
    }
    code = world_record(daemon, config, before, change, &act, &world, error);
    if (code < 0) {
        change_abort(act.change);
        return code;
    }
    code = change_commit(act.change, error);
    if (code == 0)
        code = seals_write(daemon->state, world->config, error);
    if (code < 0 && daemon->world) { /* what ran runs on */
        world_unref(world);
        return code;
    }
    if (code < 0) /* at the start the filter goes on, as with a file that cannot be used */
        log_error("%s; the start is not wholly on record", error->text);
    *out_world = world;
    return 0;
}

int rules_world_renew(struct daemon *daemon, const struct world *from, struct world **out_world,
                      struct bl_error *error)
{
    struct policy_rules *rules = NULL;
    struct change *change;
    int code;

    if (!daemon->rules) {
        code = rules_bare(daemon, from->config, policy_version(from->policy), &rules, error);
        return code < 0 ? code : world_renew_with(from, rules, out_world, error);
    }
    code = change_begin(daemon->rules, NULL, clock_read().wall_ms, &change, error);
    if (code < 0)
        return code;
    code = rules_take(daemon, change, from->config, &rules, error);
    change_abort(change);
    return code < 0 ? code : world_renew_with(from, rules, out_world, error);
}

static struct act act_of(const struct daemon *daemon, const struct world *world)
{
    return (struct act){.config = world->config,
                        .calendar = policy_calendar(world->policy),
                        .store = world->store,
                        .devices = daemon->devices};
}

/* Makes the world first and commits then: what is on record is in force a moment later, and what
 * cannot be put in force is not on record. */
static int act_finish(struct daemon *daemon, const struct world *before, struct act *act,
                      struct bl_error *error)
{
    struct policy_rules *rules = NULL;
    struct world *world = NULL;
    int code = 0;

    if (act->changed)
        code = rules_take(daemon, act->change, before->config, &rules, error);
    if (code == 0 && act->changed)
        code = world_renew_with(before, rules, &world, error);
    if (code < 0) {
        change_abort(act->change);
        return code;
    }
    code = change_commit(act->change, error);
    if (code < 0)
        world_unref(world);
    else if (world)
        daemon_enter(daemon, world);
    return code;
}

int rules_act(struct daemon *daemon, const struct caller *caller, rules_function *function,
              const json_t *request, json_t *reply, struct bl_error *error)
{
    struct actor actor = rules_actor(caller);
    struct world *world;
    struct act act;
    int code;

    if (!daemon->rules)
        return unavailable(daemon, error);
    world = daemon_world(daemon);
    act = act_of(daemon, world);
    code = change_begin(daemon->rules, &actor, clock_read().wall_ms, &act.change, error);
    if (code == 0) {
        code = function(&act, request, reply, error);
        if (code == 0)
            code = act_finish(daemon, world, &act, error);
        else
            change_abort(act.change);
    }
    world_unref(world);
    return code;
}

int rules_read(struct daemon *daemon, rules_function *function, const json_t *request,
               json_t *reply, struct bl_error *error)
{
    struct world *world;
    struct act act;
    int code;

    if (!daemon->rules)
        return unavailable(daemon, error);
    world = daemon_world(daemon);
    act = act_of(daemon, world);
    code = change_begin(daemon->rules, NULL, clock_read().wall_ms, &act.change, error);
    if (code == 0) {
        code = function(&act, request, reply, error);
        change_abort(act.change);
    }
    world_unref(world);
    return code;
}

static int note_write(struct daemon *daemon, const struct actor *actor, const char *action,
                      const char *target, const json_t *before, const json_t *after,
                      const char *reason, struct bl_error *error)
{
    struct change *change;
    int code = change_begin(daemon->rules, actor, clock_read().wall_ms, &change, error);

    if (code < 0)
        return code;
    code = change_log(change, action, target, before, after, reason, error);
    if (code < 0) {
        change_abort(change);
        return code;
    }
    return change_commit(change, error);
}

int rules_note(struct daemon *daemon, const struct actor *actor, const char *action,
               const char *target, json_t *before, json_t *after, const char *reason)
{
    struct bl_error error = {0};
    int code = -ENODEV;

    if (daemon->rules) {
        code = note_write(daemon, actor, action, target, before, after, reason, &error);
        if (code < 0)
            log_error("the change log has no entry for \"%s %s\": %s", action, target, error.text);
    }
    json_decref(before);
    json_decref(after);
    return code;
}

void rules_note_lists(struct daemon *daemon, const struct actor *actor, const char *action,
                      uint64_t before, uint64_t now, const char *reason)
{
    struct bl_error error = {0};
    struct change *change;
    int code;

    if (!daemon->rules)
        return;
    code = change_begin(daemon->rules, actor, clock_read().wall_ms, &change, &error);
    if (code == 0) {
        code = act_lists(change, action, before, now, reason, &error);
        if (code == 0)
            code = change_commit(change, &error);
        else
            change_abort(change);
    }
    if (code < 0)
        log_error("the change log has no entry for \"%s generation %llu\": %s", action,
                  (unsigned long long)now, error.text);
}

void rules_find_lists(struct daemon *daemon, uint64_t generation)
{
    struct actor actor = rules_actor_system(NULL);
    struct bl_error error = {0};
    struct change *change;
    bool is_noted;
    int code;

    if (!daemon->rules ||
        change_begin(daemon->rules, NULL, clock_read().wall_ms, &change, NULL) < 0)
        return;
    is_noted = act_lists_are_noted(change, generation) && moments_have_lists(change, generation);
    change_abort(change);
    if (is_noted)
        return;
    code = change_begin(daemon->rules, &actor, clock_read().wall_ms, &change, &error);
    if (code == 0) {
        code = act_lists_find(change, generation, &error);
        if (code == 0) /* noted in the log before there were moments */
            code = moments_note_lists(change, generation, &error);
        if (code == 0)
            code = change_commit(change, &error);
        else
            change_abort(change);
    }
    if (code < 0)
        log_error("the change log has no entry for generation %llu of the lists, which is in "
                  "force: %s",
                  (unsigned long long)generation, error.text);
}

/* The same refusal rests a while, so that refusals cannot fill the disk. `verb` is of the tables of
 * verbs, so that its address stands for it. */
static bool refusal_is_new(struct daemon *daemon, uid_t uid, const char *verb, int64_t now_ms)
{
    struct refusal *oldest = &daemon->refusals[0];

    for (size_t i = 0; i < REFUSALS_MAX; i++) {
        struct refusal *refusal = &daemon->refusals[i];
        if (refusal->when_ms && refusal->uid == uid && refusal->verb == verb) {
            if (now_ms - refusal->when_ms < REFUSAL_REST_MS)
                return false;
            oldest = refusal;
            break;
        }
        if (refusal->when_ms < oldest->when_ms)
            oldest = refusal;
    }
    *oldest = (struct refusal){.uid = uid, .verb = verb, .when_ms = now_ms};
    return true;
}

void rules_note_refusal(struct daemon *daemon, const struct caller *caller, const char *verb)
{
    struct actor actor = rules_actor(caller);
    int64_t now_ms = clock_read().mono_ms + REFUSAL_REST_MS; /* never 0 */

    pthread_mutex_lock(&daemon->change);
    if (refusal_is_new(daemon, caller->uid, verb, now_ms)) {
        log_notice("%s (%s) was refused \"%s\"", caller->user, caller->login, verb);
        rules_note(daemon, &actor, "refused", verb, NULL, NULL,
                   "the role for it is missing; the same within ten minutes is not recorded again");
    }
    pthread_mutex_unlock(&daemon->change);
}
