/* Filling the fast table of a store, whose memory is the file's own pages. */
#ifndef BLOCKLISTS_TABLE_H
#define BLOCKLISTS_TABLE_H

#include <stdint.h>

#include "blocklists/store.h"

/* As many buckets as names need at a load of 0.55. */
uint32_t bl_table_buckets(uint64_t names);

struct bl_table {
    uint8_t *buckets; /* zeros at first, aligned to 64 */
    uint32_t bucket_count;
    uint64_t seed;
    unsigned pending_count;
    struct {
        uint64_t hash;
        bl_fact fact;
    } pending[32]; /* their buckets are on the way from memory */
};

/* Adds a name by its key. -EEXIST when two names cannot be told apart with this seed: start again
 * with another. bl_table_end() adds what is pending. */
int bl_table_add(struct bl_table *table, const uint8_t *key, size_t key_len, bl_fact fact);
int bl_table_end(struct bl_table *table);

#endif
