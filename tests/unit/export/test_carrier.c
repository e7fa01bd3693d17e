/* A carrier beside a daemon whose answers are cut off, or longer than it takes: no change is left
 * out, and none comes twice. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "resolver/export/carrier.h"
#include "tests/support/folder.h"

enum {
    CHANGES = 200,
    FIT = 128,          /* entries whose answer is not too long */
    TOO_LONG = 5 << 20, /* octets */
    LOOKS = 600,
    LOOK_US = 50000
};

struct daemon_made {
    char folder[FOLDER_ROOM];
    int fd;
    unsigned asked;
};

static void all_send(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t put = send(fd, text, len, MSG_NOSIGNAL);
        if (put <= 0)
            return; /* it heard enough */
        text += put;
        len -= (size_t)put;
    }
}

static json_t *reply_make(unsigned from, unsigned most, bool begun)
{
    json_t *changes = json_array();
    unsigned count = begun ? CHANGES : 0;

    for (unsigned at = from; at <= count && at < from + most; at++)
        json_array_append_new(changes, json_pack("{si,ss,ss,ss,s{ss}}", "number", (int)at, "time",
                                                 "2026-11-23T11:15:00Z", "action", "allow",
                                                 "target", "x.example", "by", "login", "head"));
    return json_pack("{sb,si,so}", "ok", 1, "count", (int)count, "changes", changes);
}

/* The first question is how many there are; the next is answered by half; then they are too long
 * while they are for more than FIT. */
static void question_answer(struct daemon_made *daemon, int fd)
{
    char line[256];
    ssize_t got = recv(fd, line, sizeof(line) - 1, 0);

    line[got > 0 ? got : 0] = '\0';
    json_t *question = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);
    unsigned from = (unsigned)json_integer_value(json_object_get(question, "from"));
    unsigned most = (unsigned)json_integer_value(json_object_get(question, "max"));
    json_t *reply = reply_make(from, most, daemon->asked > 0);
    char *text = json_dumps(reply, JSON_COMPACT);
    size_t len = strlen(text);

    if (daemon->asked++ == 1) {
        all_send(fd, text, len / 2);
    } else if (json_array_size(json_object_get(reply, "changes")) > FIT) {
        char *more = calloc(1, TOO_LONG);
        memset(more, ' ', TOO_LONG);
        all_send(fd, more, TOO_LONG);
        all_send(fd, text, len);
        free(more);
    } else {
        all_send(fd, text, len);
    }
    free(text);
    json_decref(reply);
    json_decref(question);
}

static void *daemon_run(void *user)
{
    struct daemon_made *daemon = user;
    int fd;

    while ((fd = accept(daemon->fd, NULL, NULL)) >= 0) {
        question_answer(daemon, fd);
        close(fd);
    }
    return NULL;
}

static void daemon_open(struct daemon_made *daemon)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};

    folder_make(daemon->folder);
    snprintf(name.sun_path, sizeof(name.sun_path), "%s/control.sock", daemon->folder);
    daemon->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(daemon->fd, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(listen(daemon->fd, 4), 0);
}

static pid_t carrier_begin(const char *folder, const char *file, int ends[2])
{
    const struct config config = {.path = ""};
    const struct config_export to = {.name = "made",
                                     .form = EXPORT_JSON,
                                     .file = file,
                                     .changes = true,
                                     .timeout_s = 5,
                                     .backlog_s = 86400};

    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[1]);
        carrier_run(folder, &config, &to, ends[0]);
        _exit(0);
    }
    close(ends[0]);
    return pid;
}

/* How many lines there are; each must be the next change. */
static unsigned lines_check(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[1024];
    unsigned count = 0;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        json_t *change = json_loads(line, 0, NULL);
        if (change == NULL)
            break; /* it is being written */
        assert_int_equal(json_integer_value(json_object_get(change, "number")), ++count);
        json_decref(change);
    }
    if (file != NULL)
        fclose(file);
    return count;
}

static void test_changes_come_once_each(void **state)
{
    struct daemon_made daemon = {.asked = 0};
    char file[128];
    pthread_t thread;
    int ends[2], status, looks = 0;
    (void)state;

    daemon_open(&daemon);
    snprintf(file, sizeof(file), "%s/lines.json", daemon.folder);
    pid_t pid = carrier_begin(daemon.folder, file, ends);
    assert_int_equal(pthread_create(&thread, NULL, daemon_run, &daemon), 0);
    while (lines_check(file) < CHANGES && looks++ < LOOKS)
        usleep(LOOK_US);
    close(ends[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(lines_check(file), CHANGES);
    shutdown(daemon.fd, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(daemon.fd);
    /* How many; half an answer; one too long; half as many; the rest. */
    assert_in_range(daemon.asked, 5, 10);
    json_t *told = carrier_status(daemon.folder, "made");
    assert_int_equal(json_integer_value(json_object_get(told, "changes")), CHANGES);
    json_decref(told);
    folder_drop(daemon.folder);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_changes_come_once_each)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
