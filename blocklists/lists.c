/* What the folder of the lists has: generations, which one is in force, and who may change that. */
#include "blocklists/lists_inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocklists/store.h"

void (*bl_lists_on_step)(const char *step);

void lists_step(const char *name)
{
    if (bl_lists_on_step)
        bl_lists_on_step(name);
}

/* The number in "00000017.mdb"; 0 for any other name. */
static uint64_t number_of(const char *name)
{
    uint64_t number = 0;
    size_t digits = strspn(name, "0123456789");

    if (digits < 8 || digits > 18 || strcmp(name + digits, ".mdb") != 0)
        return 0;
    for (size_t i = 0; i < digits; i++)
        number = number * 10 + (uint64_t)(name[i] - '0');
    return number;
}

void lists_name_of(uint64_t number, char name[FILE_NAME_MAX])
{
    snprintf(name, FILE_NAME_MAX, "%08" PRIu64 ".mdb", number);
}

int lists_folder_open(const char *state, bool make, struct bl_error *error)
{
    char path[BL_PATH_MAX];
    int fd;

    if ((size_t)snprintf(path, sizeof path, "%s/lists", state) >= sizeof path)
        return bl_error_set(error, -ENAMETOOLONG, "the path of the state folder is too long");
    if (make && mkdir(state, 0755) < 0 && errno != EEXIST)
        return bl_error_set(error, -errno, "cannot make the state folder %s: %s", state,
                            bl_disk_text(errno));
    if (make && mkdir(path, 0755) < 0 && errno != EEXIST)
        return bl_error_set(error, -errno, "cannot make the folder %s: %s", path,
                            bl_disk_text(errno));
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return bl_error_set(error, -errno, "cannot open the folder %s: %s", path,
                            bl_disk_text(errno));
    return fd;
}

int lists_current_read(int folder, const char *state, uint64_t *out_generation,
                       struct bl_error *error)
{
    char name[FILE_NAME_MAX];
    ssize_t len = readlinkat(folder, "current", name, sizeof name - 1);

    if (len < 0 && errno == ENOENT) {
        *out_generation = 0;
        return 0;
    }
    if (len < 0)
        return bl_error_set(error, -errno, "cannot read the link %s/lists/current: %s", state,
                            bl_disk_text(errno));
    name[len] = '\0';
    *out_generation = number_of(name);
    if (*out_generation == 0)
        return bl_error_set(
            error, -EBADMSG,
            "%s/lists/current should name a generation, but names \"%s\": choose one "
            "with `chalkgate lists rollback`",
            state, name);
    return 0;
}

int bl_lists_current(const char *state, uint64_t *out_generation, char out_path[BL_PATH_MAX],
                     struct bl_error *error)
{
    struct bl_error cause = {""};
    char name[FILE_NAME_MAX];
    uint64_t generation = 0;
    int folder = lists_folder_open(state, false, &cause);
    int rc = folder < 0 ? folder : lists_current_read(folder, state, &generation, &cause);

    if (folder >= 0)
        close(folder);
    if (rc == -ENOENT || (rc == 0 && generation == 0))
        return bl_error_set(error, -ENOENT,
                            "no lists were imported into %s yet: `chalkgate lists import` does it",
                            state);
    if (rc < 0)
        return bl_error_set(error, rc, "%s", cause.text);
    lists_name_of(generation, name);
    if ((size_t)snprintf(out_path, BL_PATH_MAX, "%s/lists/%s", state, name) >= BL_PATH_MAX)
        return bl_error_set(error, -ENAMETOOLONG, "the path of the state folder is too long");
    *out_generation = generation;
    return 0;
}

int bl_lists_open(const char *path, uint64_t generation, struct bl_store **out_store,
                  struct bl_error *error)
{
    struct bl_store *store;
    uint64_t found;
    int rc = bl_store_open(path, &store, error);

    if (rc < 0)
        return rc;
    found = bl_store_generation(store);
    if (found == generation) {
        *out_store = store;
        return 0;
    }
    bl_store_close(store);
    return bl_error_set(error, -EBADMSG,
                        "%s is generation %" PRIu64 " by what it says of itself: somebody has "
                        "changed its name, or put another file in its place",
                        path, found);
}

