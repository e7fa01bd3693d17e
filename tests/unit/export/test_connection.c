/* Collectors and programs that stop half-way, talk without end, or do not go. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "resolver/export/connection.h"
#include "tests/support/folder.h"

enum { LONG = 8 << 20, TALK_MOST = 10000, LOOKS = 500, LOOK_US = 20000 };

static char folder[FOLDER_ROOM];
static char path[64];
static bool talks;        /* the other side: each look finds more */
static unsigned listened; /* how often that was looked at */

/* Linked in the library's place (--wrap): how fast a real talker is, is chance. */
ssize_t __real_recv(int fd, void *bytes, size_t room, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t room, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t room, int flags)
{
    if (!talks)
        return __real_recv(fd, bytes, room, flags);
    memset(bytes, 't', room);
    return ++listened < TALK_MOST ? (ssize_t)room : 0;
}

static int group_open(void **state)
{
    (void)state;
    folder_make(folder);
    return 0;
}

static int group_close(void **state)
{
    (void)state;
    folder_drop(folder);
    return 0;
}

static int socket_listen(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(path, sizeof(path), "%s/collector", folder);
    unlink(path);
    memcpy(name.sun_path, path, sizeof(path));
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

/* A message cut off by a collector that hangs is the last one: an octet more, such as the end of a
 * stream of frames, would be read as a part of it. */
static void test_nothing_goes_after_half_a_message(void **state)
{
    const struct config_export to = {.form = EXPORT_JSON, .socket = path, .timeout_s = 1};
    struct connection *connection;
    struct bl_error error = {""};
    char *message = malloc(LONG), got[4096];
    size_t octets = 0;
    ssize_t more;
    int listening = socket_listen();
    (void)state;

    memset(message, 'm', LONG);
    assert_int_equal(connection_open(&to, &connection, &error), 0);
    int collector = accept(listening, NULL, NULL);
    assert_int_equal(connection_send(connection, message, LONG, &error), -ETIMEDOUT);
    assert_non_null(strstr(error.text, "took nothing for 1 s"));
    /* The collector wakes up: there is room again. */
    while (octets < 65536 && (more = read(collector, got, sizeof(got))) > 0) {
        assert_null(memchr(got, 'S', (size_t)more));
        octets += (size_t)more;
    }
    assert_int_equal(connection_send(connection, "STOP", 4, &error), -EPIPE);
    assert_non_null(strstr(error.text, "was cut off"));
    assert_int_equal(connection_receive(connection, got, 1, &error), -EPIPE);
    connection_close(connection);
    while ((more = read(collector, got, sizeof(got))) > 0) {
        assert_null(memchr(got, 'S', (size_t)more));
        octets += (size_t)more;
    }
    assert_in_range(octets, 1, LONG - 1);
    free(message);
    close(collector);
    close(listening);
}

/* One that sends all the time holds nobody: what it says is thrown away, and then it is left. */
static void test_a_collector_that_talks_is_left(void **state)
{
    const struct config_export to = {.form = EXPORT_JSON, .socket = path, .timeout_s = 5};
    struct connection *connection;
    struct bl_error error = {""};
    int listening = socket_listen();
    (void)state;

    assert_int_equal(connection_open(&to, &connection, &error), 0);
    int collector = accept(listening, NULL, NULL);
    assert_int_equal(connection_send(connection, "{}\n", 3, &error), 0);
    /* A greeting is nothing to leave for. */
    assert_int_equal(write(collector, "welcome", 7), 7);
    assert_true(connection_is_alive(connection));
    talks = true;
    listened = 0;
    assert_false(connection_is_alive(connection));
    assert_int_equal(connection_settle(connection, &error), -EPROTO);
    assert_non_null(strstr(error.text, "talks where collectors listen"));
    assert_in_range(listened, 1, 1000);
    talks = false;
    connection_close(connection);
    close(collector);
    close(listening);
}

/* A program that tells its number, and then does not look at the end of its input. */
static struct connection *program_begin(pid_t *out_pid)
{
    static char script[256];
    static const char *const command[] = {"/bin/sh", "-c", script, NULL};
    const struct config_export to = {.form = EXPORT_JSON,
                                     .command = (const char **)(uintptr_t)command,
                                     .command_count = 3,
                                     .timeout_s = 5};
    struct connection *connection;
    long pid = 0;

    snprintf(path, sizeof(path), "%s/pid", folder);
    unlink(path);
    snprintf(script, sizeof(script), "sleep 1000 & echo $! > %s.new; mv %s.new %s; wait", path,
             path, path);
    assert_int_equal(connection_open(&to, &connection, NULL), 0);
    for (int looks = 0; pid == 0 && looks < LOOKS; looks++) {
        FILE *file = fopen(path, "r");
        if (file != NULL) {
            assert_int_equal(fscanf(file, "%ld", &pid), 1);
            fclose(file);
        }
        usleep(LOOK_US);
    }
    assert_true(pid > 0);
    *out_pid = (pid_t)pid;
    return connection;
}

static void assert_ended(pid_t pid)
{
    int looks = 0;

    while (kill(pid, 0) == 0 && waitpid(pid, NULL, WNOHANG) != pid && looks++ < LOOKS)
        usleep(LOOK_US);
    assert_in_range(looks, 0, LOOKS - 1);
}

static void test_a_program_goes_with_all_it_started(void **state)
{
    pid_t pid;
    struct connection *connection = program_begin(&pid);
    (void)state;

    assert_int_equal(kill(pid, 0), 0);
    connection_close(connection);
    assert_ended(pid);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_goes_after_half_a_message),
        cmocka_unit_test(test_a_collector_that_talks_is_left),
        cmocka_unit_test(test_a_program_goes_with_all_it_started),
    };

    prctl(PR_SET_CHILD_SUBREAPER, 1); /* what is left of a program is ours to wait for */
    return cmocka_run_group_tests(tests, group_open, group_close);
}
