#include "resolver/export/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "resolver/net/tls.h"

enum { SETTLE_LOOK_MS = 20, TLS_ROOM = 16384, PROGRAM_GRACE_MS = 1000, END_LOOKS = 64 };

struct connection {
    int fd;    /* non-blocking */
    pid_t pid; /* of a program; 0: none */
    struct tls_client *tls_client;
    struct tls_ticket *ticket;
    struct tls *tls;
    bool datagrams;
    bool broken; /* a step failed: half a message may be on its way, and nothing goes after it */
    int64_t wait_ms; /* for one step */
    char what[128];  /* for sentences */
};

bool connection_has_datagrams(const struct config_export *to)
{
    if (to->socket != NULL)
        return to->form == EXPORT_SYSLOG || to->form == EXPORT_JOURNAL;
    return to->address.port != 0 && to->transport == TRANSPORT_UDP;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int fail(struct connection *connection, int code, struct bl_error *error)
{
    connection->broken = true;
    if (code == -ETIMEDOUT)
        return bl_error_set(error, code, "%s took nothing for %u s", connection->what,
                            (unsigned)(connection->wait_ms / 1000));
    if (code == -EPIPE || code == -ECONNRESET)
        return bl_error_set(error, code, "%s closed the connection", connection->what);
    if (code == -EPROTO)
        return bl_error_set(error, code, "%s talks where collectors listen", connection->what);
    return bl_error_set(error, code, "%s: %s", connection->what, strerror(-code));
}

/* Waits for the descriptor; 0, -ETIMEDOUT. */
static int ready_wait(const struct connection *connection, short events, int64_t until_ms)
{
    struct pollfd wait = {.fd = connection->fd, .events = events};

    for (;;) {
        int64_t left_ms = until_ms - now_ms();
        if (left_ms <= 0)
            return -ETIMEDOUT;
        int count = poll(&wait, 1, (int)left_ms);
        if (count > 0)
            return 0;
        if (count < 0 && errno != EINTR)
            return -errno;
    }
}

static int bytes_write(const struct connection *connection, const uint8_t *bytes, size_t len)
{
    int64_t until_ms = now_ms() + connection->wait_ms;

    while (len > 0) {
        ssize_t put = connection->pid > 0 ? write(connection->fd, bytes, len)
                                          : send(connection->fd, bytes, len, MSG_NOSIGNAL);
        if (put < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)) {
            if (errno == ENOBUFS)
                poll(NULL, 0, SETTLE_LOOK_MS);
            int code = ready_wait(connection, POLLOUT, until_ms);
            if (code < 0)
                return code;
            continue;
        }
        if (put < 0)
            return -errno;
        bytes += put;
        len -= (size_t)put;
    }
    return 0;
}

static ssize_t bytes_read(const struct connection *connection, uint8_t *bytes, size_t room,
                          int64_t until_ms)
{
    for (;;) {
        int code = ready_wait(connection, POLLIN, until_ms);
        if (code < 0)
            return code;
        ssize_t got = recv(connection->fd, bytes, room, 0);
        if (got > 0)
            return got;
        if (got == 0)
            return -EPIPE;
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
    }
}

static int tls_flush(struct connection *connection)
{
    uint8_t room[TLS_ROOM];
    size_t len;
    int code = 0;

    while (code == 0 && (len = tls_take(connection->tls, room, sizeof(room))) > 0)
        code = bytes_write(connection, room, len);
    return code;
}

static int tls_begin(struct connection *connection, const char *name, struct bl_error *error)
{
    int64_t until_ms = now_ms() + connection->wait_ms;
    struct bl_error why = {""};
    uint8_t room[TLS_ROOM];
    int code = tls_client_create(false, &connection->tls_client, error);

    if (code < 0)
        return code;
    code = tls_ticket_create(&connection->ticket);
    if (code == 0)
        code = tls_create(connection->tls_client, name, connection->ticket, &connection->tls);
    while (code == 0) {
        code = tls_handshake(connection->tls, &why);
        int flushed = tls_flush(connection);
        if (code != 0 || (code = flushed) < 0)
            break;
        ssize_t got = bytes_read(connection, room, sizeof(room), until_ms);
        code = got < 0 ? (int)got : tls_feed(connection->tls, room, (size_t)got);
    }
    if (why.text[0] != '\0')
        return bl_error_set(error, code, "%s: %s", connection->what, why.text);
    return code < 0 ? fail(connection, code, error) : 0;
}

