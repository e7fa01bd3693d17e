#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "blocklists/hash.h"
#include "blocklists/layout.h"
#include "blocklists/seal.h"
#include "tests/support/store_fixture.h"

static struct bl_name name_of(const char *text)
{
    struct bl_name name;

    if (bl_name_parse(text, strlen(text), &name) != BL_NAME_FINE)
        fixture_fail(text, "not a name");
    return name;
}

enum { TYPE_A = 1, TYPE_AAAA = 28, TYPE_HTTPS = 65 };

/* What a fact says, as text: "0:gambling/s/block 1:games/n/allow!". */
static const char *fact_text(const struct bl_store *store, bl_fact fact)
{
    static char text[4096];
    size_t count, len = 0;
    const struct bl_fact_rule *rules = bl_store_fact(store, fact, &count);

    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%u:%s/%c/%s%s", i ? " " : "",
                                rules[i].depth, bl_store_category(store, rules[i].category)->name,
                                "srn"[rules[i].tier], rules[i].action ? "allow" : "block",
                                rules[i].important ? "!" : "");
    return text;
}

static void assert_says_for(const struct bl_store *store, const char *query, unsigned type,
                            const char *says, const char *matched)
{
    struct bl_name name = name_of(query);
    struct bl_found found = bl_store_find(store, name.wire, name.len, type);
    char text[BL_NAME_TEXT_MAX];

    if (strcmp(fact_text(store, found.fact), says) != 0)
        fail_msg("%s: \"%s\", not \"%s\"", query, fact_text(store, found.fact), says);
    if (found.fact != BL_FACT_NONE) {
        bl_name_text(name.wire + found.matched, text);
        assert_string_equal(text, matched);
    }
}

static void assert_says(const struct bl_store *store, const char *query, const char *says,
                        const char *matched)
{
    assert_says_for(store, query, TYPE_A, says, matched);
}

static void finds_names_and_what_is_below(void **state)
{
    static const struct fixture_list lists[] = {
        {"gambling", BL_TIER_SCHOOL,
         "casino.test =only.test *.below.test a.deep.casino.test xn--bcher-kva.test"},
        {"games", BL_TIER_REGIONAL,
         "deep.casino.test @!free.casino.test casino2.test =x.only.test"},
        {"extra", BL_TIER_NATIONAL, "*.casino2.test sub.below.test"},
    };
    static const struct {
        const char *query, *says, *matched;
    } cases[] = {
        {"casino.test", "0:gambling/s/block", "casino.test"},
        {"www.casino.test", "0:gambling/s/block", "casino.test"},
        {"a.b.c.d.e.f.g.casino.test", "0:gambling/s/block", "casino.test"},
        {"notcasino.test", "", ""},
        {"casino.test.other", "", ""},
        {"test", "", ""},
        {"casino", "", ""},
        {"only.test", "0:gambling/s/block", "only.test"},
        {"www.only.test", "", ""},
        {"x.only.test", "0:games/r/block", "x.only.test"},
        {"y.x.only.test", "", ""},
        {"below.test", "", ""},
        {"a.below.test", "0:gambling/s/block", "below.test"},
        {"sub.below.test", "0:extra/n/block 1:gambling/s/block", "sub.below.test"},
        {"deep.casino.test", "0:games/r/block 1:gambling/s/block", "deep.casino.test"},
        {"a.deep.casino.test", "0:gambling/s/block 1:games/r/block 2:gambling/s/block",
         "a.deep.casino.test"},
        {"free.casino.test", "0:games/r/allow! 1:gambling/s/block", "free.casino.test"},
        {"casino2.test", "0:games/r/block", "casino2.test"},
        {"a.casino2.test", "0:extra/n/block 0:games/r/block", "casino2.test"},
        {"xn--bcher-kva.test", "0:gambling/s/block", "xn--bcher-kva.test"},
        {"www.b\xc3\xbc"
         "cher.test",
         "0:gambling/s/block", "xn--bcher-kva.test"},
    };
    struct bl_store *store = fixture_store(lists, 3, NULL);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_says(store, cases[i].query, cases[i].says, cases[i].matched);
    assert_int_equal(bl_store_name_count(store), 10);
    assert_int_equal(bl_store_category_count(store), 3);
    assert_string_equal(bl_store_category(store, 1)->name, "gambling");
    assert_int_equal(bl_store_category(store, 1)->names, 5);
    assert_int_equal(bl_store_category(store, 2)->names, 3); /* the allow entry is not one more */
    assert_int_equal(bl_store_category_find(store, "games"), 2);
    assert_int_equal(bl_store_category_find(store, "game"), -ENOENT);
    assert_null(bl_store_category(store, 3));
    assert_false(bl_store_has_addresses(store));
    assert_int_equal(bl_store_verify(store, NULL), 0);
    bl_store_close(store);
}

