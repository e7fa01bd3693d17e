#include "resolver/denials/segment_read.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "resolver/denials/guard.h"

enum { SNAPSHOT_TRIES = 20, QUIET_SECONDS = 2 * 86400, STRINGS_MAX = 1 << 26 };

static void assert_failed(MDB_env *env, const char *message)
{
    (void)env;
    (void)message;
    guard_leave();
}

static int environment_open(struct segment_reader *reader, const char *path, unsigned flags)
{
    int rc = mdb_env_create(&reader->env);

    if (rc != 0)
        return rc;
    mdb_env_set_maxdbs(reader->env, SEGMENT_TABLES_MAX);
    mdb_env_set_mapsize(reader->env, SEGMENT_MAP_READ);
    mdb_env_set_assert(reader->env, assert_failed);
    rc = mdb_env_open(reader->env, path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOTLS | flags, 0640);
    if (rc != 0) {
        mdb_env_close(reader->env);
        reader->env = NULL;
    }
    return rc;
}

/* The transaction that the file's newest meta page names. */
static int last_transaction(struct segment_reader *reader, size_t *out_id)
{
    MDB_envinfo info;
    int rc = environment_open(reader, reader->path, MDB_NOLOCK);

    if (rc != 0)
        return rc;
    mdb_env_info(reader->env, &info);
    *out_id = info.me_last_txnid;
    mdb_env_close(reader->env);
    reader->env = NULL;
    return 0;
}

static int file_copy(const char *path, int to)
{
    int from = open(path, O_RDONLY | O_CLOEXEC);
    off_t at = 0;
    int code = from < 0 ? errno : 0;
    char buffer[65536];

    while (code == 0) {
        ssize_t got = pread(from, buffer, sizeof(buffer), at);
        if (got == 0)
            break;
        if (got < 0 || pwrite(to, buffer, (size_t)got, at) != got)
            code = got < 0 ? errno : EIO;
        at += got;
    }
    if (from >= 0)
        close(from);
    return code;
}

/* Pages of a state are not written again before the second commit after it: a copy during which the
 * newest transaction stayed the same is whole. */
static int snapshot_open(struct segment_reader *reader)
{
    char path[64];
    size_t before, after;
    int rc = EAGAIN;

    for (int i = 0; i < SNAPSHOT_TRIES && rc == EAGAIN; i++) {
        if (reader->snapshot_fd >= 0)
            close(reader->snapshot_fd);
        reader->snapshot_fd = memfd_create("segment", MFD_CLOEXEC);
        if (reader->snapshot_fd < 0)
            return errno;
        rc = last_transaction(reader, &before);
        if (rc == 0)
            rc = file_copy(reader->path, reader->snapshot_fd);
        if (rc == 0)
            rc = last_transaction(reader, &after);
        if (rc == 0 && before != after)
            rc = EAGAIN;
    }
    if (rc != 0)
        return rc;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", reader->snapshot_fd);
    return environment_open(reader, path, MDB_NOLOCK);
}

static bool is_quiet(const struct segment_reader *reader)
{
    struct stat status;

    return stat(reader->path, &status) == 0 && time(NULL) - status.st_mtime > QUIET_SECONDS;
}

/* LMDB would make a table of readers that is root's, and the segment's writer, who is not, could
 * not open it any more. */
static bool lock_would_be_foreign(const struct segment_reader *reader)
{
    char lock[PATH_MAX + 8];
    struct stat status;

    snprintf(lock, sizeof(lock), "%s-lock", reader->path);
    return geteuid() == 0 && stat(reader->path, &status) == 0 && status.st_uid != 0 &&
           access(lock, F_OK) < 0;
}

struct opening {
    struct segment_reader *reader;
    bool copy;
    int rc;
    bool version;
};

static int begin(struct segment_reader *reader, bool *out_version)
{
    MDB_val key = {4, (void *)(uintptr_t) "meta"}, value;
    MDB_envinfo info;
    struct stat status;
    int rc = mdb_env_info(reader->env, &info), fd;

    if (rc == 0)
        rc = mdb_env_get_fd(reader->env, &fd);
    if (rc != 0)
        return rc;
    if (fstat(fd, &status) < 0)
        return errno;
    if ((uint64_t)status.st_size < ((uint64_t)info.me_last_pgno + 1) * 4096)
        return MDB_CORRUPTED; /* cut */
    rc = mdb_txn_begin(reader->env, NULL, MDB_RDONLY, &reader->txn);
    if (rc == MDB_MAP_RESIZED) { /* it has grown beyond our map since that was made */
        rc = mdb_env_set_mapsize(reader->env, 0);
        if (rc == 0)
            rc = mdb_txn_begin(reader->env, NULL, MDB_RDONLY, &reader->txn);
    }
    if (rc == 0)
        rc = segment_tables_open(reader->txn, 0, &reader->tables);
    if (rc == 0)
        rc = mdb_get(reader->txn, reader->tables.meta, &key, &value);
    if (rc != 0)
        return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
    *out_version = value.mv_size != sizeof(reader->meta);
    if (!*out_version)
        memcpy(&reader->meta, value.mv_data, sizeof(reader->meta));
    *out_version = *out_version || reader->meta.format != SEGMENT_FORMAT ||
                   reader->meta.byte_order != SEGMENT_BYTE_ORDER;
    return 0;
}

