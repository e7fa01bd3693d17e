#include "resolver/denials/pseudonym.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROBES = 64, WORKERS_MOST = 4096 };

struct key_file {
    char magic[8];
    int64_t since_s;
    uint8_t key[PSEUDONYM_KEY];
};

struct retired_file {
    char magic[8];
    int64_t at_s;
};

struct device {
    uint8_t address[16];
    uint32_t scope;
    uint8_t used; /* 1 once the rest is there; stored last */
    uint8_t reserved[3];
    uint64_t pseudonym;
};

_Static_assert(sizeof(struct device) == 32, "pseudonym.h");
enum { DEVICES_SIZE = PSEUDONYM_DEVICES * (int)sizeof(struct device) };

struct pseudonyms {
    uint8_t key[PSEUDONYM_KEY];
    struct device *devices;
};

static int failed(const char *path, struct bl_error *error)
{
    return bl_error_set(error, -errno, "%s: %s", path, strerror(errno));
}

static char *key_path(const char *folder, uint32_t number, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%u.key", folder, number);
    return path;
}

/* Calls `each` with the number of every key, in no order. */
static int keys_walk(const char *folder, void (*each)(void *user, uint32_t number), void *user,
                     struct bl_error *error)
{
    DIR *listing = opendir(folder);
    const struct dirent *entry;
    unsigned number;
    char path[PATH_MAX], *name;

    if (listing == NULL)
        return failed(folder, error);
    while ((entry = readdir(listing)) != NULL)
        if (sscanf(entry->d_name, "%u.key", &number) == 1) {
            name = strrchr(key_path(folder, number, path), '/') + 1;
            if (strcmp(name, entry->d_name) == 0)
                each(user, number);
        }
    closedir(listing);
    return 0;
}

static void newest_take(void *user, uint32_t number)
{
    uint32_t *newest = user;

    if (number > *newest)
        *newest = number;
}