static void does_not_read_one_label_as_two(void **state)
{
    static const struct fixture_list lists[] = {{"gambling", BL_TIER_SCHOOL, "b.casino.test"}};
    static const struct {
        const char *wire;
        size_t len;
        bool listed;
    } cases[] = {
        {"\x01"
         "b\x06"
         "casino\x04"
         "test",
         15, true},
        {"\x03"
         "x\0b\x06"
         "casino\x04"
         "test",
         17, false},
        {"\x01"
         "x\x01"
         "b\x06"
         "casino\x04"
         "test",
         17, true},
        {"\x05"
         "x\0\1y\0\x01"
         "b\x06"
         "casino\x04"
         "test",
         21, true},
        {"\x08"
         "b\006casino\x04"
         "test",
         15, false},
        {"\x0d"
         "b\006casino\x04"
         "test",
         15, false},
        {"\x01"
         "b\x0b"
         "casino\0test",
         15, false},
        {"\x01"
         "b\x0b"
         "casino.test",
         15, false},
    };
    struct bl_store *store = fixture_store(lists, 1, NULL);

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bl_found found =
            bl_store_find(store, (const uint8_t *)cases[i].wire, cases[i].len, TYPE_A);

        assert_int_equal(found.fact != BL_FACT_NONE, cases[i].listed);
    }
    bl_store_close(store);
}

