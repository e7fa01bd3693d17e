/* What every daemon is asked: is it there, read the configuration anew, forget answers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocklists/name.h"
#include "resolver/base/log.h"
#include "resolver/control/advice.h"
#include "resolver/control/control.h"
#include "resolver/control/daemon.h"
#include "resolver/control/lists_word.h"
#include "resolver/control/rules.h"
#include "resolver/control/status.h"
#include "resolver/net/server.h"

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
    lists_word_tell(daemon, reply);
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

const struct control_verb control_basic_verbs[] = {
    {"ping", ROLE_ANYONE, CONTROL_READS, handle_ping},
    {"status", ROLE_ANYONE, CONTROL_READS, handle_status},
    {"reload", ROLE_MANAGER, CONTROL_CHANGES, handle_reload},
    {"flush", ROLE_MANAGER, CONTROL_READS, handle_flush},
    {0},
};
