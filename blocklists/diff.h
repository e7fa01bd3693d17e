/* What two generations say differently: for previews, `lists diff`, and the guard against
 * shrinking.
 *
 * The unit is a name (or prefix) in a category, blocked or allowed. Both trees are read side by
 * side, so this takes as long as reading them once, and no memory to speak of. One thread.
 */
#ifndef BLOCKLISTS_DIFF_H
#define BLOCKLISTS_DIFF_H

#include <stdbool.h>

#include "blocklists/store.h"

struct bl_change {
    bool added;           /* else removed */
    const char *category; /* borrowed from the store that has it */
    enum bl_action action;
    /* Removed, but blocked (allowed) in the newer one all the same, by a parent in the same
     * category: a list that was tidied up has not shrunk. */
    bool still_covered;
    const struct bl_entry *entry; /* its name or prefix; borrowed for the call */
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
    uint64_t lost; /* removed, and not covered by a parent either */
};

/* 0 and *out_counts (free() it), or a negative errno. `each` may be NULL. */
int bl_diff_count(const struct bl_store *older, const struct bl_store *newer,
                  int (*each)(void *user, const struct bl_change *change), void *user,
                  struct bl_diff_count **out_counts, size_t *out_count, struct bl_error *error);

/* A guard against lists that lose names: an upstream that was emptied, or a hand that should not.
 */
struct bl_guard {
    const char **sealed; /* categories that may hardly shrink, whatever is asked for */
    size_t sealed_count;
    bool allow_shrink; /* the others may */
    /* How many entries each of `sealed` had in the lists in force, where those cannot be read any
     * more: then it is these that count. NULL: they can, or nobody knows. */
    uint64_t *held;
};

enum { BL_SHRINK_PERCENT = 20, BL_SHRINK_SEALED_PERCENT = 1 };

/* 0 when `newer` may follow `older`; -EPERM with a sentence that names the category and the
 * numbers. A category that is gone has lost all. A handful of names is always free to go from one
 * that is not sealed. */
int bl_guard_judge(const struct bl_guard *guard, const struct bl_diff_count *counts, size_t count,
                   struct bl_error *error);
int bl_guard_check(const struct bl_guard *guard, const struct bl_store *older,
                   const struct bl_store *newer, struct bl_error *error);

/* Sets guard->held from a store that was open before its file was damaged: 0 or -ENOMEM. */
int bl_guard_hold(struct bl_guard *guard, const struct bl_store *store);
void bl_guard_fini(struct bl_guard *guard); /* frees both arrays */

/* The sealed categories alone, by guard->held: each must be in `newer`, and may have lost `percent`
 * of what it held. 0 or -EPERM. */
int bl_guard_check_held(const struct bl_guard *guard, const struct bl_store *newer,
                        unsigned percent, struct bl_error *error);

#endif
