#include "resolver/control/control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "resolver/base/check.h"
#include "resolver/base/clock.h"
#include "resolver/base/log.h"
#include "resolver/base/thread.h"
#include "resolver/control/caller.h"
#include "resolver/control/daemon.h"
#include "resolver/control/queue.h"
#include "resolver/control/rules.h"
#include "resolver/policy/acts.h"

enum {
    BACKLOG = 64,
    REQUEST_MS = 10 * 1000,
    REPLY_MS = 5 * 60 * 1000,
    REPLY_STEP_MS = 30 * 1000, /* without an octet taken */
    STOP_LOOK_MS = 200,        /* how soon a caller that stalls is left at the end */
    SHORTAGE_MS = 100,
    THREAD_STACK = 1024 * 1024,
    CALL_NICE = 10,
    CODE_FAILED = 1,
    CODE_USAGE = 2,
    CODE_NOT_ALLOWED = 3,
    CODE_NOTHING = 4,
};

struct control {
    struct daemon *daemon;
    int fd,
        wake_fd; /* the listening socket; an eventfd: a caller has left, or it is time to stop */
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t left;
    struct queue queue;
    bool stopping; /* atomic, and set under `lock` */
};

struct call {
    struct control *control;
    int fd, passed_fd;
    uid_t uid;
    size_t len;
    char text[CONTROL_REQUEST_MAX + 1];
};

/* False when it is too late, or time to stop: whoever stalls does not hold up the end. */
static bool poll_until(struct control *control, int fd, short events, int64_t end_ms)
{
    struct pollfd item = {.fd = fd, .events = events};

    for (;;) {
        int64_t left = end_ms - clock_read().mono_ms;
        if (left <= 0 || __atomic_load_n(&control->stopping, __ATOMIC_RELAXED))
            return false;
        if (poll(&item, 1, left < STOP_LOOK_MS ? (int)left : STOP_LOOK_MS) == 1)
            return true;
    }
}

/* A descriptor that came along; more than one is more than was asked for. */
static void passed_take(struct call *call, struct msghdr *header)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        int fds[8];
        size_t count;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(c), count * sizeof(int));
        for (size_t i = 0; i < count; i++) {
            if (call->passed_fd < 0)
                call->passed_fd = fds[i];
            else
                close(fds[i]);
        }
    }
}

/* Reads up to the newline: 0, or a negative errno. */
static int request_read(struct call *call)
{
    int64_t end_ms = clock_read().mono_ms + REQUEST_MS;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(8 * sizeof(int))];
    } control;

    while (call->len < CONTROL_REQUEST_MAX) {
        struct iovec vector = {call->text + call->len, CONTROL_REQUEST_MAX - call->len};
        struct msghdr header = {.msg_iov = &vector,
                                .msg_iovlen = 1,
                                .msg_control = &control,
                                .msg_controllen = sizeof control};
        ssize_t got;
        char *newline;
        if (!poll_until(call->control, call->fd, POLLIN, end_ms))
            return -ETIMEDOUT;
        got = recvmsg(call->fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (got <= 0)
            return got < 0 ? -errno : -EPIPE;
        passed_take(call, &header);
        newline = memchr(call->text + call->len, '\n', (size_t)got);
        call->len += (size_t)got;
        if (newline) {
            call->len = (size_t)(newline - call->text);
            call->text[call->len] = '\0';
            return 0;
        }
    }
    return -EMSGSIZE;
}

static void reply_write(const struct call *call, const char *text, size_t len)
{
    int64_t end_ms = clock_read().mono_ms + REPLY_MS;

    while (len) {
        ssize_t sent = send(call->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            text += sent;
            len -= (size_t)sent;
        } else if (errno != EAGAIN && errno != EINTR) {
            return;
        } else {
            int64_t step_ms = clock_read().mono_ms + REPLY_STEP_MS;
            if (!poll_until(call->control, call->fd, POLLOUT, step_ms < end_ms ? step_ms : end_ms))
                return;
        }
    }
}

static int exit_code_of(int code)
{
    switch (code) {
    case -EPERM:
    case -EACCES:
        return CODE_NOT_ALLOWED;
    case -ENOENT:
        return CODE_NOTHING;
    case -EINVAL:
        return CODE_USAGE;
    default:
        return CODE_FAILED;
    }
}

static void reply_send(const struct call *call, json_t *reply, int code,
                       const struct bl_error *error)
{
    char *text;
    size_t len;

    if (code < 0)
        json_object_clear(reply);
    json_object_set_new(reply, "ok", json_boolean(code >= 0));
    if (code < 0) {
        json_object_set_new(reply, "error",
                            json_string(error->text[0] ? error->text : strerror(-code)));
        json_object_set_new(reply, "code", json_integer(exit_code_of(code)));
    }
    text = json_dumps(reply, JSON_COMPACT);
    if (!text)
        return;
    len = strlen(text);
    if (len < CONTROL_REPLY_MAX) {
        text[len] = '\n'; /* in the NUL's place */
        reply_write(call, text, len + 1);
    }
    free(text);
}

