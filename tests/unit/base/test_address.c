#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>

#include <cmocka.h>

#include "resolver/base/address.h"
#include "resolver/base/mac.h"

static void test_parse(void **state)
{
    static const struct {
        const char *text, *printed;
    } good[] = {
        {"192.0.2.1", "192.0.2.1:53"},
        {"192.0.2.1:5353", "192.0.2.1:5353"},
        {"192.0.2.1@5353", "192.0.2.1:5353"},
        {"2001:db8::1", "[2001:db8::1]:53"},
        {"2001:db8::1@853", "[2001:db8::1]:853"},
        {"[2001:db8::1]:853", "[2001:db8::1]:853"},
        {"[2001:db8::1]", "[2001:db8::1]:53"},
        {"::ffff:192.0.2.1", "192.0.2.1:53"},
        {"fe80::1%1", "[fe80::1%1]:53"},
        {"::", "[::]:53"},
        {"0.0.0.0", "0.0.0.0:53"},
    };
    static const char *bad[] = {
        "",
        "192.0.2",
        "192.0.2.256",
        "192.0.2.1:",
        "192.0.2.1:0",
        "192.0.2.1:65536",
        "192.0.2.1:53x",
        "[2001:db8::1",
        "[::1]x",
        "2001:db8::g",
        "fe80::1%",
        "1.2.3.4%1",
        "@53",
        "[]:53",
        "192.0.2.1@-1",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:1111:2222:3333:4444:5555"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct address address;
        char text[ADDRESS_TEXT_MAX];
        assert_int_equal(address_parse(good[i].text, 53, &address), 0);
        assert_string_equal(address_text_port(&address, text), good[i].printed);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct address address;
        assert_true(address_parse(bad[i], 53, &address) < 0);
    }
}

static void test_prefix(void **state)
{
    static const struct {
        const char *prefix, *printed, *inside, *outside;
    } rows[] = {
        {"10.0.0.0/8", "10.0.0.0/8", "10.255.1.2", "11.0.0.1"},
        {"10.1.2.3/8", "10.0.0.0/8", "10.0.0.0", "9.255.255.255"},
        {"192.0.2.7", "192.0.2.7/32", "192.0.2.7", "192.0.2.6"},
        {"0.0.0.0/0", "0.0.0.0/0", "255.255.255.255", "2001:db8::1"},
        {"2001:db8::/32", "2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"},
        {"2001:db8::8/125", "2001:db8::8/125", "2001:db8::f", "2001:db8::10"},
        {"::/0", "::/0", "2001:db8::1", NULL},
        {"10.1.0.0/17", "10.1.0.0/17", "10.1.127.255", "10.1.128.0"},
    };
    static const char *bad[] = {"10.0.0.0/33", "10.0.0.0/",     "10.0.0.0/-1",
                                "::/129",      "10/8",          "/8",
                                "10.0.0.0/8x", "10.0.0.0:53/8", "fe80::1%1/64"};
    struct address mapped, plain;
    struct address_prefix v4;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct address_prefix prefix;
        struct address inside, outside;
        char text[ADDRESS_TEXT_MAX];
        assert_int_equal(address_prefix_parse(rows[i].prefix, &prefix), 0);
        assert_string_equal(address_prefix_text(&prefix, text), rows[i].printed);
        assert_int_equal(address_parse(rows[i].inside, 0, &inside), 0);
        assert_true(address_in_prefix(&inside, &prefix));
        if (!rows[i].outside)
            continue;
        assert_int_equal(address_parse(rows[i].outside, 0, &outside), 0);
        assert_false(address_in_prefix(&outside, &prefix));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct address_prefix prefix;
        assert_true(address_prefix_parse(bad[i], &prefix) < 0);
    }
    /* A client through a wildcard IPv6 socket is the same client as over IPv4. */
    assert_int_equal(address_parse("::ffff:10.1.2.3", 0, &mapped), 0);
    assert_int_equal(address_parse("10.1.2.3", 0, &plain), 0);
    assert_true(address_equal(&mapped, &plain));
    assert_int_equal(address_prefix_parse("10.0.0.0/8", &v4), 0);
    assert_true(address_in_prefix(&mapped, &v4));
}

static void test_sockaddr(void **state)
{
    static const char *texts[] = {"192.0.2.1:53", "[2001:db8::1]:5353", "[fe80::1%3]:1"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (int as_v6 = 0; as_v6 < 2; as_v6++) {
            struct address address, back;
            struct sockaddr_storage storage;
            assert_int_equal(address_parse(texts[i], 0, &address), 0);
            assert_true(address_to_sockaddr(&address, as_v6, &storage) > 0);
            address_from_sockaddr((struct sockaddr *)&storage, &back);
            assert_true(address_equal(&address, &back));
        }
}

/* Written by hand, as the library writes them. */
static void test_text(void **state)
{
    char text[ADDRESS_TEXT_MAX], wanted[ADDRESS_TEXT_MAX], mac_is[MAC_TEXT_MAX];
    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        const uint8_t octets[6] = {(uint8_t)i, (uint8_t)(255 - i), (uint8_t)(i * 7), (uint8_t)i, 0,
                                   9};
        struct address address = {.bytes = {[10] = 0xff, [11] = 0xff}};
        memcpy(address.bytes + 12, octets, 4);
        assert_non_null(inet_ntop(AF_INET, octets, wanted, sizeof wanted));
        assert_string_equal(address_text(&address, text), wanted);
        snprintf(wanted, sizeof wanted, "%02x:%02x:%02x:%02x:00:09", octets[0], octets[1],
                 octets[2], octets[3]);
        assert_string_equal(mac_text(octets, mac_is), wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse), cmocka_unit_test(test_prefix),
                                       cmocka_unit_test(test_sockaddr),
                                       cmocka_unit_test(test_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
