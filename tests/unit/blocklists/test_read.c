#include "tests/unit/blocklists/reading.h"

#include <errno.h>
#include <stdlib.h>

#define A63     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define TLD     "?a top-level domain: everything below it would go too"
#define SUFFIX  "?a public suffix: names of everybody are below it"
#define OTHERS  "^others have names of their own below this one"
#define ALIKE   "^letters of another alphabet that look like Latin ones"
#define URL     "~a web address: DNS sees only the name in it"
#define ADDRESS "~an address in a list of names"

static const struct reading_row domains[] = {
    {TEXT("a.test\nb.test\n"), "a.test b.test"},
    {TEXT("a.test\r\nB.Test.\r\n"), "a.test b.test"},
    {TEXT("\xef\xbb\xbf"
          "a.test\n"),
     "a.test"},
    {TEXT("a.test"), "a.test"},
    {TEXT("  a.test\t# a comment\n#b.test\n! c\n; d\n// e\n\n"), "a.test"},
    {TEXT("*.a.test\n.b.test\n"), "a.test b.test"},
    {TEXT("b\xc3\xbc"
          "cher.test\n"),
     "xn--bcher-kva.test"},
    {TEXT("a b\n"), "?more than one word on a line"},
    {TEXT("a.test\0b.test\n"), "?a NUL octet in the line"},
    {TEXT("\xc3\x28\xfa.test\n"), "?not a valid internationalised domain name"},
    {TEXT(A63 "a.test\n"), "?not a domain name: a label is longer than 63 octets"},
    {TEXT(A63 "." A63 "." A63 "." A63 "\n"), "?not a domain name: longer than 255 octets"},
    {TEXT("a..test\n"), "?not a domain name: an empty label"},
    {TEXT(".\n"), "?the root \".\" would stand for every name there is"},
    {TEXT("com\n*.zip\n"), TLD " " TLD},
    {TEXT("co.uk\n*.ck\nwww.ck\ncom.ck\n"), "www.ck " SUFFIX " " TLD " " SUFFIX},
    {TEXT("blogspot.com\nx.blogspot.com\n"), "blogspot.com x.blogspot.com " OTHERS},
    {TEXT("192.0.2.1\n2001:db8::1\n"), ADDRESS},
    /* Letters, digits, dots and '-' only, but no name. */
    {TEXT("192.0.2.4-192.0.2.9\n192.0.2.4-a.test\n"),
     "192.0.2.4-a.test ~addresses in a list of names"},
    {TEXT("p\xd0\xb0ypal.com\n"), "xn--pypal-4ve.com " ALIKE},
    {TEXT("xn--pypal-4ve.com\n"), "xn--pypal-4ve.com " ALIKE},
    {TEXT("\xd1\x81\xd0\xb0\xd1\x81\xd0\xb0.com\n"), "xn--80aa3cb.com " ALIKE},
    {TEXT("\xd0\xbc\xd0\xbe\xd1\x81\xd0\xba\xd0\xb2\xd0\xb0.com\n"), "xn--80adxhks.com"},
    {TEXT("https://a.test/b\na.test/b\n"), URL},
    {TEXT("a*.test\n"), "~a pattern inside a name, which DNS lists cannot say"},
    {TEXT(""), ""},
    {TEXT("\n\n\r\n"), ""},
};

static const struct reading_row hosts[] = {
    {TEXT("0.0.0.0 a.test\n"), "a.test"},
    {TEXT("127.0.0.1\ta.test b.test # c.test\n"), "a.test b.test"},
    {TEXT("0 a.test\n"), "a.test"},
    {TEXT(":: a.test\n::1 b.test\nfe80::1%lo0 c.test\n"), "a.test b.test c.test"},
    {TEXT("127.0.0.1 localhost\n::1 ip6-localhost\n0.0.0.0 0.0.0.0\n"), "~the machine's own names"},
    {TEXT("192.0.2.7 a.test\n"), "~gives a name an address of its own"},
    {TEXT("0.0.0.0 a..test b.test\n"), "b.test ?not a domain name: an empty label"},
    {TEXT("0.0.0.0\n"), ADDRESS},
    {TEXT("a.test\n"), "a.test"},
};

