/* Rules for some types of question in a store, and that its table says what its tree says. */
#include <errno.h>

#include "tests/unit/blocklists/store.h"

/* A rule for some types of question is for the others as though it were not there: parents, levels
 * that repeat one another, and the name that is said to match. */
static void knows_types_of_question(void **state)
{
    static const struct fixture_list lists[] = {
        {"gambling", BL_TIER_SCHOOL,
         "casino.test$AAAA chess.casino.test poker.test cards.poker.test$~A *.dice.test$HTTPS "
         "=bingo.test$A bingo.test$~A @free.poker.test$A|AAAA"},
        {"games", BL_TIER_NATIONAL, "poker.test$TXT !casino.test$~AAAA 192.0.2.0/24"},
        {"gambling", BL_TIER_REGIONAL, "casino.test$TYPE65 casino.test$HTTPS"},
    };
    static const struct {
        const char *name;
        unsigned type;
        const char *says, *matched;
    } cases[] = {
        {"casino.test", TYPE_AAAA, "0:gambling/s/block", "casino.test"},
        {"casino.test", TYPE_A, "0:games/n/block!", "casino.test"},
        {"casino.test", TYPE_HTTPS, "0:gambling/r/block 0:games/n/block!", "casino.test"},
        {"www.casino.test", TYPE_AAAA, "0:gambling/s/block", "casino.test"},
        /* A child without a condition, below one with: one level where they say the same. */
        {"chess.casino.test", TYPE_AAAA, "0:gambling/s/block", "chess.casino.test"},
        {"chess.casino.test", TYPE_A, "0:gambling/s/block 1:games/n/block!", "chess.casino.test"},
        /* And the other way round: the parent matches where the child's rule is not there. */
        {"cards.poker.test", TYPE_A, "0:gambling/s/block", "poker.test"},
        {"cards.poker.test", TYPE_AAAA, "0:gambling/s/block", "cards.poker.test"},
        {"cards.poker.test", 16, "0:gambling/s/block 1:gambling/s/block 1:games/n/block",
         "cards.poker.test"},
        {"free.poker.test", TYPE_A, "0:gambling/s/allow 1:gambling/s/block", "free.poker.test"},
        {"free.poker.test", 16, "0:gambling/s/block 0:games/n/block", "poker.test"},
        {"dice.test", TYPE_HTTPS, "", NULL},
        {"a.dice.test", TYPE_HTTPS, "0:gambling/s/block", "dice.test"},
        {"a.dice.test", TYPE_A, "", NULL},
        {"bingo.test", TYPE_A, "0:gambling/s/block", "bingo.test"},
        {"www.bingo.test", TYPE_A, "", NULL},
        {"www.bingo.test", 1234, "0:gambling/s/block", "bingo.test"},
    };
    struct bl_store *store = fixture_store(lists, 3, NULL);
    struct bl_error error = {""};

    (void)state;
    assert_int_equal(bl_store_verify(store, &error), 0);
    assert_true(bl_store_has_conditions(store));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_says_for(store, cases[i].name, cases[i].type, cases[i].says, cases[i].matched);
    bl_store_close(store);
}

/* What is not replaced keeps its conditions; they are numbered anew. */
static void keeps_conditions_of_the_base(void **state)
{
    static const struct fixture_list before[] = {
        {"gambling", BL_TIER_SCHOOL, "casino.test$TXT"},
        {"games", BL_TIER_SCHOOL, "chess.test$AAAA"},
    };
    static const struct fixture_list after[] = {
        {"gambling", BL_TIER_SCHOOL, "casino.test$HTTPS casino.test$AAAA"},
    };
    struct bl_store *base = fixture_store(before, 2, NULL), *store;

    (void)state;
    store = fixture_store(after, 1, base);
    bl_store_close(base);
    assert_int_equal(bl_store_verify(store, NULL), 0);
    assert_says_for(store, "chess.test", TYPE_AAAA, "0:games/s/block", "chess.test");
    assert_says_for(store, "chess.test", TYPE_A, "", NULL);
    assert_says_for(store, "casino.test", TYPE_AAAA, "0:gambling/s/block", "casino.test");
    assert_says_for(store, "casino.test", 16, "", NULL);
    assert_null(bl_store_condition(store, 3)); /* TXT has gone with its source */
    bl_store_close(store);
}

