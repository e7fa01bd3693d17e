/* A segment's dictionaries: byte strings (names, clients, rules, words) as small numbers, in LMDB.
 *
 * A number is found by a keyed hash in the table `index` and the string compared, behind a cache of
 * the strings met last. Numbers run from 0 and are never given twice within a segment.
 *
 * Threads: the writer's alone, within one write transaction at a time. A transaction that is
 * aborted takes its numbers with it: call dictionary_forget().
 */
#ifndef RESOLVER_DENIALS_DICTIONARY_H
#define RESOLVER_DENIALS_DICTIONARY_H

#include <lmdb.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/denials/segment_format.h"

enum { DICTIONARY_CACHED_MAX = 44 };

struct dictionary_cached {
    uint64_t hash; /* 0: empty */
    uint32_t id;
    uint32_t attribute;
    uint8_t len;
    uint8_t bytes[DICTIONARY_CACHED_MAX];
};

struct dictionary {
    MDB_dbi values, index;
    enum segment_dictionary which;
    uint64_t seed;
    uint32_t next;
    size_t cache_size; /* a power of two */
    struct dictionary_cached *cache;
};

int dictionary_init(struct dictionary *dictionary, enum segment_dictionary which,
                    size_t cache_size);
void dictionary_fini(struct dictionary *dictionary);
void dictionary_forget(struct dictionary *dictionary, uint32_t next);

/* 0 and the number of `bytes`, MDB_NOTFOUND, or LMDB's error. */
int dictionary_find(struct dictionary *dictionary, MDB_txn *txn, const void *bytes, size_t len,
                    uint32_t *out_id, uint32_t *out_attribute);

/* Adds `bytes`, which are not there yet. */
int dictionary_add(struct dictionary *dictionary, MDB_txn *txn, const void *bytes, size_t len,
                   uint32_t attribute, uint32_t *out_id);

/* The hash of bytes under a seed; also what a block's check uses. */
uint64_t dictionary_hash(uint64_t seed, const void *bytes, size_t len);

#endif
