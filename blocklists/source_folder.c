/* Folders: CATEGORY/domains, as UT1 and squidGuard lay their lists out.
 *
 * Links are named and never followed: what they lead to inside the folder is read under its own
 * name, and what they lead to outside was not asked for.
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocklists/source.h"

enum { DEPTH_MAX = 8, ENTRIES_MAX = 100000 };

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* "ads -> publicite" at any depth: a bare name of something beside the link. */
static const char *link_reason(const char *path)
{
    char target[256];
    ssize_t len = readlink(path, target, sizeof target - 1);

    if (len < 0)
        return "a link, which is not followed";
    target[len] = '\0';
    if (len > 1 && target[len - 1] == '/')
        target[len - 1] = '\0';
    if (strchr(target, '/') || strcmp(target, "..") == 0)
        return "a link that leads elsewhere, which is not followed";
    return "another name for what stands beside it";
}

static int folder_file(struct source *source, const FTSENT *entry, const char *path,
                       const char *top)
{
    struct source_file file = {.location = path};
    struct bl_input input = {.read = source_file_read, .user = &file};
    int rc;

    file.fd = open(entry->fts_accpath, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
    if (file.fd < 0)
        return bl_error_set(source->error, -errno, "%s cannot be opened: %s", entry->fts_path,
                            strerror(errno));
    rc = source_visit(source, path, top, &input);
    close(file.fd);
    return rc;
}

static int folder_entry(struct source *source, FTS *walk, FTSENT *entry, const char *path,
                        const char *top)
{
    switch (entry->fts_info) {
    case FTS_F:
        return folder_file(source, entry, path, top);
    case FTS_SL:
    case FTS_SLNONE:
        source_skip(source, path, link_reason(entry->fts_accpath));
        return 0;
    case FTS_D:
        if (entry->fts_level > DEPTH_MAX) {
            source_skip(source, path, "too many folders deep");
            fts_set(walk, entry, FTS_SKIP);
        }
        return 0;
    case FTS_DEFAULT:
        source_skip(source, path, "no ordinary file");
        return 0;
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        return bl_error_set(source->error, -entry->fts_errno, "%s cannot be read: %s",
                            entry->fts_path, strerror(entry->fts_errno));
    default:
        return 0;
    }
}

/* Before the walk comes to it, for the lists whose names sort before. */
static void folder_licence(struct source *source, const char *folder)
{
    struct source_file file = {.location = folder};
    struct bl_input input = {.read = source_file_read, .user = &file};
    int folder_fd = open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY);

    file.fd = folder_fd < 0 ? -1
                            : openat(folder_fd, "global_usage",
                                     O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (file.fd >= 0) {
        source_note_licence(source, &input);
        close(file.fd);
    }
    if (folder_fd >= 0)
        close(folder_fd);
}

int source_walk_folder(struct source *source)
{
    char *folder = realpath(source->location, NULL);
    char *const roots[] = {folder, NULL};
    const char *top;
    unsigned entries = 0;
    size_t folder_len;
    FTSENT *entry;
    FTS *walk = NULL;
    int rc = 0;

    if (!folder || !(walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name))) {
        rc = bl_error_set(source->error, -errno, "%s cannot be read: %s", source->location,
                          strerror(errno));
        goto out;
    }
    source->separator = '/';
    folder_licence(source, folder);
    folder_len = strlen(folder);
    top = strrchr(folder, '/') + 1;
    errno = 0;
    while (rc == 0 && (entry = fts_read(walk))) {
        const char *path = entry->fts_path + folder_len;

        if (entry->fts_level == FTS_ROOTLEVEL)
            continue;
        if (++entries > ENTRIES_MAX)
            rc = bl_error_set(source->error, -EFBIG, "%s holds more than %d files",
                              source->location, ENTRIES_MAX);
        else
            rc = folder_entry(source, walk, entry, path + (*path == '/'), top);
        errno = 0;
    }
    if (rc == 0 && errno != 0)
        rc = bl_error_set(source->error, -errno, "%s cannot be read: %s", source->location,
                          strerror(errno));
    if (rc == 0 && source->parts == 0)
        rc = bl_error_set(source->error, -ENOENT,
                          "%s holds no list; lists are expected as CATEGORY/domains",
                          source->location);
out:
    if (walk)
        fts_close(walk);
    free(folder);
    return rc;
}
