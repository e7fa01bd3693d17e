#include "resolver/base/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "resolver/base/text.h"

enum { KEPT = 1024, CANNOT_START = 127, LOOK_MS = 50 };

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

_Noreturn static void program_start(const char *const *argv, int input, int errors)
{
    sigset_t none;

    setpgid(0, 0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(input >= 0 ? input : null, STDIN_FILENO) < 0 ||
        dup2(null, STDOUT_FILENO) < 0 || dup2(errors, STDERR_FILENO) < 0)
        _exit(CANNOT_START);
    close_range(3, ~0u, 0);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    dprintf(STDERR_FILENO, "%s: %s", argv[0], strerror(errno));
    _exit(CANNOT_START);
}

/* Reads what there is, keeps the first of it, and forgets the rest. False at the end. */
static bool errors_read(int errors, char kept[KEPT], size_t *kept_len)
{
    char buffer[4096];
    ssize_t got = read(errors, buffer, sizeof(buffer));

    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    size_t room = KEPT - 1 - *kept_len;
    size_t take = (size_t)got < room ? (size_t)got : room;
    memcpy(kept + *kept_len, buffer, take);
    *kept_len += take;
    return true;
}

/* Waits for the program to end; what it started may live on, but is not waited for. */
static int program_wait(pid_t pid, int errors, unsigned timeout_ms, char kept[KEPT],
                        int *out_status)
{
    int64_t until = now_ms() + timeout_ms;
    size_t kept_len = 0;
    bool open = true;

    for (;;) {
        struct pollfd wait = {.fd = errors, .events = POLLIN};
        pid_t ended = waitpid(pid, out_status, WNOHANG);
        if (ended != 0)
            break;
        if (now_ms() >= until) {
            kill(-pid, SIGKILL);
            waitpid(pid, out_status, 0);
            kept[kept_len] = '\0';
            return -ETIMEDOUT;
        }
        if (open && poll(&wait, 1, LOOK_MS) > 0)
            open = errors_read(errors, kept, &kept_len);
        else if (!open)
            poll(NULL, 0, LOOK_MS);
    }
    while (open && kept_len < KEPT - 1) { /* what it printed last */
        size_t before = kept_len;
        open = errors_read(errors, kept, &kept_len) && kept_len > before;
    }
    kept[kept_len] = '\0';
    return 0;
}

int hook_run(const char *const *argv, int input, unsigned timeout_ms, struct bl_error *error)
{
    char kept[KEPT];
    int ends[2], status = 0;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return bl_error_set(error, -errno, "%s: %s", argv[0], strerror(errno));
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    pid_t pid = fork();
    if (pid == 0)
        program_start(argv, input, ends[1]);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return bl_error_set(error, -errno, "%s: %s", argv[0], strerror(errno));
    }
    setpgid(pid, pid); /* whoever of the two comes first */
    int code = program_wait(pid, ends[0], timeout_ms, kept, &status);
    close(ends[0]);
    kept[strcspn(kept, "\n")] = '\0';
    text_clean(kept);
    if (code == -ETIMEDOUT)
        return bl_error_set(error, code, "%s did not end within %u s and was stopped", argv[0],
                            (timeout_ms + 999) / 1000);
    if (WIFSIGNALED(status))
        return bl_error_set(error, -ECHILD, "%s was ended by signal %d", argv[0], WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        return bl_error_set(error, -ECHILD, "%s ended with exit code %d%s%s", argv[0],
                            WEXITSTATUS(status), kept[0] != '\0' ? ": " : "", kept);
    return 0;
}
