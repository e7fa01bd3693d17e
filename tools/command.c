/* What all verbs ask first: the configuration, and the state folder. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/verb.h"

static const char *config_path_find(const struct command *command)
{
    if (command->config_path)
        return command->config_path;
    const char *path = getenv("CHALKGATE_CONFIG");
    if (path && *path)
        return path;
    static const char *const places[] = {"/etc/chalkgate/config.yaml", "config.yaml"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (access(places[i], F_OK) == 0)
            return places[i];
    return NULL;
}

struct config *command_config(struct command *command)
{
    if (command->config)
        return command->config;
    const char *path = config_path_find(command);
    if (!path) {
        command_fail(EXIT_USAGE,
                     "there is no configuration: neither /etc/chalkgate/config.yaml nor "
                     "./config.yaml is there; please name one with --config");
        return NULL;
    }
    struct config_faults faults = {0};
    int failed = config_load(path, &command->config, &faults);
    if (failed) {
        command->config = NULL;
        for (size_t i = 0; i < faults.count; i++)
            command_fail(EXIT_USAGE, "%s", faults.items[i].text);
        if (faults.count == 0)
            command_fail(EXIT_USAGE, "%s: %s", path, strerror(-failed));
        config_faults_free(&faults);
    }
    return command->config;
}

const char *command_state(struct command *command)
{
    if (command->state)
        return command->state;
    const struct config *config = command_config(command);
    return config ? config->state : NULL;
}

const struct config *command_zone(struct command *command)
{
    if (!command->config && !config_path_find(command))
        return NULL;
    const struct config *config = command_config(command);
    if (config && config->calendar.time_zone)
        setenv("TZ", config->calendar.time_zone, 1);
    return config;
}

void command_yield(void)
{
    enum { NICE = 10, WHO_PROCESS = 1, CLASS_IDLE = 3, CLASS_SHIFT = 13 }; /* of ioprio_set(2) */

    /* Refused to a unit that may not change these: it has them set by systemd. */
    if (getpriority(PRIO_PROCESS, 0) < NICE)
        (void)setpriority(PRIO_PROCESS, 0, NICE);
    (void)syscall(SYS_ioprio_set, WHO_PROCESS, 0, CLASS_IDLE << CLASS_SHIFT);
}

void command_fini(struct command *command)
{
    config_free(command->config);
    command->config = NULL;
}
