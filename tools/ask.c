#include "tools/ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/table.h"

enum { REPLY_MAX = 64 * 1024 * 1024, REPLY_STEP = 64 * 1024, WAIT_S = 60, WAIT_LONG_S = 600 };

/* Of a daemon that is there but does not answer. */
static void unanswered(int wait_s, struct bl_error *error)
{
    bl_error_set(
        error, -ETIMEDOUT,
        "chalkgated is running but has not answered for %d seconds; it may be very busy, or "
        "hang: `journalctl -u chalkgated` may say why, and `systemctl restart chalkgated` "
        "starts it anew",
        wait_s);
}

/* How long an answer may take: some verbs read and sync files of any size, or wait for another
 * change. */
static int patience_s(const char *verb)
{
    static const char *const SLOW[] = {"lists-adopt", "lists-rollback", "reload", "selftest",
                                       "changes-verify"};
    const char *own = getenv("CHALKGATE_PATIENCE");

    if (own && strtol(own, NULL, 10) > 0)
        return (int)strtol(own, NULL, 10);
    for (size_t i = 0; i < sizeof SLOW / sizeof *SLOW; i++)
        if (strcmp(verb, SLOW[i]) == 0)
            return WAIT_LONG_S;
    return WAIT_S;
}

/* −1 with EXIT_NO_DAEMON when nobody listens, with another code when it cannot be asked. */
static int daemon_connect(const char *state, int wait_s, enum exit_code *out_code,
                          struct bl_error *error)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct timeval wait = {.tv_sec = wait_s};
    int fd;

    *out_code = EXIT_FAILED;
    if (snprintf(name.sun_path, sizeof name.sun_path, "%s/control.sock", state) >=
        (int)sizeof name.sun_path) {
        bl_error_set(error, -ENAMETOOLONG, "the path of the state folder %s is too long", state);
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait); /* of connect(2), too */
        if (connect(fd, (struct sockaddr *)&name, sizeof name) == 0)
            return fd;
    }
    if (errno == ENOENT || errno == ECONNREFUSED) {
        *out_code = EXIT_NO_DAEMON;
        bl_error_set(error, -ENOENT,
                     "no chalkgated is running with the state folder %s; `systemctl start "
                     "chalkgated` starts it",
                     state);
    } else if (errno == EAGAIN) {
        unanswered(wait_s, error);
    } else {
        bl_error_set(error, -errno, "cannot ask chalkgated at %s: %s", name.sun_path,
                     strerror(errno));
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

/* The request, with the descriptor beside its first octets. */
static int request_send(int fd, const char *text, size_t len, int passed_fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    bool first = passed_fd >= 0;

    while (len) {
        struct iovec vector = {(void *)(uintptr_t)text, len};
        struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
        ssize_t sent;
        if (first) {
            header.msg_control = &control;
            header.msg_controllen = sizeof control;
            struct cmsghdr *c = CMSG_FIRSTHDR(&header);
            c->cmsg_level = SOL_SOCKET;
            c->cmsg_type = SCM_RIGHTS;
            c->cmsg_len = CMSG_LEN(sizeof(int));
            memcpy(CMSG_DATA(c), &passed_fd, sizeof passed_fd);
        }
        sent = sendmsg(fd, &header, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return -errno;
        first = false;
        text += sent;
        len -= (size_t)sent;
    }
    return 0;
}

/* All there is until the other end closes. The caller frees *out_text. */
static int reply_receive(int fd, char **out_text, size_t *out_len)
{
    char *text = NULL;
    size_t len = 0, room = 0;

    for (;;) {
        ssize_t got;
        if (len == room) {
            char *grown = room < REPLY_MAX ? realloc(text, room += REPLY_STEP) : NULL;
            if (!grown) {
                free(text);
                return -EMSGSIZE;
            }
            text = grown;
        }
        got = recv(fd, text + len, room - len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            int code = -errno;
            free(text);
            return code;
        }
        if (got == 0)
            break;
        len += (size_t)got;
    }
    *out_text = text;
    *out_len = len;
    return 0;
}

static enum exit_code reply_judge(json_t *reply, struct bl_error *error)
{
    json_int_t code = json_integer_value(json_object_get(reply, "code"));
    const char *sentence = json_string_value(json_object_get(reply, "error"));

    if (json_is_true(json_object_get(reply, "ok")))
        return EXIT_DONE;
    bl_error_set(error, -EPROTO, "%s", sentence ? sentence : "chalkgated gave no reason");
    return code >= EXIT_FAILED && code <= EXIT_NOTHING ? (enum exit_code)code : EXIT_FAILED;
}

static enum exit_code exchange(int fd, const char *request, int passed_fd, int wait_s,
                               json_t **out_reply, struct bl_error *error)
{
    enum exit_code exit_code;
    json_error_t fault;
    json_t *reply;
    char *text = NULL;
    size_t len = 0;
    int code = request_send(fd, request, strlen(request), passed_fd);

    if (code == 0 || code == -EPIPE) /* it may have said why, and gone */
        code = reply_receive(fd, &text, &len);
    if (code == -EAGAIN) {
        unanswered(wait_s, error);
        return EXIT_FAILED;
    }
    if (code < 0) {
        bl_error_set(error, code, "chalkgated did not answer: %s", strerror(-code));
        return EXIT_FAILED;
    }
    reply = json_loadb(text, len, 0, &fault);
    free(text);
    if (!json_is_object(reply)) {
        json_decref(reply);
        bl_error_set(error, -EPROTO,
                     len ? "chalkgated's answer is not understood; is it of another version?"
                         : "chalkgated closed the connection without an answer");
        return EXIT_FAILED;
    }
    exit_code = reply_judge(reply, error);
    if (exit_code == EXIT_DONE)
        *out_reply = reply;
    else
        json_decref(reply);
    return exit_code;
}

enum exit_code ask_daemon(struct command *command, const char *verb, json_t *arguments, int fd,
                          json_t **out_reply, struct bl_error *error)
{
    json_t *request = arguments ? arguments : json_object();
    const char *state = command_state(command);
    enum exit_code code = EXIT_USAGE;
    char *text = NULL, *line = NULL;
    int socket_fd, wait_s = patience_s(verb);

    json_object_set_new(request, "verb", json_string(verb));
    text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    if (!state) {
        bl_error_set(error, -EINVAL,
                     "chalkgated was not asked, and what is in force stays: the state folder is "
                     "not known. Please correct the configuration, or give --state FOLDER");
        free(text);
        return code;
    }
    if (!text || asprintf(&line, "%s\n", text) < 0) {
        free(text);
        bl_error_set(error, -ENOMEM, "out of memory");
        return EXIT_FAILED;
    }
    socket_fd = daemon_connect(state, wait_s, &code, error);
    if (socket_fd >= 0) {
        code = exchange(socket_fd, line, fd, wait_s, out_reply, error);
        close(socket_fd);
    }
    free(line);
    free(text);
    return code;
}

enum exit_code ask_fail(enum exit_code code, const struct bl_error *error)
{
    return command_fail(code == EXIT_NO_DAEMON ? EXIT_FAILED : code, "%s", error->text);
}

/* A line for each sentence that the reply has under `key`. */
static void sentences_print(const json_t *reply, const char *key, const char *before)
{
    char line[1024];
    json_t *item;
    size_t i;

    json_array_foreach(json_object_get(reply, key), i, item)
        printf("%s%s\n", before, text_safe(json_string_value(item), line, sizeof line));
}

void ask_warnings_print(const json_t *reply)
{
    sentences_print(reply, "warnings", "Warning: ");
}

bool ask_is_answered(struct command *command)
{
    const char *state = command_state(command);
    enum exit_code code;
    struct bl_error error;
    int fd = state ? daemon_connect(state, patience_s(""), &code, &error) : -1;

    if (fd < 0)
        return state &&
               code != EXIT_NO_DAEMON; /* there, but it cannot be asked: that is to be told */
    close(fd);
    return true;
}

enum exit_code ask_may_read(struct command *command, const char *verb, const char *file)
{
    const char *state = command_state(command);
    struct bl_error error = {0};
    char path[4096];
    json_t *reply;
    enum exit_code code;

    if (!state)
        return EXIT_USAGE;
    snprintf(path, sizeof path, "%s/%s", state, file);
    if (access(path, R_OK) == 0 || errno != EACCES)
        return EXIT_DONE;
    /* The daemon knows our role, and keeps a record of who was refused. */
    code = ask_daemon(command, verb, NULL, -1, &reply, &error);
    if (code == EXIT_NOT_ALLOWED)
        return command_fail(EXIT_NOT_ALLOWED, "%s", error.text);
    if (code == EXIT_DONE)
        json_decref(reply);
    return command_fail(EXIT_NOT_ALLOWED,
                        "%s may be read by root and by the user that chalkgated runs as only; "
                        "please ask one of them, or use sudo",
                        path);
}

void ask_loosens_print(const json_t *grant)
{
    sentences_print(grant, "loosens", "  ");
}

void ask_waiting_print(const json_t *grant)
{
    puts("This would loosen the policy, so it waits for a second manager. What was in force stays "
         "in force.");
    ask_loosens_print(grant);
    printf("To confirm it: chalkgate approve %lld --reason TEXT\n",
           (long long)json_integer_value(json_object_get(grant, "id")));
}