static void test_tables(void **state)
{
    static struct reading reading;
    struct bl_read_options options = {.format = "domains"};

    (void)state;
    reading_table("domains", domains, sizeof domains / sizeof domains[0]);
    /* A web page is none, whatever format was asked for. */
    assert_int_equal(reading_run(&reading, &options, TEXT("<script>.test\n")), -EILSEQ);
    reading_table("hosts", hosts, sizeof hosts / sizeof hosts[0]);
}

static void test_options(void **state)
{
    static struct reading reading;
    struct bl_read_options options = {.action = BL_ALLOW, .allow_tld = true, .forced = true};

    (void)state;
    assert_int_equal(reading_run(&reading, &options, TEXT("zip\nco.uk\na.test\n")), 0);
    assert_string_equal(reading.out, "+zip +co.uk +a.test");
    options = (struct bl_read_options){.format = "domians"};
    assert_int_equal(reading_run(&reading, &options, TEXT("a.test\n")), -EINVAL);
}

static void test_counts_and_samples(void **state)
{
    static struct reading reading;
    struct bl_read_options options = {0};
    static const char text[] = "# Licence: CC BY-SA 4.0\n\na.test\na..b\n1.2.3.4\nc.test\n"
                               "..\n..\n..\n..\n..\nd\x1b[2J!.test\n";

    (void)state;
    assert_int_equal(reading_run(&reading, &options, TEXT(text)), 0);
    assert_string_equal(reading.report.format, "domains");
    assert_string_equal(reading.report.licence, "CC BY-SA 4.0");
    assert_int_equal(reading.report.read, 10);
    assert_int_equal(reading.report.taken, 2);
    assert_int_equal(reading.report.malformed, 7);
    assert_int_equal(reading.report.unused, 1);
    assert_int_equal(reading.report.malformed_sample_count, BL_SAMPLES_MAX);
    assert_int_equal(reading.report.malformed_samples[0].line, 4);
    assert_string_equal(reading.report.malformed_samples[0].text, "a..b");
    assert_int_equal(reading.report.bytes, sizeof text - 1);
    assert_string_equal(reading.report.sha256,
                        "8c98dfdbd76beffec8e0ec37957f959acbc51cc7c9f9d30ff2a18dfecf76c933");
}

/* A line of 1 MB, with and without an end, between good ones. */
static void test_long_line(void **state)
{
    static struct reading reading;
    struct bl_read_options options = {0};
    enum { LONG = 1 << 20 };
    char *text = malloc(LONG + 64);
    size_t len;

    (void)state;
    assert_non_null(text);
    len = (size_t)sprintf(text, "a.test\n");
    memset(text + len, 'x', LONG);
    len += LONG;
    len += (size_t)sprintf(text + len, "\nb.test\n");
    reading.chunk = 70000;
    assert_int_equal(reading_run(&reading, &options, text, len), 0);
    assert_string_equal(reading.out, "a.test b.test ?a line of more than 4096 octets");
    assert_int_equal(reading.report.malformed_samples[0].line, 2);
    assert_int_equal(reading_run(&reading, &options, text, len - 8), 0);
    assert_string_equal(reading.out, "a.test ?a line of more than 4096 octets");
    free(text);
}