static const struct control_verb *verb_find(const char *name)
{
    for (size_t i = 0; control_tables[i]; i++)
        for (const struct control_verb *verb = control_tables[i]; verb->name; verb++)
            if (strcmp(verb->name, name) == 0)
                return verb;
    return NULL;
}

static int role_check(const struct control_verb *verb, const struct caller *caller,
                      struct bl_error *error)
{
    if (caller->role >= verb->role)
        return 0;
    return bl_error_set(error, -EPERM,
                        "%s may not do this: it needs the role \"%s\", which members of the groups "
                        "under `roles` in config.yaml have",
                        caller->user, verb->role == ROLE_MANAGER ? "manager" : "viewer");
}

/* Reasons go into the log and the change record, one line each: nobody writes a second one. */
static int reason_check(const json_t *reason, struct bl_error *error)
{
    const char *text = json_string_value(reason);

    if (!reason || json_is_null(reason))
        return 0; /* the verb says whether it wants one */
    if (!text)
        return bl_error_set(error, -EINVAL, "the reason should be text");
    return *text ? act_reason_check(text, error) : 0;
}

static int verb_run(struct control *control, const struct caller *caller, json_t *request,
                    int passed_fd, json_t *reply, struct bl_error *error)
{
    const char *name = control_string(request, "verb", error);
    const struct control_verb *verb = name ? verb_find(name) : NULL;
    int code;

    if (!name)
        return -EINVAL;
    if (!verb)
        return bl_error_set(error, -EINVAL,
                            "the running chalkgated does not know \"%.40s\"; is it "
                            "older than this command?",
                            name);
    code = role_check(verb, caller, error);
    if (code < 0) {
        rules_note_refusal(control->daemon, caller, verb->name);
        return code;
    }
    code = reason_check(json_object_get(request, "reason"), error);
    if (code < 0)
        return code;
    if (verb->kind == CONTROL_CHANGES)
        pthread_mutex_lock(&control->daemon->change);
    code = verb->handle(control->daemon, caller, request, passed_fd, reply, error);
    if (verb->kind == CONTROL_CHANGES)
        pthread_mutex_unlock(&control->daemon->change);
    return code;
}

static void call_answer(struct call *call)
{
    struct bl_error error = {0};
    struct caller caller;
    json_t *reply = json_object(), *request = NULL;
    json_error_t fault;
    int code = request_read(call);

    if (code == -EMSGSIZE) {
        bl_error_set(&error, code, "the request is longer than %d octets", CONTROL_REQUEST_MAX);
    } else if (code == -ETIMEDOUT) {
        bl_error_set(&error, code,
                     "the request did not end within %d s: it is one line of JSON, with a newline",
                     REQUEST_MS / 1000);
    } else if (code == 0) {
        struct world *world = daemon_world(call->control->daemon);
        code = caller_read(call->fd, world->config, &caller, &error);
        world_unref(world);
        if (code == 0) {
            request = json_loadb(call->text, call->len, JSON_REJECT_DUPLICATES, &fault);
            code = json_is_object(request)
                       ? verb_run(call->control, &caller, request, call->passed_fd, reply, &error)
                       : bl_error_set(&error, -EINVAL, "the request is no JSON object: %s",
                                      fault.text);
        }
    }
    if (reply && code != -EPIPE)
        reply_send(call, reply, code, &error);
    json_decref(request);
    json_decref(reply);
}

static void call_leave(struct control *control, uid_t uid)
{
    pthread_mutex_lock(&control->lock);
    queue_leave(&control->queue, uid);
    pthread_cond_signal(&control->left);
    CHECK(eventfd_write(control->wake_fd, 1) ==
          0); /* under the lock: closed once nobody is served */
    pthread_mutex_unlock(&control->lock);
}

static void *call_run(void *user)
{
    struct call *call = user;
    struct control *control = call->control;
    uid_t uid = call->uid;

    /* Reading all of a generation of lists takes a while, and there may be one processor only. */
    thread_give_way(CALL_NICE);
    call_answer(call);
    if (call->passed_fd >= 0)
        close(call->passed_fd);
    close(call->fd);
    free(call);
    call_leave(control, uid);
    return NULL;
}

static int thread_start(pthread_t *out_thread, bool detached, void *(*run)(void *), void *user)
{
    pthread_attr_t attributes;
    int code;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK);
    if (detached)
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    code = thread_begin(out_thread, &attributes, run, user);
    pthread_attr_destroy(&attributes);
    return code;
}

/* A refusal, for which nobody waits. */
static void call_refuse(int fd)
{
    static const char TEXT[] =
        "{\"ok\":false,\"error\":\"too many requests are under way; please try again in a "
        "moment\",\"code\":1}\n";

    (void)!send(fd, TEXT, sizeof TEXT - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

/* Takes a caller into the queue. Returns whether there was a descriptor for it. */
static bool caller_accept(struct control *control)
{
    int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC);
    struct ucred credentials;
    socklen_t len = sizeof credentials;
    bool taken = false;

    if (fd < 0)
        return errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) == 0) {
        pthread_mutex_lock(&control->lock);
        taken = queue_add(&control->queue, fd, credentials.uid);
        pthread_mutex_unlock(&control->lock);
    }
    if (!taken)
        call_refuse(fd);
    return true;
}