static int key_read(const char *folder, uint32_t number, struct key_file *out_key,
                    struct bl_error *error)
{
    char path[PATH_MAX];
    struct key_file key;
    int fd = open(key_path(folder, number, path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return failed(path, error);
    ssize_t got = read(fd, &key, sizeof(key));
    close(fd);
    if (got != (ssize_t)sizeof(key) || memcmp(key.magic, "CHALKKEY", 8) != 0)
        return bl_error_set(error, -EBADMSG, "%s: this is no key of ours, or it was cut", path);
    *out_key = key;
    return 0;
}

/* A file that is there whole or not at all. */
static int file_make(const char *folder, const char *path, const void *bytes, size_t len,
                     struct bl_error *error)
{
    char fresh[PATH_MAX];

    snprintf(fresh, sizeof(fresh), "%s/.fresh", folder);
    unlink(fresh);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed(fresh, error);
    bool written =
        write(fd, bytes, len) == (ssize_t)len && fsync(fd) == 0 && rename(fresh, path) == 0;
    int code = written ? 0 : failed(fresh, error);
    close(fd);
    return code;
}

static int key_make(const char *folder, uint32_t number, int64_t now_s, struct bl_error *error)
{
    struct key_file key = {.magic = "CHALKKEY", .since_s = now_s};
    char path[PATH_MAX];

    if (getrandom(key.key, sizeof(key.key), 0) != (ssize_t)sizeof(key.key))
        return failed("random numbers", error);
    int code = file_make(folder, key_path(folder, number, path), &key, sizeof(key), error);
    explicit_bzero(&key, sizeof(key));
    return code;
}

static char *retired_path(const char *folder, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/retired", folder);
    return path;
}

/* Since when no key is in use; false: one is, or the note cannot be read, and then none goes. */
static bool retired_read(const char *folder, int64_t *out_at_s)
{
    struct retired_file retired;
    char path[PATH_MAX];
    int fd = open(retired_path(folder, path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return false;
    ssize_t got = read(fd, &retired, sizeof(retired));
    close(fd);
    if (got != (ssize_t)sizeof(retired) || memcmp(retired.magic, "CHALKEND", 8) != 0)
        return false;
    *out_at_s = retired.at_s;
    return true;
}

int pseudonym_keys_retire(const char *folder, int64_t at_s, bool *out_noted, struct bl_error *error)
{
    struct retired_file retired = {.magic = "CHALKEND", .at_s = at_s};
    char path[PATH_MAX];
    uint32_t newest = 0;
    int64_t before_s;
    int code = 0;

    *out_noted = false;
    if (access(folder, F_OK) < 0 && errno == ENOENT)
        return 0;
    code = keys_walk(folder, newest_take, &newest, error);
    if (code < 0 || newest == 0 || retired_read(folder, &before_s))
        return code;
    code = file_make(folder, retired_path(folder, path), &retired, sizeof(retired), error);
    *out_noted = code == 0;
    return code;
}

int pseudonym_keys_settle(const char *folder, int64_t period_s, int64_t now_s, uint32_t *out_number,
                          struct bl_error *error)
{
    struct key_file key;
    char path[PATH_MAX];
    uint32_t number = 0;

    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return failed(folder, error);
    int code = keys_walk(folder, newest_take, &number, error);
    if (code == 0 && number > 0)
        code = key_read(folder, number, &key, error);
    if (code == 0 && unlink(retired_path(folder, path)) < 0 && errno != ENOENT)
        code = failed(path, error);
    if (code == 0 && (number == 0 || now_s - key.since_s >= period_s))
        code = key_make(folder, ++number, now_s, error);
    if (code == 0)
        *out_number = number;
    return code;
}

static char *devices_path(const char *folder, uint32_t number, unsigned worker, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%u-%u.devices", folder, number, worker);
    return path;
}

int pseudonyms_open(const char *folder, uint32_t number, unsigned worker,
                    struct pseudonyms **out_pseudonyms, struct bl_error *error)
{
    struct pseudonyms *pseudonyms = calloc(1, sizeof(*pseudonyms));
    char path[PATH_MAX];
    struct key_file key;
    void *map = MAP_FAILED;
    int fd = -1, code = pseudonyms == NULL ? -ENOMEM : key_read(folder, number, &key, error);

    if (code < 0)
        goto out;
    fd = open(devices_path(folder, number, worker, path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        errno =
            posix_fallocate(fd, 0, DEVICES_SIZE); /* a hole could not be filled on a full disk */
    if (fd >= 0 && errno == 0)
        map = mmap(NULL, DEVICES_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        code = failed(path, error);
        goto out;
    }
    memcpy(pseudonyms->key, key.key, sizeof(key.key));
    pseudonyms->devices = map;
    *out_pseudonyms = pseudonyms;
out:
    if (fd >= 0)
        close(fd);
    if (code < 0)
        free(pseudonyms);
    return code;
}

void pseudonyms_close(struct pseudonyms *pseudonyms)
{
    if (pseudonyms == NULL)
        return;
    munmap(pseudonyms->devices, DEVICES_SIZE);
    explicit_bzero(pseudonyms->key, sizeof(pseudonyms->key));
    free(pseudonyms);
}

static struct address pseudonym_address(uint64_t pseudonym)
{
    struct address address = {.bytes = {0x01, 0x00}};

    for (int i = 15; i >= 8; i--, pseudonym >>= 8)
        address.bytes[i] = (uint8_t)pseudonym;
    return address;
}

static uint64_t pseudonym_make(const uint8_t key[PSEUDONYM_KEY], const struct address *client)
{
    uint8_t bytes[16 + sizeof(client->scope)], mac[EVP_MAX_MD_SIZE];
    unsigned len = sizeof(mac);
    uint64_t pseudonym = 0;

    memcpy(bytes, client->bytes, 16);
    memcpy(bytes + 16, &client->scope, sizeof(client->scope));
    if (HMAC(EVP_sha256(), key, PSEUDONYM_KEY, bytes, sizeof(bytes), mac, &len) == NULL)
        return 0; /* out of memory: nobody, rather than the address */
    for (int i = 0; i < 5; i++)
        pseudonym = pseudonym << 8 | mac[i];
    return pseudonym;
}

struct address pseudonym_of(struct pseudonyms *pseudonyms, const struct address *client)
{
    uint64_t half, other;

    memcpy(&half, client->bytes, 8);
    memcpy(&other, client->bytes + 8, 8);
    size_t place = ((half * 0x9e3779b97f4a7c15u ^ other) * 0xc2b2ae3d27d4eb4fu) >> 40;
    for (size_t i = 0; i < PROBES; i++) {
        struct device *device = &pseudonyms->devices[(place + i) % PSEUDONYM_DEVICES];
        if (device->used) {
            if (memcmp(device->address, client->bytes, 16) == 0 && device->scope == client->scope)
                return pseudonym_address(device->pseudonym);
            continue;
        }
        memcpy(device->address, client->bytes, 16);
        device->scope = client->scope;
        device->pseudonym = pseudonym_make(pseudonyms->key, client);
        if (device->pseudonym != 0)
            __atomic_store_n(&device->used, 1, __ATOMIC_RELEASE);
        return pseudonym_address(device->pseudonym);
    }
    return pseudonym_address(pseudonym_make(pseudonyms->key, client));
}

/* Looks for a pseudonym in one worker's devices: 0, -ENOENT, or -ENODATA where there is no file. */
static int devices_search(const char *path, uint64_t pseudonym, struct address *out_client)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), code = -ENOENT;
    struct device device;

    if (fd < 0)
        return -ENODATA;
    FILE *file = fdopen(fd, "rb");
    if (file == NULL) {
        close(fd);
        return -ENOMEM;
    }
    while (code == -ENOENT && fread(&device, sizeof(device), 1, file) == 1) {
        if (!device.used || device.pseudonym != pseudonym)
            continue;
        *out_client = (struct address){.scope = device.scope};
        memcpy(out_client->bytes, device.address, 16);
        code = 0;
    }
    fclose(file);
    return code;
}

struct search {
    const char *folder;
    uint64_t pseudonym;
    struct address client;
    int code;
};

static void key_search(void *user, uint32_t number)
{
    struct search *search = user;
    char path[PATH_MAX];

    for (unsigned worker = 0; search->code == -ENOENT && worker < WORKERS_MOST; worker++) {
        int code = devices_search(devices_path(search->folder, number, worker, path),
                                  search->pseudonym, &search->client);
        if (code == -ENODATA)
            break;
        search->code = code;
    }
}

int pseudonym_reveal(const char *folder, const struct address *pseudonym,
                     struct address *out_client, struct bl_error *error)
{
    struct search search = {.folder = folder, .code = -ENOENT};

    for (int i = 8; i < 16; i++)
        search.pseudonym = search.pseudonym << 8 | pseudonym->bytes[i];
    int code = keys_walk(folder, key_search, &search, error);
    if (code == 0 && search.code < 0)
        code = bl_error_set(error, -ENOENT,
                            "nobody can tell any more, or nobody ever could, whose that is");
    if (code == 0)
        *out_client = search.client;
    return code;
}

struct listing {
    const char *folder;
    const struct address *client;
    void (*each)(void *user, const struct address *pseudonym);
    void *user;
    struct bl_error *error;
    int code;
};

static void key_apply(void *user, uint32_t number)
{
    struct listing *listing = user;
    struct key_file key;
    int code = key_read(listing->folder, number, &key, listing->error);

    if (code < 0) {
        listing->code = code;
        return;
    }
    const struct address pseudonym = pseudonym_address(pseudonym_make(key.key, listing->client));
    explicit_bzero(&key, sizeof(key));
    listing->each(listing->user, &pseudonym);
}

int pseudonym_each(const char *folder, const struct address *client,
                   void (*each)(void *user, const struct address *pseudonym), void *user,
                   struct bl_error *error)
{
    struct listing listing = {
        .folder = folder, .client = client, .each = each, .user = user, .error = error};
    int code = keys_walk(folder, key_apply, &listing, error);

    return code < 0 ? code : listing.code;
}

/* Overwrites before it unlinks: not every file system forgets what was in a file that is gone. */
static void file_destroy(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat status;
    char zeroes[4096] = {0};

    if (fd >= 0 && fstat(fd, &status) == 0) {
        for (off_t at = 0; at < status.st_size; at += (off_t)sizeof(zeroes))
            (void)!pwrite(fd, zeroes, sizeof(zeroes), at);
        fsync(fd);
    }
    if (fd >= 0)
        close(fd);
    unlink(path);
}

/* All devices of a key, whichever workers are left of an earlier try that was cut short. */
static int devices_destroy(const char *folder, uint32_t number, struct bl_error *error)
{
    DIR *listing = opendir(folder);
    const struct dirent *entry;
    unsigned of, worker;
    char path[PATH_MAX];

    if (listing == NULL)
        return failed(folder, error);
    while ((entry = readdir(listing)) != NULL)
        if (sscanf(entry->d_name, "%u-%u.devices", &of, &worker) == 2 && of == number)
            file_destroy(devices_path(folder, number, worker, path));
    closedir(listing);
    return 0;
}

/* When the key gave way: to the next one, or to addresses where it was the last. False: it is in
 * use, or nobody knows. */
static bool key_ended(const char *folder, uint32_t number, uint32_t newest, int64_t *out_at_s)
{
    struct key_file next;

    if (number == newest)
        return retired_read(folder, out_at_s);
    if (key_read(folder, number + 1, &next, NULL) < 0)
        return false;
    *out_at_s = next.since_s;
    return true;
}

int pseudonym_keys_destroy(const char *folder, int64_t before_s, unsigned *out_count,
                           struct bl_error *error)
{
    char path[PATH_MAX];
    uint32_t newest = 0;
    unsigned count = 0;
    int64_t ended_s;
    int code = keys_walk(folder, newest_take, &newest, error);

    /* Each key gave way when the next one began; those before it did so earlier. */
    for (uint32_t number = 1; code == 0 && number <= newest; number++) {
        if (!key_ended(folder, number, newest, &ended_s) || ended_s > before_s ||
            access(key_path(folder, number, path), F_OK) < 0)
            continue;
        /* The key last: while it is there, the next time finishes what a kill cut short. */
        code = devices_destroy(folder, number, error);
        if (code < 0)
            break;
        file_destroy(key_path(folder, number, path));
        count++;
    }
    if (code == 0)
        *out_count = count;
    return code;
}
