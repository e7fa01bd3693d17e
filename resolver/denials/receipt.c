#include "resolver/denials/receipt.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolver/base/folder.h"

enum { MAGIC = 0x31524743 }; /* "CGR1" */

/* The file. It is read by the program that wrote it, or by the next version of it. */
struct kept {
    uint32_t magic, size;
    struct retention_receipt sure, then;
    uint64_t inode;      /* of the file at `path` before the step */
    char path[PATH_MAX]; /* whether it went tells whether the step was done */
};

static void path_of(const char *folder, const char *name, char path[static PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%s", folder, name);
}

int receipt_begin(const char *folder, struct retention_receipt *out_receipt, struct bl_error *error)
{
    char path[PATH_MAX];
    struct kept kept;
    struct stat file;

    *out_receipt = (struct retention_receipt){0};
    path_of(folder, ".receipt", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : bl_error_set(error, -errno, "%s: %s", path, strerror(errno));
    ssize_t got = read(fd, &kept, sizeof(kept));
    close(fd);
    if (got != (ssize_t)sizeof(kept) || kept.magic != MAGIC || kept.size != sizeof(kept) ||
        memchr(kept.path, '\0', sizeof(kept.path)) == NULL)
        return bl_error_set(error, -EBADMSG,
                            "%s: no receipt of ours, and records go only with one; look at it and "
                            "remove it",
                            path);
    bool done = stat(kept.path, &file) < 0 ? errno == ENOENT : file.st_ino != kept.inode;
    *out_receipt = done ? kept.then : kept.sure;
    out_receipt->held = 0; /* of this run only */
    out_receipt->first[DAY_TEXT_MAX - 1] = out_receipt->last[DAY_TEXT_MAX - 1] = '\0';
    return 0;
}

void receipt_day(struct retention_receipt *receipt, const struct day *day)
{
    if (receipt->first[0] == '\0' || strcmp(day->text, receipt->first) < 0)
        strcpy(receipt->first, day->text);
    if (strcmp(day->text, receipt->last) > 0)
        strcpy(receipt->last, day->text);
}

int receipt_step(const char *folder, struct retention_receipt *sure,
                 const struct retention_receipt *then, const char *path, struct bl_error *error)
{
    struct kept kept = {.magic = MAGIC, .size = sizeof(kept), .sure = *sure, .then = *then};
    char fresh[PATH_MAX], to[PATH_MAX];
    struct stat file;
    int code = 0;

    path_of(folder, ".receipt.new", fresh);
    path_of(folder, ".receipt", to);
    snprintf(kept.path, sizeof(kept.path), "%s", path);
    if (stat(path, &file) < 0)
        return bl_error_set(error, -errno, "%s: %s", path, strerror(errno));
    kept.inode = file.st_ino;
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return bl_error_set(error, -errno, "%s: %s", fresh, strerror(errno));
    ssize_t put = write(fd, &kept, sizeof(kept));
    if (put != (ssize_t)sizeof(kept))
        code = put < 0 ? -errno : -ENOSPC;
    if (code == 0 && fdatasync(fd) < 0)
        code = -errno;
    close(fd);
    if (code == 0 && rename(fresh, to) < 0)
        code = -errno;
    if (code < 0) {
        unlink(fresh);
        return bl_error_set(error, code, "%s: %s, and nothing is destroyed without a receipt", to,
                            strerror(-code));
    }
    folder_sync(folder);
    *sure = *then;
    return 0;
}

void receipt_told(const char *folder)
{
    char path[PATH_MAX];

    path_of(folder, ".receipt", path);
    if (unlink(path) == 0)
        folder_sync(folder);
}
