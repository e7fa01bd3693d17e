/* Places in tables that live in memory: a fast keyed hash, never written to a disk.
 *
 * After wyhash (public domain): one 64 by 64 multiplication for 16 octets. With a seed drawn from
 * the kernel nobody can choose names that fall into one place: both factors depend on the seed, so
 * that no octets make a product zero, which would let everything before them be forgotten; and each
 * in its own way, so that halves that change places give another product. It is no proof against
 * somebody who sees the hashes (for that there is siphash.h). Any thread; no state.
 */
#ifndef RESOLVER_BASE_HASH_H
#define RESOLVER_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_load_64(const uint8_t *octets)
{
    uint64_t value;

    memcpy(&value, octets, sizeof value);
    return value;
}

static inline uint64_t hash_load_32(const uint8_t *octets)
{
    uint32_t value;

    memcpy(&value, octets, sizeof value);
    return value;
}

/* Two words more. */
static inline uint64_t hash_pair(uint64_t hash, uint64_t a, uint64_t b)
{
    return hash_mix(a ^ hash, b ^ (hash << 29 | hash >> 35));
}

static inline uint64_t hash_octets(uint64_t seed, const uint8_t *octets, size_t len)
{
    uint64_t hash = seed ^ len * 0x9e3779b97f4a7c15u, a = 0, b = 0;

    for (; len > 16; octets += 16, len -= 16)
        hash = hash_pair(hash, hash_load_64(octets), hash_load_64(octets + 8));
    if (len >= 8) {
        a = hash_load_64(octets);
        b = hash_load_64(octets + len - 8);
    } else if (len >= 4) {
        a = hash_load_32(octets);
        b = hash_load_32(octets + len - 4);
    } else if (len) {
        a = (uint64_t)octets[0] << 16 | (uint64_t)octets[len >> 1] << 8 | octets[len - 1];
    }
    return hash_pair(hash, a, b);
}

#endif
