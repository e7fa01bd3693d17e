#include "resolver/base/siphash.h"

#include <endian.h>
#include <string.h>

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t value, unsigned by)
{
    return value << by | value >> (64 - by);
}

static inline __attribute__((always_inline)) void mix(struct state *s, unsigned rounds)
{
    while (rounds--) {
        s->v0 += s->v1;
        s->v1 = rotate(s->v1, 13) ^ s->v0;
        s->v0 = rotate(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = rotate(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = rotate(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = rotate(s->v1, 17) ^ s->v2;
        s->v2 = rotate(s->v2, 32);
    }
}

/* Little-endian, whatever the machine. */
static uint64_t read_64(const uint8_t *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof(value));
    return le64toh(value);
}

uint64_t siphash(const uint8_t key[SIPHASH_KEY], const void *bytes, size_t len)
{
    uint64_t k0 = read_64(key), k1 = read_64(key + 8), word;
    struct state s = {k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
                      k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)};
    const uint8_t *at = bytes, *end = at + (len & ~(size_t)7);
    uint8_t last[8] = {[7] = (uint8_t)len};

    for (; at < end; at += 8) {
        word = read_64(at);
        s.v3 ^= word;
        mix(&s, 2);
        s.v0 ^= word;
    }
    if (len & 7)
        memcpy(last, at, len & 7);
    word = read_64(last);
    s.v3 ^= word;
    mix(&s, 2);
    s.v0 ^= word;
    s.v2 ^= 0xff;
    mix(&s, 4);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
