#include "resolver/control/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void descriptors_drop(int ends_with)
{
    sigset_t none;

    if (dup2(ends_with, RUNNER_ENDS_WITH) < 0)
        _exit(1);
    close_range(RUNNER_ENDS_WITH + 1, ~0u, 0);
    (void)fcntl(RUNNER_ENDS_WITH, F_SETFD, FD_CLOEXEC);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGHUP, SIG_IGN);
}

int runner_start(const char *what, const char *state, const char *config_path,
                 void (*run)(const char *state, const char *config_path), struct bl_error *error)
{
    char *state_copy = strdup(state), *config_copy = realpath(config_path, NULL);
    int ends[2];

    if (config_copy == NULL)
        config_copy = strdup(config_path);
    if (state_copy == NULL || config_copy == NULL || pipe2(ends, O_CLOEXEC) < 0) {
        free(state_copy);
        free(config_copy);
        return bl_error_set(error, -errno, "%s: %s", what, strerror(errno));
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[1]);
        descriptors_drop(ends[0]);
        run(state_copy, config_copy);
        _exit(0);
    }
    int failure = errno;
    free(state_copy);
    free(config_copy);
    close(ends[0]);
    if (pid > 0)
        return ends[1];
    close(ends[1]);
    return bl_error_set(error, -failure, "%s: %s", what, strerror(failure));
}

struct config *runner_config(const char *path, struct timespec *changed)
{
    struct config_faults faults = {0};
    struct config *config = NULL;
    struct stat status;

    if (stat(path, &status) < 0 ||
        (status.st_mtim.tv_sec == changed->tv_sec && status.st_mtim.tv_nsec == changed->tv_nsec))
        return NULL;
    *changed = status.st_mtim;
    if (config_load(path, &config, &faults) < 0)
        config = NULL;
    config_faults_free(&faults);
    return config;
}