/* So many conditions can be held; one more is said to be too many, and nothing comes of it. */
static void bounds_conditions(void **state)
{
    struct bl_compile_options options = {.folder = folder_base(), .seed = 1};
    struct bl_compile_source source = {.location = "x", .category = "gambling", .actor = "tester"};
    struct bl_entry entry = {.scope = BL_SUBTREE, .name = name_of("casino.test")};
    struct bl_compile *compile;
    struct bl_error error = {""};
    struct bl_compile_mark mark;
    struct bl_sink sink;

    (void)state;
    assert_int_equal(bl_compile_open(&options, &compile, &error), 0);
    mark = bl_compile_mark(compile);
    assert_int_equal(bl_compile_source(compile, &source, &error), 0);
    sink = bl_compile_sink(compile);
    for (unsigned i = 1; i <= BL_CONDITIONS_MAX + 1; i++) {
        entry.line = i;
        entry.types = (struct bl_types){.count = 1, .types = {(uint16_t)i}};
        assert_int_equal(sink.take(sink.user, &entry, &error), i <= BL_CONDITIONS_MAX ? 0 : -E2BIG);
    }
    assert_non_null(strstr(error.text, "line 256: more than 255 different sets of types"));
    /* What a source that failed had is not held against the next. */
    bl_compile_rewind(compile, mark);
    assert_int_equal(bl_compile_source(compile, &source, &error), 0);
    assert_int_equal(sink.take(sink.user, &entry, &error), 0);
    bl_compile_close(compile);
}

/* A list made to be slow is refused after so much work: nested names, each with a hundred
 * conditions of many types. */
static void bounds_the_work(void **state)
{
    struct bl_compile_options options = {.folder = folder_base(), .seed = 1};
    struct bl_compile_source source = {.location = "x", .category = "gambling", .actor = "tester"};
    struct bl_read_report report = {.format = "domains"};
    struct bl_compile_result result;
    struct bl_compile *compile;
    struct bl_error error = {""};
    struct bl_sink sink;
    char text[256] = "example";
    int fd = -1;

    (void)state;
    assert_int_equal(bl_compile_open(&options, &compile, &error), 0);
    assert_int_equal(bl_compile_source(compile, &source, &error), 0);
    sink = bl_compile_sink(compile);
    for (unsigned depth = 0; depth < 60; depth++) {
        struct bl_entry entry = {.scope = BL_SUBTREE, .line = 1};

        memmove(text + 2, text, strlen(text) + 1);
        memcpy(text, "x.", 2);
        entry.name = name_of(text);
        entry.important = depth % 2;
        for (unsigned i = 0; i < BL_CONDITIONS_MAX; i++) {
            entry.types.count = 0;
            entry.types.except = i % 2;
            for (unsigned type = 0; type < BL_TYPES_MAX; type++)
                bl_types_add(&entry.types, 1000 + i * BL_TYPES_MAX + type);
            assert_int_equal(sink.take(sink.user, &entry, &error), 0);
        }
    }
    bl_compile_source_end(compile, &report);
    assert_int_equal(bl_compile_finish(compile, &fd, &result, &error), -EOVERFLOW);
    assert_non_null(strstr(error.text, "types of question"));
    bl_compile_close(compile);
}

/* The tree is the truth, the table the fast form of it: on random lists both say the same. */
struct level {
    struct bl_fact_rule rules[64];
    size_t count;
};

struct gatherer {
    const struct bl_store *store;
    struct level *level;
    unsigned scope, type;
};

static int rule_order(const void *a, const void *b)
{
    const struct bl_fact_rule *left = a, *right = b;
    int by_category = left->category - right->category, by_tier = left->tier - right->tier;

    if (by_category || by_tier)
        return by_category ? by_category : by_tier;
    return 2 * (left->action - right->action) + left->important - right->important;
}

static int rule_gather(void *user, unsigned source, const struct bl_entry *entry)
{
    struct gatherer *gatherer = user;
    struct level *level = gatherer->level;
    const struct bl_source *from = bl_store_source(gatherer->store, source);
    struct bl_fact_rule rule = {from->category, 0, from->tier, (uint8_t)entry->action,
                                entry->important};

    if (!(entry->scope & gatherer->scope) || !bl_types_cover(&entry->types, gatherer->type))
        return 0;
    for (size_t i = 0; i < level->count; i++)
        if (rule_order(&rule, &level->rules[i]) == 0)
            return 0;
    level->rules[level->count++] = rule;
    return 0;
}

