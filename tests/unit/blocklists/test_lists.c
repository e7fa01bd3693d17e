/* Generations of lists: adopted, gone back to, kept whole by whatever ends the adoption. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "blocklists/guard.h"
#include "tests/unit/blocklists/lists_folder.h"

static void link_make(const char *number)
{
    char path[128];

    snprintf(path, sizeof path, "%s/lists/current", folder);
    assert_int_equal(symlink(number, path), 0);
}

/* Generation 2 as a program wrote it before format 2, in force in the folder. */
static void old_format_put(void)
{
    char command[512];

    snprintf(command, sizeof command,
             "mkdir -p %s/lists && cp " CHALKGATE_SOURCE_DIR
             "/tests/data/store-format-1.mdb %s/lists/00000002.mdb",
             folder, folder);
    assert_int_equal(system(command), 0);
    link_make("00000002.mdb");
}

/* A school that updates the program keeps its lists: read, built upon, and gone back to. */
static void reads_lists_of_format_1(void **state)
{
    static const char *sealed[] = {"gambling"};
    struct bl_held held = {1, 1};
    const struct bl_guard guard = {sealed, 1, true, .held = &held, .most = &held};
    struct bl_error error = {""};
    uint64_t generation = 0;
    struct bl_store *store;

    (void)state;
    old_format_put();
    store = store_in_force(&generation);
    assert_int_equal(generation, 2);
    /* What it blocks whole, nobody knows: that is no reason against it. */
    assert_true(bl_store_category(store, 0)->whole == BL_WHOLE_UNKNOWN);
    assert_int_equal(bl_guard_check_held(&guard, store, 1, &error), 0);
    assert_int_equal(bl_store_verify(store, &error), 0);
    assert_int_equal(bl_store_name_count(store), 3);
    bl_store_close(store);
    assert_true(is_listed("www.casino.test"));
    assert_false(is_listed("school.test"));
    assert_int_equal(adopt("one.test", 3, &generation, &error), 0);
    assert_int_equal(generation, 3);
    assert_true(is_listed("one.test"));
    assert_true(is_listed("www.casino.test"));
    assert_int_equal(bl_lists_rollback(folder, 0, &generation, &error), 0);
    assert_int_equal(generation, 2);
    assert_false(is_listed("one.test"));
    assert_true(is_listed("www.casino.test"));
}

static void adopts_and_goes_back(void **state)
{
    struct bl_error error = {""};
    uint64_t generation = 0, kept[8];
    char path[BL_PATH_MAX];

    (void)state;
    assert_int_equal(bl_lists_current(folder, &generation, path, &error), -ENOENT);
    assert_non_null(strstr(error.text, "lists import"));
    assert_int_equal(bl_lists_kept(folder, kept, 8, &error), 0);
    assert_int_equal(adopt("one.test", 3, &generation, &error), 0);
    assert_int_equal(generation, 1);
    assert_true(is_listed("www.one.test"));
    for (uint64_t i = 2; i <= 5; i++) {
        char words[64];

        snprintf(words, sizeof words, "g%u.test", (unsigned)i);
        assert_int_equal(adopt(words, 3, &generation, &error), 0);
        assert_int_equal(generation, i);
        assert_true(is_listed(words));
    }
    assert_int_equal(bl_lists_kept(folder, kept, 8, &error), 3);
    assert_int_equal(kept[0], 3);
    assert_int_equal(kept[2], 5);
    assert_int_equal(bl_lists_kept(folder, kept, 2, &error), 2);
    assert_int_equal(kept[0], 4);
    assert_int_equal(bl_lists_rollback(folder, 0, &generation, &error), 0);
    assert_int_equal(generation, 4);
    assert_true(is_listed("g4.test"));
    assert_false(is_listed("g5.test"));
    assert_int_equal(bl_lists_rollback(folder, 1, &generation, &error), -ENOENT);
    assert_int_equal(bl_lists_rollback(folder, 3, &generation, &error), 0);
    assert_int_equal(bl_lists_rollback(folder, 0, &generation, &error), -ENOENT);
    /* The next import builds on what is in force, under a number that nothing has had. */
    assert_int_equal(adopt("g6.test", 3, &generation, &error), 0);
    assert_int_equal(generation, 6);
    assert_int_equal(files_count("staging-"), 0);
    assert_int_equal(files_count("0"), 3);
    /* What was in force before it is kept, and is what a rollback goes to: not one that was rolled
     * back itself. */
    assert_int_equal(bl_lists_before(folder, &generation, &error), 0);
    assert_int_equal(generation, 3);
    assert_int_equal(bl_lists_rollback(folder, 0, &generation, &error), 0);
    assert_int_equal(generation, 3);
    assert_int_equal(adopt("g7.test", 1, &generation, &error), 0);
    assert_int_equal(bl_lists_kept(folder, kept, 8, &error), 2);
    assert_int_equal(kept[0], 3);
}

