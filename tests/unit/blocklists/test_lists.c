#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "blocklists/diff.h"
#include "blocklists/fallback.h"
#include "blocklists/guard.h"
#include "blocklists/lists.h"
#include "tests/support/store_fixture.h"

static char folder[FOLDER_ROOM];

static int state_make(void **state)
{
    (void)state;
    folder_make(folder);
    return 0;
}

static int state_drop(void **state)
{
    (void)state;
    folder_drop(folder);
    return 0;
}

static struct bl_store *store_in_force(uint64_t *out_generation)
{
    struct bl_error error = {""};
    char path[BL_PATH_MAX];
    struct bl_store *store = NULL;

    if (bl_lists_current(folder, out_generation, path, &error) < 0)
        return NULL;
    if (bl_store_open(path, &store, &error) < 0)
        fixture_fail(path, error.text);
    assert_int_equal(bl_store_generation(store), *out_generation);
    return store;
}

/* Compiles one list on top of what is in force, and adopts it. */
static int adopt(const char *words, unsigned keep, uint64_t *out_generation, struct bl_error *error)
{
    struct fixture_list list = {"gambling", BL_TIER_SCHOOL, words};
    uint64_t generation;
    struct bl_store *base = store_in_force(&generation);
    int fd = fixture_compile(&list, 1, base);
    int rc = bl_lists_adopt(folder, fd, keep, out_generation, error);

    close(fd);
    bl_store_close(base);
    return rc;
}

static bool is_listed(const char *text)
{
    uint64_t generation;
    struct bl_store *store = store_in_force(&generation);
    struct bl_found found = {0};
    struct bl_name name;

    assert_non_null(store);
    bl_name_parse(text, strlen(text), &name);
    found = bl_store_find(store, name.wire, name.len, BL_ALL_TYPES);
    bl_store_close(store);
    return found.fact != BL_FACT_NONE;
}

/* How many files of STATE/lists begin with this. */
static unsigned files_count(const char *prefix)
{
    char path[128];
    unsigned count = 0;
    struct dirent *item;
    DIR *listing;

    snprintf(path, sizeof path, "%s/lists", folder);
    listing = opendir(path);
    while (listing && (item = readdir(listing)))
        count += strncmp(item->d_name, prefix, strlen(prefix)) == 0;
    if (listing)
        closedir(listing);
    return count;
}

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
    struct bl_error error = {""};
    uint64_t generation = 0;
    struct bl_store *store;

    (void)state;
    old_format_put();
    store = store_in_force(&generation);
    assert_int_equal(generation, 2);
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

static int change_note(void *user, const struct bl_change *change)
{
    char *text = user, name[BL_NAME_TEXT_MAX] = "prefix", types[BL_TYPES_TEXT_MAX];
    size_t len = strlen(text);

    if (!change->entry->is_address)
        bl_name_text(change->entry->name.wire, name);
    bl_types_text(&change->entry->types, types);
    snprintf(text + len, 4096 - len, "%c%s %s%s%s%s%s\n", change->added ? '+' : '-',
             change->category, name, types[0] ? " " : "", types,
             change->action == BL_ALLOW ? " allow" : "", change->still_covered ? " covered" : "");
    return 0;
}

static void tells_what_changed(void **state)
{
    static const struct fixture_list before[] = {
        {"a", BL_TIER_SCHOOL, "gone.test same.test www.covered.test 10.0.0.0/8 @free.test"},
        {"b", BL_TIER_SCHOOL, "same.test moved.test"},
        {"d", BL_TIER_SCHOOL, "same.test"}};
    static const struct fixture_list after[] = {
        {"a", BL_TIER_SCHOOL, "same.test moved.test covered.test free.test"},
        {"b", BL_TIER_SCHOOL, "same.test"},
        {"c", BL_TIER_SCHOOL, "new.test 192.0.2.0/24"}};
    struct bl_store *older = fixture_store(before, 3, NULL), *newer = fixture_store(after, 3, NULL);
    char text[4096] = "";

    (void)state;
    assert_int_equal(bl_diff(older, newer, change_note, text, NULL), 0);
    assert_string_equal(text, "-a prefix\n"
                              "+c prefix\n"
                              "+a covered.test\n"
                              "-a www.covered.test covered\n"
                              "+a free.test\n"
                              "-a free.test allow\n"
                              "-a gone.test\n"
                              "+a moved.test\n"
                              "-b moved.test\n"
                              "+c new.test\n"
                              "-d same.test\n");
    text[0] = '\0';
    assert_int_equal(bl_diff(newer, newer, change_note, text, NULL), 0);
    assert_string_equal(text, "");
    assert_int_equal(bl_diff(NULL, older, change_note, text, NULL), 0);
    assert_int_equal(text[0], '+');
    bl_store_close(older);
    bl_store_close(newer);
}

