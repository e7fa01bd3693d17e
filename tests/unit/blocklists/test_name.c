#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "blocklists/name.h"

#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A61 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
    const char *text;
    const char *expected; /* the text form of what is read */
} good[] = {
    {"example.test", "example.test"},
    {"Example.TEST.", "example.test"},
    {"test", "test"},
    {"_443._tcp.d.test", "_443._tcp.d.test"},
    {"-a-.b-.test", "-a-.b-.test"},
    {"r3---sn-5hne.video.test", "r3---sn-5hne.video.test"},
    {"1.2.3.4.test", "1.2.3.4.test"},
    {"127.0.0.1a", "127.0.0.1a"},
    {"42", "42"},
    {"b\xc3\xbc"
     "cher.test",
     "xn--bcher-kva.test"},
    {"B\xc3\x9c"
     "CHER.test.",
     "xn--bcher-kva.test"},
    {"xn--bcher-kva.test", "xn--bcher-kva.test"},
    {"XN--BCHER-KVA.test", "xn--bcher-kva.test"},
    {"fa\xc3\x9f.test", "xn--fa-hia.test"},
    {"a\xe3\x80\x82"
     "test",
     "a.test"}, /* the ideographic full stop is a dot, UTS 46 */
    {"\xd0\xb0pple.test",
     "xn--pple-43d.test"}, /* a Cyrillic letter: another name than apple.test */
    {A63 "." A63 "." A63 "." A61, A63 "." A63 "." A63 "." A61},
    {A63 "." A63 "." A63 "." A61 ".", A63 "." A63 "." A63 "." A61},
};

static const struct {
    const char *text;
    size_t len; /* 0: that of the string */
    enum bl_name_fault fault;
} bad[] = {
    {"", 0, BL_NAME_EMPTY},
    {".", 0, BL_NAME_ROOT},
    {"..", 0, BL_NAME_EMPTY_LABEL},
    {".a", 0, BL_NAME_EMPTY_LABEL},
    {"a..b", 0, BL_NAME_EMPTY_LABEL},
    {"a.b..", 0, BL_NAME_EMPTY_LABEL},
    {A63 "a", 0, BL_NAME_LABEL_TOO_LONG},
    {A63 "a.test", 0, BL_NAME_LABEL_TOO_LONG},
    {"a." A63 "a", 0, BL_NAME_LABEL_TOO_LONG},
    {A63 "." A63 "." A63 "." A61 "a", 0, BL_NAME_TOO_LONG},
    {A63 "." A63 "." A63 "." A61 "a.", 0, BL_NAME_TOO_LONG},
    {A63 "." A63 "." A63 "." A61 ".a", 0, BL_NAME_TOO_LONG},
    {A63 "." A63 "." A63 "." A63 "." A63, 0, BL_NAME_TOO_LONG},
    {"a b.test", 0, BL_NAME_BAD_CHARACTER},
    {"a*.test", 0, BL_NAME_BAD_CHARACTER},
    {"a\\.test", 0, BL_NAME_BAD_CHARACTER},
    {"a/b", 0, BL_NAME_BAD_CHARACTER},
    {"a\0b.test", 8, BL_NAME_BAD_CHARACTER},
    {"\xc3\xbc\0.test", 8, BL_NAME_BAD_CHARACTER},
    {"\xff\xfe.test", 0, BL_NAME_BAD_IDN},
    {"b\xc3.test", 0, BL_NAME_BAD_IDN},
    {"\xe2\x80\xae"
     "evil.test",
     0, BL_NAME_BAD_IDN}, /* a right-to-left override */
    {"\xe2\x9d\xa4.\xef\xb8\x8f..test", 0, BL_NAME_BAD_IDN},
    {"127.0.0.1", 0, BL_NAME_IS_ADDRESS},
    {"127.0.0.1.", 0, BL_NAME_IS_ADDRESS},
    {"999.1.1.1", 0, BL_NAME_IS_ADDRESS},
    {"::1", 0, BL_NAME_IS_ADDRESS},
    {"2001:db8::192.0.2.1", 0, BL_NAME_IS_ADDRESS},
    {"a:b", 0, BL_NAME_BAD_CHARACTER},
};

static void parses_good_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct bl_name name, quick;
        char text[BL_NAME_TEXT_MAX];

        memset(&name, 0xee, sizeof name);
        assert_int_equal(bl_name_parse(good[i].text, strlen(good[i].text), &name), BL_NAME_FINE);
        assert_int_equal(bl_name_length(name.wire), name.len);
        assert_int_equal(bl_name_text(name.wire, text), strlen(good[i].expected));
        assert_string_equal(text, good[i].expected);
        /* The quicker one agrees, or leaves it to the other. */
        if (bl_name_parse_ascii(good[i].text, strlen(good[i].text), &quick)) {
            assert_int_equal(quick.len, name.len);
            assert_memory_equal(quick.wire, name.wire, name.len);
        } else {
            assert_non_null(strpbrk(good[i].text, "\xc3\xd0\xe3"));
        }
    }
}

