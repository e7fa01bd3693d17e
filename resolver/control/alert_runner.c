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
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "resolver/base/clock.h"
#include "resolver/base/hook.h"
#include "resolver/base/log.h"
#include "resolver/base/text.h"
#include "resolver/config/config.h"
#include "resolver/control/runner.h"

enum {
    LOOK_MS = 500,
    SPOOL_MAX = 2000,
    NAME_MAX_LEN = 64,
    ARGUMENTS_MAX = 32,
    FAILURES_A_LOOK = 3
};
static const int64_t week_ms = 7 * 86400000LL;

struct runner {
    const char *config_path;
    char folder[PATH_MAX];
    struct timespec config_changed;
    struct config *config;
    int lock;              /* of the folder; −1: another runner may still be at it */
    struct dirent **known; /* what the last look found: those were tried; others are at once */
    int known_count;
    unsigned failures; /* in a row */
    int64_t retry_ms;  /* monotonic: when failed ones are tried again */
    uint64_t delivered, failed_tries, set_aside;
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

/* By their octets: those of alphasort() hang on the locale. */
static int names_compare(const struct dirent **left, const struct dirent **right)
{
    return strcmp((*left)->d_name, (*right)->d_name);
}

static void status_write(const struct runner *runner, size_t waiting)
{
    char path[PATH_MAX + 32], hidden[PATH_MAX + 32];
    struct moment now = clock_read();
    int64_t next_ms = runner->failures > 0 ? now.wall_ms + runner->retry_ms - now.mono_ms : 0;
    json_t *status = json_pack("{sI,sI,sI,sI,sI,sI,ss}", "delivered", (json_int_t)runner->delivered,
                               "failed_tries", (json_int_t)runner->failed_tries, "set_aside",
                               (json_int_t)runner->set_aside, "waiting", (json_int_t)waiting,
                               "last_delivered", (json_int_t)(runner->last_delivered_ms / 1000),
                               "next_try", (json_int_t)(next_ms / 1000), "last_error",
                               runner->failures > 0 ? runner->last_error.text : "");

    snprintf(path, sizeof(path), "%s/status.json", runner->folder);
    snprintf(hidden, sizeof(hidden), "%s/.status", runner->folder);
    if (status != NULL && json_dump_file(status, hidden, JSON_COMPACT | JSON_ENSURE_ASCII) == 0)
        (void)rename(hidden, path);
    json_decref(status);
}

/* The first digits of the name are when the alert was raised. */
static void alert_set_aside(struct runner *runner, const char *name)
{
    char from[PATH_MAX + 80], to[PATH_MAX + 80];

    snprintf(to, sizeof(to), "%s/failed", runner->folder);
    (void)mkdir(to, 0750);
    snprintf(from, sizeof(from), "%s/%s", runner->folder, name);
    snprintf(to, sizeof(to), "%s/failed/%s", runner->folder, name);
    if (rename(from, to) < 0)
        return; /* the next look tries again */
    runner->set_aside++;
    log_warning("an alert could not be handed over for long; it is kept as %s", to);
}

/* Calls the command with the alert; one that it took leaves the spool, or it would be sent at each
 * look again. 0 or a negative errno. */
static int alert_hand_over(struct runner *runner, const char *path, struct bl_error *error)
{
    const struct config_alerts *alerts = &runner->config->alerts;
    const char *argv[ARGUMENTS_MAX + 1] = {NULL};
    int input = open(path, O_RDONLY | O_CLOEXEC);

    if (input < 0)
        return errno == ENOENT ? 0 : bl_error_set(error, -errno, "%s: %s", path, strerror(errno));
    for (size_t i = 0; i < alerts->command_count && i < ARGUMENTS_MAX; i++)
        argv[i] = alerts->command[i];
    int code = hook_run(argv, input, alerts->timeout_s * 1000, error);
    close(input);
    if (code < 0)
        return code;
    runner->delivered++;
    runner->last_delivered_ms = clock_read().wall_ms;
    if (unlink(path) < 0 && errno != ENOENT)
        return bl_error_set(error, -errno, "%s was handed over, but cannot be removed: %s", path,
                            strerror(errno));
    return 0;
}

static bool alert_try(struct runner *runner, const char *name)
{
    char path[PATH_MAX + 80];
    struct bl_error error = {""};

    snprintf(path, sizeof(path), "%s/%s", runner->folder, name);
    if (alert_hand_over(runner, path, &error) == 0)
        return true;
    text_clean(error.text); /* one cut in the middle of a character would be no JSON */
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

static int known_compare(const void *left, const void *right)
{
    const struct dirent *const *one = left, *const *other = right;

    return strcmp((*one)->d_name, (*other)->d_name);
}

static bool is_known(const struct runner *runner, const struct dirent *entry)
{
    return runner->known_count > 0 && bsearch(&entry, runner->known, (size_t)runner->known_count,
                                              sizeof(struct dirent *), known_compare) != NULL;
}

static void known_replace(struct runner *runner, struct dirent **entries, int count)
{
    for (int i = 0; i < runner->known_count; i++)
        free(runner->known[i]);
    free(runner->known);
    runner->known = entries;
    runner->known_count = count;
}

static bool must_end(int wait_ms)
{
    struct pollfd wait = {.fd = RUNNER_ENDS_WITH, .events = POLLIN};

    return poll(&wait, 1, wait_ms) > 0;
}

/* What was tried and is a week old, or more than the spool shall hold, is tried no more. One that
 * only looks old, by a clock that was put right, has its try. */
static bool is_hopeless(int64_t wall_ms, const char *name, bool known, int behind)
{
    return behind > SPOOL_MAX || (known && wall_ms - strtoll(name, NULL, 10) > week_ms);
}

static void spool_work(struct runner *runner)
{
    struct dirent **entries;
    struct moment now = clock_read();
    bool retry = now.mono_ms >= runner->retry_ms, tried = false;
    bool first = runner->known == NULL; /* what waits from before the start is no news */
    size_t waiting = 0, failed = 0;
    int count = scandir(runner->folder, &entries, name_is_alert, names_compare);

    if (count < 0)
        return;
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        bool known = is_known(runner, entries[i]);
        if (tried && must_end(0))
            _exit(0);
        if (is_hopeless(now.wall_ms, name, known, count - i)) {
            alert_set_aside(runner, name);
        } else if ((known || first) && (!retry || failed == FAILURES_A_LOOK)) {
            waiting++;
        } else {
            /* Those that fail keep their own kind waiting, not those that never were tried; and
             * one that the command refuses for itself keeps no other waiting. */
            bool fine = alert_try(runner, name);
            tried = true;
            failed += !fine;
            waiting += !fine;
        }
    }
    known_replace(runner, entries, count);
    if (!tried)
        return;
    retry_plan(runner, failed > 0);
    status_write(runner, waiting);
}

/* The runner of a daemon that was killed may still wait for a command: two would hand over the
 * same alert twice. */
static bool spool_is_ours(struct runner *runner)
{
    if (runner->lock >= 0)
        return true;
    int fd = open(runner->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
        close(fd);
        return false;
    }
    runner->lock = fd;
    return true;
}

static void runner_run(const char *state, const char *config_path)
{
    struct runner runner = {.config_path = config_path, .lock = -1};

    prctl(PR_SET_NAME, "chalkgate-alert");
    snprintf(runner.folder, sizeof(runner.folder), "%s/alerts", state);
    for (;;) {
        if (must_end(LOOK_MS))
            _exit(0);
        config_refresh(&runner);
        if (runner.config != NULL && runner.config->alerts.command_count > 0 &&
            spool_is_ours(&runner))
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