static void test_recognised(void **state)
{
    static const struct {
        const char *text, *format;
        int rc;
    } rows[] = {
        {"a.test\n", "domains", 0},
        {"*.a.test\n", "domains", 0},
        {"# only a comment\n", "domains", 0},
        {"", "domains", 0},
        {"# x\n0.0.0.0 a.test\n127.0.0.1 b.test\n", "hosts", 0},
        {"::1 localhost\n:: a.test\n", "hosts", 0},
        {"<!DOCTYPE html><html>", "unknown", -EILSEQ},
        {"\n\n  <html>", "unknown", -EILSEQ},
        {"{\"a\": 1}", "unknown", -EILSEQ},
        {"\x1f\x8b\x08", "unknown", -EILSEQ},
        {"\x89PNG\r\n", "unknown", -EILSEQ},
        {"\xff\xfe"
         "a",
         "unknown", -EILSEQ},
    };
    static struct reading reading;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bl_read_options options = {0};

        assert_int_equal(reading_run(&reading, &options, rows[i].text, strlen(rows[i].text)),
                         rows[i].rc);
        assert_string_equal(reading.report.format, rows[i].format);
    }
}

static int refuse(void *user, const struct bl_entry *entry, struct bl_error *error)
{
    (void)user;
    (void)entry;
    return bl_error_set(error, -ENOSPC, "the disk is full");
}

static ssize_t fail_read(void *user, void *buffer, size_t len, struct bl_error *error)
{
    (void)user;
    (void)buffer;
    (void)len;
    return bl_error_set(error, -EIO, "the download was cut off");
}

static void test_errors_are_passed_on(void **state)
{
    static struct reading reading;
    struct bl_read_options options = {0};
    struct bl_input good = {.read = reading_read, .user = &reading};
    struct bl_input bad = {.read = fail_read};
    struct bl_sink sink = {.take = refuse};

    (void)state;
    reading = (struct reading){.text = "a.test\nb.test\n", .len = 14};
    assert_int_equal(bl_read(&good, &options, &sink, &reading.report, &reading.error), -ENOSPC);
    assert_string_equal(reading.error.text, "the disk is full");
    assert_int_equal(bl_read(&bad, &options, &sink, &reading.report, &reading.error), -EIO);
    assert_string_equal(reading.error.text, "the download was cut off");
}

/* A list that has no end: `period` octets, again and again. */
struct endless {
    const char *text;
    size_t period, given;
};

static ssize_t endless_read(void *user, void *buffer, size_t len, struct bl_error *error)
{
    struct endless *endless = user;

    (void)error;
    for (size_t i = 0; i < len; i++)
        ((char *)buffer)[i] = endless->text[(endless->given + i) % endless->period];
    endless->given += len;
    return (ssize_t)len;
}

static int take_nothing(void *user, const struct bl_entry *entry, struct bl_error *error)
{
    (void)user;
    (void)entry;
    (void)error;
    return 0;
}

/* Whoever imports /dev/urandom, a video or the wrong file is told soon. */
static void test_what_has_no_end_is_given_up(void **state)
{
    static const struct {
        const char *text, *words;
        size_t period, most;
    } rows[] = {
        {"a b\n", "this is no list, or none in the format", 4, 1 << 20},
        {"a b\na b\n# x\n\n", "are malformed", 13, 1 << 21},
        {"a.test##.ad\n", "of its first 1000000 lines, 0 are malformed", 12, 13 << 20},
        {"\xff\xfe\xfd\x80z\n", "UTF-16", 6, 1 << 20},
        {"\xf0\x9f z\n", "50000 are malformed and 0 hold", 5, 1 << 20},
        {"aaaaaaaaaaaaaaaa", "a line of more than 64 MB", 16, 65 << 20},
        {"\0", "no text", 1, 1 << 20},
    };
    static struct bl_read_report report;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct endless endless = {rows[i].text, rows[i].period, 0};
        struct bl_input input = {.read = endless_read, .user = &endless};
        struct bl_sink sink = {.take = take_nothing};
        struct bl_read_options options = {0};
        struct bl_error error = {""};

        assert_int_equal(bl_read(&input, &options, &sink, &report, &error), -EILSEQ);
        if (!strstr(error.text, rows[i].words))
            fail_msg("row %zu: %s", i, error.text);
        assert_in_range(endless.given, 1, rows[i].most);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_counts_and_samples),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_recognised),
        cmocka_unit_test(test_errors_are_passed_on),
        cmocka_unit_test(test_what_has_no_end_is_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
