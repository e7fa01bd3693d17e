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

/* What a hash of this kind mixes in, as anybody can read; and nothing. */
static const uint64_t constants[] = {0xe7037ed1a0b428dbu, 0xa0761d6478bd642fu, 0};

/* A product of zero would forget all that was multiplied before it, whatever the seed: octets that
 * are a constant of the hash must not bring one about, at any place. */
static void test_nothing_is_forgotten(void **state)
{
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

/* A product does not tell its factors apart: halves that change places, with a constant of the hash
 * or without, must give another one, or 2^n names of one place are made from n pairs of them. */
static void test_halves_keep_their_places(void **state)
{
    static const size_t lens[] = {8, 16, 24, 32, 48};
    (void)state;
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        for (size_t l = 0; l < sizeof lens / sizeof *lens; l++)
            for (size_t at = 0; at + 8 <= lens[l]; at += 16) {
                uint8_t octets[64] = "here are names and more names of some site, in its own words";
                uint8_t other[64];
                size_t second = at + 16 <= lens[l] ? at + 8 : lens[l] - 8;
                uint64_t a, b;
                memcpy(&a, octets + at, 8);
                memcpy(&b, octets + second, 8);
                a ^= constants[i], b ^= constants[i];
                memcpy(other, octets, sizeof other);
                memcpy(other + at, &b, 8);
                memcpy(other + second, &a, 8);
                if (memcmp(other, octets, lens[l]) == 0)
                    continue; /* one half is both */
                for (uint64_t seed = 1; seed <= 3; seed++)
                    assert_true(hash_octets(seed, octets, lens[l]) !=
                                hash_octets(seed, other, lens[l]));
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_octet_counts),
                                       cmocka_unit_test(test_nothing_is_forgotten),
                                       cmocka_unit_test(test_halves_keep_their_places)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
