/* Sorting the records of one block: the inside of runs.c. */
#ifndef BLOCKLISTS_RUNS_SORT_H
#define BLOCKLISTS_RUNS_SORT_H

#include <stddef.h>
#include <stdint.h>

/* Octets of a record before its key; the first of them is the key's length. */
enum { BL_SORT_HEAD = 9 };

struct bl_sort_item {
    uint64_t
        head; /* eight octets of the key at the current depth, big-endian, zeros behind its end */
    uint32_t offset; /* of the record in the block */
    uint32_t unused;
};

/* Eight octets of the key from `depth` on, as a number that sorts like them. Eight octets behind
 * the key must be readable. */
uint64_t bl_sort_head(const uint8_t *key, size_t key_len, size_t depth);

/* By key, records of the same key by their place; the time does not depend on what the keys are. */
void bl_sort_items(const uint8_t *block, struct bl_sort_item *items, size_t count);

#endif
