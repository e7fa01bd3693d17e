/* What the school waits for ten thousand times a minute costs no heap call and no system call: a
 * denied question, and one answered from the cache. The system calls are forbidden, not counted.
 * A forwarded question makes no heap call either. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/heap.h"
#include "tests/bench/school.h"

enum { NAMES = 500, ROUNDS = 1000 };

static struct school school;
static struct address client;

static int setup(void **state)
{
    (void)state;
    school_open(&school, &(struct school_options){.names = NAMES, .groups = 3, .clients = 30});
    client = school_client(&school, 7);
    heap_calls();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    school_close(&school);
    return 0;
}

struct path {
    const char *name;
    void (*name_of)(uint64_t number, struct bl_name *out_name);
    bool edns;
    int rcode;
};

static const struct path DENY = {"deny", school_listed, false, DNS_NXDOMAIN};
static const struct path DENY_EDNS = {"deny with EDNS", school_listed, true, DNS_NXDOMAIN};
static const struct path HIT = {"hit", school_unlisted, false, DNS_NOERROR};

/* Each name once. */
static void name_unseen(uint64_t number, struct bl_name *out_name)
{
    static uint64_t next = NAMES;

    (void)number;
    school_unlisted(next++, out_name);
}

static const struct path MISS = {"miss", name_unseen, false, DNS_NOERROR};

/* Asks for name after name; how many answers were what they should be. */
static unsigned path_ask(const struct path *path, unsigned count)
{
    uint8_t packet[SCHOOL_QUESTION_MAX];
    unsigned fine = 0;

    for (unsigned i = 0; i < count; i++) {
        struct bl_name name;
        size_t len, answer_len;
        path->name_of(i % NAMES, &name);
        len = school_question(packet, (uint16_t)i, &name, DNS_A, path->edns);
        fine += school_ask(&school, packet, len, &client, &answer_len) == path->rcode;
    }
    return fine;
}

static void test_heap(void **state)
{
    const struct path *path = *state;
    uint64_t before;

    assert_int_equal(path_ask(path, NAMES), NAMES); /* what is to be cached is cached */
    before = heap_calls();
    assert_int_equal(path_ask(path, ROUNDS), ROUNDS);
    assert_int_equal(heap_calls() - before, 0);
}

/* Strict seccomp leaves read, write and exit: anything else is SIGKILL, there and then. */
static void child_ask(const struct path *path)
{
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) < 0)
        _exit(77);
    syscall(SYS_exit, path_ask(path, ROUNDS) == ROUNDS ? 0 : 1);
}

static void test_system_calls(void **state)
{
    const struct path *path = *state;
    int status;
    pid_t pid;

    assert_int_equal(path_ask(path, NAMES), NAMES);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child_ask(path);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("SKIP: this kernel has no strict seccomp\n");
        skip();
    }
    assert_false(WIFSIGNALED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* That the two measures can fail at all: an allocation counts, and a system call is noticed. */
static void test_measures(void **state)
{
    uint64_t before = heap_calls();
    void *volatile memory = test_malloc(1);
    int status;
    pid_t pid;

    (void)state;
    test_free(memory);
    assert_true(heap_calls() - before >= 2);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0)
            syscall(SYS_getppid);
        syscall(SYS_exit, 77);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 77);
}

#define PATH_TEST(function, path)                                                                  \
    {                                                                                              \
        .name = #function " " #path, .test_func = function,                                        \
        .initial_state = (void *)(uintptr_t) & (path)                                              \
    }

int main(void)
{
#ifdef __SANITIZE_THREAD__
    /* Its run-time makes calls and allocations of its own, before and beside ours. */
    print_message("SKIP: nothing can be counted under the thread sanitizer\n");
    return 77;
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measures),
        PATH_TEST(test_heap, DENY),
        PATH_TEST(test_heap, DENY_EDNS),
        PATH_TEST(test_heap, HIT),
        PATH_TEST(test_heap, MISS),
        PATH_TEST(test_system_calls, DENY),
        PATH_TEST(test_system_calls, DENY_EDNS),
        PATH_TEST(test_system_calls, HIT),
    };

    return cmocka_run_group_tests_name("hot paths", tests, setup, teardown);
}
