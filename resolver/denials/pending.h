/* Denials that are in journals but not yet in segments, for readers. */
#ifndef RESOLVER_DENIALS_PENDING_H
#define RESOLVER_DENIALS_PENDING_H

#include <stdbool.h>

#include "resolver/denials/journal_file.h"
#include "resolver/denials/legend.h"

struct pending_item {
    struct journal_item item; /* borrowed from the mapped file */
    uint64_t sequence;
    const struct legend_names *legend; /* NULL: damaged */
};

struct pending_count {
    uint64_t sequence;
    unsigned slot;
    const struct legend_names *legend;
    uint16_t group, category;
    uint64_t count;
    int64_t last_ms;
};

struct pending {
    struct journal_file *files;
    struct pending_item *items; /* by time */
    size_t item_count, item_room;
    struct pending_count *counts;
    size_t count_count;
    void (*warn)(void *user, const char *sentence);
    void *warn_user;
};

/* Reads all journals of `state` as they are now: open them before the segments, so that what moves
 * meanwhile is met at least once; the segments' marks then tell what was met twice. */
int pending_open(const char *state, struct pending *pending, struct bl_error *error);
void pending_close(struct pending *pending);

#endif