static int address_open(struct connection *connection, const struct config_export *to,
                        struct bl_error *error)
{
    struct sockaddr_storage name;
    socklen_t name_len = address_to_sockaddr(&to->address, false, &name);
    int type = to->transport == TRANSPORT_UDP ? SOCK_DGRAM : SOCK_STREAM, failure = 0;
    socklen_t failure_len = sizeof(failure);

    connection->fd = socket(name.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        return fail(connection, -errno, error);
    if (connect(connection->fd, (struct sockaddr *)&name, name_len) < 0) {
        if (errno != EINPROGRESS)
            return fail(connection, -errno, error);
        int code = ready_wait(connection, POLLOUT, now_ms() + connection->wait_ms);
        if (code < 0)
            return fail(connection, code, error);
        (void)getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &failure, &failure_len);
        if (failure != 0)
            return fail(connection, -failure, error);
    }
    return to->transport == TRANSPORT_TLS ? tls_begin(connection, to->tls_name, error) : 0;
}

static int socket_open(struct connection *connection, const struct config_export *to,
                       struct bl_error *error)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};

    if ((size_t)snprintf(name.sun_path, sizeof(name.sun_path), "%s", to->socket) >=
        sizeof(name.sun_path))
        return fail(connection, -ENAMETOOLONG, error);
    connection->fd = socket(
        AF_UNIX, (connection->datagrams ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC,
        0);
    if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&name, sizeof(name)) < 0)
        return fail(connection, -errno, error);
    return 0;
}

_Noreturn static void program_start(const struct config_export *to, int input)
{
    char **argv = calloc(to->command_count + 1, sizeof(*argv));
    sigset_t none;
    int null = open("/dev/null", O_RDWR);

    /* A carrier that is killed takes with it a program that does not look at its input's end. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    if (argv == NULL || null < 0 || dup2(input, STDIN_FILENO) < 0 ||
        dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)
        _exit(127);
    for (size_t i = 0; i < to->command_count; i++)
        argv[i] = (char *)(uintptr_t)to->command[i];
    close_range(3, ~0u, 0);
    execvp(argv[0], argv);
    _exit(127);
}

static int program_open(struct connection *connection, const struct config_export *to,
                        struct bl_error *error)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return fail(connection, -errno, error);
    connection->fd = ends[1];
    pid_t pid = fork();
    if (pid == 0)
        program_start(to, ends[0]);
    close(ends[0]);
    if (pid < 0)
        return fail(connection, -errno, error);
    setpgid(pid, pid); /* whoever of the two comes first */
    connection->pid = pid;
    (void)fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    return 0;
}

static void what_set(struct connection *connection, const struct config_export *to)
{
    char text[ADDRESS_TEXT_MAX];

    if (to->command_count > 0)
        snprintf(connection->what, sizeof(connection->what), "%.100s", to->command[0]);
    else if (to->socket != NULL)
        snprintf(connection->what, sizeof(connection->what), "%.100s", to->socket);
    else
        snprintf(connection->what, sizeof(connection->what), "the collector at %s",
                 address_text_port(&to->address, text));
}

int connection_open(const struct config_export *to, struct connection **out_connection,
                    struct bl_error *error)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    int code;

    if (connection == NULL)
        return bl_error_set(error, -ENOMEM, "out of memory");
    connection->fd = -1;
    connection->datagrams = connection_has_datagrams(to);
    connection->wait_ms = (int64_t)to->timeout_s * 1000;
    what_set(connection, to);
    if (to->command_count > 0)
        code = program_open(connection, to, error);
    else if (to->socket != NULL)
        code = socket_open(connection, to, error);
    else
        code = address_open(connection, to, error);
    if (code < 0) {
        connection_close(connection);
        return code;
    }
    *out_connection = connection;
    return 0;
}

