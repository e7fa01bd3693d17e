#include "resolver/export/line_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "resolver/denials/day.h"

struct line_file {
    const struct config_export *to;
    int fd;
    struct day day; /* of its last line */
};

static int fail(const struct line_file *file, int code, struct bl_error *error)
{
    if (code == -EEXIST)
        return bl_error_set(error, code,
                            "%s holds something else than denials already; please name another "
                            "file or move that one",
                            file->to->file);
    if (code == -EINVAL)
        return bl_error_set(error, code, "%s is no ordinary file", file->to->file);
    return bl_error_set(error, code, "%s: %s", file->to->file, strerror(-code));
}

static void today(struct day *out_day)
{
    day_of((int64_t)time(NULL) * 1000, out_day);
}

/* A line that a crash left without its end is cut off: it was not counted as written. */
static int tail_mend(struct line_file *file, off_t size)
{
    char room[4096];

    while (size > 0) {
        size_t want = size > (off_t)sizeof(room) ? sizeof(room) : (size_t)size;
        ssize_t got = pread(file->fd, room, want, size - (off_t)want);
        if (got <= 0)
            return got < 0 ? -errno : -EIO;
        const char *end = memrchr(room, '\n', (size_t)got);
        if (end != NULL) {
            size += end + 1 - room - (off_t)want;
            break;
        }
        size -= (off_t)want;
    }
    return ftruncate(file->fd, size) < 0 ? -errno : 0;
}

/* Whether it holds lines of ours: a path that was mistyped must not cost anybody a file. */
static bool is_ours(const struct line_file *file)
{
    static const char begin[] = "{\"event\":\"";
    char room[sizeof(begin) - 1];
    ssize_t got = pread(file->fd, room, sizeof(room), 0);

    return got >= 0 && memcmp(room, begin, (size_t)got) == 0;
}

static int descriptor_open(struct line_file *file)
{
    struct stat status;

    /* Read too, for the last line; symbolic links of others' making are not followed. */
    file->fd = open(file->to->file, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (file->fd < 0 || fstat(file->fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return -EINVAL;
    if (!is_ours(file))
        return -EEXIST;
    today(&file->day);
    if (status.st_size > 0)
        day_of((int64_t)status.st_mtim.tv_sec * 1000, &file->day);
    return tail_mend(file, status.st_size);
}

int line_file_open(const struct config_export *to, struct line_file **out_file,
                   struct bl_error *error)
{
    struct line_file *file = calloc(1, sizeof(*file));

    if (file == NULL)
        return bl_error_set(error, -ENOMEM, "out of memory");
    file->to = to;
    file->fd = -1;
    int code = descriptor_open(file);
    if (code < 0) {
        fail(file, code, error);
        line_file_close(file);
        return code;
    }
    *out_file = file;
    return 0;
}

void line_file_close(struct line_file *file)
{
    if (file == NULL)
        return;
    if (file->fd >= 0)
        close(file->fd);
    free(file);
}

/* FILE.1 to FILE.2 and so on; the oldest goes. */
static int rotate(struct line_file *file)
{
    char from[PATH_MAX + 16], to[PATH_MAX + 16];

    for (unsigned number = file->to->rotate_keep; number > 0; number--) {
        snprintf(to, sizeof(to), "%s.%u", file->to->file, number);
        if (number > 1)
            snprintf(from, sizeof(from), "%s.%u", file->to->file, number - 1);
        else
            snprintf(from, sizeof(from), "%s", file->to->file);
        if (rename(from, to) < 0 && errno != ENOENT)
            return -errno;
    }
    if (file->to->rotate_keep == 0 && unlink(file->to->file) < 0)
        return -errno;
    close(file->fd);
    file->fd = -1;
    return descriptor_open(file);
}

static bool rotate_is_due(const struct line_file *file, off_t size, size_t len)
{
    struct day day;

    if (size == 0)
        return false;
    if (file->to->rotate_size > 0 && (size_t)size + len > file->to->rotate_size)
        return true;
    today(&day);
    /* A clock that goes to and fro over midnight must not push out what is kept. */
    return file->to->rotate_daily && strcmp(day.text, file->day.text) > 0;
}

int line_file_append(struct line_file *file, const char *lines, size_t len, struct bl_error *error)
{
    struct stat status, named;

    /* Somebody else's logrotate may have moved it. */
    if (file->fd < 0 || stat(file->to->file, &named) < 0 || fstat(file->fd, &status) < 0 ||
        named.st_ino != status.st_ino || named.st_dev != status.st_dev) {
        if (file->fd >= 0)
            close(file->fd);
        file->fd = -1;
        int code = descriptor_open(file);
        if (code < 0 || fstat(file->fd, &status) < 0)
            return fail(file, code < 0 ? code : -errno, error);
    }
    if (rotate_is_due(file, status.st_size, len)) {
        int code = rotate(file);
        if (code < 0 || fstat(file->fd, &status) < 0)
            return fail(file, code < 0 ? code : -errno, error);
    }
    ssize_t put = write(file->fd, lines, len);
    int code = put < 0 ? -errno : (size_t)put < len ? -ENOSPC : 0;
    if (code == 0 && file->to->sync && fdatasync(file->fd) < 0)
        code = -errno;
    if (code < 0) {
        (void)!ftruncate(file->fd, status.st_size);
        return fail(file, code, error);
    }
    today(&file->day);
    return 0;
}
