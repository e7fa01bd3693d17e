/* What every daemon is asked: is it there, read the configuration anew, forget answers, other
 * lists. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocklists/guard.h"
#include "blocklists/lists.h"
#include "blocklists/name.h"
#include "resolver/base/log.h"
#include "resolver/control/advice.h"
#include "resolver/control/control.h"
#include "resolver/control/daemon.h"
#include "resolver/control/rules.h"
#include "resolver/control/status.h"
#include "resolver/net/server.h"
#include "resolver/policy/held.h"

static int handle_ping(struct daemon *daemon, const struct caller *caller, json_t *request, int fd,
                       json_t *reply, struct bl_error *error)
{
    (void)daemon;
    (void)request;
    (void)fd;
    (void)error;
    json_object_set_new(reply, "version", json_string(CHALKGATE_VERSION));
    json_object_set_new(reply, "pid", json_integer(getpid()));
    json_object_set_new(reply, "user", json_string(caller->user));
    json_object_set_new(reply, "role",
                        json_string(caller->role == ROLE_MANAGER  ? "manager"
                                    : caller->role == ROLE_VIEWER ? "viewer"
                                                                  : "none"));
    return 0;
}

static int handle_status(struct daemon *daemon, const struct caller *caller, json_t *request,
                         int fd, json_t *reply, struct bl_error *error)
{
    (void)request;
    (void)fd;
    return status_describe(daemon, caller->role >= ROLE_VIEWER, reply, error);
}

static void generation_tell(struct daemon *daemon, json_t *reply)
{
    struct world *world = daemon_world(daemon);

    json_object_set_new(reply, "generation",
                        json_integer((json_int_t)bl_store_generation(world->store)));
    json_object_set_new(reply, "names",
                        json_integer((json_int_t)bl_store_name_count(world->store)));
    world_unref(world);
}

/* Whoever takes a subscription out of the file may think that its list is gone with it; and whoever
 * puts an exception in, that it does something. */
static void advice_tell(struct daemon *daemon, json_t *reply)
{
    struct world *world = daemon_world(daemon);

    json_object_set_new(reply, "removed", status_removed(world));
    json_object_set_new(reply, "warnings", advice_of(daemon, world));
    world_unref(world);
}

static int handle_reload(struct daemon *daemon, const struct caller *caller, json_t *request,
                         int fd, json_t *reply, struct bl_error *error)
{
    const char *reason = control_string(request, "reason", error);
    struct actor actor = rules_actor(caller);
    struct rules_change change = {.actor = &actor, .action = "reload", .reason = reason};
    int code;

    (void)fd;
    if (!reason || !*reason)
        return bl_error_set(error, -EINVAL, "please say why, with --reason");
    code = daemon_reload(daemon, &change, reply, error);
    if (code != 0) /* a second manager has to confirm it */
        return code < 0 ? code : 0;
    log_notice("the configuration was reloaded by %s: %s", caller->login, reason);
    generation_tell(daemon, reply);
    advice_tell(daemon, reply);
    return 0;
}

struct flush {
    const uint8_t *name;
    size_t entries;
};

static void flush_visit(struct pipeline *pipeline, unsigned worker, void *user)
{
    struct flush *flush = user;

    (void)worker;
    __atomic_add_fetch(&flush->entries, cache_flush(pipeline->cache, flush->name),
                       __ATOMIC_RELAXED);
}

static int handle_flush(struct daemon *daemon, const struct caller *caller, json_t *request, int fd,
                        json_t *reply, struct bl_error *error)
{
    const char *text = NULL;
    struct flush flush = {0};
    struct bl_name name;
    int code;

    (void)fd;
    if (json_object_get(request, "name")) { /* without it everything is forgotten */
        text = control_string(request, "name", error);
        if (!text)
            return -EINVAL;
    }
    if (text) {
        enum bl_name_fault fault = bl_name_parse(text, strlen(text), &name);
        if (fault != BL_NAME_FINE)
            return bl_error_set(error, -EINVAL, "\"%.80s\" is no name: %s", text,
                                bl_name_fault_text(fault));
        flush.name = name.wire;
    }
    code = server_visit(daemon->server, flush_visit, &flush);
    if (code < 0)
        return bl_error_set(error, code, "chalkgated is stopping");
    log_info("%s had %zu kept answers forgotten (%s)", caller->login, flush.entries,
             text ? text : "all");
    json_object_set_new(reply, "entries", json_integer((json_int_t)flush.entries));
    return 0;
}

static uint64_t generation_now(struct daemon *daemon)
{
    struct world *world = daemon_world(daemon);
    uint64_t generation = bl_store_generation(world->store);

    world_unref(world);
    return generation;
}