int bl_lists_open_kept(const char *state, uint64_t generation, struct bl_store **out_store,
                       struct bl_error *error)
{
    char path[BL_PATH_MAX], name[FILE_NAME_MAX];

    lists_name_of(generation, name);
    if ((size_t)snprintf(path, sizeof path, "%s/lists/%s", state, name) >= sizeof path)
        return bl_error_set(error, -ENAMETOOLONG, "the path of the state folder is too long");
    return bl_lists_open(path, generation, out_store, error);
}

int bl_lists_open_again(const char *state, const struct bl_store *before,
                        struct bl_store **out_store, struct bl_error *error)
{
    struct bl_store *store;
    char path[BL_PATH_MAX];
    uint64_t generation;
    int rc = bl_lists_current(state, &generation, path, error);

    if (rc == 0 && generation != bl_store_generation(before))
        rc = bl_error_set(error, -EBADMSG, "%s/lists/current leads to another generation", state);
    if (rc == 0)
        rc = bl_lists_open(path, generation, &store, error);
    if (rc < 0)
        return rc;
    if (bl_store_says_the_same(store, before)) {
        *out_store = store;
        return 0;
    }
    bl_store_close(store);
    return bl_error_set(error, -EBADMSG,
                        "%s has other lists than those that were adopted under its number, and new "
                        "ones have to be imported",
                        path);
}

static int number_order(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

int lists_kept_read(int folder, const char *state, bool sweep, struct lists_kept *kept,
                    struct bl_error *error)
{
    int own = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = own < 0 ? NULL : fdopendir(own);
    const struct dirent *item;

    kept->count = 0;
    if (!listing) {
        if (own >= 0)
            close(own);
        return bl_error_set(error, -errno, "cannot read the folder %s/lists: %s", state,
                            bl_disk_text(errno));
    }
    while ((item = readdir(listing))) {
        uint64_t number = number_of(item->d_name);

        if (number > 0 && kept->count < KEPT_MAX)
            kept->numbers[kept->count++] = number;
        else if (sweep && (strncmp(item->d_name, "staging-", 8) == 0 ||
                           strncmp(item->d_name, "current-", 8) == 0))
            unlinkat(folder, item->d_name, 0);
    }
    closedir(listing);
    qsort(kept->numbers, kept->count, sizeof *kept->numbers, number_order);
    return 0;
}

int bl_lists_kept(const char *state, uint64_t *out_generations, size_t max, struct bl_error *error)
{
    struct lists_kept kept;
    int folder = lists_folder_open(state, false, error);
    int rc = folder < 0 ? folder : lists_kept_read(folder, state, false, &kept, error);
    size_t count;

    if (folder >= 0)
        close(folder);
    if (rc < 0)
        return rc == -ENOENT ? 0 : rc;
    /* Where there are more than asked for, the latest. */
    count = kept.count > max ? max : kept.count;
    memcpy(out_generations, kept.numbers + (kept.count - count), count * sizeof *kept.numbers);
    return (int)count;
}

int bl_lists_lock(const char *state, int *out_fd, struct bl_error *error)
{
    char path[BL_PATH_MAX];
    int fd, rc;

    if ((size_t)snprintf(path, sizeof path, "%s/lock", state) >= sizeof path)
        return bl_error_set(error, -ENAMETOOLONG, "the path of the state folder is too long");
    if (mkdir(state, 0755) < 0 && errno != EEXIST)
        return bl_error_set(error, -errno, "cannot make the state folder %s: %s", state,
                            bl_disk_text(errno));
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return bl_error_set(error, -errno, "cannot open %s: %s", path, bl_disk_text(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
        close(fd);
        return bl_error_set(error, rc,
                            rc == -EBUSY ? "%s is in use: chalkgated or another command is "
                                           "changing it; please try again"
                                         : "%s cannot be locked",
                            state);
    }
    *out_fd = fd;
    return 0;
}
