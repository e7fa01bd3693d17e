#include "resolver/denials/journal_file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "resolver/base/clock.h"
#include "resolver/denials/legend.h"

#define JOURNAL_SUFFIX ".journal"

static int64_t wall_ms_now(void)
{
    return clock_read().wall_ms;
}

uint64_t journal_path_sequence(const char *path)
{
    const char *name = strrchr(path, '/');
    char *end;

    name = name == NULL ? path : name + 1;
    if (!isdigit((unsigned char)name[0]))
        return 0;
    uint64_t sequence = strtoull(name, &end, 10);
    if (*end != '-' || !isdigit((unsigned char)end[1]))
        return 0;
    strtoul(end + 1, &end, 10);
    return strcmp(end, JOURNAL_SUFFIX) == 0 ? sequence : 0;
}

static int path_compare(const void *a, const void *b)
{
    uint64_t x = journal_path_sequence(*(char *const *)a),
             y = journal_path_sequence(*(char *const *)b);

    return x < y ? -1 : x > y;
}

void journal_paths_free(char **paths)
{
    if (paths == NULL)
        return;
    for (char **path = paths; *path != NULL; path++)
        free(*path);
    free(paths);
}

int journal_paths(const char *state, char ***out_paths, size_t *out_count, struct bl_error *error)
{
    char folder[PATH_MAX], **paths = NULL;
    size_t count = 0, room = 0;
    struct dirent *entry;
    int code = 0;

    snprintf(folder, sizeof(folder), "%s/journal", state);
    DIR *dir = opendir(folder);
    if (dir == NULL && errno != ENOENT)
        return bl_error_set(error, -errno, "%s: %s", folder, strerror(errno));
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (journal_path_sequence(entry->d_name) == 0)
            continue;
        if (count + 2 > room) {
            room = room * 2 + 16;
            char **more = realloc(paths, room * sizeof(*more));
            if (more == NULL)
                goto no_memory;
            paths = more;
        }
        if (asprintf(&paths[count], "%s/%s", folder, entry->d_name) < 0)
            goto no_memory;
        paths[++count] = NULL;
    }
    if (paths == NULL && (paths = calloc(1, sizeof(*paths))) == NULL)
        goto no_memory;
    qsort(paths, count, sizeof(*paths), path_compare);
    *out_paths = paths;
    *out_count = count;
    goto out;

no_memory:
    if (paths != NULL)
        paths[count] = NULL;
    journal_paths_free(paths);
    code = bl_error_set(error, -ENOMEM, "out of memory while reading %s", folder);
out:
    if (dir != NULL)
        closedir(dir);
    return code;
}

/* The counter was lost: go on above every number that a file still bears. */
static uint64_t sequence_guess(const char *state)
{
    char **paths;
    size_t count;
    uint64_t last = 0;

    if (journal_paths(state, &paths, &count, NULL) == 0) {
        if (count > 0)
            last = journal_path_sequence(paths[count - 1]);
        journal_paths_free(paths);
    }
    /* Segments may hold numbers that no journal bears any more; a file lasts a second at the very
     * least. */
    uint64_t by_clock = (uint64_t)(wall_ms_now() / 1000) & 0x3ffffff;
    return last > by_clock ? last : by_clock;
}

/* Of a state folder that is not new though it knows no number: one that was restored, say. */
static bool segments_exist(const char *state)
{
    char path[PATH_MAX];
    struct dirent *entry;
    bool found = false;

    snprintf(path, sizeof(path), "%s/denials", state);
    DIR *dir = opendir(path);
    while (dir != NULL && !found && (entry = readdir(dir)) != NULL)
        found = strstr(entry->d_name, ".mdb") != NULL;
    if (dir != NULL)
        closedir(dir);
    return found;
}

/* The next number, synced to the disk before it is used: a case number is never given twice. */
static int sequence_next(const char *state, uint64_t *out_sequence, struct bl_error *error)
{
    char path[PATH_MAX], text[32] = "";
    uint64_t last;
    int code = 0;

    snprintf(path, sizeof(path), "%s/journal/sequence", state);
    bool fresh = access(path, F_OK) < 0 && !segments_exist(state);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0 || flock(fd, LOCK_EX) < 0)
        goto failed;
    ssize_t got = pread(fd, text, sizeof(text) - 1, 0);
    if (got < 0)
        goto failed;
    char *end = text;
    last = strtoull(text, &end, 10);
    if (end == text || *end != '\n')
        last = fresh ? 0 : sequence_guess(state);
    int len = snprintf(text, sizeof(text), "%020" PRIu64 "\n", last + 1);
    ssize_t put = pwrite(fd, text, (size_t)len, 0);
    if (put != len) {
        errno = put < 0 ? errno : ENOSPC;
        goto failed;
    }
    if (fdatasync(fd) < 0)
        goto failed;
    *out_sequence = last + 1;
    goto out;

