#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "resolver/base/hook.h"
#include "tests/support/folder.h"

static int shell(const char *script, int input, unsigned timeout_ms, struct bl_error *error)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};

    error->text[0] = '\0';
    return hook_run(argv, input, timeout_ms, error);
}

static void what_it_gets(void **state)
{
    char folder[FOLDER_ROOM], path[FOLDER_ROOM + 8], script[128], text[64] = "";
    struct bl_error error;
    int ends[2];
    (void)state;

    folder_make(folder);
    snprintf(path, sizeof(path), "%s/told", folder);
    int fd = open(path, O_RDONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "{\"x\":1}", 7), 7);
    close(ends[1]);
    snprintf(script, sizeof(script), "cat > %s", path);
    assert_int_equal(shell(script, ends[0], 5000, &error), 0);
    close(ends[0]);
    assert_int_equal(read(fd, text, sizeof(text) - 1), 7);
    assert_string_equal(text, "{\"x\":1}");
    close(fd);
    folder_drop(folder);
    /* Nothing else: standard input is empty, and no descriptor of ours is there. */
    assert_int_equal(shell("test -z \"$(cat)\" && test ! -e /proc/self/fd/7", -1, 5000, &error), 0);
}

static void failures_are_told(void **state)
{
    const char *const nowhere[] = {"/nowhere/mail", NULL};
    struct bl_error error;
    (void)state;

    assert_int_equal(shell("echo no such mailbox >&2; echo more >&2; exit 75", -1, 5000, &error),
                     -ECHILD);
    assert_string_equal(error.text, "/bin/sh ended with exit code 75: no such mailbox");
    assert_int_equal(shell("kill -9 $$", -1, 5000, &error), -ECHILD);
    assert_non_null(strstr(error.text, "signal 9"));
    assert_int_equal(hook_run(nowhere, -1, 5000, &error), -ECHILD);
    assert_non_null(strstr(error.text, "No such file"));
}

static void a_hanging_program_is_stopped(void **state)
{
    struct bl_error error;
    (void)state;

    assert_int_equal(shell("sleep 60 & sleep 60", -1, 200, &error), -ETIMEDOUT);
    assert_non_null(strstr(error.text, "did not end"));
}

static void a_flood_of_output_is_thrown_away(void **state)
{
    struct bl_error error;
    (void)state;

    assert_int_equal(shell("head -c 100000000 /dev/zero; head -c 20000000 /dev/zero >&2; exit 3",
                           -1, 60000, &error),
                     -ECHILD);
    assert_int_equal(shell("yes; yes >&2", -1, 300, &error), -ETIMEDOUT);
}

static void what_it_starts_may_live_on(void **state)
{
    struct bl_error error;
    (void)state;

    assert_int_equal(shell("sleep 5 >/dev/null 2>&1 & exit 0", -1, 3000, &error), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_it_gets),
                                       cmocka_unit_test(failures_are_told),
                                       cmocka_unit_test(a_hanging_program_is_stopped),
                                       cmocka_unit_test(a_flood_of_output_is_thrown_away),
                                       cmocka_unit_test(what_it_starts_may_live_on)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
