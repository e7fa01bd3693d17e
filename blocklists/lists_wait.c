/* Lists that are on the disk, whole and checked, and wait for somebody's word. */
#include "blocklists/lists_inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "blocklists/seal.h"

static void name_of(uint32_t request, char name[FILE_NAME_MAX])
{
    snprintf(name, FILE_NAME_MAX, "waiting-%08" PRIu32 ".mdb", request);
}

/* False for any other name. */
static bool request_of(const char *name, uint32_t *out_request)
{
    char again[FILE_NAME_MAX];

    if (sscanf(name, "waiting-%" SCNu32 ".mdb", out_request) != 1)
        return false;
    name_of(*out_request, again);
    return strcmp(name, again) == 0;
}

int bl_lists_wait(const char *state, int staged_fd, const struct bl_guard *guard, int *out_fd,
                  struct bl_error *error)
{
    struct lists_kept kept;
    char staging[FILE_NAME_MAX];
    int folder = lists_folder_open(state, true, error), rc;

    if (folder < 0)
        return folder;
    rc = lists_current_read(folder, state, &kept.current, error);
    if (rc == 0)
        rc = lists_kept_read(folder, state, true, &kept, error);
    if (rc == 0)
        rc = lists_copy_make(folder, state, staged_fd, &kept, 0, guard, staging, out_fd, error);
    close(folder);
    return rc;
}

void bl_lists_wait_drop(const char *state)
{
    char staging[FILE_NAME_MAX];
    int folder = lists_folder_open(state, false, NULL);

    if (folder < 0)
        return;
    lists_staging_name(staging);
    unlinkat(folder, staging, 0);
    close(folder);
}

int bl_lists_wait_as(const char *state, int fd, uint32_t request, struct bl_error *error)
{
    char staging[FILE_NAME_MAX], name[FILE_NAME_MAX];
    int folder = lists_folder_open(state, false, error), rc = 0;

    if (folder < 0)
        return folder;
    lists_staging_name(staging);
    name_of(request, name);
    if (fsync(fd) < 0 || renameat(folder, staging, folder, name) < 0 || fsync(folder) < 0)
        rc = bl_error_set(error, -errno, "the lists cannot be kept as %s/lists/%s: %s", state, name,
                          bl_disk_text(errno));
    lists_step("waits");
    close(folder);
    return rc;
}

int bl_lists_wait_open(const char *state, uint32_t request, int *out_fd, struct bl_error *error)
{
    char name[FILE_NAME_MAX];
    int folder = lists_folder_open(state, false, error), fd, rc = 0;

    if (folder < 0)
        return folder;
    name_of(request, name);
    fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        rc = bl_error_set(error, -errno,
                          errno == ENOENT ? "%s/lists/%s is not there any more: please import again"
                                          : "%s/lists/%s cannot be read",
                          state, name);
    else
        *out_fd = fd;
    close(folder);
    return rc;
}

static bool is_one_of(uint32_t request, const uint32_t *requests, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (requests[i] == request)
            return true;
    return false;
}

void bl_lists_wait_keep(const char *state, const uint32_t *requests, size_t count)
{
    int folder = lists_folder_open(state, false, NULL);
    DIR *listing = folder < 0 ? NULL : fdopendir(folder);
    const struct dirent *item;
    uint32_t request;

    if (!listing) {
        if (folder >= 0)
            close(folder);
        return;
    }
    while ((item = readdir(listing)))
        if (request_of(item->d_name, &request) && !is_one_of(request, requests, count))
            unlinkat(dirfd(listing), item->d_name, 0);
    closedir(listing);
}

int bl_lists_hash(int fd, char out_text[BL_LISTS_HASH_TEXT], struct bl_error *error)
{
    struct bl_seal seal;
    int rc = bl_seal_read(fd, "what waits", &seal, error);

    for (size_t i = 0; rc == 0 && i < sizeof seal.sha256; i++)
        snprintf(out_text + 2 * i, 3, "%02x", seal.sha256[i]);
    return rc;
}