static void finds_addresses(void **state)
{
    static const struct fixture_list lists[] = {
        {"bad", BL_TIER_SCHOOL,
         "10.0.0.0/8 10.1.0.0/16 192.0.2.1/32 255.255.255.0/24 2001:db8::/32 2001:db8:0:1::/64 "
         "::ffff:198.51.100.0/120"},
        {"worse", BL_TIER_SCHOOL, "10.1.2.0/24 @10.1.2.3/32 0.0.0.0/32 2001:db8::/32"},
    };
    static const struct {
        const char *address, *says;
        unsigned length;
    } cases[] = {
        {"10.0.0.0", "0:bad/s/block", 8},
        {"10.255.255.255", "0:bad/s/block", 8},
        {"9.255.255.255", "", 0},
        {"11.0.0.0", "", 0},
        {"10.1.0.0", "0:bad/s/block", 16},
        {"10.1.3.0", "0:bad/s/block", 16},
        {"10.1.2.2", "0:worse/s/block 1:bad/s/block", 24},
        {"10.1.2.3", "0:worse/s/allow 1:worse/s/block 2:bad/s/block", 32},
        {"10.1.2.4", "0:worse/s/block 1:bad/s/block", 24},
        {"10.2.0.0", "0:bad/s/block", 8},
        {"0.0.0.0", "0:worse/s/block", 32},
        {"0.0.0.1", "", 0},
        {"192.0.2.1", "0:bad/s/block", 32},
        {"192.0.2.2", "", 0},
        {"255.255.255.255", "0:bad/s/block", 24},
        {"2001:db8::1", "0:bad/s/block 0:worse/s/block", 32},
        {"2001:db8:0:1::1", "0:bad/s/block 1:bad/s/block 1:worse/s/block", 64},
        {"2001:db8:0:2::", "0:bad/s/block 0:worse/s/block", 32},
        {"2001:db9::", "", 0},
        {"::ffff:10.1.2.3", "0:worse/s/allow 1:worse/s/block 2:bad/s/block", 32},
        {"64:ff9b::192.0.2.1", "0:bad/s/block", 32},
        {"64:ff9b:1:2::192.0.2.1", "0:bad/s/block", 32},
        {"::192.0.2.1", "0:bad/s/block", 32},
        {"2002:c000:0201::1", "0:bad/s/block", 32},
        {"::ffff:198.51.100.7", "0:bad/s/block", 120},
        {"64:ff9b::192.0.2.2", "", 0},
    };
    struct bl_store *store = fixture_store(lists, 2, NULL);

    (void)state;
    assert_true(bl_store_has_addresses(store));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool v6 = strchr(cases[i].address, ':') != NULL;
        struct bl_prefix prefix = {0};
        uint8_t address[16];
        bl_fact fact;

        assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, cases[i].address, address), 1);
        fact = bl_store_find_address(store, address, v6 ? 16 : 4, &prefix);
        if (strcmp(fact_text(store, fact), cases[i].says) != 0 || prefix.length != cases[i].length)
            fail_msg("%s: /%u %s", cases[i].address, prefix.length, fact_text(store, fact));
    }
    assert_int_equal(bl_store_category(store, 0)->addresses, 7);
    assert_int_equal(bl_store_verify(store, NULL), 0);
    bl_store_close(store);
}

struct seen {
    const struct bl_store *store;
    char text[2048];
};

static int entry_note(void *user, unsigned source, const struct bl_entry *entry)
{
    struct seen *seen = user;
    char name[BL_NAME_TEXT_MAX] = "prefix";
    size_t len = strlen(seen->text);

    if (!entry->is_address)
        bl_name_text(entry->name.wire, name);
    snprintf(seen->text + len, sizeof seen->text - len, "%s %s:%u%s%s%s\n", name,
             bl_store_source(seen->store, source)->location, entry->line,
             entry->action == BL_ALLOW ? " allow" : "", entry->important ? " important" : "",
             entry->scope == BL_EXACT   ? " exact"
             : entry->scope == BL_BELOW ? " below"
                                        : "");
    return 0;
}

static const struct fixture_list two_lists[] = {
    {"gambling", BL_TIER_SCHOOL, "casino.test poker.test casino.test =casino.test a.test"},
    {"games", BL_TIER_NATIONAL, "casino.test !@chess.test 192.0.2.0/24"},
};

static void tells_every_entry(void **state)
{
    struct bl_store *store = fixture_store(two_lists, 2, NULL);
    struct seen seen = {.store = store};

    (void)state;
    assert_int_equal(bl_store_entries(store, name_of("casino.test").wire, entry_note, &seen), 0);
    assert_string_equal(seen.text, "casino.test fixture:0:1\ncasino.test fixture:0:4 exact\n"
                                   "casino.test fixture:1:1\n");
    assert_int_equal(bl_store_entries(store, name_of("x.casino.test").wire, entry_note, &seen),
                     -ENOENT);
    assert_int_equal(bl_store_entries(store, (const uint8_t *)"", entry_note, &seen), -ENOENT);
    assert_int_equal(bl_store_entries(store,
                                      (const uint8_t *)"\x03"
                                                       "a\0b",
                                      entry_note, &seen),
                     -ENOENT);
    seen.text[0] = '\0';
    assert_int_equal(bl_store_walk(store, entry_note, &seen, NULL), 0);
    assert_string_equal(seen.text, "prefix fixture:1:3\n"
                                   "a.test fixture:0:5\n"
                                   "casino.test fixture:0:1\ncasino.test fixture:0:4 exact\n"
                                   "casino.test fixture:1:1\n"
                                   "chess.test fixture:1:2 allow important\n"
                                   "poker.test fixture:0:2\n");
    assert_int_equal(bl_store_source_count(store), 2);
    assert_int_equal(bl_store_source(store, 0)->duplicate, 1);
    assert_int_equal(bl_store_source(store, 0)->taken, 5);
    assert_string_equal(bl_store_source(store, 0)->actor, "tester");
    assert_int_equal(bl_store_source(store, 1)->tier, BL_TIER_NATIONAL);
    bl_store_close(store);
}