/* A block for some types is another one than a block for all; the numbers of conditions are a
 * generation's own. */
static void tells_changes_of_types(void **state)
{
    static const struct fixture_list before[] = {
        {"a", BL_TIER_SCHOOL,
         "x.test$TXT all.test some.test$AAAA same.test$A|AAAA more.test$A "
         "www.below.test$HTTPS"}};
    static const struct fixture_list after[] = {
        {"a", BL_TIER_SCHOOL,
         "same.test$A|AAAA all.test$~A some.test more.test$A more.test$AAAA "
         "below.test$HTTPS @x.test$TXT"}};
    struct bl_store *older = fixture_store(before, 1, NULL), *newer = fixture_store(after, 1, NULL);
    char text[4096] = "";

    (void)state;
    assert_int_equal(bl_diff(older, newer, change_note, text, NULL), 0);
    assert_string_equal(text, "-a all.test\n"
                              "+a all.test all but A\n"
                              "+a below.test only HTTPS\n"
                              "-a www.below.test only HTTPS covered\n"
                              "+a more.test only AAAA\n"
                              "+a some.test\n"
                              "-a some.test only AAAA covered\n"
                              "-a x.test only TXT\n"
                              "+a x.test only TXT allow\n");
    bl_store_close(older);
    bl_store_close(newer);
}

/* What counts as many names as before but denies hardly a question more has shrunk. */
/* The same names, for one type of question or without those below them: as good as gone. */
static void guards_against_narrowing(void **state)
{
    static const char *sealed[] = {"illegal"};
    static const char *const before[] = {"", "", "=", "*."}, *const after[] = {"", "$TYPE9999", "",
                                                                               ""};
    static char words[4][1 << 14];
    struct bl_guard guard = {sealed, 1, true};
    struct bl_error error = {""};
    struct bl_store *stores[4];

    (void)state;
    for (unsigned form = 0; form < 4; form++) {
        const struct fixture_list list = {"illegal", BL_TIER_SCHOOL, words[form]};
        size_t len = 0;
        for (unsigned i = 0; i < 100; i++)
            len += (size_t)snprintf(words[form] + len, sizeof words[form] - len, "%sn%u.test%s ",
                                    before[form], i, after[form]);
        stores[form] = fixture_store(&list, 1, NULL);
        assert_int_equal(bl_store_category(stores[form], 0)->names, 100);
    }
    for (unsigned form = 1; form < 4; form++) {
        assert_int_equal(bl_guard_check(&guard, stores[0], stores[form], &error), -EPERM);
        assert_non_null(strstr(error.text, "100 of its 100"));
        assert_int_equal(bl_guard_check(&guard, stores[form], stores[0], &error), 0);
    }
    for (unsigned form = 0; form < 4; form++)
        bl_store_close(stores[form]);
}

static struct bl_store *store_of(unsigned from, unsigned count)
{
    static char words[1 << 14];
    struct fixture_list list = {"illegal", BL_TIER_SCHOOL, words};
    size_t len = 0;

    for (unsigned i = from; i < from + count; i++)
        len += (size_t)snprintf(words + len, sizeof words - len, "n%u.test ", i);
    return fixture_store(&list, 1, NULL);
}

