/* A segment's dictionaries: byte strings (names, clients, rules, words) as small numbers, in LMDB.
 *
 * Strings are appended under the next number. The way back, from a string to its number, is kept in
 * memory only, in a table of fixed size that forgets: a string that was forgotten is simply
 * appended again, under a second number, which readers take for the same. So a flood of random
 * names costs neither memory nor writes all over the file.
 *
 * Threads: the writer's alone, within one write transaction at a time. After a transaction that was
 * aborted, call dictionary_load() in the next.
 */
#ifndef RESOLVER_DENIALS_DICTIONARY_H
#define RESOLVER_DENIALS_DICTIONARY_H

#include <lmdb.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/denials/segment_format.h"

enum { DICTIONARY_CACHED_MAX = 44, DICTIONARY_WAYS = 4 };

struct dictionary_cached {
    uint64_t hash; /* 0: empty */
    uint32_t id;
    uint32_t attribute;
    uint8_t len;
    uint8_t bytes[DICTIONARY_CACHED_MAX];
};

struct dictionary_slot {
    uint32_t tag;
    uint32_t id_plus_1; /* 0: empty */
};

struct dictionary {
    MDB_dbi values;
    uint64_t seed;
    uint32_t next;
    size_t slot_count, cache_size; /* powers of two */
    struct dictionary_slot *slots;
    struct dictionary_cached *cache; /* strings met last, so that most are found without LMDB */
};

/* `seed` is secret, or a pupil could choose names that push each other out. 0 or -ENOMEM. */
int dictionary_init(struct dictionary *dictionary, size_t slot_count, size_t cache_size,
                    uint64_t seed);
void dictionary_fini(struct dictionary *dictionary);

/* Learns the newest strings of the table again, up to number `next`. 0 or LMDB's error. */
int dictionary_load(struct dictionary *dictionary, MDB_txn *txn, MDB_dbi values, uint32_t next);

/* 0 and the number of `bytes`, MDB_NOTFOUND (never met, or forgotten), or LMDB's error. */
int dictionary_find(struct dictionary *dictionary, MDB_txn *txn, const void *bytes, size_t len,
                    uint32_t *out_id, uint32_t *out_attribute);
int dictionary_add(struct dictionary *dictionary, MDB_txn *txn, const void *bytes, size_t len,
                   uint32_t attribute, uint32_t *out_id);

/* The hash of bytes under a seed; also what a block's check uses. */
uint64_t dictionary_hash(uint64_t seed, const void *bytes, size_t len);

#endif