failed:
    code = bl_error_set(error, -errno, "%s: %s", path, strerror(errno));
out:
    if (fd >= 0)
        close(fd);
    return code;
}

static int folder_make(const char *state, struct bl_error *error)
{
    char folder[PATH_MAX];

    snprintf(folder, sizeof(folder), "%s/journal", state);
    if (mkdir(folder, 0750) < 0 && errno != EEXIST)
        return bl_error_set(error, -errno, "%s: %s", folder, strerror(errno));
    return 0;
}

static void header_fill(struct journal_file *file)
{
    struct journal_header *header = journal_file_header(file);

    header->format = JOURNAL_FORMAT;
    header->byte_order = JOURNAL_BYTE_ORDER;
    header->sequence = file->sequence;
    header->created_ms = wall_ms_now();
    header->size = file->size;
    header->worker = file->worker;
    header->count_slots = JOURNAL_COUNT_SLOTS;
    header->end = JOURNAL_DATA_START;
    header->drained = JOURNAL_DATA_START;
    /* The magic comes last: a file that a kill left half-made has none and is removed. The compiler
     * alone could mix the stores up: the kernel keeps a killed process's pages as they are. */
    __atomic_signal_fence(__ATOMIC_RELEASE);
    memcpy(header->magic, JOURNAL_MAGIC, sizeof(header->magic));
    journal_scan_start(file->base, file->size, &file->scan);
    file->synced = JOURNAL_DATA_START;
}

/* Room for the whole file on the disk, and its pages in memory: written, since a page that its
 * first store brings in is first read from the hole that it is, one by one. 0 or a negative errno.
 */
static int file_fill(int fd, size_t size)
{
    static uint8_t zeros[256 * 1024]; /* never written to */
    int failure = posix_fallocate(fd, 0, (off_t)size);

    for (size_t at = 0; failure == 0 && at < size;) {
        ssize_t put =
            pwrite(fd, zeros, size - at < sizeof zeros ? size - at : sizeof zeros, (off_t)at);
        if (put > 0)
            at += (size_t)put;
        else if (put == 0 || errno != EINTR)
            failure = put == 0 ? ENOSPC : errno;
    }
    return -failure;
}

/* Every page is written to once, here, so that the worker's stores meet no first faults. */
static void pages_touch(uint8_t *base, size_t size)
{
    volatile uint8_t *at = base;

    for (size_t i = 0; i < size; i += 4096)
        at[i] = 0;
}

static struct journal_file *file_new(const char *state, unsigned worker, uint64_t sequence)
{
    struct journal_file *file = calloc(1, sizeof(*file));

    if (file == NULL)
        return NULL;
    file->sequence = sequence;
    file->worker = worker;
    file->fd = -1;
    snprintf(file->path, sizeof(file->path), "%s/journal/%010" PRIu64 "-%u" JOURNAL_SUFFIX, state,
             sequence, worker);
    return file;
}

int journal_file_create(const char *state, unsigned worker, struct journal_file **out_file,
                        struct bl_error *error)
{
    uint64_t sequence;
    int code = folder_make(state, error);

    if (code < 0 || (code = sequence_next(state, &sequence, error)) < 0)
        return code;
    struct journal_file *file = file_new(state, worker, sequence);
    if (file == NULL)
        return bl_error_set(error, -ENOMEM, "out of memory for a journal file");
    file->size = JOURNAL_FILE_SIZE;
    file->fd = open(file->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (file->fd < 0) {
        code = bl_error_set(error, -errno, "%s: %s", file->path, strerror(errno));
        free(file);
        return code;
    }
    void *base = MAP_FAILED;
    code = file_fill(file->fd, file->size);
    if (code == 0)
        base = mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
    if (base == MAP_FAILED) {
        code = code < 0 ? code : -errno;
        bl_error_set(error, code, "%s: %s", file->path, strerror(-code));
        journal_file_remove(file);
        return code;
    }
    file->base = base;
    pages_touch(file->base, file->size);
    header_fill(file);
    *out_file = file;
    return 0;
}

/* A file that is half renewed when the process is killed has no magic, so it is taken for one that
 * was never used. Its old records check under the old number only. */
int journal_file_renew(const char *state, unsigned worker, struct journal_file **file,
                       struct bl_error *error)
{
    struct journal_file *old = *file, *renewed;
    uint64_t sequence;