static void builds_on_a_base(void **state)
{
    static const struct fixture_list newer[] = {{"gambling", BL_TIER_SCHOOL, "new.test a.test"}};
    static const struct fixture_list other[] = {
        {"chat", BL_TIER_REGIONAL, "talk.test casino.test"}};
    struct bl_store *base = fixture_store(two_lists, 2, NULL);
    struct bl_store *store = fixture_store(newer, 1, base);
    struct bl_store *third = fixture_store(other, 1, store);
    struct seen seen = {.store = store};

    (void)state;
    /* The source at the same place with the same category is replaced, the other one is kept. */
    bl_store_walk(store, entry_note, &seen, NULL);
    assert_string_equal(seen.text,
                        "prefix fixture:1:3\na.test fixture:0:2\ncasino.test fixture:1:1\n"
                        "chess.test fixture:1:2 allow important\nnew.test fixture:0:1\n");
    assert_says(store, "casino.test", "0:games/n/block", "casino.test");
    assert_int_equal(bl_store_verify(store, NULL), 0);
    /* The same place with another category is another source. */
    assert_int_equal(bl_store_source_count(third), 3);
    assert_says(third, "casino.test", "0:chat/r/block 0:games/n/block", "casino.test");
    assert_says(third, "x.new.test", "0:gambling/s/block", "new.test");
    assert_int_equal(bl_store_verify(third, NULL), 0);
    bl_store_close(third);
    bl_store_close(store);
    bl_store_close(base);
}

static void drops_levels_that_add_nothing(void **state)
{
    static const struct fixture_list lists[] = {
        {"gambling", BL_TIER_SCHOOL, "casino.test a.casino.test b.a.casino.test =c.casino.test"}};
    struct bl_store *store = fixture_store(lists, 1, NULL);

    (void)state;
    assert_says(store, "b.a.casino.test", "0:gambling/s/block", "b.a.casino.test");
    assert_says(store, "x.c.casino.test", "0:gambling/s/block", "casino.test");
    /* "On no list", "gambling", and "gambling, itself alone". */
    assert_int_equal(bl_store_fact_count(store), 3);
    bl_store_close(store);
}

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

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
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

static void hashes_have_no_pattern(void **state)
{
    enum { BUCKETS = 1 << 12, NAMES = 18000 };
    static uint8_t seen[BUCKETS];
    uint64_t seed = 12345,
             top = bl_hash_label(bl_hash_start(seed), seed, (const uint8_t *)"test", 4);
    unsigned full = 0;

    (void)state;
    for (unsigned i = 0; i < NAMES; i++) {
        char label[32];
        int len = snprintf(label, sizeof label, "host%u", i);
        uint64_t hash = bl_hash_label(top, seed, (const uint8_t *)label, (size_t)len);

        full += seen[bl_hash_bucket(hash, BUCKETS)]++ >= BL_BUCKET_SLOTS;
    }
    /* 4.4 a bucket: about two of a hundred names should meet a full one; a pattern gives many more.
     */
    assert_true(full < NAMES / 25);
}

