#include "blocklists/guard.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Its place in guard->sealed, or -1. */
static ptrdiff_t sealed_find(const struct bl_guard *guard, const char *category)
{
    for (size_t i = 0; i < guard->sealed_count; i++)
        if (strcmp(guard->sealed[i], category) == 0)
            return (ptrdiff_t)i;
    return -1;
}

#define WHOLE "for every type of question and all names below"

static int sealed_judge(const struct bl_guard *guard, size_t sealed,
                        const struct bl_diff_count *count, struct bl_error *error)
{
    const uint64_t percent = BL_SHRINK_SEALED_PERCENT;
    struct bl_held most = guard->most ? guard->most[sealed] : (struct bl_held){0};

    if (count->lost * 100 > count->before * percent)
        return bl_error_set(error, -EPERM,
                            "category %s is sealed and would lose %" PRIu64 " of its %" PRIu64
                            " entries; at most %" PRIu64
                            " %% may go at a time, and nobody can allow more",
                            count->category, count->lost, count->before, percent);
    if (count->lost == 0)
        return 0;
    if (count->after < count->before && count->after * 100 < most.entries * (100 - percent))
        return bl_error_set(error, -EPERM,
                            "category %s is sealed and would have %" PRIu64
                            " entries left of the %" PRIu64 " that it once had; at most %" PRIu64
                            " %% may go in all, and nobody can allow more",
                            count->category, count->after, most.entries, percent);
    /* An unknown number is larger than any, and so never too small. */
    if (count->whole_after < count->whole_before &&
        count->whole_after * 100 < most.whole * (100 - percent))
        return bl_error_set(error, -EPERM,
                            "category %s is sealed and would have %" PRIu64 " entries left " WHOLE
                            ", of the %" PRIu64 " that it once had; at most %" PRIu64
                            " %% may be narrowed in all, and nobody can allow more",
                            count->category, count->whole_after, most.whole, percent);
    return 0;
}

/* Below this, an ordinary category may lose what it likes: a test list, a school's own few names.
 */
enum { FREE_LOSSES = 20 };

int bl_guard_judge(const struct bl_guard *guard, const struct bl_diff_count *counts, size_t count,
                   struct bl_error *error)
{
    for (size_t i = 0; i < count; i++) {
        const struct bl_diff_count *one = &counts[i];
        ptrdiff_t sealed = sealed_find(guard, one->category);
        int rc = sealed < 0 ? 0 : sealed_judge(guard, (size_t)sealed, one, error);

        if (rc < 0)
            return rc;
        if (sealed >= 0 || one->lost * 100 <= one->before * BL_SHRINK_PERCENT ||
            guard->allow_shrink || one->lost <= FREE_LOSSES)
            continue;
        return bl_error_set(
            error, -EPERM,
            "category %s would lose %" PRIu64 " of its %" PRIu64
            " entries, more than %d %%. If that is right, please say --allow-shrink",
            one->category, one->lost, one->before, BL_SHRINK_PERCENT);
    }
    return 0;
}

int bl_guard_check(const struct bl_guard *guard, const struct bl_store *older,
                   const struct bl_store *newer, struct bl_error *error)
{
    struct bl_diff_count *counts;
    size_t count;
    int rc;

    if (!older || (guard->allow_shrink && guard->sealed_count == 0))
        return 0;
    rc = bl_diff_count(older, newer, NULL, NULL, &counts, &count, error);
    if (rc < 0)
        return rc;
    rc = bl_guard_judge(guard, counts, count, error);
    free(counts);
    return rc;
}

static struct bl_held held_of(const struct bl_store *store, const char *category)
{
    int index = bl_store_category_find(store, category);
    const struct bl_category *found = index < 0 ? NULL : bl_store_category(store, (unsigned)index);

    return found ? (struct bl_held){found->names + found->addresses, found->whole}
                 : (struct bl_held){0};
}

int bl_guard_hold(struct bl_guard *guard, const struct bl_store *store)
{
    guard->held = calloc(guard->sealed_count + 1, sizeof *guard->held);
    for (size_t i = 0; guard->held && i < guard->sealed_count; i++)
        guard->held[i] = held_of(store, guard->sealed[i]);
    return guard->held ? 0 : -ENOMEM;
}

void bl_guard_fini(struct bl_guard *guard)
{
    free(guard->sealed);
    free(guard->held);
    free(guard->most);
}

/* One of the two numbers of a sealed category: `after` in the newer lists. */
struct loss {
    uint64_t before, after, most;
    const char *which;
};

static int loss_judge(const struct loss *loss, const struct bl_store *newer, const char *category,
                      unsigned percent, struct bl_error *error)
{
    if (loss->after >= loss->before)
        return 0;
    if ((loss->before - loss->after) * 100 > loss->before * percent)
        return bl_error_set(error, -EPERM,
                            "generation %" PRIu64 " has %" PRIu64 " of the %" PRIu64
                            " entries of the sealed category %s%s",
                            bl_store_generation(newer), loss->after, loss->before, category,
                            loss->which);
    if (loss->after * 100 < loss->most * (100 - percent))
        return bl_error_set(error, -EPERM,
                            "generation %" PRIu64 " has %" PRIu64 " of the %" PRIu64
                            " entries that the sealed category %s once had%s",
                            bl_store_generation(newer), loss->after, loss->most, category,
                            loss->which);
    return 0;
}

int bl_guard_check_held(const struct bl_guard *guard, const struct bl_store *newer,
                        unsigned percent, struct bl_error *error)
{
    for (size_t i = 0; i < guard->sealed_count; i++) {
        struct bl_held after = held_of(newer, guard->sealed[i]);
        struct bl_held before = guard->held ? guard->held[i] : (struct bl_held){0};
        struct bl_held most = guard->most ? guard->most[i] : (struct bl_held){0};
        const struct loss losses[] = {{before.entries, after.entries, most.entries, ""},
                                      {before.whole == BL_WHOLE_UNKNOWN ? 0 : before.whole,
                                       after.whole, most.whole, ", of those " WHOLE}};

        if (after.entries == 0)
            return bl_error_set(error, -EPERM,
                                "generation %" PRIu64 " has nothing in the sealed category %s",
                                bl_store_generation(newer), guard->sealed[i]);
        for (unsigned k = 0; k < sizeof losses / sizeof *losses; k++) {
            int rc = loss_judge(&losses[k], newer, guard->sealed[i], percent, error);

            if (rc < 0)
                return rc;
        }
    }
    return 0;
}
