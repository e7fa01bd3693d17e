/* What two generations say differently: for previews, `lists diff`, and the guard against
 * shrinking (guard.h).
 *
 * The unit is a name (or prefix) in a category, blocked or allowed, for the same types of question:
 * a block that is now for some types only has gone, and another one has come. So has one that stood
 * for the name alone and now takes in those below it; to allow less is no change. Both trees are
 * read side by side, so this takes as long as reading them once, and no memory to speak of. One
 * thread.
 */
#ifndef BLOCKLISTS_DIFF_H
#define BLOCKLISTS_DIFF_H

#include <stdbool.h>

#include "blocklists/store.h"

struct bl_change {
    bool added;           /* else removed */
    const char *category; /* borrowed from the store that has it */
    enum bl_action action;
    /* Removed, but all that it stood for is blocked (allowed) in the newer one all the same, by a
     * parent in the same category or by itself for all types: a list that was tidied up has not
     * shrunk. */
    bool still_covered;
    const struct bl_entry *entry; /* its name or prefix, and types; borrowed for the call */
};

/* Calls `each` for all changes from `older` (NULL: nothing) to `newer`, in order; non-zero ends it
 * and is passed on. */
int bl_diff(const struct bl_store *older, const struct bl_store *newer,
            int (*each)(void *user, const struct bl_change *change), void *user,
            struct bl_error *error);

/* How much changed, by category. Categories of either generation, sorted by name. */
struct bl_diff_count {
    const char *category;    /* borrowed from the stores */
    uint64_t before, after;  /* names and prefixes that it blocks */
    uint64_t added, removed; /* the same; an entry to allow counts in the next two */
    uint64_t allows_added, allows_removed;
    uint64_t lost;                      /* removed, and not covered by a parent either */
    uint64_t whole_before, whole_after; /* bl_category.whole */
};

/* 0 and *out_counts (free() it), or a negative errno. `each` may be NULL. */
int bl_diff_count(const struct bl_store *older, const struct bl_store *newer,
                  int (*each)(void *user, const struct bl_change *change), void *user,
                  struct bl_diff_count **out_counts, size_t *out_count, struct bl_error *error);

#endif