static void refuses_what_was_built_on_something_else(void **state)
{
    static const struct fixture_list list = {"gambling", BL_TIER_SCHOOL, "late.test"};
    struct bl_error error = {""};
    uint64_t generation = 99;
    int fd = fixture_compile(&list, 1, NULL);

    (void)state;
    assert_int_equal(adopt("one.test", 3, &generation, &error), 0);
    generation = 99;
    assert_int_equal(bl_lists_adopt(folder, fd, 3, &generation, &error), -ESTALE);
    assert_int_equal(generation, 99);
    assert_true(is_listed("one.test"));
    assert_false(is_listed("late.test"));
    assert_int_equal(files_count("staging-"), 0);
    close(fd);
}

static void refuses_damage_and_what_is_no_store(void **state)
{
    static const struct fixture_list list = {"gambling", BL_TIER_SCHOOL, "one.test"};
    struct bl_error error = {""};
    uint64_t generation;
    int fd = fixture_compile(&list, 1, NULL), null = open("/dev/null", O_RDONLY);

    (void)state;
    assert_int_equal(pwrite(fd, "x", 1, 3 * 4096 + 100), 1);
    assert_int_equal(bl_lists_adopt(folder, fd, 3, &generation, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "refused"));
    assert_int_equal(bl_lists_adopt(folder, null, 3, &generation, &error), -EBADMSG);
    assert_int_equal(ftruncate(fd, 5000), 0);
    assert_int_equal(bl_lists_adopt(folder, fd, 3, &generation, &error), -EBADMSG);
    assert_int_equal(files_count("staging-"), 0);
    assert_int_equal(files_count("0"), 0);
    close(fd);
    close(null);
}

static unsigned steps_left;

static void die_at_step(const char *name)
{
    (void)name;
    if (steps_left-- == 0)
        _exit(9);
}

/* As if killed between any two steps of adoption: what is in force is the old or the new
 * generation, whole, and the next import goes well. */