    if (flock(old->fd, LOCK_EX | LOCK_NB) < 0)
        return bl_error_set(error, -EBUSY, "%s: is being read", old->path);
    int code = sequence_next(state, &sequence, error);
    renewed = code < 0 ? NULL : file_new(state, worker, sequence);
    if (code == 0 && renewed == NULL)
        code = bl_error_set(error, -ENOMEM, "out of memory for a journal file");
    if (code < 0)
        goto out;
    memset(old->base, 0, JOURNAL_DATA_START);
    if (rename(old->path, renewed->path) < 0) {
        code = bl_error_set(error, -errno, "%s: %s", old->path, strerror(errno));
        free(renewed);
        journal_file_remove(old);
        *file = NULL;
        return code;
    }
    renewed->size = old->size;
    renewed->base = old->base;
    renewed->fd = old->fd;
    old->base = NULL;
    old->fd = -1;
    journal_file_close(old);
    header_fill(renewed);
    *file = old = renewed;
out:
    flock(old->fd, LOCK_UN);
    return code;
}

int journal_file_create_counting(const char *state, unsigned worker, struct journal_file **out_file,
                                 struct bl_error *error)
{
    uint64_t sequence;
    int code = sequence_next(state, &sequence, error);

    if (code < 0)
        return code;
    struct journal_file *file = file_new(state, worker, sequence);
    if (file == NULL)
        return bl_error_set(error, -ENOMEM, "out of memory for a journal file");
    file->size = JOURNAL_DATA_START + JOURNAL_LEGEND_RESERVE;
    void *base = mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        free(file);
        return bl_error_set(error, -ENOMEM, "out of memory for a journal file");
    }
    file->base = base;
    header_fill(file);
    *out_file = file;
    return 0;
}

int journal_file_open(const char *path, struct journal_file **out_file, struct bl_error *error)
{
    struct journal_file *file = calloc(1, sizeof(*file));
    struct stat status;
    int code;

    if (file == NULL)
        return bl_error_set(error, -ENOMEM, "out of memory for a journal file");
    snprintf(file->path, sizeof(file->path), "%s", path);
    file->read_only = true;
    file->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0 || flock(file->fd, LOCK_SH) < 0 || fstat(file->fd, &status) < 0) {
        code = bl_error_set(error, -errno, "%s: %s", path, strerror(errno));
        goto failed;
    }
    file->size = (size_t)status.st_size;
    if (file->size < JOURNAL_DATA_START || file->size > (size_t)JOURNAL_FILE_SIZE * 16) {
        code = bl_error_set(error, -EBADMSG, "%s: cut before its first record", path);
        goto failed;
    }
    void *base = mmap(NULL, file->size, PROT_READ, MAP_SHARED, file->fd, 0);
    if (base == MAP_FAILED) {
        code = bl_error_set(error, -errno, "%s: %s", path, strerror(errno));
        goto failed;
    }
    file->base = base;
    code = journal_scan_start(file->base, file->size, &file->scan);
    if (code < 0 && journal_file_header(file)->magic[0] == '\0') {
        code = bl_error_set(error, -ENODATA, "%s: made but never used", path);
        goto failed;
    }
    if (code < 0) {
        bl_error_set(error, code, "%s: not a journal of this version", path);
        goto failed;
    }
    file->sequence = file->scan.sequence;
    if (access(path, F_OK) < 0) { /* drained and used again between finding it and locking it */
        code = bl_error_set(error, -ENOENT, "%s: moved", path);
        goto failed;
    }
    file->worker = journal_file_header(file)->worker;
    *out_file = file;
    return 0;

failed:
    journal_file_close(file);
    return code;
}

void journal_file_close(struct journal_file *file)
{
    if (file == NULL)
        return;
    if (file->base != NULL)
        munmap(file->base, file->size);
    if (file->fd >= 0)
        close(file->fd);
    for (size_t i = 0; i < file->legend_count; i++)
        legend_names_free(file->legends[i]);
    free(file->legends);
    free(file->moved);
    free(file);
}

void journal_file_remove(struct journal_file *file)
{
    if (file != NULL && file->path[0] != '\0')
        unlink(file->path);
    journal_file_close(file);
}
