/* How an older generation comes into force again. */
#include "blocklists/lists_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "blocklists/seal.h"
#include "blocklists/store.h"

/* The generation that `current` was compiled on top of, where it is known and kept: that was in
 * force before. Numbers alone would tell of one that was rolled back since, or that a killed import
 * left. Else the number before. */
static uint64_t before_find(int folder, const struct lists_kept *kept)
{
    struct bl_seal seal = {0};
    uint64_t before = 0;
    char name[FILE_NAME_MAX];
    int fd;

    lists_name_of(kept->current, name);
    fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && bl_seal_read(fd, name, &seal, NULL) < 0)
        seal.base = 0;
    if (fd >= 0)
        close(fd);
    for (unsigned i = 0; i < kept->count && kept->numbers[i] < kept->current; i++) {
        before = kept->numbers[i];
        if (before == seal.base)
            break;
    }
    return before;
}

static int rollback_choose(int folder, const struct lists_kept *kept, uint64_t wanted,
                           uint64_t *out_number, struct bl_error *error)
{
    uint64_t number = wanted ? 0 : before_find(folder, kept);

    for (unsigned i = 0; i < kept->count; i++)
        if (kept->numbers[i] == wanted)
            number = wanted;
    if (number == 0 && wanted != 0)
        return bl_error_set(error, -ENOENT,
                            "generation %" PRIu64
                            " is not kept; `chalkgate lists show` names those that are",
                            wanted);
    if (number == 0)
        return bl_error_set(error, -ENOENT, "no generation before the one in force is kept");
    *out_number = number;
    return 0;
}

int bl_lists_before(const char *state, uint64_t *out_generation, struct bl_error *error)
{
    struct lists_kept kept;
    int folder = lists_folder_open(state, false, error), rc;

    if (folder < 0)
        return folder;
    rc = lists_current_read(folder, state, &kept.current, error);
    if (rc == 0)
        rc = lists_kept_read(folder, state, false, &kept, error);
    if (rc == 0)
        rc = rollback_choose(folder, &kept, 0, out_generation, error);
    close(folder);
    return rc;
}

/* What is damaged, or has less of what is sealed, is not put in force. Reading it all takes a tenth
 * of a second a million names. */
static int rollback_check(const char *state, const struct lists_kept *kept, uint64_t number,
                          const struct bl_guard *guard, struct bl_error *error)
{
    struct bl_error why = {""};
    struct bl_store *store = NULL;
    char path[BL_PATH_MAX];
    int rc;

    if ((size_t)snprintf(path, sizeof path, "%s/lists/%08" PRIu64 ".mdb", state, number) >=
        sizeof path)
        return bl_error_set(error, -ENAMETOOLONG, "the path of the state folder is too long");
    rc = bl_lists_open(path, number, &store, error);
    if (rc < 0)
        return rc;
    rc = bl_store_verify(store, &why);
    if (rc == 0)
        rc = lists_guard_ask(guard, state, kept, store, &why);
    bl_store_close(store);
    if (rc == -EPERM && kept->current != UINT64_MAX)
        return bl_error_set(
            error, rc, "%s. `chalkgate lists diff --names %" PRIu64 " %" PRIu64 "` shows which",
            why.text, kept->current, number);
    return rc < 0 ? bl_error_set(error, rc, "%s", why.text) : 0;
}

int bl_lists_rollback_guarded(const char *state, uint64_t generation, const struct bl_guard *guard,
                              uint64_t *out_generation, struct bl_error *error)
{
    struct lists_kept kept;
    uint64_t number = 0;
    int folder = lists_folder_open(state, false, error), rc;

    if (folder < 0)
        return folder;
    /* A link that leads nowhere is no reason not to lead it somewhere. */
    if (lists_current_read(folder, state, &kept.current, error) < 0)
        kept.current = UINT64_MAX;
    rc = lists_kept_read(folder, state, false, &kept, error);
    if (rc == 0)
        rc = rollback_choose(folder, &kept, generation, &number, error);
    if (rc == 0 && number != kept.current)
        rc = rollback_check(state, &kept, number, guard, error);
    if (rc == 0 && number != kept.current)
        rc = lists_current_write(folder, state, number, error);
    close(folder);
    if (rc == 0)
        *out_generation = number;
    return rc;
}

int bl_lists_rollback(const char *state, uint64_t generation, uint64_t *out_generation,
                      struct bl_error *error)
{
    return bl_lists_rollback_guarded(state, generation, NULL, out_generation, error);
}