static void guards_against_shrinking(void **state)
{
    static const char *sealed[] = {"other", "illegal"};
    static const struct {
        unsigned from, count;
        bool sealed, allow_shrink;
        int expected;
    } cases[] = {
        {0, 500, false, false, 0},      {0, 400, false, false, 0},
        {0, 399, false, false, -EPERM}, {0, 399, false, true, 0},
        {0, 495, true, false, 0},       {0, 494, true, false, -EPERM},
        {0, 494, true, true, -EPERM},   {250, 500, false, false, -EPERM}, /* as many, but others */
        {250, 500, true, true, -EPERM}, {0, 900, true, false, 0},
    };
    struct bl_store *older = store_of(0, 500);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bl_guard guard = {sealed, cases[i].sealed ? 2 : 1, cases[i].allow_shrink};
        struct bl_store *newer = store_of(cases[i].from, cases[i].count);
        struct bl_error error = {""};

        if (bl_guard_check(&guard, older, newer, &error) != cases[i].expected)
            fail_msg("case %zu: %s", i, error.text);
        assert_int_equal(bl_guard_check(&guard, NULL, newer, &error), 0);
        bl_store_close(newer);
    }
    bl_store_close(older);
}

/* A little at a time is not a little in all: what a sealed category once had counts, too. */
static void measures_by_the_most_there_ever_was(void **state)
{
    static const char *sealed[] = {"other", "illegal"};
    static const struct {
        unsigned from, count;
        uint64_t most;
        int expected;
    } cases[] = {
        {0, 199, 0, 0},         {0, 199, 200, 0},  {0, 199, 201, 0},
        {0, 199, 202, -EPERM},  {0, 200, 1000, 0}, /* it lacks some already, and loses none */
        {0, 201, 1000, 0},      {1, 200, 1000, 0}, /* one for another */
        {0, 199, 1000, -EPERM},
    };
    struct bl_store *older = store_of(0, 200);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t most[] = {0, cases[i].most};
        struct bl_guard guard = {sealed, 2, true, .most = most};
        struct bl_store *newer = store_of(cases[i].from, cases[i].count);
        struct bl_error error = {""};

        if (bl_guard_check(&guard, older, newer, &error) != cases[i].expected)
            fail_msg("case %zu: %s", i, error.text);
        assert_true(cases[i].expected == 0 || strstr(error.text, "that it once had"));
        bl_store_close(newer);
    }
    bl_store_close(older);
}

/* The guard judges what would come into force, by import and by going back. */
static void guards_what_comes_into_force(void **state)
{
    static const char *sealed[] = {"gambling"};
    struct bl_guard guard = {sealed, 1, true};
    static const struct fixture_list one = {"gambling", BL_TIER_SCHOOL, "a.test"};
    struct bl_error error = {""};
    uint64_t generation, now;
    struct bl_store *base;
    int fd;

    (void)state;
    assert_int_equal(adopt("a.test", 3, &generation, &error), 0);
    assert_int_equal(adopt("a.test b.test", 3, &generation, &error), 0);
    base = store_in_force(&now);
    fd = fixture_compile(&one, 1, base);
    assert_int_equal(bl_lists_adopt_guarded(folder, fd, 3, &guard, &generation, &error), -EPERM);
    assert_non_null(strstr(error.text, "sealed"));
    assert_int_equal(bl_lists_rollback_guarded(folder, 0, &guard, &generation, &error), -EPERM);
    assert_true(is_listed("b.test"));
    assert_int_equal(files_count("staging-"), 0);
    guard.sealed_count = 0;
    assert_int_equal(bl_lists_adopt_guarded(folder, fd, 3, &guard, &generation, &error), 0);
    assert_false(is_listed("b.test"));
    assert_int_equal(bl_lists_rollback_guarded(folder, 0, &guard, &generation, &error), 0);
    assert_true(is_listed("b.test"));
    close(fd);
    bl_store_close(base);
}

static void adopt_many(unsigned count)
{
    char words[1 << 12];
    struct bl_error error = {""};
    size_t len = 0;
    uint64_t generation;

    for (unsigned i = 0; i < count; i++)
        len += (size_t)snprintf(words + len, sizeof words - len, "n%u.test ", i);
    assert_int_equal(adopt(words, 20, &generation, &error), 0);
}

static void damage(uint64_t generation)
{
    char path[BL_PATH_MAX];
    int fd;

    snprintf(path, sizeof path, "%s/lists/%08u.mdb", folder, (unsigned)generation);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "\xff\xff\xff\xff", 4, 5000), 4);
    close(fd);
}

/* The newest whole generation that has what is sealed; one with a little less where there is none;
 * never one with much less or nothing of it. */
