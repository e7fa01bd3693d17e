#include "resolver/cache/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolver/base/siphash.h"

enum { FORMAT = 2, STALE_MOST_MS = 86400 * 1000, PATH_LEN = 4096 };

static const char MAGIC[8] = "CGCACHE\n";
static const uint8_t CHECKSUM_KEY[SIPHASH_KEY];

struct head {
    char magic[8];
    uint32_t format, entry_size;
    uint64_t generation;
    int64_t written_ms;
    uint64_t count, len, zones, checksum;
};

_Static_assert(sizeof(struct head) == 64, "keep.h");

/* Writing. */

struct copy {
    uint8_t *bytes;
    size_t len;
    struct head head;
    int64_t now_ms;
};

static void copy_entry(void *user, const struct cache_entry *entry)
{
    struct copy *copy = user;
    struct cache_entry *to = (struct cache_entry *)(void *)(copy->bytes + copy->len);

    memcpy(to, entry, entry->size);
    to->stored_ms = copy->now_ms - entry->stored_ms;
    to->referenced = 0;
    copy->len += entry->size;
    copy->head.count++;
}

static int write_whole(int fd, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;

    while (len) {
        ssize_t written = write(fd, at, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        at += written;
        len -= (size_t)written;
    }
    return 0;
}

static int write_file(const char *path, const struct copy *copy)
{
    char beside[PATH_LEN];
    int fd, code;

    if ((size_t)snprintf(beside, sizeof beside, "%s.new", path) >= sizeof beside)
        return -ENAMETOOLONG;
    fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    code = write_whole(fd, &copy->head, sizeof copy->head);
    if (code == 0)
        code = write_whole(fd, copy->bytes, copy->len);
    if (code == 0 && fsync(fd) < 0)
        code = -errno;
    if (close(fd) < 0 && code == 0)
        code = -errno;
    if (code == 0 && rename(beside, path) < 0)
        code = -errno;
    if (code < 0)
        unlink(beside);
    return code;
}

int cache_keep(const struct cache *cache, const char *path, struct cache_origin origin,
               struct moment moment, struct bl_error *error)
{
    struct cache_state state = cache_state(cache);
    struct copy copy = {.bytes = malloc(state.bytes), .now_ms = moment.mono_ms};
    int code;

    if (!copy.bytes)
        return bl_error_set(error, -ENOMEM, "no memory to keep the answer cache");
    cache_each(cache, copy_entry, &copy);
    memcpy(copy.head.magic, MAGIC, sizeof MAGIC);
    copy.head.format = FORMAT;
    copy.head.entry_size = sizeof(struct cache_entry);
    copy.head.generation = origin.generation;
    copy.head.zones = origin.zones;
    copy.head.written_ms = moment.wall_ms;
    copy.head.len = copy.len;
    copy.head.checksum = siphash(CHECKSUM_KEY, copy.bytes, copy.len);
    code = write_file(path, &copy);
    free(copy.bytes);
    if (code < 0)
        return bl_error_set(error, code, "%s: cannot keep the answer cache: %s", path,
                            strerror(-code));
    return 0;
}

/* Reading. */

/* Whether the names, offsets and records of an entry lie inside it. */
static bool entry_is_whole(const struct cache_entry *entry, size_t left)
{
    const uint8_t *name = (const uint8_t *)(entry + 1);
    size_t at = 0, parts;
    struct dns_record record;
    struct dns_walk walk;
    int more;

    if (left < sizeof *entry || entry->size > left || entry->size % 8 || !entry->name_len ||
        entry->ttl_count > CACHE_TTLS_MAX || entry->fact_room > CACHE_FACTS_MAX ||
        entry->fact_count > entry->fact_room || entry->message_len > CACHE_MESSAGE_MAX)
        return false;
    parts = sizeof *entry + ((entry->name_len + 1u) & ~(size_t)1) + 2u * entry->ttl_count +
            entry->fact_room * sizeof(struct cache_fact) + entry->message_len;
    if (parts > entry->size)
        return false;
    while (at < entry->name_len && name[at] && name[at] <= BL_LABEL_MAX)
        at += name[at] + 1u;
    if (at + 1 != entry->name_len || name[at])
        return false;
    for (size_t i = 0; i < entry->ttl_count; i++)
        if (cache_ttls(entry)[i] + 4u > entry->message_len)
            return false;
    if (dns_walk_start(&walk, cache_message(entry), entry->message_len) < 0 ||
        walk.at != DNS_HEADER + entry->name_len + 4u)
        return false;
    while ((more = dns_walk_next(&walk, &record)) > 0)
        ;
    return more == 0;
}

static void adopt_entry(struct cache *cache, const struct cache_entry *entry, int64_t passed_ms,
                        int64_t now_ms)
{
    int64_t age_ms = entry->stored_ms + passed_ms;
    const struct cache_reply reply = {
        .key = {.name = (const uint8_t *)(entry + 1),
                .name_len = entry->name_len,
                .dnssec = entry->dnssec,
                .type = entry->type,
                .class = entry->class},
        .message = cache_message(entry),
        .message_len = entry->message_len,
        .ttls = cache_ttls(entry),
        .ttl_count = entry->ttl_count,
        .fact_room = entry->fact_room,
        .ttl_s = entry->ttl_s,
        .epoch = 0, /* no list's: its facts are told anew when it is first used */
        .has_targets = entry->has_targets,
        .has_ech = entry->has_ech,
        .has_private = entry->has_private,
    };

    if (age_ms >= 0 && age_ms < (int64_t)entry->ttl_s * 1000 + STALE_MOST_MS)
        cache_insert(cache, &reply, now_ms - age_ms);
}

static int adopt_all(struct cache *cache, const struct head *head, const uint8_t *bytes,
                     struct moment moment)
{
    int64_t passed_ms = moment.wall_ms - head->written_ms;
    uint64_t count = 0;

    if (passed_ms < 0)
        return -ESTALE;
    for (size_t at = 0; at < head->len; count++) {
        const struct cache_entry *entry = (const void *)(bytes + at);
        if (!entry_is_whole(entry, head->len - at))
            return -EBADMSG;
        at += entry->size;
    }
    if (count != head->count)
        return -EBADMSG;
    for (size_t at = 0; at < head->len;) {
        const struct cache_entry *entry = (const void *)(bytes + at);
        adopt_entry(cache, entry, passed_ms, moment.mono_ms);
        at += entry->size;
    }
    return 0;
}

static int read_whole(int fd, void *bytes, size_t len)
{
    uint8_t *at = bytes;

    while (len) {
        ssize_t got = read(fd, at, len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : -EBADMSG;
        at += got;
        len -= (size_t)got;
    }
    return 0;
}

static int adopt_file(struct cache *cache, int fd, struct cache_origin origin, struct moment moment)
{
    struct head head;
    struct stat stat;
    uint8_t *bytes;
    int code = fstat(fd, &stat) < 0 ? -errno : read_whole(fd, &head, sizeof head);

    if (code < 0)
        return code;
    if (memcmp(head.magic, MAGIC, sizeof MAGIC) != 0 || head.format != FORMAT ||
        head.entry_size != sizeof(struct cache_entry) ||
        head.len != (uint64_t)stat.st_size - sizeof head)
        return -EBADMSG;
    if (head.generation != origin.generation || head.zones != origin.zones)
        return -ESTALE;
    bytes = malloc(head.len + 1);
    if (!bytes)
        return -ENOMEM;
    code = read_whole(fd, bytes, head.len);
    if (code == 0 && siphash(CHECKSUM_KEY, bytes, head.len) != head.checksum)
        code = -EBADMSG;
    if (code == 0)
        code = adopt_all(cache, &head, bytes, moment);
    free(bytes);
    return code;
}

int cache_adopt(struct cache *cache, const char *path, struct cache_origin origin,
                struct moment moment, size_t *out_count, struct bl_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), code;

    if (fd < 0 && errno == ENOENT) {
        *out_count = 0;
        return 0;
    }
    code = fd < 0 ? -errno : adopt_file(cache, fd, origin, moment);
    if (fd >= 0)
        close(fd);
    unlink(path);
    if (code == -ESTALE)
        return bl_error_set(error, code,
                            "%s is of other lists, other forward-zones or another time", path);
    if (code == -EBADMSG)
        return bl_error_set(error, code, "%s is damaged or of another version", path);
    if (code < 0)
        return bl_error_set(error, code, "%s: %s", path, strerror(-code));
    *out_count = cache_state(cache).entries;
    return 0;
}
