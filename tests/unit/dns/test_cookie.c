/* Cookies against the test vectors of RFC 9018, appendix A. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "resolver/dns/cookie.h"

static size_t hex(const char *text, uint8_t *out)
{
    size_t len = 0;
    unsigned octet;

    for (; sscanf(text, "%2x", &octet) == 1; text += 2)
        out[len++] = (uint8_t)octet;
    return len;
}

struct row {
    const char *what, *secret, *client, *sent, *answered;
    uint32_t now_s;
    bool is_right;
};

static const struct row ROWS[] = {
    {"A.1: a client's first", "e5e973e5a6b2a43f48e7dc849e37bfcf", "198.51.100.100",
     "2464c4abcf10c957", "2464c4abcf10c957010000005cf79f111f8130c3eee29480", 1559731985, false},
    {"A.2: renewed after 40 minutes", "e5e973e5a6b2a43f48e7dc849e37bfcf", "198.51.100.100",
     "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
     "2464c4abcf10c957010000005cf7a871d4a564a1442aca77", 1559734385, true},
    {"A.3: reserved bits that are not zero, and two hours old", "e5e973e5a6b2a43f48e7dc849e37bfcf",
     "203.0.113.203", "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5",
     "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e", 1559734700, false},
    {"A.4: over IPv6, with another secret", "445536bcd2513298075a5d379663c962",
     "2001:db8:220:1:59de:d0f4:8769:82b8", "22681ab97d52c298010000005cf7c57926556bd0934c72f8",
     "22681ab97d52c298010000005cf7c609a6bb79d16625507a", 1559741961, false},
};

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        const struct row *row = &ROWS[i];
        uint8_t secret[SIPHASH_KEY], sent[COOKIE_MAX], expected[COOKIE_WHOLE], out[COOKIE_WHOLE];
        struct address client;
        size_t len = hex(row->sent, sent);
        assert_int_equal(hex(row->secret, secret), SIPHASH_KEY);
        assert_int_equal(hex(row->answered, expected), COOKIE_WHOLE);
        assert_int_equal(address_parse(row->client, 53, &client), 0);
        cookie_write(secret, sent, &client, row->now_s, out);
        if (memcmp(out, expected, sizeof out) != 0)
            fail_msg("%s", row->what);
        if (len == COOKIE_WHOLE)
            assert_int_equal(cookie_is_right(secret, sent, &client, row->now_s), row->is_right);
        assert_true(cookie_is_right(secret, expected, &client, row->now_s));
        expected[23] ^= 1;
        assert_false(cookie_is_right(secret, expected, &client, row->now_s));
    }
}

/* The old secret still tells A.4's cookie. */
static void test_secret_before(void **state)
{
    uint8_t secret[SIPHASH_KEY], sent[COOKIE_MAX];
    struct address client;

    (void)state;
    hex("dd3bdf9344b678b185a6f5cb60fca715", secret);
    hex(ROWS[3].sent, sent);
    assert_int_equal(address_parse(ROWS[3].client, 53, &client), 0);
    assert_true(cookie_is_right(secret, sent, &client, ROWS[3].now_s));
}

static void test_life(void **state)
{
    enum { DAY_MS = 86400000, NOW_S = 1800000000 };
    const uint8_t seed[SIPHASH_KEY] = {1}, half[COOKIE_CLIENT] = {9};
    uint8_t first[COOKIE_WHOLE], out[COOKIE_WHOLE];
    struct cookies cookies;
    struct address client, other;

    (void)state;
    assert_int_equal(address_parse("10.1.2.3", 4000, &client), 0);
    assert_int_equal(address_parse("10.1.2.4", 4000, &other), 0);
    cookies_init(&cookies, seed, 0);
    cookies_answer(&cookies, half, sizeof half, &client, NOW_S, first);
    cookies_answer(&cookies, first, sizeof first, &client, NOW_S + 1700, out);
    assert_memory_equal(out, first, sizeof first); /* fresh: as it is */
    cookies_answer(&cookies, first, sizeof first, &client, NOW_S + 1900, out);
    assert_memory_not_equal(out, first, sizeof first);
    assert_memory_equal(out, half, sizeof half);
    cookies_answer(&cookies, first, sizeof first, &other, NOW_S, out);
    assert_memory_not_equal(out, first, sizeof first); /* somebody else's */
    cookies_wake(&cookies, DAY_MS);
    cookies_answer(&cookies, first, sizeof first, &client, NOW_S + 10, out);
    assert_memory_equal(out, first, sizeof first); /* yesterday's secret */
    cookies_wake(&cookies, 2 * (int64_t)DAY_MS);
    cookies_answer(&cookies, first, sizeof first, &client, NOW_S + 20, out);
    assert_memory_not_equal(out, first, sizeof first);
    assert_false(cookie_is_right(cookies.secrets[0], out, &client, NOW_S + 3621));
    assert_false(cookie_is_right(cookies.secrets[0], out, &client, NOW_S - 300));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_secret_before),
        cmocka_unit_test(test_life),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