/* A file with a store in it that has something of everything. */
static size_t store_bytes(uint8_t **out_bytes)
{
    static const struct fixture_list lists[] = {
        {"gambling", BL_TIER_SCHOOL,
         "casino.test$AAAA|HTTPS *.poker.test =only.test 192.0.2.0/24 www.casino.test"},
        {"games", BL_TIER_NATIONAL, "@chess.casino.test$~A casino.test 2001:db8::/32"},
    };
    int fd = fixture_compile(lists, 2, NULL);
    struct stat status;

    assert_int_equal(fstat(fd, &status), 0);
    *out_bytes = malloc((size_t)status.st_size);
    assert_int_equal(pread(fd, *out_bytes, (size_t)status.st_size, 0), status.st_size);
    close(fd);
    return (size_t)status.st_size;
}

static void name_use(const struct bl_store *store, const struct bl_name *name)
{
    static const unsigned types[] = {0, TYPE_A, TYPE_AAAA, TYPE_HTTPS, UINT16_MAX, BL_ALL_TYPES};

    for (const uint8_t *at = name->wire; *at; at += 1 + *at)
        for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
            bl_fact fact = bl_store_find(store, at, bl_name_length(at), types[i]).fact;

            assert_true(fact < bl_store_fact_count(store));
            assert_true(types[i] == BL_ALL_TYPES || !bl_store_fact_by_type(store, fact));
            (void)fact_text(store, fact);
        }
}

/* Whatever was opened can be asked. */
static void store_use(const struct bl_store *store)
{
    static const char *const names[] = {"a.chess.casino.test", "a.poker.test", "a.only.test"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct bl_name name = name_of(names[i]);

        name_use(store, &name);
    }
}

static int open_bytes(const uint8_t *bytes, size_t len, bool verify, struct bl_error *error)
{
    char path[32];
    struct bl_store *store = NULL;
    int fd = memfd_create("store", MFD_CLOEXEC), rc;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    rc = bl_store_open(path, &store, error);
    if (rc == 0)
        store_use(store);
    if (rc == 0 && verify)
        rc = bl_store_verify(store, error);
    bl_store_close(store);
    close(fd);
    return rc;
}

static void refuses_what_is_no_store(void **state)
{
    struct bl_error error = {""};
    struct bl_store *store = NULL;
    uint8_t *bytes;
    size_t len = store_bytes(&bytes);

    (void)state;
    assert_int_equal(open_bytes(bytes, len, true, &error), 0);
    assert_int_equal(bl_store_open("/nonexistent/7.mdb", &store, &error), -ENOENT);
    assert_int_equal(bl_store_open("/", &store, &error), -EBADMSG);
    assert_int_equal(open_bytes(bytes, 0, false, &error), -EBADMSG);
    for (size_t cut = 1; cut < len; cut += cut < 300 ? 1 : 4001)
        assert_int_equal(open_bytes(bytes, len - cut, false, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "cut off"));
    /* Another version, rightly signed. */
    bytes[len - BL_TRAILER_SIZE + BL_TRAILER_VERSION] ^= 0x40;
    assert_int_equal(open_bytes(bytes, len, false, &error), -EBADMSG);
    free(bytes);
    assert_null(store);
}

static void says_when_another_version_made_it(void **state)
{
    struct bl_error error = {""};
    struct bl_seal seal;
    uint8_t *bytes;
    size_t len = store_bytes(&bytes);
    const char *path = "a copy";
    int fd = memfd_create(path, MFD_CLOEXEC);

    (void)state;
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    assert_int_equal(bl_seal_read(fd, path, &seal, &error), 0);
    assert_int_equal(seal.lmdb_len, len - BL_TRAILER_SIZE);
    assert_int_equal(bl_seal_write(fd, path, &seal, &error), 0);
    assert_int_equal(pread(fd, bytes, len, 0), (ssize_t)len);
    assert_int_equal(open_bytes(bytes, len, true, &error), 0);
    bl_put32(bytes + len - BL_TRAILER_SIZE + BL_TRAILER_VERSION, 77);
    bl_seal_sum(bytes + len - BL_TRAILER_SIZE);
    assert_int_equal(open_bytes(bytes, len, false, &error), -EPROTO);
    assert_non_null(strstr(error.text, "format 77"));
    close(fd);
    free(bytes);
}

