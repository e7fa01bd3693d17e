/* What other lists would allow that those before do not, and what is no loosening. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "resolver/policy/lists_loosened.h"
#include "tests/support/store_fixture.h"

static const char CONFIG[] =
    "upstreams: [192.0.2.53]\n"
    "calendar: {periods: {noon: {times: [12:00-13:00]}}}\n"
    "categories: {games: {}, school: {exempts-all: true}, bad: {sealed: true}, "
    "study: {}, maths: {}, art: {}}\n"
    "groups: {pupils: {subnets: [10.0.0.0/8], deny: [games], allow: [study], "
    "schedule: [{during: [noon], allow: [maths]}]}}\n";

enum { LISTS = 3 };

struct change {
    struct fixture_list before[LISTS], after[LISTS];
    const char *sentences; /* each with a newline; "": nothing is loosened */
};

#define GAMES(words)                                                                               \
    {                                                                                              \
        "games", BL_TIER_SCHOOL, words                                                             \
    }
#define TIER(tier, words)                                                                          \
    {                                                                                              \
        "games", BL_TIER_##tier, words                                                             \
    }
#define LOST(count, word, list)                                                                    \
    "games: " #count " entr" word " would not be denied any more: " list "\n"
#define BEATEN(name)                                                                               \
    "games: 1 entry would not be denied any more, as other lists allow it: " name "\n"

static const struct change CHANGES[] = {
    /* more, the same, and what was tidied up */
    {{GAMES("a.test")}, {GAMES("a.test b.test")}, ""},
    {{GAMES("a.test x.a.test")}, {GAMES("a.test")}, ""},
    {{GAMES("a.test @b.test")}, {GAMES("a.test")}, ""},
    /* less */
    {{GAMES("a.test b.test")}, {GAMES("b.test")}, LOST(1, "y", "a.test")},
    {{GAMES("a.test b.test c.test d.test e.test")},
     {GAMES("e.test")},
     LOST(4, "ies", "a.test, b.test, c.test, …")},
    {{GAMES("a.test 192.0.2.0/24")}, {GAMES("a.test")}, LOST(1, "y", "192.0.2.0/24")},
    {{GAMES("a.test")}, {GAMES("=a.test")}, LOST(1, "y", "a.test")},
    {{GAMES("a.test")}, {GAMES("a.test$AAAA")}, LOST(1, "y", "a.test")},
    {{GAMES("a.test"), {"ads", BL_TIER_SCHOOL, "b.test"}},
     {GAMES("a.test")},
     "ads: 1 entry would not be denied any more: b.test\n"},
    /* exceptions */
    {{GAMES("a.test")},
     {GAMES("a.test @x.a.test")},
     "games: 1 entry to allow would be new: x.a.test\n"},
    {{GAMES("a.test b.test")},
     {GAMES("a.test b.test @a.test")},
     "games: 1 entry to allow would be new: a.test\n" BEATEN("a.test")},
    {{GAMES("a.test")},
     {GAMES("a.test"), {"school", BL_TIER_SCHOOL, "@a.test"}},
     "school: 1 entry to allow would be new: a.test\n" BEATEN("a.test")},
    /* the same names, which other weights make another matter */
    {{TIER(NATIONAL, "a.test"), TIER(SCHOOL, "@a.test")},
     {TIER(SCHOOL, "a.test"), TIER(SCHOOL, "@a.test")},
     BEATEN("a.test")},
    {{TIER(REGIONAL, "a.test"), TIER(SCHOOL, "@a.test")},
     {TIER(REGIONAL, "a.test"), TIER(NATIONAL, "@a.test")},
     BEATEN("a.test")},
    {{GAMES("!a.test @a.test")}, {GAMES("a.test @a.test")}, BEATEN("a.test")},
    {{TIER(NATIONAL, "*.a.test"), TIER(SCHOOL, "@*.a.test")},
     {TIER(SCHOOL, "*.a.test"), TIER(SCHOOL, "@*.a.test")},
     BEATEN("a.test")},
    {{TIER(SCHOOL, "a.test"), TIER(SCHOOL, "@a.test")},
     {TIER(NATIONAL, "a.test"), TIER(SCHOOL, "@a.test")},
     ""},
    /* an exception for the name alone, and now for all below it */
    {{GAMES("a.test @=a.test")},
     {GAMES("a.test @a.test")},
     "games: 1 entry to allow would be new: a.test\n" BEATEN("a.test")},
    {{GAMES("a.test @a.test")}, {GAMES("a.test @=a.test")}, ""},
    /* a block for all below a name is none for some types, by a block for the name itself */
    {{GAMES("a.test$AAAA")}, {GAMES("=a.test")}, LOST(1, "y", "a.test")},
    {{GAMES("=a.test$AAAA")}, {GAMES("a.test")}, ""},
    /* one that was beaten stands before one that was not */
    {{TIER(SCHOOL, "a.test"), TIER(NATIONAL, "a.test"), TIER(REGIONAL, "@a.test")},
     {TIER(SCHOOL, "a.test"), TIER(SCHOOL, "a.test"), TIER(REGIONAL, "@a.test")},
     BEATEN("a.test")},
    /* the name itself was allowed before, and nothing below it */
    {{TIER(NATIONAL, "a.test"), TIER(SCHOOL, "@a.test"), TIER(NATIONAL, "@=a.test")},
     {TIER(SCHOOL, "a.test"), TIER(SCHOOL, "@a.test"), TIER(NATIONAL, "@=a.test")},
     BEATEN("a.test")},
    /* a name of its own does not stand for all below */
    {{TIER(NATIONAL, "*.a.test x.a.test"), TIER(SCHOOL, "@*.a.test")},
     {TIER(SCHOOL, "*.a.test x.a.test"), TIER(SCHOOL, "@*.a.test")},
     BEATEN("a.test")},
    /* new in a category that somebody is allowed, by the configuration or a grant */
    {{{"study", BL_TIER_SCHOOL, "a.test"}},
     {{"study", BL_TIER_SCHOOL, "a.test b.test"}},
     "study: 1 entry would be allowed to those who are allowed the category: b.test\n"},
    {{{"study", BL_TIER_SCHOOL, "a.test @x.a.test"}},
     {{"study", BL_TIER_SCHOOL, "a.test"}},
     "study: 1 entry would be allowed to those who are allowed the category: x.a.test\n"},
    {{{"study", BL_TIER_SCHOOL, "a.test x.a.test"}}, {{"study", BL_TIER_SCHOOL, "a.test"}}, ""},
    {{{"study", BL_TIER_SCHOOL, "=a.test"}},
     {{"study", BL_TIER_SCHOOL, "a.test"}},
     "study: 1 entry would be allowed to those who are allowed the category: a.test\n"},
    {{GAMES("a.test")},
     {GAMES("a.test"), {"maths", BL_TIER_SCHOOL, "a.test"}},
     "maths: 1 entry would be allowed to those who are allowed the category: a.test\n"},
    {{GAMES("a.test")},
     {GAMES("a.test"), {"art", BL_TIER_SCHOOL, "a.test"}},
     "art: 1 entry would be allowed to those who are allowed the category: a.test\n"},
    /* nothing beats what is sealed */
    {{{"bad", BL_TIER_NATIONAL, "a.test"}, {"bad", BL_TIER_SCHOOL, "@a.test"}},
     {{"bad", BL_TIER_SCHOOL, "a.test"}, {"bad", BL_TIER_SCHOOL, "@a.test"}},
     ""},
};