static void refuses_bad_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct bl_name name = {.len = 77};
        size_t len = bad[i].len ? bad[i].len : strlen(bad[i].text);

        if (bl_name_parse(bad[i].text, len, &name) != bad[i].fault)
            fail_msg("\"%s\": %s", bad[i].text,
                     bl_name_fault_text(bl_name_parse(bad[i].text, len, &name)));
        assert_int_equal(name.len, 77); /* output is written only on success */
        assert_false(bl_name_parse_ascii(bad[i].text, len, &name));
        assert_true(strlen(bl_name_fault_text(bad[i].fault)) > 5);
    }
}

static void refuses_very_long_text(void **state)
{
    static char text[1 << 20];
    struct bl_name name;

    (void)state;
    memset(text, 'a', sizeof text);
    assert_int_equal(bl_name_parse(text, sizeof text, &name), BL_NAME_TOO_LONG);
    memset(text, 0xc3, sizeof text);
    assert_int_equal(bl_name_parse(text, sizeof text, &name), BL_NAME_TOO_LONG);
    memset(text, '.', sizeof text);
    assert_int_equal(bl_name_parse(text, sizeof text, &name), BL_NAME_EMPTY_LABEL);
}

static void escapes_odd_octets(void **state)
{
    static const uint8_t wire[] = {5, 'a', '.', 0, '\\', 0xff, 2, ' ', '"', 0};
    char text[BL_NAME_TEXT_MAX];
    uint8_t longest[BL_NAME_MAX];

    (void)state;
    bl_name_text(wire, text);
    assert_string_equal(text, "a\\.\\000\\\\\\255.\\032\\\"");
    bl_name_text((const uint8_t *)"", text);
    assert_string_equal(text, ".");
    memset(longest, 0, sizeof longest);
    longest[0] = longest[64] = longest[128] = 63;
    longest[192] = 61;
    assert_int_equal(bl_name_text(longest, text), 4 * (63 * 3 + 61) + 3);
}

static void shows_what_people_see(void **state)
{
    static const struct {
        const char *text, *seen; /* NULL: as it is written */
    } CASES[] = {
        {"xn--pypal-4ve.com", "p\u0430ypal.com"},
        {"www.xn--mnchen-3ya.xn--p1ai", "www.m\u00fcnchen.\u0440\u0444"},
        {"xn--ls8h.example", "\U0001f4a9.example"},
        {"xn--p8j9a0d9c9a.jp", "\u306f\u3058\u3081\u3088\u3046.jp"},
        {"example.com", NULL},
        {"xn--.com", NULL},
        {"xn--99999999.com", NULL},
    };
    char seen[BL_NAME_TEXT_MAX];
    struct bl_name name;

    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        assert_int_equal(bl_name_parse(CASES[i].text, strlen(CASES[i].text), &name), BL_NAME_FINE);
        assert_int_equal(bl_name_unicode(name.wire, seen), CASES[i].seen != NULL);
        assert_string_equal(seen, CASES[i].seen ? CASES[i].seen : CASES[i].text);
    }
}

static void compares_whole_labels(void **state)
{
    static const struct {
        const char *name, *parent;
        bool below;
    } cases[] = {
        {"a.b.test", "b.test", true},      {"b.test", "b.test", true},
        {"ab.test", "b.test", false},      {"b.test", "a.b.test", false},
        {"b.test.other", "b.test", false}, {"test", "test", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bl_name name, parent;

        bl_name_parse(cases[i].name, strlen(cases[i].name), &name);
        bl_name_parse(cases[i].parent, strlen(cases[i].parent), &parent);
        assert_int_equal(bl_name_is_below(name.wire, parent.wire), cases[i].below);
        assert_true(bl_name_is_below(name.wire, (const uint8_t *)""));
        assert_int_equal(bl_name_equal(name.wire, parent.wire),
                         strcmp(cases[i].name, cases[i].parent) == 0);
    }
    /* One label "b.test" in "a" is not the two labels b and test. */
    assert_false(bl_name_is_below((const uint8_t *)"\x06"
                                                   "b.test",
                                  (const uint8_t *)"\x01"
                                                   "b\x04"
                                                   "test"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_good_names),      cmocka_unit_test(refuses_bad_names),
        cmocka_unit_test(refuses_very_long_text), cmocka_unit_test(escapes_odd_octets),
        cmocka_unit_test(compares_whole_labels),  cmocka_unit_test(shows_what_people_see),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
