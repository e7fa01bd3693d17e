/* The hash behind the fast table: grown label by label from the top, so that one pass over a name
 * gives the hashes of all its suffixes. After wyhash (public domain): one 64 by 64 multiplication a
 * label of up to 16 octets. Keyed by the store's seed, so nobody can write names that collide in
 * it.
 */
#ifndef BLOCKLISTS_HASH_H
#define BLOCKLISTS_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "blocklists/layout.h"

static inline uint64_t bl_hash_mix(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The hash of the root. */
static inline uint64_t bl_hash_start(uint64_t seed)
{
    return bl_hash_mix(seed ^ 0xa0761d6478bd642fu, 0xe7037ed1a0b428dbu);
}

/* The hash of a name from that of its parent and its first label of `len` octets, 1 to 63. */
static inline uint64_t bl_hash_label(uint64_t parent, uint64_t seed, const uint8_t *label,
                                     size_t len)
{
    uint64_t a, b;

    seed ^= len * 0x9e3779b97f4a7c15u;
    while (len > 16) {
        parent = bl_hash_mix(bl_get64(label) ^ seed, bl_get64(label + 8) ^ parent);
        label += 16;
        len -= 16;
    }
    if (len >= 8) {
        a = bl_get64(label);
        b = bl_get64(label + len - 8);
    } else if (len >= 4) {
        a = bl_get32(label);
        b = bl_get32(label + len - 4);
    } else {
        a = (uint64_t)label[0] << 16 | (uint64_t)label[len >> 1] << 8 | label[len - 1];
        b = 0;
    }
    return bl_hash_mix(a ^ seed, b ^ parent);
}

/* Where a hash lives: its first bucket, and what a slot shows of it, in the upper 48 bits. */
static inline uint32_t bl_hash_bucket(uint64_t hash, uint32_t buckets)
{
    return (uint32_t)((hash >> 32) * buckets >> 32);
}

static inline uint64_t bl_hash_tag(uint64_t hash)
{
    return hash << 16;
}

#endif