/* A program that reads to the end of its input ends by itself; another one is ended. */
static void program_end(pid_t pid)
{
    int64_t until_ms = now_ms() + PROGRAM_GRACE_MS;
    int status;

    while (now_ms() < until_ms) {
        if (waitpid(pid, &status, WNOHANG) != 0)
            return;
        poll(NULL, 0, SETTLE_LOOK_MS);
    }
    kill(-pid, SIGKILL);
    waitpid(pid, &status, 0);
}

void connection_close(struct connection *connection)
{
    if (connection == NULL)
        return;
    tls_destroy(connection->tls);
    tls_ticket_destroy(connection->ticket);
    tls_client_destroy(connection->tls_client);
    if (connection->fd >= 0)
        close(connection->fd);
    if (connection->pid > 0)
        program_end(connection->pid);
    free(connection);
}

int connection_send(struct connection *connection, const void *bytes, size_t len,
                    struct bl_error *error)
{
    int code;

    if (connection->broken)
        return bl_error_set(error, -EPIPE, "%s: what was being sent was cut off", connection->what);
    if (connection->tls == NULL) {
        code = bytes_write(connection, bytes, len);
    } else {
        code = tls_write(connection->tls, bytes, len);
        if (code == 0)
            code = tls_flush(connection);
    }
    return code < 0 ? fail(connection, code, error) : 0;
}

int connection_receive(struct connection *connection, void *bytes, size_t len,
                       struct bl_error *error)
{
    int64_t until_ms = now_ms() + connection->wait_ms;
    uint8_t room[TLS_ROOM], *at = bytes;

    if (connection->broken)
        return bl_error_set(error, -EPIPE, "%s: what was being sent was cut off", connection->what);
    while (len > 0) {
        ssize_t got = connection->tls == NULL ? bytes_read(connection, at, len, until_ms)
                                              : tls_read(connection->tls, at, len);
        if (connection->tls != NULL && got == 0) {
            got = bytes_read(connection, room, sizeof(room), until_ms);
            if (got > 0) {
                got = tls_feed(connection->tls, room, (size_t)got);
                if (got == 0)
                    continue;
            }
        }
        if (got < 0)
            return fail(connection, (int)got, error);
        at += got;
        len -= (size_t)got;
    }
    return 0;
}

/* Whether the other side is gone although what was sent last was taken. Collectors have nothing to
 * say here but TLS's own messages: what came is thrown away, or an end would hide behind it. */
static int end_look(struct connection *connection)
{
    uint8_t room[TLS_ROOM];

    if (connection->pid > 0) {
        struct pollfd look = {.fd = connection->fd};
        return poll(&look, 1, 0) > 0 && look.revents & POLLERR ? -EPIPE : 0;
    }
    for (unsigned looks = 0; looks < END_LOOKS; looks++) {
        ssize_t got = recv(connection->fd, room, sizeof(room), MSG_DONTWAIT);
        if (got == 0)
            return -EPIPE;
        if (got < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (connection->tls == NULL)
            continue;
        got = tls_feed(connection->tls, room, (size_t)got);
        while (got == 0 && (got = tls_read(connection->tls, room, sizeof(room))) > 0)
            got = 0;
        return got < 0 ? (int)got : 0;
    }
    return -EPROTO; /* one that talks all the time would hold its carrier for ever */
}

bool connection_is_alive(struct connection *connection)
{
    return connection->datagrams || end_look(connection) == 0;
}

int connection_settle(struct connection *connection, struct bl_error *error)
{
    int64_t until_ms = now_ms() + connection->wait_ms;

    if (connection->datagrams)
        return 0;
    for (;;) {
        int left = 0, code = end_look(connection);
        if (code < 0)
            return fail(connection, code, error);
        if (ioctl(connection->fd, connection->pid > 0 ? FIONREAD : SIOCOUTQ, &left) < 0 ||
            left == 0)
            return 0;
        if (now_ms() >= until_ms)
            return fail(connection, -ETIMEDOUT, error);
        poll(NULL, 0, SETTLE_LOOK_MS);
    }
}
