#include "resolver/control/export_runner.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "resolver/base/clock.h"
#include "resolver/base/log.h"
#include "resolver/config/config.h"
#include "resolver/control/privileges.h"
#include "resolver/control/runner.h"
#include "resolver/export/carrier.h"

enum { LOOK_MS = 500, AGAIN_MS = 5000, PATIENCE_MS = 3000 };

struct carrying {
    pid_t pid; /* 0: none */
    int64_t begun_ms;
};

struct keeper {
    const char *state, *config_path;
    struct timespec config_changed;
    struct config *config;
    struct carrying *carriers; /* one for each of config->exports */
};

static void carrier_start(struct keeper *keeper, size_t at)
{
    const struct config_export *to = &keeper->config->exports[at];
    struct bl_error error = {""};
    pid_t pid = fork();

    keeper->carriers[at].begun_ms = clock_read().mono_ms;
    if (pid > 0)
        keeper->carriers[at].pid = pid;
    if (pid != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "chalkgate-send");
    setpriority(PRIO_PROCESS, 0, 19);
    if (to->command_count == 0 && privileges_confine(&error) < 0)
        log_warning("export \"%s\": %s", to->name, error.text);
    carrier_run(keeper->state, keeper->config, to, RUNNER_ENDS_WITH);
    _exit(0);
}

static void carriers_watch(struct keeper *keeper)
{
    int64_t now_ms = clock_read().mono_ms;
    int status;

    for (size_t i = 0; keeper->config != NULL && i < keeper->config->export_count; i++) {
        struct carrying *carrying = &keeper->carriers[i];
        if (carrying->pid > 0 && waitpid(carrying->pid, &status, WNOHANG) != 0) {
            carrying->pid = 0;
            log_warning("export \"%s\": its process ended before its time and is started again",
                        keeper->config->exports[i].name);
        }
        if (carrying->pid == 0 &&
            (carrying->begun_ms == 0 || now_ms - carrying->begun_ms >= AGAIN_MS))
            carrier_start(keeper, i);
    }
}

/* Those that hang in a collector's arms are ended the hard way. */
static void carriers_stop(struct keeper *keeper)
{
    int64_t until_ms = clock_read().mono_ms + PATIENCE_MS;
    size_t count = keeper->config == NULL ? 0 : keeper->config->export_count;
    int status;

    for (size_t i = 0; i < count; i++)
        if (keeper->carriers[i].pid > 0)
            kill(keeper->carriers[i].pid, SIGTERM);
    for (size_t i = 0; i < count; i++) {
        pid_t pid = keeper->carriers[i].pid;
        while (pid > 0 && waitpid(pid, &status, WNOHANG) == 0) {
            if (clock_read().mono_ms >= until_ms)
                kill(pid, SIGKILL);
            poll(NULL, 0, 20);
        }
    }
    free(keeper->carriers);
    keeper->carriers = NULL;
}

static void config_refresh(struct keeper *keeper)
{
    struct config *config = runner_config(keeper->config_path, &keeper->config_changed);

    if (config == NULL)
        return;
    carriers_stop(keeper);
    config_free(keeper->config);
    keeper->config = config;
    keeper->carriers = calloc(config->export_count + 1, sizeof(*keeper->carriers));
    if (keeper->carriers == NULL)
        _exit(1);
}

static void keeper_run(const char *state, const char *config_path)
{
    struct keeper keeper = {.state = state, .config_path = config_path};

    prctl(PR_SET_NAME, "chalkgate-export");
    for (;;) {
        struct pollfd wait = {.fd = RUNNER_ENDS_WITH, .events = POLLIN};
        config_refresh(&keeper);
        carriers_watch(&keeper);
        if (poll(&wait, 1, LOOK_MS) > 0)
            break;
    }
    carriers_stop(&keeper);
    _exit(0);
}

int export_runner_start(const char *state, const char *config_path, struct bl_error *error)
{
    return runner_start("export", state, config_path, keeper_run, error);
}
