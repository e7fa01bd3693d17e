/* Lease files: read when they have changed, and once a minute for the leases that have run out. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "resolver/control/watch_internal.h"
#include "resolver/devices/lease.h"

_Static_assert((int)LEASE_FILES_MAX >= (int)CONFIG_LEASES_MAX, "each file has a place");

enum { LOOK_MS = 2000, READ_MS = 60 * 1000, LEAP_MS = 10 * 1000 };

static bool is_as_seen(const struct stat *now, const struct stat *seen)
{
    return now->st_dev == seen->st_dev && now->st_ino == seen->st_ino &&
           now->st_size == seen->st_size && now->st_mtim.tv_sec == seen->st_mtim.tv_sec &&
           now->st_mtim.tv_nsec == seen->st_mtim.tv_nsec;
}

static void file_read(struct watch *watch, size_t index, const struct stat *now, int64_t wall_ms)
{
    struct lease_file *file = &watch->files.items[index];
    struct leases leases = {0};
    struct bl_error error = {0};
    enum lease_format format;
    int code = lease_file_read(file->path, wall_ms / 1000, &leases, &format, &error);

    file->seen = *now;
    if (code < 0) { /* what was known stays known */
        watch_fault(watch, file->fault, error.text);
        return;
    }
    if (leases.cut)
        bl_error_set(&error, -EFBIG,
                     "the lease file %s has %zu leases more than there is room for (%d); those "
                     "devices are known as neighbours only",
                     file->path, leases.cut, LEASES_MAX);
    pthread_mutex_lock(&watch->lock);
    file->count = leases.count;
    file->format = format;
    pthread_mutex_unlock(&watch->lock);
    devices_lease(watch->devices, index, &leases);
    watch_fault(watch, file->fault, error.text);
}

static void file_look(struct watch *watch, size_t index, struct moment moment, bool anew)
{
    struct lease_file *file = &watch->files.items[index];
    struct stat now = {0};

    /* One that cannot be looked at is read, which says why. */
    if (stat(file->path, &now) == 0 && is_as_seen(&now, &file->seen) &&
        moment.mono_ms - file->read_ms < READ_MS && !anew)
        return;
    file->read_ms = moment.mono_ms;
    file_read(watch, index, &now, moment.wall_ms);
}

static void file_forget(struct watch *watch, size_t index)
{
    struct leases none = {0};

    devices_lease(watch->devices, index, &none);
    pthread_mutex_lock(&watch->lock);
    watch->files.items[index] = (struct lease_file){.path = ""};
    pthread_mutex_unlock(&watch->lock);
}

/* A reload may have named other files. */
static void files_follow(struct watch *watch, const struct config *config)
{
    struct lease_files *files = &watch->files;
    size_t count = config->lease_count < LEASE_FILES_MAX ? config->lease_count : LEASE_FILES_MAX;

    for (size_t i = 0; i < files->count || i < count; i++) {
        const char *path = i < count ? config->leases[i] : "";
        if (strcmp(files->items[i].path, path) == 0)
            continue;
        file_forget(watch, i);
        pthread_mutex_lock(&watch->lock);
        snprintf(files->items[i].path, sizeof files->items[i].path, "%s", path);
        pthread_mutex_unlock(&watch->lock);
    }
    pthread_mutex_lock(&watch->lock);
    files->count = count;
    pthread_mutex_unlock(&watch->lock);
}

void lease_files_look(struct watch *watch, const struct config *config, struct moment now)
{
    bool leapt;

    if (now.mono_ms < watch->files.due_ms)
        return;
    watch->files.due_ms = now.mono_ms + LOOK_MS;
    files_follow(watch, config);
    /* A clock that was far ahead has ended leases that have not ended. */
    leapt = clock_leapt(&watch->files.clocks_apart_ms, now, LEAP_MS);
    for (size_t i = 0; i < watch->files.count; i++)
        file_look(watch, i, now, leapt);
}
