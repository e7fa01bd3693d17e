#include "resolver/control/pulse.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "resolver/base/check.h"
#include "resolver/base/clock.h"
#include "resolver/base/log.h"
#include "resolver/base/thread.h"
#include "resolver/control/daemon.h"
#include "resolver/control/notify.h"
#include "resolver/denials/writer.h"
#include "resolver/net/server.h"

struct pulse {
    struct daemon *daemon;
    int64_t wait_ms, told_ms; /* what the manager waits; when it was told last, monotonic */
    bool warned;              /* since then */
    int wake_fd;
    pthread_t thread;
    unsigned workers;
    struct denials_turns writer; /* of the last sign, as `turns` */
    uint64_t turns[];            /* one for each worker */
};

/* Who had no turn since the last sign, in words; "" when everybody had. */
static void idle_name(const struct pulse *pulse, const struct denials_turns *writer, char *text,
                      size_t room)
{
    size_t len = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < pulse->workers && len < room; i++)
        if (server_turns(pulse->daemon->server, i) == pulse->turns[i])
            len += (size_t)snprintf(text + len, room - len, "%sworker %u", len ? ", " : "", i);
    if (writer->writer == pulse->writer.writer && !writer->retaining && len < room)
        len += (size_t)snprintf(text + len, room - len, "%sthe writer of denials", len ? ", " : "");
    if (writer->keeper == pulse->writer.keeper && !writer->retaining && len < room)
        snprintf(text + len, room - len, "%sthe keeper of journals", len ? ", " : "");
}

static void pulse_look(struct pulse *pulse)
{
    int64_t now_ms = clock_read().mono_ms;
    struct denials_turns writer;
    char idle[256];

    denials_writer_turns(pulse->daemon->writer, &writer);
    idle_name(pulse, &writer, idle, sizeof idle);
    if (idle[0] == '\0') {
        notify_watchdog();
        pulse->told_ms = now_ms;
        pulse->warned = false;
        pulse->writer = writer;
        for (unsigned i = 0; i < pulse->workers; i++)
            pulse->turns[i] = server_turns(pulse->daemon->server, i);
    } else if (!pulse->warned && now_ms - pulse->told_ms > pulse->wait_ms / 2) {
        pulse->warned = true;
        log_error("no sign of life for %lld s from: %s; unless there is one, the service manager "
                  "restarts this program",
                  (long long)(now_ms - pulse->told_ms) / 1000, idle);
    }
}

static void *pulse_run(void *user)
{
    struct pulse *pulse = user;
    struct pollfd item = {.fd = pulse->wake_fd, .events = POLLIN};

    while (poll(&item, 1, (int)(pulse->wait_ms / 4)) <= 0)
        pulse_look(pulse);
    return NULL;
}

static int pulse_begin(struct pulse *pulse)
{
    int code;

    pulse->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (pulse->wake_fd < 0)
        return -errno;
    code = thread_begin(&pulse->thread, NULL, pulse_run, pulse);
    if (code == 0)
        pthread_setname_np(pulse->thread, "pulse");
    else
        close(pulse->wake_fd);
    return code;
}

int pulse_start(struct daemon *daemon, struct pulse **out_pulse, struct bl_error *error)
{
    int64_t wait_ms = notify_watchdog_ms();
    unsigned workers = server_workers(daemon->server);
    struct pulse *pulse;
    int code = -ENOMEM;

    if (wait_ms <= 0 || wait_ms > INT32_MAX) {
        *out_pulse = NULL;
        return 0;
    }
    pulse = calloc(1, sizeof *pulse + workers * sizeof pulse->turns[0]);
    if (pulse) {
        pulse->daemon = daemon;
        pulse->wait_ms = wait_ms;
        pulse->workers = workers;
        pulse->told_ms = clock_read().mono_ms;
        code = pulse_begin(pulse);
    }
    if (code < 0) {
        free(pulse);
        return bl_error_set(error, code, "no thread for the watchdog: %s", strerror(-code));
    }
    *out_pulse = pulse;
    return 0;
}

void pulse_stop(struct pulse *pulse)
{
    if (!pulse)
        return;
    CHECK(eventfd_write(pulse->wake_fd, 1) == 0);
    pthread_join(pulse->thread, NULL);
    close(pulse->wake_fd);
    free(pulse);
}
