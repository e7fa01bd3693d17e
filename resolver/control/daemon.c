#include "resolver/control/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/base/clock.h"
#include "resolver/base/log.h"
#include "resolver/control/advice.h"
#include "resolver/control/allowed.h"
#include "resolver/control/approval.h"
#include "resolver/control/keyring.h"
#include "resolver/control/readers.h"
#include "resolver/control/rules.h"
#include "resolver/net/listen.h"
#include "resolver/net/server.h"

void daemon_init(struct daemon *daemon, struct world *world)
{
    struct moment now = clock_read();

    daemon->started_wall_ms = daemon->reloaded_wall_ms = now.wall_ms;
    daemon->started_mono_ms = now.mono_ms;
    daemon->world = world;
    daemon->reload_fault[0] = '\0';
}

void daemon_fini(struct daemon *daemon)
{
    world_unref(daemon->world);
    pthread_mutex_destroy(&daemon->change);
    pthread_mutex_destroy(&daemon->lock);
    free(daemon->state);
    free(daemon->user);
}

struct world *daemon_world(struct daemon *daemon)
{
    struct world *world;

    pthread_mutex_lock(&daemon->lock);
    world = world_ref(daemon->world);
    pthread_mutex_unlock(&daemon->lock);
    return world;
}

/* Takes `world`. */
static void world_replace(struct daemon *daemon, struct world *world, bool reloaded)
{
    struct world *before;

    server_announce(daemon->server, world);
    pthread_mutex_lock(&daemon->lock);
    before = daemon->world;
    daemon->world = world;
    daemon->reload_fault[0] = '\0';
    if (bl_store_generation(world->store) != daemon->lists_fault_of)
        daemon->lists_fault[0] = '\0';
    if (reloaded) {
        daemon->reloaded_wall_ms = clock_read().wall_ms;
        daemon->reload_waits = false;
    }
    pthread_mutex_unlock(&daemon->lock);
    world_unref(before);
}

void daemon_enter(struct daemon *daemon, struct world *world)
{
    world_replace(daemon, world, false);
}

static int reload_refuse(struct daemon *daemon, int code, const struct bl_error *error)
{
    log_error("reload refused, the rules and lists of before stay in force: %s", error->text);
    pthread_mutex_lock(&daemon->lock);
    snprintf(daemon->reload_fault, sizeof daemon->reload_fault, "%s", error->text);
    pthread_mutex_unlock(&daemon->lock);
    return code;
}

static int reload_wait(struct daemon *daemon, const char *who, const char *wanted, json_t *reply)
{
    log_notice("the configuration that %s wants would loosen the policy: it waits for a second "
               "manager, and what was in force stays in force",
               who);
    pthread_mutex_lock(&daemon->lock);
    daemon->reload_waits = true;
    pthread_mutex_unlock(&daemon->lock);
    if (wanted[0]) {
        log_warning("%s", wanted);
        json_object_set_new(reply, "warnings", json_pack("[s]", wanted));
    }
    return 1;
}

static int config_read(const char *path, struct config **out_config, struct bl_error *error)
{
    struct config_faults faults = {0};
    int code = config_load(path, out_config, &faults);

    if (code < 0) {
        for (size_t i = 0; i < faults.count; i++)
            log_error("%s", faults.items[i].text);
        bl_error_set(error, code, "%s", faults.count ? faults.items[0].text : strerror(-code));
        if (faults.count > 1)
            bl_error_wrap(error, code, "%zu faults, the first of them", faults.count);
    }
    config_faults_free(&faults);
    return code;
}

static bool state_differs(const struct daemon *daemon, const struct config *config)
{
    char *ours = realpath(daemon->state, NULL), *state = realpath(config->state, NULL);
    bool differs = strcmp(state ? state : config->state, ours ? ours : daemon->state) != 0;

    free(ours);
    free(state);
    return differs;
}

