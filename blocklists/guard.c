#include "blocklists/guard.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool is_sealed(const struct bl_guard *guard, const char *category)
{
    for (size_t i = 0; i < guard->sealed_count; i++)
        if (strcmp(guard->sealed[i], category) == 0)
            return true;
    return false;
}

/* Below this, an ordinary category may lose what it likes: a test list, a school's own few names.
 */
enum { FREE_LOSSES = 20 };

int bl_guard_judge(const struct bl_guard *guard, const struct bl_diff_count *counts, size_t count,
                   struct bl_error *error)
{
    for (size_t i = 0; i < count; i++) {
        bool sealed = is_sealed(guard, counts[i].category);
        unsigned percent = sealed ? BL_SHRINK_SEALED_PERCENT : BL_SHRINK_PERCENT;

        if (counts[i].lost * 100 <= counts[i].before * percent)
            continue;
        if (sealed)
            return bl_error_set(
                error, -EPERM,
                "category %s is sealed and would lose %" PRIu64 " of its %" PRIu64
                " entries; at most %u %% may go at a time, and nobody can allow more",
                counts[i].category, counts[i].lost, counts[i].before, percent);
        if (guard->allow_shrink || counts[i].lost <= FREE_LOSSES)
            continue;
        return bl_error_set(
            error, -EPERM,
            "category %s would lose %" PRIu64 " of its %" PRIu64
            " entries, more than %u %%. If that is right, please say --allow-shrink",
            counts[i].category, counts[i].lost, counts[i].before, percent);
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

static uint64_t entries_of(const struct bl_store *store, const char *category)
{
    int index = bl_store_category_find(store, category);
    const struct bl_category *found = index < 0 ? NULL : bl_store_category(store, (unsigned)index);

    return found ? found->names + found->addresses : 0;
}

int bl_guard_hold(struct bl_guard *guard, const struct bl_store *store)
{
    guard->held = calloc(guard->sealed_count + 1, sizeof *guard->held);
    for (size_t i = 0; guard->held && i < guard->sealed_count; i++)
        guard->held[i] = entries_of(store, guard->sealed[i]);
    return guard->held ? 0 : -ENOMEM;
}

void bl_guard_fini(struct bl_guard *guard)
{
    free(guard->sealed);
    free(guard->held);
}

int bl_guard_check_held(const struct bl_guard *guard, const struct bl_store *newer,
                        unsigned percent, struct bl_error *error)
{
    for (size_t i = 0; i < guard->sealed_count; i++) {
        uint64_t after = entries_of(newer, guard->sealed[i]);
        uint64_t before = guard->held ? guard->held[i] : 0;

        if (after == 0)
            return bl_error_set(error, -EPERM,
                                "generation %" PRIu64 " has nothing in the sealed category %s",
                                bl_store_generation(newer), guard->sealed[i]);
        if (after < before && (before - after) * 100 > before * percent)
            return bl_error_set(error, -EPERM,
                                "generation %" PRIu64 " has %" PRIu64 " of the %" PRIu64
                                " entries of the sealed category %s",
                                bl_store_generation(newer), after, before, guard->sealed[i]);
    }
    return 0;
}