static void call_begin(struct control *control, const struct queue_place *place)
{
    struct call *call = calloc(1, sizeof *call);
    pthread_t thread;

    if (call) {
        *call =
            (struct call){.control = control, .fd = place->fd, .passed_fd = -1, .uid = place->uid};
        if (thread_start(&thread, true, call_run, call) == 0)
            return;
    }
    free(call);
    call_refuse(place->fd);
    call_leave(control, place->uid);
}

/* Starts what may be started. Returns whether to go on. */
static bool queue_serve(struct control *control)
{
    struct queue_place place;
    bool stopping, found;

    do {
        pthread_mutex_lock(&control->lock);
        stopping = control->stopping;
        found = !stopping && queue_next(&control->queue, &place);
        pthread_mutex_unlock(&control->lock);
        if (found)
            call_begin(control, &place);
    } while (found);
    return !stopping;
}

static void *control_run(void *user)
{
    struct control *control = user;
    struct pollfd items[2] = {{.fd = control->fd, .events = POLLIN},
                              {.fd = control->wake_fd, .events = POLLIN}};
    eventfd_t wakes;

    while (queue_serve(control)) {
        if (poll(items, 2, -1) < 0)
            continue;
        if (items[1].revents)
            (void)eventfd_read(control->wake_fd, &wakes);
        /* The caller stays in the backlog and poll() would tell of it at once, again and again. */
        if (items[0].revents && !caller_accept(control))
            (void)poll(&items[1], 1, SHORTAGE_MS);
    }
    return NULL;
}

static int socket_bind(struct control *control, struct bl_error *error)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int code = 0;

    memcpy(name.sun_path, control->path, sizeof name.sun_path);
    if (unlink(control->path) < 0 && errno != ENOENT)
        return bl_error_set(error, -errno, "cannot remove the old %s: %s", control->path,
                            strerror(errno));
    control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (control->fd < 0 || bind(control->fd, (struct sockaddr *)&name, sizeof name) < 0 ||
        chmod(control->path, 0666) < 0 || listen(control->fd, BACKLOG) < 0)
        code = bl_error_set(error, -errno, "cannot open the control socket %s: %s", control->path,
                            strerror(errno));
    return code;
}

int control_open(struct daemon *daemon, struct control **out_control, struct bl_error *error)
{
    struct control *control = calloc(1, sizeof *control);
    int len, code = 0;

    if (!control)
        return bl_error_set(error, -ENOMEM, "out of memory for the control socket");
    control->daemon = daemon;
    control->fd = -1;
    pthread_mutex_init(&control->lock, NULL);
    pthread_cond_init(&control->left, NULL);
    control->queue.own = geteuid();
    control->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    len = snprintf(control->path, sizeof control->path, "%s/control.sock", daemon->state);
    if (control->wake_fd < 0)
        code = bl_error_set(error, -errno, "cannot open the control socket: %s", strerror(errno));
    else if (len < 0 || (size_t)len >= sizeof control->path)
        code = bl_error_set(error, -ENAMETOOLONG,
                            "the path of the state folder %s is too long for the control socket in "
                            "it (at most %zu characters)",
                            daemon->state, sizeof control->path - sizeof "/control.sock");
    else
        code = socket_bind(control, error);
    if (code < 0) {
        control_close(control);
        return code;
    }
    *out_control = control;
    return 0;
}

int control_start(struct control *control, struct bl_error *error)
{
    int code = thread_start(&control->thread, false, control_run, control);

    if (code < 0)
        return bl_error_set(error, code, "cannot start the control thread: %s", strerror(-code));
    control->started = true;
    return 0;
}

void control_close(struct control *control)
{
    if (!control)
        return;
    if (control->started) {
        pthread_mutex_lock(&control->lock);
        __atomic_store_n(&control->stopping, true, __ATOMIC_RELAXED);
        pthread_mutex_unlock(&control->lock);
        CHECK(eventfd_write(control->wake_fd, 1) == 0);
        pthread_join(control->thread, NULL);
    }
    pthread_mutex_lock(&control->lock);
    while (control->queue.served_count)
        pthread_cond_wait(&control->left, &control->lock);
    for (unsigned i = 0; i < control->queue.waiting_count; i++)
        close(control->queue.waiting[i].fd);
    pthread_mutex_unlock(&control->lock);
    if (control->fd >= 0) {
        unlink(control->path);
        close(control->fd);
    }
    if (control->wake_fd >= 0)
        close(control->wake_fd);
    pthread_cond_destroy(&control->left);
    pthread_mutex_destroy(&control->lock);
    free(control);
}

const char *control_string(json_t *request, const char *key, struct bl_error *error)
{
    const char *text = json_string_value(json_object_get(request, key));

    if (!text)
        bl_error_set(error, -EINVAL, "the request lacks \"%s\"", key);
    return text;
}