char *daemon_settled_otherwise(const struct daemon *daemon, const struct config *config,
                               char text[DAEMON_SETTLED_MAX])
{
    const char *user = config->user ? config->user : "", *ours = daemon->user ? daemon->user : "";
    const struct {
        const char *key;
        bool differs;
    } keys[] = {
        {"`listen`", !listeners_fit_addresses(daemon->listeners, config)},
        {"`workers`", !listeners_fit_workers(daemon->listeners, config)},
        {"`user`", strcmp(user, ours) != 0},
        {"`state`", state_differs(daemon, config)},
    };
    size_t count = 0, told = 0, len = 0;

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        count += keys[i].differs;
    text[0] = '\0';
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!keys[i].differs)
            continue;
        len += (size_t)snprintf(text + len, DAEMON_SETTLED_MAX - len, "%s%s",
                                told == 0           ? ""
                                : told == count - 1 ? " and "
                                                    : ", ",
                                keys[i].key);
        told++;
    }
    if (count)
        snprintf(text + len, DAEMON_SETTLED_MAX - len, count == 1 ? " has" : " have");
    return text;
}

/* What was settled when the process began needs another one to change. */
static void restart_defer(const struct daemon *daemon, struct config *config,
                          char wanted[BL_ERROR_MAX])
{
    char otherwise[DAEMON_SETTLED_MAX];

    daemon_settled_otherwise(daemon, config, otherwise);
    wanted[0] = '\0';
    if (otherwise[0])
        snprintf(wanted, BL_ERROR_MAX, "%s changed in %s: that takes effect with a restart",
                 otherwise, daemon->config_path);
    config->state = daemon->state; /* until then, lists of another folder are not ours */
}

/* What goes on record, and how, is settled before the world that wants it comes into force. */
static int recorders_settle(struct daemon *daemon, const struct config *config,
                            struct bl_error *error)
{
    int code = allowed_settle(daemon->allowed, config, error);

    return code < 0 ? code
                    : keyring_settle(daemon->keyring, daemon->server, config,
                                     clock_read().wall_ms / 1000, error);
}

/* `config` is taken. */
static int reload_enter(struct daemon *daemon, struct config *config, const struct config *before,
                        const struct rules_change *change, struct world **out_world,
                        struct bl_error *error)
{
    struct bl_error ignored;
    int code = recorders_settle(daemon, config, error);

    if (code == 0)
        code = rules_world(daemon, config, before, change, out_world, error);
    else
        config_free(config);
    if (code < 0) /* nothing of what was refused stays behind */
        (void)recorders_settle(daemon, before, &ignored);
    return code;
}

static void reload_tell(struct daemon *daemon, const struct world *world, const char *wanted)
{
    json_t *advice;

    pthread_mutex_lock(&daemon->lock);
    snprintf(daemon->restart_wanted, sizeof daemon->restart_wanted, "%s", wanted);
    pthread_mutex_unlock(&daemon->lock);
    advice = advice_of(daemon, world);
    advice_log(advice);
    json_decref(advice);
}

int daemon_reload(struct daemon *daemon, const struct rules_change *change, json_t *reply,
                  struct bl_error *error)
{
    struct world *before = daemon_world(daemon), *world = NULL;
    char wanted[BL_ERROR_MAX];
    struct config *config;
    int code = config_read(daemon->config_path, &config, error);

    if (code < 0) {
        world_unref(before);
        return reload_refuse(daemon, code, error);
    }
    restart_defer(daemon, config, wanted);
    if (!change->approves)
        code = rules_reload_ask(daemon, config, before->config, change, reply, error);
    if (code != 0) {
        config_free(config);
        world_unref(before);
        if (code < 0)
            return reload_refuse(daemon, code, error);
        return reload_wait(daemon, change->actor->login, wanted, reply);
    }
    code = reload_enter(daemon, config, before->config, change, &world, error);
    if (code == 0 && !readers_same(before->config, world->config))
        readers_admit(daemon->state, world->config);
    world_unref(before);
    if (code < 0)
        return reload_refuse(daemon, code, error);
    log_set_level((enum log_level)world->config->log_level);
    reload_tell(daemon, world, wanted);
    approval_keep(daemon, world->config);
    world_replace(daemon, world, true);
    rules_find_lists(daemon, bl_store_generation(world->store));
    log_notice("reloaded: list generation %llu",
               (unsigned long long)bl_store_generation(world->store));
    return 0;
}

int daemon_renew(struct daemon *daemon, struct bl_error *error)
{
    struct world *before = daemon_world(daemon), *world;
    int code = rules_world_renew(daemon, before, &world, error);

    world_unref(before);
    if (code < 0)
        return reload_refuse(daemon, code, error);
    world_replace(daemon, world, false);
    return 0;
}