static char told[4096];

static void each(void *user, const char *sentence)
{
    (void)user;
    snprintf(told + strlen(told), sizeof told - strlen(told), "%s\n", sentence);
}

static struct bl_store *store_of(const struct fixture_list lists[LISTS])
{
    size_t count = 0;

    while (count < LISTS && lists[count].category)
        count++;
    return fixture_store(lists, count, NULL);
}

static void each_change(void **state)
{
    struct config *config = NULL;
    struct config_faults faults = {0};
    struct bl_error error = {0};

    json_t *grants =
        json_pack("[{s:s, s:s, s:s, s:s}, {s:s, s:s, s:s, s:s}, {s:s}]", "kind", "allow", "state",
                  "active", "target_kind", "category", "target", "art", "kind", "allow", "state",
                  "pending", "target_kind", "category", "target", "games", "kind", "session");

    (void)state;
    assert_non_null(grants);
    if (config_load_text("test.yaml", CONFIG, sizeof CONFIG - 1, &config, &faults) < 0)
        fail_msg("%s", faults.items[0].text);
    for (size_t i = 0; i < sizeof CHANGES / sizeof *CHANGES; i++) {
        struct bl_store *before = store_of(CHANGES[i].before), *after = store_of(CHANGES[i].after);
        told[0] = '\0';
        assert_int_equal(lists_loosened(config, grants, before, after, each, NULL, &error), 0);
        if (strcmp(told, CHANGES[i].sentences) != 0)
            fail_msg("change %zu: expected \"%s\", told \"%s\"", i, CHANGES[i].sentences, told);
        bl_store_close(before);
        bl_store_close(after);
    }
    config_free(config);
    json_decref(grants);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_change)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
