/* The inside of an open store, for the files of blocklists/ that read one: store.c (opening,
 * look-ups), store_walk.c (entries) and compile.c (a base to build on). Nobody else includes this.
 */
#ifndef BLOCKLISTS_STORE_INSIDE_H
#define BLOCKLISTS_STORE_INSIDE_H

#include <lmdb.h>
#include <sys/stat.h>

#include "blocklists/hash.h"
#include "blocklists/key.h"
#include "blocklists/seal.h"
#include "blocklists/store.h"
#include "blocklists/types.h"

struct bl_store {
    /* What a look-up touches, together. */
    const uint8_t *buckets; /* aligned to 64 */
    uint32_t bucket_count;
    unsigned labels_min, labels_max;
    uint64_t seed;
    const uint32_t
        *fact_forms; /* by fact: the fact of names below it, and its flags from bit 16 up */
    unsigned fact_count;

    bool damaged; /* atomic; store_guard.c */

    const uint8_t *ranges4, *ranges6; /* where each range of addresses starts, ascending */
    unsigned range4_count, range6_count;

    MDB_env *env;
    MDB_txn
        *txn; /* keeps the values below in place; never used but for looking them up at the start */
    MDB_dbi entries;
    uint32_t *fact_forms_own;
    struct bl_fact_rule *rules;
    struct fact_rules {
        uint32_t first;
        uint16_t count;
        uint32_t variant_first; /* for facts by type: their rows of `variants` */
        uint32_t variant_count;
    } * facts;
    struct bl_variant {
        uint16_t type; /* 0, in the first row of a fact: types that have no row */
        bl_fact fact;
    } * variants;
    struct bl_conditions conditions;
    struct bl_category *categories;
    uint8_t *category_bytes; /* their names */
    unsigned category_count;
    struct bl_source *sources;
    unsigned source_count;
    uint64_t name_count, prefix_count, entry_count;
    struct bl_seal seal;
    char *path;
    uintptr_t map_begin;                /* 0: not known */
    struct stat as_opened, as_compared; /* of the mapped file; store_guard.c */
    unsigned references;                /* atomic */
    int *pages_checked; /* 0 not yet, 1 sound, −1 not: whoever walks the tree first finds out */
};

/* The fact behind a hash, or 0. Buckets fill from their first slot and spill to the next bucket, so
 * a free slot ends the search. */
static inline bl_fact bl_table_find(const struct bl_store *store, uint64_t hash)
{
    uint32_t bucket = bl_hash_bucket(hash, store->bucket_count);
    uint64_t tag = bl_hash_tag(hash);

    for (uint32_t tried = 0; tried < store->bucket_count; tried++) {
        const uint8_t *slots = store->buckets + bucket * (size_t)BL_BUCKET_SIZE;

        for (unsigned i = 0; i < BL_BUCKET_SLOTS; i++) {
            uint64_t slot = bl_get64(slots + (size_t)8 * i);

            if ((slot ^ tag) <= UINT16_MAX && slot != 0)
                return (bl_fact)slot;
            if (slot == 0)
                return BL_FACT_NONE;
        }
        bucket = bucket + 1 == store->bucket_count ? 0 : bucket + 1;
    }
    return BL_FACT_NONE;
}

/* The values "conditions", read before facts, and "variants", read after them. -ENOMEM, or -EBADMSG
 * and what is wrong with them. */
typedef int bl_types_reader(struct bl_store *store, const uint8_t *at, size_t len, unsigned count,
                            const char **out_fault);
bl_types_reader bl_store_conditions_read, bl_store_variants_read;

/* What a fact with BL_FACT_BY_TYPE is for one type. */
bl_fact bl_store_variant(const struct bl_store *store, bl_fact fact, unsigned type);

/* All keys and values of the entries tree, in order. */
struct bl_cursor {
    const struct bl_store *store;
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key, value; /* borrowed until the store is closed */
    bool started;
};

int bl_cursor_open(const struct bl_store *store, struct bl_cursor *cursor, struct bl_error *error);
int bl_cursor_next(struct bl_cursor *cursor,
                   struct bl_error *error); /* 1, 0 at the end, or negative */
int bl_cursor_seek(struct bl_cursor *cursor, const uint8_t *key,
                   size_t len); /* 1 when it is there */
int bl_cursor_reach(struct bl_cursor *cursor, const uint8_t *key, size_t len,
                    struct bl_error *error); /* the first at or behind it; as bl_cursor_next() */
void bl_cursor_close(struct bl_cursor *cursor);

/* Takes one entry off a value of the entries tree, whose first two octets are the fact. False at
 * the end or where the value is damaged: then *at is not `end`. */
struct bl_packed_entry {
    uint32_t source, line;
    uint8_t flags, condition;
};

bool bl_packed_next(const uint8_t **at, const uint8_t *end, struct bl_packed_entry *out_entry);

/* The entry that a key is about, nothing else of it set; and all entries of one value. -EBADMSG
 * where they cannot be read. */
int bl_key_entry(const uint8_t *key, size_t key_len, struct bl_entry *out_entry);
int bl_value_walk(const struct bl_store *store, const MDB_val *value, struct bl_entry *entry,
                  int (*each)(void *user, unsigned source, const struct bl_entry *entry),
                  void *user);

/* A store is guarded from when it is open until before it is closed; store_guard.c. */
void bl_store_guard_begin(struct bl_store *store);
void bl_store_guard_end(struct bl_store *store);

/* An LMDB error as ours: -EBADMSG for what a damaged file gives, else the system's. */
int bl_lmdb_error(struct bl_error *error, const char *path, const char *what, int rc);

/* Checks that whatever LMDB would follow stays inside the file and ends, so that no file, however
 * it was made, can lead a reader astray: of the main tree, which is a few pages, or of the whole
 * file. */
int bl_pages_check(const uint8_t *bytes, uint64_t len, unsigned page_size, bool whole,
                   const char *path, struct bl_error *error);
int bl_store_pages_check(const struct bl_store *store, int fd, bool whole, struct bl_error *error);

#endif
