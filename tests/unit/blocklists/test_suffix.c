/* Registrable domains, with libpsl itself as the oracle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <libpsl.h>

#include "blocklists/suffix.h"

static const char *const NAMES[] = {
    "com",
    "example.com",
    "www.example.com",
    "a.b.c.www.example.com",
    "co.uk",
    "bbc.co.uk",
    "www.bbc.co.uk",
    "sch.uk",
    "borough.sch.uk", /* *.sch.uk */
    "oakfield.borough.sch.uk",
    "www.oakfield.borough.sch.uk",
    "ck",
    "foo.ck", /* *.ck */
    "bar.foo.ck",
    "www.bar.foo.ck",
    "www.ck", /* !www.ck */
    "a.www.ck",
    "blogspot.com",
    "pupil.blogspot.com",
    "a.pupil.blogspot.com",
    "github.io",
    "class.github.io",
    "www.class.github.io",
    "no-such-top-level",
    "a.no-such-top-level",
    "www.a.no-such-top-level",
    "4.3.2.1.in-addr.arpa",
    "xn--p1ai",
    "xn--e1afmkfd.xn--p1ai",
    "www.xn--e1afmkfd.xn--p1ai",
};

static void test_against_libpsl(void **state)
{
    psl_ctx_t *list = psl_latest(NULL);
    (void)state;
    if (!list)
        skip();
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        const char *domain = psl_registrable_domain(list, NAMES[i]);
        struct bl_name name;
        size_t expected = domain ? (size_t)(domain - NAMES[i]) : 0;
        assert_int_equal(bl_name_parse(NAMES[i], strlen(NAMES[i]), &name), BL_NAME_FINE);
        /* Each dot is a length's octet, so a label begins where it does in the text. */
        if (suffix_domain(name.wire) != expected)
            fail_msg("%s: %zu, expected %zu", NAMES[i], suffix_domain(name.wire), expected);
    }
    psl_free(list);
}

/* A dot inside a label is none between two. */
static void test_odd_labels(void **state)
{
    static const struct {
        const char *wire;
        size_t domain;
    } rows[] = {
        {"", 0},           {"\3com", 0},         {"\5co.uk", 0},
        {"\1a\5co.uk", 0}, {"\1w\1a\5co.uk", 2}, {"\1w\3a\xff-\2co\2uk", 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(suffix_domain((const uint8_t *)rows[i].wire), rows[i].domain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_libpsl),
                                       cmocka_unit_test(test_odd_labels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
