/* What may not go from the lists: hardly anything of a sealed category, and no large part of
 * another unless somebody says so. Any thread; a guard is its owner's.
 */
#ifndef BLOCKLISTS_GUARD_H
#define BLOCKLISTS_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/diff.h"

/* What a category held: names and prefixes; and those of them that it blocked whole (bl_category),
 * or it could be narrowed a little at a time: to the name alone, to one type of question. */
struct bl_held {
    uint64_t entries, whole; /* whole: BL_WHOLE_UNKNOWN where nobody knows */
};

/* A guard against lists that lose names: an upstream that was emptied, or a hand that should not.
 */
struct bl_guard {
    const char **sealed; /* categories that may hardly shrink, whatever is asked for */
    size_t sealed_count;
    bool allow_shrink; /* the others may */
    /* What each of `sealed` had in the lists in force, where those cannot be read any more: then it
     * is these that count. NULL: they can, or nobody knows. */
    struct bl_held *held;
    /* The most that each of `sealed` ever had, 0 where nobody knows. Without these (NULL) a
     * category could lose the small share again and again. */
    struct bl_held *most;
    uint64_t above; /* the generation in force, whose file may be gone: what is adopted bears a
                       greater number */
};

enum { BL_SHRINK_PERCENT = 20, BL_SHRINK_SEALED_PERCENT = 1 };

/* 0 when `newer` may follow `older`; -EPERM with a sentence that names the category and the
 * numbers. A category that is gone has lost all. A handful of names is always free to go from one
 * that is not sealed. One that is sealed may lose its share of what is in force, and may not come
 * to hold less than that share below `most`, of its entries or of those that it blocks whole; while
 * it does, it may still grow. */
int bl_guard_judge(const struct bl_guard *guard, const struct bl_diff_count *counts, size_t count,
                   struct bl_error *error);
int bl_guard_check(const struct bl_guard *guard, const struct bl_store *older,
                   const struct bl_store *newer, struct bl_error *error);

/* Sets guard->held from a store that was open before its file was damaged: 0 or -ENOMEM. */
int bl_guard_hold(struct bl_guard *guard, const struct bl_store *store);
void bl_guard_fini(struct bl_guard *guard); /* frees the arrays */

/* The sealed categories alone, by guard->held: each must be in `newer`, and may have lost `percent`
 * of what it held, and of what it held whole. 0 or -EPERM. */
int bl_guard_check_held(const struct bl_guard *guard, const struct bl_store *newer,
                        unsigned percent, struct bl_error *error);

#endif