static void survives_a_kill_at_every_step(void **state)
{
    unsigned killed = 0, at_new = 0;
    struct bl_error error = {""};
    uint64_t generation = 0, last = 0;
    int status = 0;

    (void)state;
    assert_int_equal(adopt("first.test", 2, &last, &error), 0);
    assert_int_equal(adopt("second.test", 2, &last, &error), 0);
    for (unsigned step = 0; step < 32; step++) {
        char words[32], path[BL_PATH_MAX];
        struct bl_store *store = NULL;
        pid_t child;

        snprintf(words, sizeof words, "s%u.test", step);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            steps_left = step;
            bl_lists_on_step = die_at_step;
            _exit(adopt(words, 2, &generation, &error) == 0 ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(bl_lists_current(folder, &generation, path, &error), 0);
        assert_true(generation == last || is_listed(words));
        at_new += is_listed(words);
        assert_int_equal(bl_store_open(path, &store, &error), 0);
        assert_int_equal(bl_store_verify(store, &error), 0);
        bl_store_close(store);
        if (WEXITSTATUS(status) == 0)
            break;
        assert_int_equal(WEXITSTATUS(status), 9);
        killed++;
        assert_int_equal(adopt("again.test", 2, &last, &error), 0);
        assert_true(is_listed("again.test"));
        assert_int_equal(files_count("staging-") + files_count("current-"), 0);
    }
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(killed >= 8);
    assert_true(at_new >= 3 && at_new < killed);
}

static void survives_a_kill_during_rollback(void **state)
{
    struct bl_error error = {""};
    uint64_t generation;
    int status = 0;

    (void)state;
    assert_int_equal(adopt("first.test", 3, &generation, &error), 0);
    assert_int_equal(adopt("second.test", 3, &generation, &error), 0);
    for (unsigned step = 0; step < 8; step++) {
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
            steps_left = step;
            bl_lists_on_step = die_at_step;
            _exit(bl_lists_rollback(folder, 1, &generation, &error) == 0 ? 0 : 1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(is_listed("first.test") != is_listed("second.test"));
        if (WEXITSTATUS(status) == 0)
            break;
        assert_int_equal(bl_lists_rollback(folder, 2, &generation, &error), 0);
    }
    assert_true(is_listed("first.test"));
}

/* A disk that is full after so many octets: the import fails whole, at whichever place it is, and
 * what was in force stays. */
static void survives_a_full_disk(void **state)
{
    struct rlimit unlimited, limit;
    unsigned failed = 0, done = 0;
    struct bl_error error = {""};
    uint64_t generation, last;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    assert_int_equal(adopt("first.test", 3, &last, &error), 0);
    for (rlim_t size = 0; size < 1 << 18; size += 7919) {
        static const struct fixture_list list = {"gambling", BL_TIER_SCHOOL, "second.test"};
        struct bl_store *base = store_in_force(&generation);
        int fd = fixture_compile(&list, 1, base), rc;

        limit = (struct rlimit){size, unlimited.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        rc = bl_lists_adopt(folder, fd, 3, &generation, &error);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
        close(fd);
        bl_store_close(base);
        assert_int_equal(files_count("staging-"), 0);
        if (rc == 0) {
            assert_true(is_listed("second.test"));
            done++;
            break;
        }
        assert_true(rc == -EFBIG || rc == -ENOSPC);
        assert_true(is_listed("first.test"));
        failed++;
    }
    assert_true(failed > 2 && done == 1);
}

static void compiling_on_a_full_disk_is_an_error(void **state)
{
    struct bl_compile_options options = {.folder = folder, .memory = 1 << 18, .seed = 1};
    struct bl_compile_source source = {.location = "x", .category = "x"};
    struct rlimit unlimited, limit;
    unsigned failed = 0, done = 0;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    for (rlim_t size = 0; size < (rlim_t)1 << 32 && !done; size = size * 2 + 4096) {
        struct bl_error error = {""};
        struct bl_compile_result result;
        struct bl_compile *compile = NULL;
        struct bl_sink sink;
        int fd = -1, rc;

        limit = (struct rlimit){size, unlimited.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        rc = bl_compile_open(&options, &compile, &error);
        if (rc == 0)
            rc = bl_compile_source(compile, &source, &error);
        for (unsigned i = 0; rc == 0 && i < 20000; i++) {
            struct bl_entry entry = {.scope = BL_SUBTREE, .line = i + 1};
            char text[32];

            sink = bl_compile_sink(compile);
            snprintf(text, sizeof text, "host%u.test", i * 7919 % 20011);
            bl_name_parse(text, strlen(text), &entry.name);
            rc = sink.take(sink.user, &entry, &error);
        }
        if (rc == 0)
            rc = bl_compile_finish(compile, &fd, &result, &error);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
        bl_compile_close(compile);
        if (rc == 0) {
            assert_int_equal(result.names, 20000);
            close(fd);
            done++;
            continue;
        }
        assert_true(rc == -EFBIG || rc == -ENOSPC);
        assert_true(strlen(error.text) > 20);
        failed++;
    }
    assert_true(failed > 5 && done == 1);
    assert_int_equal(files_count("staging-"), 0);
}

static void one_owner_at_a_time(void **state)
{
    struct bl_error error = {""};
    int first, second = -1;

    (void)state;
    assert_int_equal(bl_lists_lock(folder, &first, &error), 0);
    assert_int_equal(bl_lists_lock(folder, &second, &error), -EBUSY);
    assert_int_equal(second, -1);
    close(first);
    assert_int_equal(bl_lists_lock(folder, &second, &error), 0);
    close(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        in_a_folder(adopts_and_goes_back),
        in_a_folder(reads_lists_of_format_1),
        in_a_folder(refuses_what_was_built_on_something_else),
        in_a_folder(refuses_damage_and_what_is_no_store),
        in_a_folder(survives_a_kill_at_every_step),
        in_a_folder(survives_a_kill_during_rollback),
        in_a_folder(survives_a_full_disk),
        in_a_folder(compiling_on_a_full_disk_is_an_error),
        in_a_folder(one_owner_at_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