static void opening_run(void *user)
{
    struct opening *opening = user;
    struct segment_reader *reader = opening->reader;
    int rc = opening->copy || lock_would_be_foreign(reader)
                 ? EACCES
                 : environment_open(reader, reader->path, 0);

    if (rc == EACCES || rc == EROFS || rc == EPERM) {
        int readable = access(reader->path, R_OK) == 0 ? 0 : errno;
        if (readable != 0)
            rc = readable;
        else
            rc = !opening->copy && is_quiet(reader)
                     ? environment_open(reader, reader->path, MDB_NOLOCK)
                     : snapshot_open(reader);
    }
    opening->rc = rc == 0 ? begin(reader, &opening->version) : rc;
}

static int opening_result(const struct opening *opening, bool survived, struct bl_error *error)
{
    const char *path = opening->reader->path;

    if (!survived || opening->rc == MDB_CORRUPTED || opening->rc == MDB_INVALID ||
        opening->rc == MDB_PAGE_NOTFOUND || opening->rc == MDB_NOTFOUND)
        return bl_error_set(error, -EBADMSG, "%s: damaged or cut; its denials cannot be read",
                            path);
    if (opening->rc == EAGAIN)
        return bl_error_set(error, -EAGAIN,
                            "%s: written to faster than it can be copied; try again", path);
    if (opening->rc != 0)
        return bl_error_set(error, opening->rc > 0 ? -opening->rc : -EIO, "%s: %s", path,
                            mdb_strerror(opening->rc));
    if (opening->version)
        return bl_error_set(error, -EPROTO, "%s: a segment of another version", path);
    return 0;
}

int segment_reader_open(const char *state, const struct day *day, bool copy,
                        struct segment_reader **out_reader, struct bl_error *error)
{
    struct segment_reader *reader = calloc(1, sizeof(*reader));
    struct opening opening = {.reader = reader, .copy = copy};

    if (reader == NULL)
        return bl_error_set(error, -ENOMEM, "out of memory for reading denials");
    reader->day = *day;
    reader->snapshot_fd = -1;
    snprintf(reader->path, sizeof(reader->path), "%s/denials/%s.mdb", state, day->text);
    bool survived = guard_run(opening_run, &opening);
    int code = opening_result(&opening, survived, error);
    if (code < 0) {
        if (survived)
            segment_reader_close(reader);
        else
            segment_reader_abandon(reader);
        return code;
    }
    reader->day.start_ms = reader->meta.start_ms;
    reader->day.end_ms = reader->meta.end_ms;
    *out_reader = reader;
    return 0;
}

void segment_reader_close(struct segment_reader *reader)
{
    if (reader == NULL)
        return;
    if (reader->txn != NULL)
        mdb_txn_abort(reader->txn);
    if (reader->env != NULL)
        mdb_env_close(reader->env);
    if (reader->snapshot_fd >= 0)
        close(reader->snapshot_fd);
    for (int i = 0; i < SEGMENT_DICTIONARIES; i++)
        free(reader->strings[i]);
    free(reader);
}

void segment_reader_abandon(struct segment_reader *reader)
{
    static struct segment_reader *abandoned;

    reader->abandoned_next = __atomic_load_n(&abandoned, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&abandoned, &reader->abandoned_next, reader, false,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
    }
}

/* A report asks for the same strings over and over: the second time it is an array access. */
static struct segment_string *string_slot(struct segment_reader *reader,
                                          enum segment_dictionary which, uint32_t id)
{
    uint32_t count = reader->meta.next[which];

    if (id >= count || count > STRINGS_MAX)
        return NULL;
    if (reader->strings[which] == NULL)
        reader->strings[which] = calloc(count, sizeof(*reader->strings[which]));
    return reader->strings[which] == NULL ? NULL : &reader->strings[which][id];
}

/* One whole wire name and nothing behind it. */
static bool name_is_whole(const uint8_t *bytes, size_t len)
{
    size_t at = 0;

    if (len > BL_NAME_MAX)
        return false;
    while (at < len && bytes[at] != 0 && bytes[at] <= BL_LABEL_MAX)
        at += 1u + bytes[at];
    return at + 1 == len && bytes[at] == 0;
}

