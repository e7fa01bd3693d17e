#include "resolver/control/alert_runner.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "resolver/base/clock.h"
#include "resolver/base/hook.h"
#include "resolver/base/log.h"
#include "resolver/config/config.h"
#include "resolver/control/runner.h"

enum { LOOK_MS = 500, SPOOL_MAX = 2000, NAME_MAX_LEN = 64, ARGUMENTS_MAX = 32 };
static const int64_t week_ms = 7 * 86400000LL;

struct runner {
    const char *config_path;
    char folder[PATH_MAX];
    struct timespec config_changed;
    struct config *config;
    char tried[NAME_MAX_LEN]; /* the newest alert that was tried: later ones are tried at once */
    unsigned failures;        /* in a row */
    int64_t retry_ms;         /* monotonic: when failed ones are tried again */
    uint64_t delivered, failed_tries;
    int64_t last_delivered_ms;
    struct bl_error last_error;
};

static void config_refresh(struct runner *runner)
{
    struct config *config = runner_config(runner->config_path, &runner->config_changed);

    if (config == NULL)
        return;
    config_free(runner->config);
    runner->config = config;
    runner->retry_ms = 0;
}

static int name_is_alert(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return len < NAME_MAX_LEN && len > 5 && isdigit((unsigned char)entry->d_name[0]) &&
           strcmp(entry->d_name + len - 5, ".json") == 0;
}

static void status_write(const struct runner *runner, size_t waiting)
{
    char path[PATH_MAX + 32], hidden[PATH_MAX + 32];
    json_t *status =
        json_pack("{sI,sI,sI,sI,ss}", "delivered", (json_int_t)runner->delivered, "failed_tries",
                  (json_int_t)runner->failed_tries, "waiting", (json_int_t)waiting,
                  "last_delivered", (json_int_t)(runner->last_delivered_ms / 1000), "last_error",
                  runner->failures > 0 ? runner->last_error.text : "");

    snprintf(path, sizeof(path), "%s/status.json", runner->folder);
    snprintf(hidden, sizeof(hidden), "%s/.status", runner->folder);
    if (status != NULL && json_dump_file(status, hidden, JSON_COMPACT | JSON_ENSURE_ASCII) == 0)
        (void)rename(hidden, path);
    json_decref(status);
}

/* The first digits of the name are when the alert was raised. */
static void alert_set_aside(const struct runner *runner, const char *name)
{
    char from[PATH_MAX + 80], to[PATH_MAX + 80];

    snprintf(to, sizeof(to), "%s/failed", runner->folder);
    (void)mkdir(to, 0750);
    snprintf(from, sizeof(from), "%s/%s", runner->folder, name);
    snprintf(to, sizeof(to), "%s/failed/%s", runner->folder, name);
    (void)rename(from, to);
    log_warning("an alert of a week ago could not be handed over; it is kept as %s", to);
}

static bool alert_try(struct runner *runner, const char *name)
{
    const struct config_alerts *alerts = &runner->config->alerts;
    const char *argv[ARGUMENTS_MAX + 1] = {NULL};
    char path[PATH_MAX + 80];
    struct bl_error error = {""};

    snprintf(path, sizeof(path), "%s/%s", runner->folder, name);
    int input = open(path, O_RDONLY | O_CLOEXEC);
    if (input < 0)
        return true; /* gone */
    for (size_t i = 0; i < alerts->command_count && i < ARGUMENTS_MAX; i++)
        argv[i] = alerts->command[i];
    int code = hook_run(argv, input, alerts->timeout_s * 1000, &error);
    close(input);
    if (code == 0) {
        unlink(path);
        runner->delivered++;
        runner->last_delivered_ms = clock_read().wall_ms;
        return true;
    }
    runner->failed_tries++;
    if (strcmp(error.text, runner->last_error.text) != 0 || runner->failures == 0)
        log_warning("an alert could not be handed over and will be tried again: %s", error.text);
    runner->last_error = error;
    return false;
}

static void retry_plan(struct runner *runner, bool failed)
{
    static const int64_t waits_ms[] = {5000, 15000, 60000, 300000, 900000};
    enum { LAST = sizeof(waits_ms) / sizeof(waits_ms[0]) - 1 };

    if (!failed) {
        runner->failures = 0;
        return;
    }
    runner->retry_ms =
        clock_read().mono_ms + waits_ms[runner->failures < LAST ? runner->failures : LAST];
    runner->failures++;
}

static void spool_work(struct runner *runner)
{
    struct dirent **entries;
    struct moment now = clock_read();
    bool retry = now.mono_ms >= runner->retry_ms, failed = false, tried = false;
    size_t waiting = 0;
    int count = scandir(runner->folder, &entries, name_is_alert, alphasort);

    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        bool fresh = strcmp(name, runner->tried) > 0;
        if (count - i > SPOOL_MAX || now.wall_ms - strtoll(name, NULL, 10) > week_ms) {
            alert_set_aside(runner, name);
        } else if (!fresh && (!retry || failed)) {
            waiting++;
        } else {
            /* One that fails keeps its own kind waiting, not those that never were tried. */
            bool fine = alert_try(runner, name);
            tried = true;
            failed = failed || !fine;
            waiting += !fine;
            if (fresh)
                snprintf(runner->tried, sizeof(runner->tried), "%s", name);
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    if (!tried)
        return;
    retry_plan(runner, failed);
    status_write(runner, waiting);
}

static void runner_run(const char *state, const char *config_path)
{
    struct runner runner = {.config_path = config_path};

    prctl(PR_SET_NAME, "chalkgate-alert");
    snprintf(runner.folder, sizeof(runner.folder), "%s/alerts", state);
    for (;;) {
        struct pollfd wait = {.fd = RUNNER_ENDS_WITH, .events = POLLIN};
        if (poll(&wait, 1, LOOK_MS) > 0)
            _exit(0);
        config_refresh(&runner);
        if (runner.config != NULL && runner.config->alerts.command_count > 0)
            spool_work(&runner);
    }
}

int alert_runner_start(const char *state, const char *config_path, struct bl_error *error)
{
    return runner_start("alerts", state, config_path, runner_run, error);
}

json_t *alert_runner_status(const char *state)
{
    char path[PATH_MAX + 32];

    snprintf(path, sizeof(path), "%s/alerts/status.json", state);
    return json_load_file(path, 0, NULL);
}