/* Damage that the trailer vouches for: none of it may crash, and what opens must not verify unless
 * it is the same store still. */
static void survives_any_damage(void **state)
{
    uint8_t *bytes, *copy;
    size_t len = store_bytes(&bytes);
    uint32_t random = 7;
    unsigned opened = 0;

    (void)state;
    copy = malloc(len);
    for (unsigned round = 0; round < 1500; round++) {
        struct bl_error error = {""};
        size_t at = next_random(&random) % (len - BL_TRAILER_SIZE);

        memcpy(copy, bytes, len);
        if (round % 2) /* most of the file is free room: aim at the heads of pages too */
            at = at / 4096 * 4096 + at % 64;
        copy[at] ^= (uint8_t)(1u << next_random(&random) % 8);
        /* Whoever makes a store by hand can sign it too: the checks behind the sum must hold alone.
         */
        if (round % 3) {
            assert_int_equal(bl_seal_bytes(copy, len - BL_TRAILER_SIZE,
                                           copy + len - BL_TRAILER_SIZE + BL_TRAILER_SHA256),
                             0);
            bl_seal_sum(copy + len - BL_TRAILER_SIZE);
            opened += open_bytes(copy, len, true, &error) == 0;
        } else {
            assert_int_equal(open_bytes(copy, len, true, &error), -EBADMSG);
            assert_true(strlen(error.text) > 10);
        }
    }
    assert_true(opened < 1500);
    free(copy);
    free(bytes);
}

/* The two values of types, octet by octet, rightly signed: refused, or nothing in them leads
 * outside when it is asked. */
static void survives_damage_to_types(void **state)
{
    static const uint8_t conditions[] = {0, 2, TYPE_AAAA, 0, TYPE_HTTPS, 0, 1, 1, TYPE_A, 0};
    uint8_t *bytes, *copy, *values[2];
    size_t len = store_bytes(&bytes);
    unsigned refused = 0;

    (void)state;
    copy = malloc(len);
    values[0] = memmem(bytes, len, conditions, sizeof conditions);
    assert_non_null(values[0]);
    values[1] = NULL;
    /* fact, type 0, fact; the same fact, type AAAA, … */
    for (size_t at = 0; !values[1] && at + 12 < len; at++)
        if (bytes[at] != 0 && bytes[at + 1] == 0 && bytes[at] == bytes[at + 6] &&
            bl_get16(bytes + at + 2) == 0 && bl_get16(bytes + at + 8) == TYPE_AAAA &&
            bytes[at + 7] == 0)
            values[1] = bytes + at;
    assert_non_null(values[1]);
    for (unsigned value = 0; value < 2; value++)
        for (size_t i = 0; i < 24; i++)
            for (unsigned octet = 0; octet < 256; octet += i % 2 ? 51 : 1) {
                struct bl_error error = {""};

                memcpy(copy, bytes, len);
                copy[(size_t)(values[value] - bytes) + i] = (uint8_t)octet;
                assert_int_equal(bl_seal_bytes(copy, len - BL_TRAILER_SIZE,
                                               copy + len - BL_TRAILER_SIZE + BL_TRAILER_SHA256),
                                 0);
                bl_seal_sum(copy + len - BL_TRAILER_SIZE);
                refused += open_bytes(copy, len, false, &error) == -EBADMSG;
            }
    assert_true(refused > 1000);
    free(copy);
    free(bytes);
}

/* Each fact sent to each other one for the names below, rightly signed: none is asked for a type
 * and says what holds for no type. */
