#include "tools/act_here.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "blocklists/lists.h"
#include "resolver/base/clock.h"
#include "resolver/policy/approved.h"
#include "tools/ask.h"

static void user_name(uid_t uid, char name[ACTOR_NAME_MAX])
{
    const struct passwd *entry = getpwuid(uid);

    if (entry)
        snprintf(name, ACTOR_NAME_MAX, "%s", entry->pw_name);
    else
        snprintf(name, ACTOR_NAME_MAX, "%u", (unsigned)uid);
}

/* Who signed on, also behind sudo, as the kernel keeps it; (uid_t)−1: nobody did. */
static uid_t login_uid(void)
{
    FILE *file = fopen("/proc/self/loginuid", "re");
    unsigned long uid = (uid_t)-1;

    if (file) {
        if (fscanf(file, "%lu", &uid) != 1)
            uid = (uid_t)-1;
        fclose(file);
    }
    return (uid_t)uid;
}

bool act_is_nobody(void)
{
    return login_uid() == (uid_t)-1;
}

struct actor act_actor(void)
{
    uid_t login = act_is_nobody() ? getuid() : login_uid();
    struct actor actor = {.uid = getuid(), .login_uid = login, .role = "manager"};

    user_name(getuid(), actor.user);
    user_name(login, actor.login);
    return actor;
}

void act_owner_enter(const char *folder)
{
    struct stat status;

    if (geteuid() == 0 && stat(folder, &status) == 0 && status.st_uid != 0 &&
        setegid(status.st_gid) == 0)
        (void)!seteuid(status.st_uid);
}

void act_owner_leave(void)
{
    if (getuid() == 0 && geteuid() != 0 && seteuid(0) == 0)
        (void)!setegid(getgid());
}

static int change_here(struct act_here *here, const char *folder, bool writing,
                       struct bl_error *error)
{
    struct actor actor = act_actor();
    int code = state_open(folder, writing, &here->state, error);

    if (code == -ENOENT && !writing)
        return 0;
    if (code == -EACCES || code == -EPERM)
        return bl_error_set(error, -EACCES,
                            "the state folder %s belongs to somebody else, and no chalkgated runs "
                            "that could be asked",
                            folder);
    if (code < 0)
        return code;
    return change_begin(here->state, writing ? &actor : NULL, clock_read().wall_ms,
                        &here->act.change, error);
}

/* As the daemon does, which takes the file where what was kept is damaged. */
static const struct config *config_in_force(const struct config *config, const char *folder,
                                            struct config **out_kept)
{
    struct bl_error ignored;

    if (approved_read(folder, config->path, out_kept, &ignored) < 0)
        *out_kept = NULL;
    return *out_kept ? *out_kept : config;
}

int act_here_begin(struct command *command, bool writing, struct act_here *out_here,
                   struct bl_error *error)
{
    struct act_here here = {.lock_fd = -1};
    const struct config *config = command_config(command);
    const char *folder = command_state(command);
    int code = config && folder ? 0 : bl_error_set(error, -EINVAL, "there is no configuration");

    if (code == 0 && writing) {
        act_owner_enter(folder);
        code = bl_lists_lock(folder, &here.lock_fd, error);
        config = config_in_force(config, folder, &here.kept);
    }
    if (code == 0)
        code = calendar_create(&config->calendar, &here.calendar, error);
    if (code == 0)
        code = change_here(&here, folder, writing, error);
    here.act.config = config;
    here.act.calendar = here.calendar;
    if (code < 0) {
        act_here_close(&here);
        return code;
    }
    *out_here = here;
    return 0;
}

int act_here_open(struct command *command, bool writing, struct act_here *out_here,
                  struct bl_error *error)
{
    struct act_here here;
    char path[BL_PATH_MAX];
    uint64_t generation;
    int code = act_here_begin(command, writing, &here, error);

    if (code < 0)
        return code;
    if (bl_lists_current(command_state(command), &generation, path, NULL) == 0)
        code = bl_store_open(path, &here.store, error);
    here.act.store = here.store;
    if (code < 0) {
        act_here_close(&here);
        return code;
    }
    *out_here = here;
    return 0;
}

void act_here_close(struct act_here *here)
{
    change_abort(here->act.change);
    state_close(here->state);
    bl_store_close(here->store);
    calendar_free(here->calendar);
    config_free(here->kept);
    if (here->lock_fd >= 0)
        close(here->lock_fd);
    act_owner_leave();
}

static int act_do_here(struct command *command, act_function *function, bool writing,
                       const json_t *request, json_t *reply, struct bl_error *error)
{
    struct act_here here;
    int code = act_here_open(command, writing, &here, error);

    if (code < 0)
        return code;
    if (writing) /* what the configuration says by now is a version of its own */
        code = act_configuration(&here.act, error);
    if (code == 0)
        code = here.act.change ? function(&here.act, request, reply, error)
                               : bl_error_set(error, -ENOENT, "nothing was ever recorded in %s",
                                              command_state(command));
    if (code == 0 && writing) {
        code = change_commit(here.act.change, error);
        here.act.change = NULL;
    }
    act_here_close(&here);
    return code;
}

static enum exit_code exit_of(int code)
{
    switch (code) {
    case -EINVAL:
        return EXIT_USAGE;
    case -EPERM:
    case -EACCES:
        return EXIT_NOT_ALLOWED;
    case -ENOENT:
        return EXIT_NOTHING;
    default:
        return EXIT_FAILED;
    }
}

enum exit_code act_try(struct command *command, const char *verb, act_function *function,
                       bool writing, json_t *request, json_t **out_reply, struct bl_error *error)
{
    json_t *reply = NULL;
    enum exit_code exit;
    int code;

    if (ask_is_answered(command)) {
        exit = ask_daemon(command, verb, json_incref(request), -1, &reply, error);
    } else {
        reply = json_object();
        code = act_do_here(command, function, writing, request, reply, error);
        exit = code < 0 ? exit_of(code) : EXIT_DONE;
    }
    json_decref(request);
    if (exit != EXIT_DONE)
        json_decref(reply);
    else
        *out_reply = reply;
    return exit;
}

enum exit_code act_ask(struct command *command, const char *verb, act_function *function,
                       bool writing, json_t *request, json_t **out_reply)
{
    struct bl_error error = {0};
    enum exit_code exit = act_try(command, verb, function, writing, request, out_reply, &error);

    return exit == EXIT_DONE ? exit : ask_fail(exit, &error);
}

int act_span(json_t *request, const char *length, const char *until, struct bl_error *error)
{
    int64_t seconds, end;
    int code = 0;

    if (length) {
        code = duration_parse(length, &seconds, error);
        if (code == 0)
            json_object_set_new(request, "seconds", json_integer(seconds));
    }
    if (code == 0 && until) {
        code = time_parse_coming(until, time(NULL), &end, error);
        if (code == 0)
            json_object_set_new(request, "until", json_integer(end));
    }
    return code;
}
