/* What adoption and rollback share: the guard over what comes into force, and the step that puts it
 * there. */
#include "blocklists/lists_inside.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "blocklists/guard.h"
#include "blocklists/store.h"

static struct bl_store *generation_open(const char *state, uint64_t generation)
{
    struct bl_store *store = NULL;
    char path[BL_PATH_MAX];

    if (generation > 0 && (size_t)snprintf(path, sizeof path, "%s/lists/%08" PRIu64 ".mdb", state,
                                           generation) < sizeof path)
        (void)bl_store_open(path, &store, NULL);
    return store;
}

/* What the guard says of `store` in the place of what is in force. Where that cannot be read, what
 * its sealed categories held counts, if the guard knows it, or else the newest generation that is
 * kept: to remove a file is no way round a seal. */
int lists_guard_ask(const struct bl_guard *guard, const char *state, const struct lists_kept *kept,
                    const struct bl_store *store, struct bl_error *error)
{
    struct bl_guard sealed;
    struct bl_store *now = NULL;
    int rc;

    if (!guard)
        return 0;
    sealed = *guard;
    sealed.allow_shrink = true; /* of the others, a damaged list guards nothing */
    if (guard->held)
        return bl_guard_check_held(guard, store, BL_SHRINK_SEALED_PERCENT, error);
    now = generation_open(state, kept->current);
    if (now) {
        rc = bl_guard_check(guard, now, store, error);
    } else {
        for (unsigned i = kept->count; i > 0 && !now; i--)
            now = kept->numbers[i - 1] != kept->current
                      ? generation_open(state, kept->numbers[i - 1])
                      : NULL;
        rc = now ? bl_guard_check(&sealed, now, store, error) : 0;
    }
    bl_store_close(now);
    return rc;
}

int lists_current_write(int folder, const char *state, uint64_t number, struct bl_error *error)
{
    char name[FILE_NAME_MAX], link[FILE_NAME_MAX];

    lists_name_of(number, name);
    snprintf(link, sizeof link, "current-%ld", (long)getpid());
    unlinkat(folder, link, 0);
    if (symlinkat(name, folder, link) < 0)
        return bl_error_set(error, -errno, "cannot make a link in %s/lists: %s", state,
                            bl_disk_text(errno));
    lists_step("linked");
    if (renameat(folder, link, folder, "current") < 0) {
        int rc = -errno;

        unlinkat(folder, link, 0);
        return bl_error_set(error, rc, "cannot replace %s/lists/current: %s", state,
                            bl_disk_text(-rc));
    }
    lists_step("in force");
    if (fsync(folder) < 0)
        return bl_error_set(error, -errno, "cannot sync %s/lists: %s", state, bl_disk_text(errno));
    lists_step("synced");
    return 0;
}
