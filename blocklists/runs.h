/* Sorting any number of records in the same memory: filled block by block, each block sorted and
 * written to a temporary file as a run, and the runs merged in the end.
 *
 *   bl_runs_create → bl_runs_add × n → bl_runs_finish → bl_runs_next × n → bl_runs_destroy
 *
 * Records come back in order of key, those of one key in the order in which they were added.
 * Records that say the same thing twice (key, source, flags and condition) come back once; what was
 * merged is counted by source. When all fits into one block, nothing is written. The temporary file
 * has no name: a kill leaves nothing.
 *
 * One thread.
 */
#ifndef BLOCKLISTS_RUNS_H
#define BLOCKLISTS_RUNS_H

#include <stddef.h>
#include <stdint.h>

#include "blocklists/error.h"

struct bl_runs;

struct bl_record {
    const uint8_t *key; /* borrowed until the next bl_runs_next() */
    size_t key_len;
    uint32_t line;
    uint16_t source;
    uint8_t flags;
    uint8_t condition; /* types.h */
};

/* `folder` is where the temporary file goes, `memory` the octets of the block. 0 or -ENOMEM. */
int bl_runs_create(const char *folder, size_t memory, struct bl_runs **out_runs,
                   struct bl_error *error);
void bl_runs_destroy(struct bl_runs *runs);

/* 0, or the disk's fault (-ENOSPC, -EFBIG, …). The key is copied. */
int bl_runs_add(struct bl_runs *runs, const struct bl_record *record, struct bl_error *error);

/* Ends adding. *out_octets gets what all keys and records take together, for sizing what is made of
 * them. */
int bl_runs_finish(struct bl_runs *runs, uint64_t *out_records, uint64_t *out_key_octets,
                   struct bl_error *error);

/* 1 and *out_record, 0 at the end, or a negative errno. */
int bl_runs_next(struct bl_runs *runs, struct bl_record *out_record, struct bl_error *error);

/* How many records of a source were merged into another; whole once bl_runs_next() has given 0. */
uint64_t bl_runs_duplicates(const struct bl_runs *runs, uint16_t source);

#endif
