/* How what an import has staged becomes a generation, and comes into force. */
#include "blocklists/lists_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocklists/guard.h"
#include "blocklists/seal.h"
#include "blocklists/store.h"

/* Where the file systems differ, or one cannot copy by itself. */
static ssize_t piece_copy(int from, off_t *at, int to)
{
    char buffer[1 << 16];
    ssize_t got = pread(from, buffer, sizeof buffer, *at), written;

    if (got <= 0)
        return got;
    written = write(to, buffer, (size_t)got);
    if (written < 0)
        return -1;
    *at += written;
    return written;
}

/* What was staged may still be open for writing elsewhere: only our own copy is looked at. */
static int staged_copy(int from, int to, struct bl_error *error)
{
    static const size_t most = 1 << 26;
    struct stat status;
    bool by_kernel = true;
    off_t at = 0;

    if (fstat(from, &status) < 0 || !S_ISREG(status.st_mode))
        return bl_error_set(error, -EBADMSG, "what came along is not a file");
    while (at < status.st_size) {
        ssize_t copied =
            by_kernel ? copy_file_range(from, &at, to, NULL, most, 0) : piece_copy(from, &at, to);

        if (copied < 0 && errno == EINTR)
            continue;
        if (copied < 0 && by_kernel && errno != ENOSPC && errno != EFBIG && errno != EDQUOT &&
            errno != EIO) {
            by_kernel = false;
            continue;
        }
        if (copied < 0)
            return bl_error_set(error, -errno, "the new generation cannot be copied: %s",
                                bl_disk_text(errno));
        if (copied == 0)
            return bl_error_set(error, -EBADMSG,
                                "the new generation was cut off while it was copied");
    }
    lists_step("copied");
    return 0;
}

/* Everything that must be true of a store before it may ever be in force. */
static int copy_check(int fd, const char *state, const struct lists_kept *kept, uint64_t number,
                      const struct bl_guard *guard, struct bl_error *error)
{
    struct bl_store *store = NULL;
    struct bl_seal seal;
    char path[64];
    int rc = bl_seal_read(fd, "the new generation", &seal, error);

    if (rc < 0)
        return rc;
    if (seal.base != kept->current)
        return bl_error_set(error, -ESTALE,
                            "the lists in force changed meanwhile (generation %" PRIu64
                            ", not %" PRIu64 "): please import again",
                            kept->current, seal.base);
    seal.generation = number;
    rc = bl_seal_write(fd, "the new generation", &seal, error);
    if (rc < 0)
        return rc;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    rc = bl_store_open(path, &store, error);
    if (rc == 0)
        rc = bl_store_verify(store, error);
    if (rc == 0)
        rc = bl_store_facts_verify(store, error);
    if (rc < 0)
        bl_error_wrap(error, rc, "the new generation was refused");
    if (rc == 0)
        rc = lists_guard_ask(guard, state, kept, store, error);
    bl_store_close(store);
    lists_step("checked");
    return rc;
}

/* The oldest go, but never the one that was in force before: it is what there is to go back to,
 * also where younger ones are left from before a rollback. `kept` is from before the adoption. */
static void old_remove(int folder, const struct lists_kept *kept, unsigned keep)
{
    unsigned removed = 0;

    for (unsigned i = 0; i < kept->count && removed + (keep > 0 ? keep - 1 : 0) < kept->count;
         i++) {
        char name[FILE_NAME_MAX];

        if (kept->numbers[i] == kept->current)
            continue;
        removed++;
        lists_name_of(kept->numbers[i], name);
        unlinkat(folder, name, 0);
        lists_step("removed");
    }
}

/* The copy becomes a generation: durable under its own name first, then in force. */
static int copy_adopt(int folder, const char *state, int fd, const char *staging, uint64_t number,
                      struct bl_error *error)
{
    char name[FILE_NAME_MAX];

    lists_name_of(number, name);
    if (fchmod(fd, 0644) < 0 || fsync(fd) < 0)
        return bl_error_set(error, -errno, "the new generation cannot be written: %s",
                            bl_disk_text(errno));
    lists_step("durable");
    if (renameat(folder, staging, folder, name) < 0)
        return bl_error_set(error, -errno, "cannot name the new generation %s/lists/%s: %s", state,
                            name, bl_disk_text(errno));
    lists_step("named");
    if (fsync(folder) < 0)
        return bl_error_set(error, -errno, "cannot sync %s/lists: %s", state, bl_disk_text(errno));
    lists_step("name synced");
    return lists_current_write(folder, state, number, error);
}

void lists_staging_name(char staging[FILE_NAME_MAX])
{
    snprintf(staging, FILE_NAME_MAX, "staging-adopt-%ld", (long)getpid());
}

static int staging_open(int folder, const char *state, char staging[FILE_NAME_MAX],
                        struct bl_error *error)
{
    int fd;

    lists_staging_name(staging);
    unlinkat(folder, staging, 0);
    fd = openat(folder, staging, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return bl_error_set(error, -errno, "cannot make a file in %s/lists: %s", state,
                            bl_disk_text(errno));
    return fd;
}

int lists_copy_make(int folder, const char *state, int staged_fd, const struct lists_kept *kept,
                    uint64_t number, const struct bl_guard *guard, char staging[FILE_NAME_MAX],
                    int *out_fd, struct bl_error *error)
{
    int fd = staging_open(folder, state, staging, error), rc;

    if (fd < 0)
        return fd;
    rc = staged_copy(staged_fd, fd, error);
    if (rc == 0)
        rc = copy_check(fd, state, kept, number, guard, error);
    if (rc == 0) {
        *out_fd = fd;
        return 0;
    }
    unlinkat(folder, staging, 0);
    close(fd);
    return rc;
}

int bl_lists_adopt_guarded(const char *state, int staged_fd, unsigned keep,
                           const struct bl_guard *guard, uint64_t *out_generation,
                           struct bl_error *error)
{
    struct lists_kept kept;
    uint64_t number = 1;
    char staging[FILE_NAME_MAX];
    int fd = -1, folder = lists_folder_open(state, true, error), rc;

    if (folder < 0)
        return folder;
    rc = lists_current_read(folder, state, &kept.current, error);
    if (rc == 0)
        rc = lists_kept_read(folder, state, true, &kept, error);
    if (rc < 0)
        goto out;
    /* Numbers are never given twice, not even that of a generation that was rolled back. */
    if (kept.count > 0)
        number = kept.numbers[kept.count - 1] + 1;
    number = number > kept.current ? number : kept.current + 1;
    if (guard && number <= guard->above)
        number = guard->above + 1;
    rc = lists_copy_make(folder, state, staged_fd, &kept, number, guard, staging, &fd, error);
    if (rc < 0)
        goto out;
    rc = copy_adopt(folder, state, fd, staging, number, error);
    if (rc < 0) {
        unlinkat(folder, staging, 0);
        goto out;
    }
    old_remove(folder, &kept, keep);
    *out_generation = number;
out:
    if (fd >= 0)
        close(fd);
    close(folder);
    return rc;
}

int bl_lists_adopt(const char *state, int staged_fd, unsigned keep, uint64_t *out_generation,
                   struct bl_error *error)
{
    return bl_lists_adopt_guarded(state, staged_fd, keep, NULL, out_generation, error);
}
