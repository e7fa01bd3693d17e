#include "resolver/control/approval.h"

#include <stdio.h>

#include "resolver/base/log.h"
#include "resolver/config/config.h"
#include "resolver/control/rules.h"
#include "resolver/policy/acts.h"
#include "resolver/policy/approved.h"

static const char WHY[] = "chalkgated was started with it";

/* 1: the file waits; 0: it does not; negative: nobody can be asked, with a sentence. */
static int file_ask(struct daemon *daemon, const struct actor *actor, const struct config *config,
                    const struct config *kept, struct bl_error *error)
{
    struct rules_change change = {.actor = actor, .action = "start", .reason = WHY};
    json_t *reply = json_object();
    int code = rules_reload_ask(daemon, config, kept, &change, reply, error);

    json_decref(reply);
    return code;
}

/* Ports are bound by what config.yaml says before anything else of it is known to wait. */
static void settled_tell(struct daemon *daemon, const struct config *kept)
{
    char otherwise[DAEMON_SETTLED_MAX];

    daemon_settled_otherwise(daemon, kept, otherwise);
    if (otherwise[0])
        snprintf(daemon->restart_wanted, sizeof daemon->restart_wanted,
                 "%s changed in %s and been followed at the start, although the rest of it waits "
                 "for a second manager",
                 otherwise, daemon->config_path);
}

struct config *approval_begin(struct daemon *daemon, struct config *config)
{
    struct actor actor = rules_actor_system(NULL);
    struct bl_error error = {0};
    struct config *kept = NULL;
    int code;

    snprintf(actor.login, sizeof actor.login, "the system at start");
    code = approved_read(daemon->state, daemon->config_path, &kept, &error);
    if (code < 0) { /* a filter that runs is worth more, and it is on record */
        log_error("%s; %s is in force without a second manager's word", error.text, config->path);
        rules_note(daemon, &actor, "start-unapproved", config->path, NULL, NULL, error.text);
        return config;
    }
    if (!kept)
        return config;
    kept->state = daemon->state;
    code = file_ask(daemon, &actor, config, kept, &error);
    if (code == 0) {
        config_free(kept);
        return config;
    }
    daemon->reload_waits = true;
    settled_tell(daemon, kept);
    if (code > 0)
        log_warning("%s would loosen the policy: it waits for a second manager, and what was in "
                    "force before is in force",
                    config->path);
    else
        log_error("whether %s needs a second manager could not be settled, so what was in force "
                  "before is in force: %s",
                  config->path, error.text);
    config_free(config);
    return kept;
}

void approval_keep(const struct daemon *daemon, const struct config *config)
{
    struct bl_error error = {0};

    if (approved_write(daemon->state, config, &error) < 0)
        log_error("%s", error.text);
}

void approval_describe(struct daemon *daemon, const struct config *config, json_t *warnings)
{
    struct bl_error error = {0};
    json_t *reply = json_object();
    json_int_t count = 0;

    if (config->roles.requires_approval && daemon->rules &&
        rules_read(daemon, act_waiting, NULL, reply, &error) == 0)
        count = json_integer_value(json_object_get(reply, "waiting"));
    json_decref(reply);
    if (count > 0)
        json_array_append_new(
            warnings,
            json_sprintf("%lld request%s for a second manager; `chalkgate grants` shows %s",
                         (long long)count, count == 1 ? " waits" : "s wait",
                         count == 1 ? "it" : "them"));
}