static void assert_tree_agrees(const struct bl_store *store, const struct bl_name *name,
                               unsigned type)
{
    struct bl_found found = bl_store_find(store, name->wire, name->len, type);
    struct level levels[BL_LABELS_MAX];
    const struct bl_fact_rule *rules;
    size_t count = 0, rule_count, at = 0;
    int matched = -1;

    for (const uint8_t *suffix = name->wire; *suffix; suffix += *suffix + 1) {
        struct gatherer gatherer = {store, &levels[count],
                                    suffix == name->wire ? BL_EXACT : BL_BELOW, type};

        levels[count].count = 0;
        bl_store_entries(store, suffix, rule_gather, &gatherer);
        qsort(levels[count].rules, levels[count].count, sizeof *levels[count].rules, rule_order);
        if (levels[count].count > 0) {
            matched = matched < 0 ? (int)(suffix - name->wire) : matched;
            count++;
        }
    }
    rules = bl_store_fact(store, found.fact, &rule_count);
    assert_int_equal(count > 0, found.fact != BL_FACT_NONE);
    if (count > 0)
        assert_int_equal(found.matched, matched);
    for (size_t i = 0, depth = 0; i < count; i++) {
        bool repeats = i + 1 < count && levels[i].count == levels[i + 1].count;

        for (size_t r = 0; repeats && r < levels[i].count; r++)
            repeats = rule_order(&levels[i].rules[r], &levels[i + 1].rules[r]) == 0;
        if (repeats)
            continue;
        for (size_t r = 0; r < levels[i].count; r++, at++) {
            assert_true(at < rule_count);
            assert_int_equal(rules[at].depth, depth);
            assert_int_equal(rule_order(&rules[at], &levels[i].rules[r]), 0);
        }
        depth++;
    }
    assert_int_equal(at, rule_count);
}

/* Few labels, so that names are often above and below one another. */
static size_t random_name(uint32_t *state, char *text, size_t size)
{
    static const char *const labels[] = {
        "a",   "b",  "c",        "test",      "www",
        "a-b", "a_", "abcdefgh", "abcdefghi", "an-extraordinarily-long-label-of-many-octets"};
    size_t len = 0, count = 1 + next_random(state) % 5;

    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, size - len, "%s%s", i ? "." : "",
                                labels[next_random(state) % 10]);
    return len;
}

static void table_agrees_with_tree(void **state)
{
    static const char *const marks[] = {"", "", "", "=", "*.", "@", "!", "@!="};
    static const char *const types[] = {"",    "",        "",       "",          "$AAAA",
                                        "$~A", "$~HTTPS", "$HTTPS", "$A|TYPE99", "$~A|~AAAA"};
    static const unsigned asked[] = {TYPE_A, TYPE_AAAA, TYPE_HTTPS, 99, 16, 0};
    static char words[3][1 << 17];
    struct bl_store *base = NULL;

    (void)state;
    for (uint32_t round = 1; round <= 8; round++) {
        struct fixture_list lists[3] = {{"x", BL_TIER_SCHOOL, words[0]},
                                        {"y", BL_TIER_REGIONAL, words[1]},
                                        {"x", BL_TIER_NATIONAL, words[2]}};
        uint32_t random = round;
        struct bl_store *store;
        char text[256];

        for (unsigned list = 0; list < 3; list++) {
            size_t len = 0, count = next_random(&random) % 600;

            words[list][0] = '\0';
            for (size_t i = 0; i < count; i++) {
                random_name(&random, text, sizeof text);
                len += (size_t)snprintf(words[list] + len, sizeof words[list] - len, "%s%s%s ",
                                        marks[next_random(&random) % 8], text,
                                        types[round > 2 ? next_random(&random) % 10 : 0]);
            }
        }
        lists[2].category = round % 2 ? "x" : "z";
        store = fixture_store(lists, 3, base);
        bl_store_close(base);
        base = store;
        assert_int_equal(bl_store_verify(store, NULL), 0);
        for (unsigned i = 0; i < 3000; i++) {
            struct bl_name name;

            if (bl_name_parse(text, random_name(&random, text, sizeof text), &name) == BL_NAME_FINE)
                assert_tree_agrees(store, &name, asked[i % 6]);
        }
    }
    bl_store_close(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_types_of_question), cmocka_unit_test(keeps_conditions_of_the_base),
        cmocka_unit_test(bounds_conditions),       cmocka_unit_test(bounds_the_work),
        cmocka_unit_test(table_agrees_with_tree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
