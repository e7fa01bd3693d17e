#include "blocklists/table.h"

#include <errno.h>
#include <string.h>

#include "blocklists/hash.h"
#include "blocklists/layout.h"

uint32_t bl_table_buckets(uint64_t names)
{
    /* 8 slots × 0.55 = 4.4 names a bucket. */
    uint64_t buckets = names * 5 / 22 + 1;

    return buckets < BL_BUCKETS_MIN ? BL_BUCKETS_MIN : (uint32_t)buckets;
}

static int slot_fill(struct bl_table *table, uint64_t hash, bl_fact fact)
{
    uint32_t bucket = bl_hash_bucket(hash, table->bucket_count);
    uint64_t tag = bl_hash_tag(hash);

    for (;;) {
        uint8_t *slots = table->buckets + bucket * (size_t)BL_BUCKET_SIZE;

        for (unsigned i = 0; i < BL_BUCKET_SLOTS; i++) {
            uint64_t slot = bl_get64(slots + (size_t)8 * i);

            if (slot == 0) {
                bl_put64(slots + (size_t)8 * i, tag | fact);
                return 0;
            }
            if ((slot ^ tag) <= UINT16_MAX)
                return -EEXIST;
        }
        bucket = bucket + 1 == table->bucket_count ? 0 : bucket + 1;
    }
}

int bl_table_end(struct bl_table *table)
{
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < table->pending_count; i++)
        rc = slot_fill(table, table->pending[i].hash, table->pending[i].fact);
    table->pending_count = 0;
    return rc;
}

int bl_table_add(struct bl_table *table, const uint8_t *key, size_t key_len, bl_fact fact)
{
    uint64_t hash = bl_hash_start(table->seed);

    for (const uint8_t *end = key + key_len; key < end;) {
        const uint8_t *zero = memchr(key, 0, (size_t)(end - key));

        hash = bl_hash_label(hash, table->seed, key, (size_t)(zero - key));
        key = zero + 1;
    }
    __builtin_prefetch(table->buckets +
                       bl_hash_bucket(hash, table->bucket_count) * (size_t)BL_BUCKET_SIZE);
    table->pending[table->pending_count].hash = hash;
    table->pending[table->pending_count++].fact = fact;
    if (table->pending_count == sizeof table->pending / sizeof *table->pending)
        return bl_table_end(table);
    return 0;
}
