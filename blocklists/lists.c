#include "blocklists/lists.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocklists/diff.h"
#include "blocklists/seal.h"
#include "blocklists/store.h"

enum { KEPT_MAX = 4096, FILE_NAME_MAX = 32 };

void (*bl_lists_on_step)(const char *step);

/* What a folder has. */
struct kept {
    uint64_t current; /* in force; 0: nothing, UINT64_MAX: nobody can say */
    uint64_t numbers[KEPT_MAX];
    unsigned count;
};

static void step(const char *name)
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

static void name_of(uint64_t number, char name[FILE_NAME_MAX])
{
    snprintf(name, FILE_NAME_MAX, "%08" PRIu64 ".mdb", number);
}

/* STATE/lists as a descriptor, so that everything below happens in one and the same folder. */
static int folder_open(const char *state, bool make, struct bl_error *error)
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

/* The generation that `current` names; 0 when there is none yet. */
static int current_read(int folder, const char *state, uint64_t *out_generation,
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
    int folder = folder_open(state, false, &cause);
    int rc = folder < 0 ? folder : current_read(folder, state, &generation, &cause);

    if (folder >= 0)
        close(folder);
    if (rc == -ENOENT || (rc == 0 && generation == 0))
        return bl_error_set(error, -ENOENT,
                            "no lists were imported into %s yet: `chalkgate lists import` does it",
                            state);
    if (rc < 0)
        return bl_error_set(error, rc, "%s", cause.text);
    name_of(generation, name);
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

static int number_order(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

/* All generations of the folder, ascending; at most KEPT_MAX. With `sweep`, removes what killed
 * imports have left. */
static int kept_read(int folder, const char *state, bool sweep, struct kept *kept,
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
    struct kept kept;
    int folder = folder_open(state, false, error);
    int rc = folder < 0 ? folder : kept_read(folder, state, false, &kept, error);
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
    step("copied");
    return 0;
}

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
static int guard_ask(const struct bl_guard *guard, const char *state, const struct kept *kept,
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

/* Everything that must be true of a store before it may ever be in force. */
static int copy_check(int fd, const char *state, const struct kept *kept, uint64_t number,
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
    if (rc < 0)
        bl_error_wrap(error, rc, "the new generation was refused");
    if (rc == 0)
        rc = guard_ask(guard, state, kept, store, error);
    bl_store_close(store);
    step("checked");
    return rc;
}

/* Points `current` at a generation, in one step that a kill cannot divide. */
static int current_write(int folder, const char *state, uint64_t number, struct bl_error *error)
{
    char name[FILE_NAME_MAX], link[FILE_NAME_MAX];

    name_of(number, name);
    snprintf(link, sizeof link, "current-%ld", (long)getpid());
    unlinkat(folder, link, 0);
    if (symlinkat(name, folder, link) < 0)
        return bl_error_set(error, -errno, "cannot make a link in %s/lists: %s", state,
                            bl_disk_text(errno));
    step("linked");
    if (renameat(folder, link, folder, "current") < 0) {
        int rc = -errno;

        unlinkat(folder, link, 0);
        return bl_error_set(error, rc, "cannot replace %s/lists/current: %s", state,
                            bl_disk_text(-rc));
    }
    step("in force");
    if (fsync(folder) < 0)
        return bl_error_set(error, -errno, "cannot sync %s/lists: %s", state, bl_disk_text(errno));
    step("synced");
    return 0;
}

/* The oldest go, but never the one that was in force before: it is what there is to go back to,
 * also where younger ones are left from before a rollback. `kept` is from before the adoption. */
static void old_remove(int folder, const struct kept *kept, unsigned keep)
{
    unsigned removed = 0;

    for (unsigned i = 0; i < kept->count && removed + (keep > 0 ? keep - 1 : 0) < kept->count;
         i++) {
        char name[FILE_NAME_MAX];

        if (kept->numbers[i] == kept->current)
            continue;
        removed++;
        name_of(kept->numbers[i], name);
        unlinkat(folder, name, 0);
        step("removed");
    }
}

/* The copy becomes a generation: durable under its own name first, then in force. */
static int copy_adopt(int folder, const char *state, int fd, const char *staging, uint64_t number,
                      struct bl_error *error)
{
    char name[FILE_NAME_MAX];

    name_of(number, name);
    if (fchmod(fd, 0644) < 0 || fsync(fd) < 0)
        return bl_error_set(error, -errno, "the new generation cannot be written: %s",
                            bl_disk_text(errno));
    step("durable");
    if (renameat(folder, staging, folder, name) < 0)
        return bl_error_set(error, -errno, "cannot name the new generation %s/lists/%s: %s", state,
                            name, bl_disk_text(errno));
    step("named");
    if (fsync(folder) < 0)
        return bl_error_set(error, -errno, "cannot sync %s/lists: %s", state, bl_disk_text(errno));
    step("name synced");
    return current_write(folder, state, number, error);
}

static int staging_open(int folder, const char *state, char staging[FILE_NAME_MAX],
                        struct bl_error *error)
{
    int fd;

    snprintf(staging, FILE_NAME_MAX, "staging-adopt-%ld", (long)getpid());
    unlinkat(folder, staging, 0);
    fd = openat(folder, staging, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return bl_error_set(error, -errno, "cannot make a file in %s/lists: %s", state,
                            bl_disk_text(errno));
    return fd;
}

int bl_lists_adopt_guarded(const char *state, int staged_fd, unsigned keep,
                           const struct bl_guard *guard, uint64_t *out_generation,
                           struct bl_error *error)
{
    struct kept kept;
    uint64_t number = 1;
    char staging[FILE_NAME_MAX];
    int fd = -1, folder = folder_open(state, true, error), rc;

    if (folder < 0)
        return folder;
    rc = current_read(folder, state, &kept.current, error);
    if (rc == 0)
        rc = kept_read(folder, state, true, &kept, error);
    if (rc < 0)
        goto out;
    /* Numbers are never given twice, not even that of a generation that was rolled back. */
    if (kept.count > 0)
        number = kept.numbers[kept.count - 1] + 1;
    number = number > kept.current ? number : kept.current + 1;
    rc = fd = staging_open(folder, state, staging, error);
    if (rc < 0)
        goto out;
    rc = staged_copy(staged_fd, fd, error);
    if (rc == 0)
        rc = copy_check(fd, state, &kept, number, guard, error);
    if (rc == 0)
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

/* The generation that `current` was compiled on top of, where it is known and kept: that was in
 * force before. Numbers alone would tell of one that was rolled back since, or that a killed import
 * left. Else the number before. */
static uint64_t before_find(int folder, const struct kept *kept)
{
    struct bl_seal seal = {0};
    uint64_t before = 0;
    char name[FILE_NAME_MAX];
    int fd;

    name_of(kept->current, name);
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

static int rollback_choose(int folder, const struct kept *kept, uint64_t wanted,
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
    struct kept kept;
    int folder = folder_open(state, false, error), rc;

    if (folder < 0)
        return folder;
    rc = current_read(folder, state, &kept.current, error);
    if (rc == 0)
        rc = kept_read(folder, state, false, &kept, error);
    if (rc == 0)
        rc = rollback_choose(folder, &kept, 0, out_generation, error);
    close(folder);
    return rc;
}

/* What is damaged, or has less of what is sealed, is not put in force. Reading it all takes a tenth
 * of a second a million names. */
static int rollback_check(const char *state, const struct kept *kept, uint64_t number,
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
        rc = guard_ask(guard, state, kept, store, &why);
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
    struct kept kept;
    uint64_t number = 0;
    int folder = folder_open(state, false, error), rc;

    if (folder < 0)
        return folder;
    /* A link that leads nowhere is no reason not to lead it somewhere. */
    if (current_read(folder, state, &kept.current, error) < 0)
        kept.current = UINT64_MAX;
    rc = kept_read(folder, state, false, &kept, error);
    if (rc == 0)
        rc = rollback_choose(folder, &kept, generation, &number, error);
    if (rc == 0 && number != kept.current)
        rc = rollback_check(state, &kept, number, guard, error);
    if (rc == 0 && number != kept.current)
        rc = current_write(folder, state, number, error);
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