static void falls_back_to_what_holds_the_seals(void **state)
{
    static const unsigned counts[] = {10, 100, 95, 90, 60, 100};
    const char *sealed[] = {"gambling"}, *strange[] = {"strange"};
    uint64_t held = 100;
    struct bl_guard guard = {.sealed = sealed, .sealed_count = 1, .held = &held};
    struct bl_guard unknown = {.sealed = sealed, .sealed_count = 1};
    struct bl_guard missing = {.sealed = strange, .sealed_count = 1}, none = {0};
    struct bl_fallback fallback;
    struct bl_error error = {""};

    (void)state;
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++)
        adopt_many(counts[i]);
    assert_int_equal(bl_fallback_find(folder, 6, &guard, &fallback, &error), 0);
    assert_int_equal(fallback.generation, 2);
    assert_string_equal(fallback.lacks.text, "");
    damage(2);
    assert_int_equal(bl_fallback_find(folder, 6, &guard, &fallback, &error), 0);
    assert_int_equal(fallback.generation, 4); /* the newest that will do, not the fullest */
    assert_non_null(strstr(fallback.lacks.text, "90 of the 100"));
    damage(4);
    assert_int_equal(bl_fallback_find(folder, 6, &guard, &fallback, &error), 0);
    assert_int_equal(fallback.generation, 3);
    damage(3);
    assert_int_equal(bl_fallback_find(folder, 6, &guard, &fallback, &error), -EPERM);
    assert_non_null(strstr(error.text, "generation 5 has 60 of the 100"));
    assert_int_equal(bl_fallback_find(folder, 6, &unknown, &fallback, &error), 0);
    assert_int_equal(fallback.generation, 5);
    assert_int_equal(bl_fallback_find(folder, 6, &missing, &fallback, &error), -EPERM);
    assert_non_null(strstr(error.text, "nothing in the sealed category strange"));
    assert_int_equal(bl_fallback_find(folder, 5, &none, &fallback, &error), 0);
    assert_int_equal(fallback.generation, 1);
    assert_int_equal(bl_fallback_find(folder, 1, &none, &fallback, &error), -ENOENT);
}

/* To take away the file in force is no way round a seal. */
static void a_missing_generation_guards_nothing_but_seals(void **state)
{
    const char *sealed[] = {"gambling"};
    struct bl_guard guard = {.sealed = sealed, .sealed_count = 1, .allow_shrink = true};
    struct bl_guard none = {.allow_shrink = true};
    struct bl_error error = {""};
    uint64_t generation, held = 100;
    char path[BL_PATH_MAX];

    (void)state;
    adopt_many(10);
    adopt_many(90);
    adopt_many(100);
    adopt_many(100);
    damage(4);
    assert_int_equal(bl_lists_rollback(folder, 3, &generation, &error), 0);
    assert_int_equal(bl_lists_rollback(folder, 4, &generation, &error), -EBADMSG);
    for (unsigned i = 3; i <= 4; i++) {
        snprintf(path, sizeof path, "%s/lists/%08u.mdb", folder, i);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(bl_lists_rollback_guarded(folder, 1, &guard, &generation, &error), -EPERM);
    guard.held = &held;
    assert_int_equal(bl_lists_rollback_guarded(folder, 2, &guard, &generation, &error), -EPERM);
    assert_non_null(strstr(error.text, "90 of the 100"));
    guard.held = NULL;
    assert_int_equal(bl_lists_rollback_guarded(folder, 2, &guard, &generation, &error), 0);
    assert_int_equal(bl_lists_rollback_guarded(folder, 1, &none, &generation, &error), 0);
}

#define in_a_folder(test) cmocka_unit_test_setup_teardown(test, state_make, state_drop)

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
        cmocka_unit_test(tells_what_changed),
        cmocka_unit_test(tells_changes_of_types),
        cmocka_unit_test(guards_against_shrinking),
        cmocka_unit_test(measures_by_the_most_there_ever_was),
        cmocka_unit_test(guards_against_narrowing),
        in_a_folder(guards_what_comes_into_force),
        in_a_folder(falls_back_to_what_holds_the_seals),
        in_a_folder(a_missing_generation_guards_nothing_but_seals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
