/* Rules for some types of question, against what is said of them: a look-up for a type gives the
 * fact that the name would have if the entries for other types were not there. Lists made by chance
 * are compiled whole, and once for each type with only the entries for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/random.h"
#include "tests/support/store_fixture.h"

enum { ROUNDS = 40, LISTS = 4, WORDS_MOST = 8, TEXT_MAX = 512 };

static const char *const NAMES[] = {"x.org", "a.x.org", "b.a.x.org", "c.b.a.x.org", "b.x.org"};
static const char *const MARKS[] = {"", "", "@", "=", "*.", "!", "@=", "@*.", "@!"};
static const char *const TYPES[] = {"A", "AAAA", "HTTPS", "TXT"};
static const char *const CONDITIONS[] = {
    "", "$A", "$AAAA", "$HTTPS", "$A|AAAA", "$~A", "$~AAAA", "$~A|~AAAA", "$~TXT",
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct lists {
    char words[LISTS][TEXT_MAX];
    struct fixture_list items[LISTS];
};

static uint32_t below(uint32_t *random, uint32_t bound)
{
    return next_random(random) % bound;
}

static void lists_begin(struct lists *lists)
{
    *lists = (struct lists){0};
    for (unsigned i = 0; i < LISTS; i++)
        lists->items[i] = (struct fixture_list){.category = i % 2 ? "games" : "ads",
                                                .tier = (enum bl_tier)(i % 3),
                                                .words = lists->words[i]};
}

static void word_add(struct lists *lists, unsigned list, const char *word, size_t len)
{
    char *words = lists->words[list];

    snprintf(words + strlen(words), TEXT_MAX - strlen(words), "%.*s ", (int)len, word);
}

/* Adds the word to the whole, and without its condition to those that it is for. */
static void word_make(uint32_t *random, unsigned list, struct lists *whole, struct lists *by_type)
{
    const char *condition = CONDITIONS[below(random, COUNT(CONDITIONS))];
    struct bl_types types = {0};
    char word[128];
    int len = snprintf(word, sizeof word, "%s%s%s", MARKS[below(random, COUNT(MARKS))],
                       NAMES[below(random, COUNT(NAMES))], condition);

    if (*condition)
        fixture_types(condition + 1, &types);
    word_add(whole, list, word, (size_t)len);
    for (size_t i = 0; i < COUNT(TYPES); i++)
        if (bl_types_cover(&types, bl_type_number(TYPES[i], strlen(TYPES[i]))))
            word_add(&by_type[i], list, word, (size_t)len - strlen(condition));
}

/* What a look-up says: the name that matched and the rules. */
static char *found_text(const struct bl_store *store, const struct bl_name *name, unsigned type,
                        char text[TEXT_MAX])
{
    struct bl_found found = bl_store_find(store, name->wire, name->len, type);
    size_t count, len = 0;
    const struct bl_fact_rule *rules = bl_store_fact(store, found.fact, &count);

    text[0] = '\0';
    if (found.fact != BL_FACT_NONE)
        len = (size_t)snprintf(text, TEXT_MAX, "at %u:", found.matched);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(rules[i].condition, 0);
        len += (size_t)snprintf(text + len, TEXT_MAX - len, " %u:%s/%u/%u/%u", rules[i].depth,
                                bl_store_category(store, rules[i].category)->name, rules[i].tier,
                                rules[i].action, rules[i].important);
    }
    return text;
}

static void assert_same(const struct bl_store *whole, const struct bl_store *one, const char *type,
                        const char *prefix, const char *words)
{
    char text[64], told[TEXT_MAX], expected[TEXT_MAX];
    unsigned number = bl_type_number(type, strlen(type));
    struct bl_name name;

    for (size_t i = 0; i < COUNT(NAMES); i++) {
        snprintf(text, sizeof text, "%s%s", prefix, NAMES[i]);
        assert_int_equal(bl_name_parse(text, strlen(text), &name), BL_NAME_FINE);
        if (strcmp(found_text(whole, &name, number, told),
                   found_text(one, &name, number, expected)) != 0)
            fail_msg("%s %s: \"%s\", not \"%s\"; %s…", text, type, told, expected, words);
    }
}

static void as_if_others_were_not_there(void **state)
{
    uint32_t random = 11;

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct lists whole, by_type[COUNT(TYPES)];
        struct bl_store *store;

        lists_begin(&whole);
        for (size_t i = 0; i < COUNT(TYPES); i++)
            lists_begin(&by_type[i]);
        for (unsigned i = 1 + below(&random, WORDS_MOST); i > 0; i--)
            word_make(&random, below(&random, LISTS), &whole, by_type);
        store = fixture_store(whole.items, LISTS, NULL);
        assert_int_equal(bl_store_verify(store, NULL), 0);
        for (size_t i = 0; i < COUNT(TYPES); i++) {
            struct bl_store *one = fixture_store(by_type[i].items, LISTS, NULL);

            assert_same(store, one, TYPES[i], "", whole.words[0]);
            assert_same(store, one, TYPES[i], "q.", whole.words[0]);
            bl_store_close(one);
        }
        bl_store_close(store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_if_others_were_not_there)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
