#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "resolver/base/address.h"
#include "resolver/query/rebinding.h"

static void test_addresses(void **state)
{
    static const struct {
        const char *text;
        bool is_private;
    } ROWS[] = {
        {"0.0.0.0", true},
        {"0.255.1.1", true},
        {"1.0.0.0", false},
        {"9.255.255.255", false},
        {"10.0.0.1", true},
        {"11.0.0.0", false},
        {"127.0.0.1", true},
        {"169.254.169.254", true},
        {"169.253.0.1", false},
        {"172.15.0.1", false},
        {"172.16.0.1", true},
        {"172.31.255.255", true},
        {"172.32.0.0", false},
        {"192.167.1.1", false},
        {"192.168.1.1", true},
        {"192.0.2.1", false},
        {"198.51.100.1", false},
        {"203.0.113.1", false},
        {"100.64.0.1", false},
        {"255.255.255.255", true},
        {"::", true},
        {"::1", true},
        {"::2", true},
        {"::10.0.0.1", true},
        {"::8.8.8.8", false},
        {"fc00::1", true},
        {"fdff::1", true},
        {"fe00::1", false},
        {"fe80::1", true},
        {"febf::1", true},
        {"fec0::1", true},
        {"ff02::1", false},
        {"2001:db8::1", false},
        {"64:ff9b::a00:1", true},
        {"64:ff9b::808:808", false},
        {"64:ff9b:1::a00:1", true},
        {"64:ff9b:1:fffe::a00:1", true},
        {"64:ff9b:1:fffe::808:808", false},
        {"64:ff9b:2::a00:1", false},
        {"2002:a00:1::1", true},
        {"2002:808:808::1", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct address address;
        bool is_v4;
        assert_int_equal(address_parse(ROWS[i].text, 0, &address), 0);
        is_v4 = address_is_v4(&address);
        if (address_is_private(address.bytes + (is_v4 ? 12 : 0), is_v4 ? 4 : 16) !=
            ROWS[i].is_private)
            fail_msg("%s", ROWS[i].text);
        /* An AAAA record may say the same as a mapped address. */
        if (is_v4)
            assert_int_equal(address_is_private(address.bytes, 16), ROWS[i].is_private);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_addresses)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
