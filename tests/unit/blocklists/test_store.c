#include <errno.h>

#include "blocklists/hash.h"
#include "tests/unit/blocklists/store.h"

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
    assert_int_equal(bl_store_category(store, 1)->whole, 3);
    assert_int_equal(bl_store_category(store, 2)->whole, 2);
    assert_int_equal(bl_store_category_find(store, "games"), 2);
    assert_int_equal(bl_store_category_find(store, "game"), -ENOENT);
    assert_null(bl_store_category(store, 3));
    assert_false(bl_store_has_addresses(store));
    assert_int_equal(bl_store_verify(store, NULL), 0);
    bl_store_close(store);
}

/* What a category blocks whole: by one entry, or by several together. */
static void counts_what_is_whole(void **state)
{
    static const struct fixture_list lists[] = {
        {"a", BL_TIER_SCHOOL, "=two.test one.test =half.test six.test$AAAA 192.0.2.0/24 @no.test"},
        {"a", BL_TIER_NATIONAL, "*.two.test one.test *.half.test$AAAA six.test$~AAAA *.no.test"},
        {"b", BL_TIER_SCHOOL, "*.half.test six.test =no.test"},
    };
    static const struct {
        uint64_t names, addresses, whole;
    } expected[] = {{5, 1, 3}, {3, 0, 1}};
    struct bl_store *store = fixture_store(lists, 3, NULL);

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        const struct bl_category *category = bl_store_category(store, i);
        assert_int_equal(category->names, expected[i].names);
        assert_int_equal(category->addresses, expected[i].addresses);
        assert_int_equal(category->whole, expected[i].whole);
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_names_and_what_is_below),
        cmocka_unit_test(counts_what_is_whole),
        cmocka_unit_test(does_not_read_one_label_as_two),
        cmocka_unit_test(finds_addresses),
        cmocka_unit_test(tells_every_entry),
        cmocka_unit_test(builds_on_a_base),
        cmocka_unit_test(drops_levels_that_add_nothing),
        cmocka_unit_test(hashes_have_no_pattern),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