static void survives_facts_led_astray(void **state)
{
    static const uint8_t none[BL_FACT_SIZE];
    uint8_t *bytes, *facts = NULL;
    size_t len = store_bytes(&bytes);
    unsigned count = 0, refused = 0;

    (void)state;
    /* How many facts and rules, then the fact of nothing, then the one that has the first rule. */
    for (size_t at = 4096; !facts && at + 32 < len; at++)
        if (bl_get32(bytes + at) > 4 && bl_get32(bytes + at) < 32 &&
            bl_get32(bytes + at + 4) < 64 && bl_get32(bytes + at + 4) > 4 &&
            memcmp(bytes + at + 8, none, sizeof none) == 0 && bl_get32(bytes + at + 20) == 0 &&
            bytes[at + 24] > 0) {
            count = bl_get32(bytes + at);
            facts = bytes + at + BL_FACTS_HEAD;
        }
    assert_non_null(facts);
    for (unsigned fact = 1; fact < count; fact++) {
        uint8_t *below = facts + fact * (size_t)BL_FACT_SIZE + 6;
        uint16_t right = bl_get16(below);

        for (unsigned i = 0; i < count; i++) {
            struct bl_error error = {""};

            bl_put16(below, (uint16_t)i);
            assert_int_equal(bl_seal_bytes(bytes, len - BL_TRAILER_SIZE,
                                           bytes + len - BL_TRAILER_SIZE + BL_TRAILER_SHA256),
                             0);
            bl_seal_sum(bytes + len - BL_TRAILER_SIZE);
            refused += open_bytes(bytes, len, false, &error) == -EBADMSG;
        }
        bl_put16(below, right);
    }
    assert_true(refused > count);
    free(bytes);
}

/* Cut while it is mapped: the look-up comes back, and says that its answer means nothing. */
static void survives_being_cut(void **state)
{
    struct bl_name name = name_of("casino.test");
    struct bl_store *store = NULL, *other = fixture_store(two_lists, 2, NULL);
    struct bl_error error = {""};
    char path[64];
    int fd = fixture_compile(two_lists, 2, NULL), wake_fd = eventfd(0, EFD_NONBLOCK);
    eventfd_t wakes = 0;

    (void)state;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    assert_int_equal(bl_store_guard(wake_fd, &error), 0);
    assert_int_equal(bl_store_open(path, &store, &error), 0);
    assert_int_equal(futimens(fd, NULL), 0);
    assert_true(bl_store_look(store)); /* touched, but whole */
    assert_int_equal(ftruncate(fd, 4096), 0);
    assert_false(bl_store_is_damaged(store));
    assert_int_equal(bl_store_find(store, name.wire, name.len, TYPE_A).fact, BL_FACT_NONE);
    assert_true(bl_store_is_damaged(store));
    assert_int_equal(eventfd_read(wake_fd, &wakes), 0);
    assert_false(bl_store_look(store));
    assert_true(bl_store_look(other));
    assert_false(bl_store_is_damaged(other));
    assert_int_equal(bl_store_guard(-1, &error), 0);
    bl_store_close(store);
    bl_store_close(other);
    close(wake_fd);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_names_and_what_is_below),
        cmocka_unit_test(does_not_read_one_label_as_two),
        cmocka_unit_test(finds_addresses),
        cmocka_unit_test(tells_every_entry),
        cmocka_unit_test(builds_on_a_base),
        cmocka_unit_test(drops_levels_that_add_nothing),
        cmocka_unit_test(knows_types_of_question),
        cmocka_unit_test(keeps_conditions_of_the_base),
        cmocka_unit_test(bounds_conditions),
        cmocka_unit_test(bounds_the_work),
        cmocka_unit_test(table_agrees_with_tree),
        cmocka_unit_test(hashes_have_no_pattern),
        cmocka_unit_test(refuses_what_is_no_store),
        cmocka_unit_test(says_when_another_version_made_it),
        cmocka_unit_test(survives_any_damage),
        cmocka_unit_test(survives_damage_to_types),
        cmocka_unit_test(survives_facts_led_astray),
        cmocka_unit_test(survives_being_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
