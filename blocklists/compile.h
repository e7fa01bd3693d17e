/* The compiler: entries of all sources in, one immutable store out.
 *
 *   bl_compile_open       on top of the generation in force, whose other sources are kept
 *   bl_compile_source     for each list read: then its entries to the sink, then
 * bl_compile_source_end bl_compile_finish     sorts, merges, writes: a file without a name, handed
 * over as a descriptor bl_compile_close      frees everything; what was not finished is gone
 *
 * A new generation is the base without the sources that are read anew (same location, same
 * category), and the new ones. Originals are not needed again: the base's own entries are merged in
 * from its tree.
 *
 * Memory is the same for a hundred names and for a hundred million: entries are sorted in blocks,
 * written to a temporary file and merged into a file that is mapped, not held (runs.h). Disk space
 * for the result is allocated before it is written through the map, so a full disk is -ENOSPC here
 * and not a signal.
 *
 * Failure modes: the disk (-ENOSPC, -EFBIG, -EIO); more different combinations of categories than a
 * store can number (-EOVERFLOW), or of types of question (-E2BIG); memory. Each leaves nothing
 * behind. One thread; needs /proc.
 */
#ifndef BLOCKLISTS_COMPILE_H
#define BLOCKLISTS_COMPILE_H

#include "blocklists/error.h"
#include "blocklists/read.h"
#include "blocklists/store.h"

struct bl_compile;

struct bl_compile_options {
    const char *folder;          /* for temporary files and the result */
    const struct bl_store *base; /* or NULL; borrowed until bl_compile_close() */
    size_t memory;               /* for sorting; 0: 40 MiB */
    uint64_t seed;               /* of the fast table; 0: drawn from the kernel */
    int64_t now;                 /* wall time, seconds */
    void (*progress)(void *user, uint64_t done, uint64_t total); /* while finishing; may be NULL */
    void *user;
};

int bl_compile_open(const struct bl_compile_options *options, struct bl_compile **out_compile,
                    struct bl_error *error);
void bl_compile_close(struct bl_compile *compile);

/* Begins a source: what follows at the sink is its. Strings are copied. -EEXIST when the same
 * location was already read for the same category in this import. */
struct bl_compile_source {
    const char *location, *category, *licence, *actor, *reason;
    enum bl_tier tier;
    enum bl_action action;
    bool subscribed; /* see struct bl_source */
};

int bl_compile_source(struct bl_compile *compile, const struct bl_compile_source *source,
                      struct bl_error *error);
struct bl_sink bl_compile_sink(struct bl_compile *compile);
void bl_compile_source_end(struct bl_compile *compile, const struct bl_read_report *report);

/* Takes back all sources that were begun since bl_compile_mark(), entries and all; those of the
 * base that they were to replace stay. For a source that turns out to be cut off half-way, where
 * the others go on. */
struct bl_compile_mark {
    unsigned sources, conditions; /* begun, and met, before */
};

struct bl_compile_mark bl_compile_mark(const struct bl_compile *compile);
void bl_compile_rewind(struct bl_compile *compile, struct bl_compile_mark mark);

/* Leaves out the base's sources of a category, or (category NULL) at a location. Returns how many.
 */
unsigned bl_compile_drop(struct bl_compile *compile, const char *category, const char *location);

/* Writes the store and hands over the descriptor of its file. */
struct bl_compile_result {
    uint64_t names, prefixes, entries;
    uint64_t base; /* the generation that it was compiled on top of, or 0 */
};

int bl_compile_finish(struct bl_compile *compile, int *out_fd, struct bl_compile_result *out_result,
                      struct bl_error *error);

#endif
