/* A day's segment, as the writer keeps it: journal records in, LMDB out.
 *
 * segment_add() interns what a record says and holds the record, folded with those that are the
 * same, until segment_commit() writes everything in one LMDB transaction, together with how far
 * each journal has come: after a kill between any two steps a record is there exactly once.
 *
 * Failure modes: when LMDB cannot write (disk full), segment_commit() returns an error and nothing
 * of the batch is there; the caller keeps its journals and tries again later.
 *
 * Threads: the writer's alone; readers use segment_read.h, also in other processes.
 */
#ifndef RESOLVER_DENIALS_SEGMENT_H
#define RESOLVER_DENIALS_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "blocklists/error.h"
#include "resolver/denials/day.h"
#include "resolver/denials/journal_format.h"
#include "resolver/denials/legend.h"

struct segment;

enum { SEGMENT_BATCH = 8192 }; /* records that are held at most before a commit */

int segment_open(const char *state, const struct day *day, struct segment **out_segment,
                 struct bl_error *error);
void segment_close(struct segment *segment); /* drops what is not committed */
const struct day *segment_day(const struct segment *segment);

/* Octets of journal file `sequence` whose records of this day are here already. */
int segment_drained(struct segment *segment, uint64_t sequence, uint64_t *out_offset,
                    struct bl_error *error);

/* The `legend` may be NULL (it was damaged): then groups and categories are "(unknown)". */
struct segment_keys {
    uint64_t name, match; /* of the name asked and the one that matched */
};

struct segment_item {
    const struct journal_item *item;
    struct segment_keys keys; /* from segment_expect() of the same segment */
    uint64_t sequence;        /* of the journal file */
    const struct legend_names *legend;
};

int segment_add(struct segment *segment, const struct segment_item *added, struct bl_error *error);

/* In a day of many names each would be waited for: some items before one is added,
 * segment_expect() starts fetching the places of its names, and segment_approach(), in between,
 * what these places point to. */
struct segment_keys segment_expect(const struct segment *segment, const struct journal_item *item);
void segment_approach(const struct segment *segment, const struct segment_keys *keys);
bool segment_is_full(const struct segment *segment);

/* Adds to what was counted but not itemised. */
int segment_count(struct segment *segment, uint64_t sequence, unsigned slot, int64_t wall_ms,
                  const struct legend_names *legend, uint16_t group, uint16_t category,
                  uint64_t count, struct bl_error *error);

/* By slot: how much of what file `sequence` counted is in this segment; added to `moved`. */
int segment_counted(struct segment *segment, uint64_t sequence, uint64_t *moved, size_t slots,
                    struct bl_error *error);

/* From the next commit on, this much of that journal file is here. */
int segment_mark(struct segment *segment, uint64_t sequence, uint64_t offset,
                 struct bl_error *error);

/* Makes everything since the last commit durable; on failure it is forgotten. */
int segment_commit(struct segment *segment, struct bl_error *error);
void segment_abort(struct segment *segment);

/* Frees reader slots of processes that are gone. */
void segment_check_readers(struct segment *segment);

#endif