/* The guard over the lists, of the configuration in force. */
static int guard_now(struct daemon *daemon, bool allow_shrink, struct bl_guard *out_guard,
                     struct world **out_world, struct bl_error *error)
{
    struct world *world = daemon_world(daemon);
    int code;

    *out_guard = (struct bl_guard){0};
    code = config_guard(world->config, allow_shrink, out_guard);
    if (code < 0)
        bl_error_set(error, code, "there is not enough memory");
    else if ((code = held_most_read(daemon->state, out_guard, error)) == 0 &&
             bl_store_is_damaged(world->store) &&
             (code = bl_guard_hold(out_guard, world->store)) < 0)
        bl_error_set(error, code, "there is not enough memory");
    if (code < 0) {
        bl_guard_fini(out_guard);
        world_unref(world);
        return code;
    }
    *out_world = world; /* the guard's names are its configuration's */
    return 0;
}

/* Which lists are in force is part of the policy's history. */
static void generation_note(struct daemon *daemon, const struct caller *caller, const char *action,
                            uint64_t before, const char *reason)
{
    struct actor actor = rules_actor(caller);

    rules_note_lists(daemon, &actor, action, before, generation_now(daemon), reason);
}

/* The new generation is on the disk: lets the workers have it, or puts the one before back. */
static int generation_enter(struct daemon *daemon, uint64_t before, struct bl_error *error)
{
    struct bl_error ignored;
    uint64_t generation;
    int code = daemon_renew(daemon, error);

    if (code < 0 && before)
        (void)bl_lists_rollback(daemon->state, before, &generation, &ignored);
    return code;
}

static int handle_adopt(struct daemon *daemon, const struct caller *caller, json_t *request, int fd,
                        json_t *reply, struct bl_error *error)
{
    const char *reason = json_string_value(json_object_get(request, "reason"));
    bool allow_shrink = json_is_true(json_object_get(request, "allow-shrink"));
    uint64_t generation, before = generation_now(daemon);
    struct world *world;
    struct bl_guard guard;
    int code;

    if (fd < 0)
        return bl_error_set(error, -EINVAL, "no staged lists came along");
    code = guard_now(daemon, allow_shrink, &guard, &world, error);
    if (code < 0)
        return code;
    code = bl_lists_adopt_guarded(daemon->state, fd, world->config->keep_generations, &guard,
                                  &generation, error);
    bl_guard_fini(&guard);
    world_unref(world);
    if (code == 0)
        code = generation_enter(daemon, before, error);
    if (code < 0)
        return code;
    generation_note(daemon, caller, "lists-adopt", before, reason);
    log_notice("lists of generation %llu adopted, imported by %s%s%s",
               (unsigned long long)generation, caller->login, reason ? ": " : "",
               reason ? reason : "");
    generation_tell(daemon, reply);
    return 0;
}

static int handle_rollback(struct daemon *daemon, const struct caller *caller, json_t *request,
                           int fd, json_t *reply, struct bl_error *error)
{
    json_int_t wanted = json_integer_value(json_object_get(request, "generation"));
    const char *reason = json_string_value(json_object_get(request, "reason"));
    uint64_t generation, before = generation_now(daemon);
    struct world *world;
    struct bl_guard guard;
    int code;

    (void)fd;
    if (wanted < 0)
        return bl_error_set(error, -EINVAL, "there is no generation %lld", (long long)wanted);
    code = guard_now(daemon, true, &guard, &world, error);
    if (code < 0)
        return code;
    code = bl_lists_rollback_guarded(daemon->state, (uint64_t)wanted, &guard, &generation, error);
    bl_guard_fini(&guard);
    world_unref(world);
    if (code == 0)
        code = generation_enter(daemon, before, error);
    if (code < 0)
        return code;
    generation_tell(daemon, reply);
    if (generation == before)
        return 0;
    generation_note(daemon, caller, "lists-rollback", before, reason);
    log_notice("lists of generation %llu put back in force by %s%s%s",
               (unsigned long long)generation, caller->login, reason ? ": " : "",
               reason ? reason : "");
    return 0;
}

const struct control_verb control_basic_verbs[] = {
    {"ping", ROLE_ANYONE, CONTROL_READS, handle_ping},
    {"status", ROLE_ANYONE, CONTROL_READS, handle_status},
    {"reload", ROLE_MANAGER, CONTROL_CHANGES, handle_reload},
    {"flush", ROLE_MANAGER, CONTROL_READS, handle_flush},
    {"lists-adopt", ROLE_MANAGER, CONTROL_CHANGES, handle_adopt},
    {"lists-rollback", ROLE_MANAGER, CONTROL_CHANGES, handle_rollback},
    {0},
};
