/* What changes between lists, and the guard against lists that lose what must stay. */
#include <errno.h>
#include <fcntl.h>

#include "blocklists/diff.h"
#include "blocklists/fallback.h"
#include "blocklists/guard.h"
#include "tests/unit/blocklists/lists_folder.h"

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

/* So is a block for the name alone; an exception for more is new, one for less is not. */
static void tells_changes_of_scope(void **state)
{
    static const struct fixture_list before[] = {
        {"a", BL_TIER_SCHOOL, "one.test =two.test @=free.test @less.test *.x.test$A"}};
    static const struct fixture_list after[] = {
        {"a", BL_TIER_SCHOOL, "=one.test two.test @free.test @=less.test =x.test"}};
    struct bl_store *older = fixture_store(before, 1, NULL), *newer = fixture_store(after, 1, NULL);
    char text[4096] = "";

    (void)state;
    assert_int_equal(bl_diff(older, newer, change_note, text, NULL), 0);
    assert_string_equal(text, "-a free.test allow covered\n"
                              "+a free.test allow\n"
                              "-a one.test\n"
                              "+a one.test\n"
                              "-a two.test covered\n"
                              "+a two.test\n"
                              "+a x.test\n"
                              "-a x.test only A\n");
    bl_store_close(older);
    bl_store_close(newer);
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
        struct bl_held most[] = {{0}, {.entries = cases[i].most}};
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

/* What counts as many names as before but denies hardly a question more has shrunk: the same names,
 * for one type of question or without those below them, are as good as gone. */
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

/* So many names, the first few of them for one type of question. */
static struct bl_store *narrowed_store(unsigned count, unsigned narrowed)
{
    static char words[1 << 14];
    struct fixture_list list = {"illegal", BL_TIER_SCHOOL, words};
    size_t len = 0;

    for (unsigned i = 0; i < count; i++)
        len += (size_t)snprintf(words + len, sizeof words - len, "n%u.test%s ", i,
                                i < narrowed ? "$TXT" : "");
    return fixture_store(&list, 1, NULL);
}

/* Nor is a little narrowed at a time: what it blocked whole counts by itself. */
static void measures_what_was_whole(void **state)
{
    static const char *sealed[] = {"illegal"};
    static const struct {
        unsigned before, after; /* narrowed, of 200 */
        uint64_t most;          /* whole */
        int expected;
    } cases[] = {
        {0, 2, 200, 0},        {2, 3, 200, -EPERM}, {2, 3, 198, 0},   {2, 3, 0, 0},
        {100, 101, 0, 0},      {50, 50, 200, 0},    {50, 49, 200, 0}, /* it may widen */
        {50, 51, 200, -EPERM},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bl_held most = {200, cases[i].most}, held = {200, 200 - cases[i].before};
        struct bl_guard guard = {sealed, 1, true, .most = &most};
        struct bl_store *older = narrowed_store(200, cases[i].before);
        struct bl_store *newer = narrowed_store(200, cases[i].after);
        struct bl_error error = {""};

        if (bl_guard_check(&guard, older, newer, &error) != cases[i].expected)
            fail_msg("case %zu: %s", i, error.text);
        assert_true(cases[i].expected == 0 || strstr(error.text, "for every type of question"));
        guard.held = &held; /* the older one cannot be read any more */
        if (bl_guard_check_held(&guard, newer, 1, &error) != cases[i].expected)
            fail_msg("case %zu, held: %s", i, error.text);
        held.whole = BL_WHOLE_UNKNOWN;
        assert_int_equal(bl_guard_check_held(&guard, newer, 1, &error), 0);
        bl_store_close(older);
        bl_store_close(newer);
    }
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
    struct bl_held held = {.entries = 100};
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
    struct bl_held held = {.entries = 100};
    uint64_t generation;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_changed),
        cmocka_unit_test(tells_changes_of_types),
        cmocka_unit_test(tells_changes_of_scope),
        cmocka_unit_test(guards_against_shrinking),
        cmocka_unit_test(measures_what_was_whole),
        cmocka_unit_test(measures_by_the_most_there_ever_was),
        cmocka_unit_test(guards_against_narrowing),
        in_a_folder(guards_what_comes_into_force),
        in_a_folder(falls_back_to_what_holds_the_seals),
        in_a_folder(a_missing_generation_guards_nothing_but_seals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
