/* Places in tables: the same octets have the same, and nobody can choose others that share it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "resolver/base/hash.h"

enum { LONGEST = 255 };

static void test_every_octet_counts(void **state)
{
    uint8_t octets[LONGEST] = {0};
    (void)state;
    for (size_t len = 0; len <= LONGEST; len++) {
        uint64_t hash = hash_octets(1, octets, len);
        assert_true(hash == hash_octets(1, octets, len));
        assert_true(hash != hash_octets(2, octets, len));
        for (size_t at = 0; at < len; at++) {
            octets[at] = 1;
            assert_true(hash != hash_octets(1, octets, len));
            octets[at] = 0;
        }
    }
}

/* A product of zero would forget all that was multiplied before it, whatever the seed: octets that
 * are a constant of the hash must not bring one about, at any place. */
static void test_nothing_is_forgotten(void **state)
{
    static const uint64_t constants[] = {0xe7037ed1a0b428dbu, 0xa0761d6478bd642fu, 0};
    (void)state;
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        for (size_t len = 16; len <= 64; len += 4)
            for (size_t at = 8; at + 8 <= len; at += 4) {
                uint8_t octets[64] = "first", other[64] = "other";
                memcpy(octets + at, &constants[i], 8);
                memcpy(other + at, &constants[i], 8);
                assert_true(hash_octets(1, octets, len) != hash_octets(1, other, len));
                assert_true(hash_octets(1, octets, len) != hash_octets(2, octets, len));
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_octet_counts),
                                       cmocka_unit_test(test_nothing_is_forgotten)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
