#include "blocklists/fallback.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "blocklists/lists.h"

enum { GENERATIONS_MAX = 1024 };

/* Opens a generation, if it is whole. */
static struct bl_store *whole_open(const char *state, uint64_t generation)
{
    struct bl_store *store = NULL;
    char path[BL_PATH_MAX];

    if ((size_t)snprintf(path, sizeof path, "%s/lists/%08" PRIu64 ".mdb", state, generation) >=
            sizeof path ||
        bl_lists_open(path, generation, &store, NULL) < 0)
        return NULL;
    if (bl_store_verify(store, NULL) == 0)
        return store;
    bl_store_close(store);
    return NULL;
}

/* How a whole generation would do: as it should, FALLBACK_LACKS for a little less, or negative. */
enum { FALLBACK_FITS, FALLBACK_LACKS };

static int generation_judge(const struct bl_guard *guard, const struct bl_store *store,
                            struct bl_error *out_lacks)
{
    if (bl_guard_check_held(guard, store, BL_SHRINK_SEALED_PERCENT, out_lacks) == 0)
        return FALLBACK_FITS;
    return bl_guard_check_held(guard, store, BL_SHRINK_PERCENT, NULL) == 0 ? FALLBACK_LACKS
                                                                           : -EPERM;
}

int bl_fallback_find(const char *state, uint64_t damaged, const struct bl_guard *guard,
                     struct bl_fallback *out_fallback, struct bl_error *error)
{
    uint64_t kept[GENERATIONS_MAX];
    struct bl_fallback second = {0};
    struct bl_error refused = {""};
    int count = bl_lists_kept(state, kept, GENERATIONS_MAX, error);

    if (count < 0)
        return count;
    while (count > 0) {
        uint64_t generation = kept[--count];
        struct bl_store *store = generation < damaged ? whole_open(state, generation) : NULL;
        struct bl_error lacks = {""};
        int judged = store ? generation_judge(guard, store, &lacks) : -ENOENT;

        bl_store_close(store);
        if (judged == FALLBACK_FITS) {
            *out_fallback = (struct bl_fallback){.generation = generation};
            return 0;
        }
        if (judged == FALLBACK_LACKS && !second.generation)
            second = (struct bl_fallback){generation, lacks};
        if (judged == -EPERM && !refused.text[0])
            refused = lacks; /* of the newest */
    }
    if (second.generation) {
        *out_fallback = second;
        return 0;
    }
    return refused.text[0]
               ? bl_error_set(error, -EPERM, "%s", refused.text)
               : bl_error_set(error, -ENOENT, "no earlier generation is kept that is whole");
}