bool segment_reader_string(struct segment_reader *reader, enum segment_dictionary which,
                           uint32_t id, const uint8_t **out_bytes, size_t *out_len,
                           uint32_t *out_attribute)
{
    struct segment_string *slot = string_slot(reader, which, id), found;
    MDB_val key = {sizeof(id), &id}, value;

    if (slot == NULL || slot->bytes == NULL) {
        if (mdb_get(reader->txn, reader->tables.values[which], &key, &value) != 0 ||
            value.mv_size < sizeof(struct segment_value))
            return false;
        memcpy(&found.attribute, value.mv_data, sizeof(found.attribute));
        found.bytes = (const uint8_t *)value.mv_data + sizeof(struct segment_value);
        found.len = (uint32_t)(value.mv_size - sizeof(struct segment_value));
        if (which == SEGMENT_NAMES && !name_is_whole(found.bytes, found.len))
            return false;
        if (slot != NULL)
            *slot = found;
    } else {
        found = *slot;
    }
    *out_bytes = found.bytes;
    *out_len = found.len;
    *out_attribute = found.attribute;
    return true;
}

const uint8_t *segment_reader_name(struct segment_reader *reader, uint32_t id, uint32_t *out_domain)
{
    const uint8_t *bytes;
    size_t len;

    if (!segment_reader_string(reader, SEGMENT_NAMES, id, &bytes, &len, out_domain))
        return NULL;
    if (*out_domain == SEGMENT_NO_ID)
        *out_domain = id;
    return bytes;
}

bool segment_reader_client(struct segment_reader *reader, uint32_t id,
                           struct segment_client *out_client, struct denial_device *out_device)
{
    struct denial_device device;
    const uint8_t *bytes;
    uint32_t attribute;
    size_t len;

    if (!segment_reader_string(reader, SEGMENT_CLIENTS, id, &bytes, &len, &attribute) ||
        len < sizeof(*out_client) ||
        !denial_device_read(bytes + sizeof(*out_client), len - sizeof(*out_client), &device))
        return false;
    memcpy(out_client, bytes, sizeof(*out_client));
    if (out_device != NULL)
        *out_device = device;
    return true;
}

bool segment_reader_word(struct segment_reader *reader, uint32_t id, struct segment_word *out_word)
{
    const uint8_t *bytes;
    uint32_t attribute;
    size_t len;

    if (id == UINT16_MAX ||
        !segment_reader_string(reader, SEGMENT_WORDS, id, &bytes, &len, &attribute) || len < 4 ||
        bytes[len - 1] != '\0')
        return false;
    const char *name = (const char *)bytes + 2;
    size_t name_len = strlen(name);
    if (name_len + 4 > len)
        return false;
    *out_word = (struct segment_word){
        .kind = (char)bytes[0], .severity = bytes[1], .name = name, .title = name + name_len + 1};
    return true;
}

bool segment_reader_rule(struct segment_reader *reader, uint32_t id, struct segment_rule *out_rule)
{
    const uint8_t *bytes;
    uint32_t attribute;
    size_t len;

    if (!segment_reader_string(reader, SEGMENT_RULES, id, &bytes, &len, &attribute) ||
        len != sizeof(*out_rule))
        return false;
    memcpy(out_rule, bytes, len);
    return true;
}

uint64_t segment_reader_drained(struct segment_reader *reader, uint64_t sequence)
{
    uint8_t key_bytes[8];
    uint64_t offset = 0;
    MDB_val key = {sizeof(key_bytes), key_bytes}, value;

    segment_put_64(key_bytes, sequence);
    if (mdb_get(reader->txn, reader->tables.journals, &key, &value) == 0 &&
        value.mv_size == sizeof(offset))
        memcpy(&offset, value.mv_data, sizeof(offset));
    return offset;
}

int segment_reader_walk(struct segment_reader *reader, MDB_dbi table, const MDB_val *first,
                        int (*each)(void *user, const MDB_val *key, const MDB_val *value),
                        void *user)
{
    MDB_val key = {0}, value;
    int result = 0, rc = mdb_cursor_open(reader->txn, table, &reader->cursor);

    if (rc != 0)
        return -EBADMSG;
    if (first != NULL)
        key = *first;
    rc = mdb_cursor_get(reader->cursor, &key, &value, first != NULL ? MDB_SET_RANGE : MDB_FIRST);
    while (rc == 0 && (result = each(user, &key, &value)) == 0)
        rc = mdb_cursor_get(reader->cursor, &key, &value, MDB_NEXT);
    mdb_cursor_close(reader->cursor);
    reader->cursor = NULL;
    return result != 0 || rc == 0 || rc == MDB_NOTFOUND ? result : -EBADMSG;
}
