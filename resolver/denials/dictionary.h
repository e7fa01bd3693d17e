/* A segment's dictionaries: byte strings (names, clients, rules, words) as small numbers, in LMDB.
 *
 * Strings are appended under the next number. The way back, from a string to its number, is kept in
 * memory only, in a table of fixed size that forgets: a string that was forgotten is simply
 * appended again, under a second number, which readers take for the same. So a flood of random
 * names costs neither memory nor writes all over the file.
 *
 * There a string is found by a hash under a secret seed, which nobody ever sees, so that nobody can
 * fill a place of the table on purpose, and compared octet by octet with a copy in a ring of fixed
 * size: two strings are never taken for one, also where all their hashes are the same. What the
 * ring has overwritten is forgotten, too. LMDB is not asked.
 *
 * Threads: the writer's alone, within one write transaction at a time. Before it ends call
 * dictionary_finish(); after one that was aborted, dictionary_load() in the next.
 */
#ifndef RESOLVER_DENIALS_DICTIONARY_H
#define RESOLVER_DENIALS_DICTIONARY_H

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/denials/segment_format.h"

enum { DICTIONARY_WAYS = 4 };

struct dictionary_slot {
    uint32_t tag;       /* the high bits of the key */
    uint32_t at;        /* of the string's copy, counted from the first octet that went in */
    uint32_t id_plus_1; /* 0: empty */
    uint32_t attribute;
};

struct dictionary {
    MDB_dbi values;
    MDB_cursor *end; /* where this transaction appends; NULL: it has not yet */
    uint64_t seed;
    uint32_t next;
    size_t slot_count; /* a power of two */
    struct dictionary_slot *slots;
    uint8_t *copies;    /* ring: number, length and octets of each string */
    size_t copies_size; /* a power of two */
    uint32_t copies_end;
};

/* `seed`: random, told to nobody. 0 or -ENOMEM. */
int dictionary_init(struct dictionary *dictionary, size_t slot_count, uint64_t seed);
void dictionary_fini(struct dictionary *dictionary);

/* Learns the newest strings of the table again, up to number `next`. 0 or LMDB's error. */
int dictionary_load(struct dictionary *dictionary, MDB_txn *txn, MDB_dbi values, uint32_t next);

/* What the table in memory knows a string by. */
uint64_t dictionary_key(const struct dictionary *dictionary, const void *bytes, size_t len);

/* For strings that will be looked for: starts fetching their places in the table and, once those
 * have come, their copies. Neither waits. */
void dictionary_prefetch(const struct dictionary *dictionary, uint64_t key);
void dictionary_prefetch_copy(const struct dictionary *dictionary, uint64_t key);

/* Whether these bytes, of that key, were met and not forgotten: then their number and attribute. */
bool dictionary_find(const struct dictionary *dictionary, uint64_t key, const void *bytes,
                     size_t len, uint32_t *out_id, uint32_t *out_attribute);

/* Adds bytes that were not found under their `key`: 0 or LMDB's error. */
int dictionary_add(struct dictionary *dictionary, MDB_txn *txn, uint64_t key, const void *bytes,
                   size_t len, uint32_t attribute, uint32_t *out_id);

/* Before the transaction that dictionary_add() was called with is committed or aborted. */
void dictionary_finish(struct dictionary *dictionary);

/* The hash of bytes under a seed; also what a block's check uses. */
uint64_t dictionary_hash(uint64_t seed, const void *bytes, size_t len);

#endif
