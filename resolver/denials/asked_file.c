#include "resolver/denials/asked_file.h"

#include <errno.h>
#include <limits.h>
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocklists/name.h"
#include "resolver/base/folder.h"
#include "resolver/denials/asked_sums.h"
#include "resolver/denials/guard.h"

enum { MAP_SIZE = 1 << 30, KEY_MAX = 511 };

static int lmdb_failed(const char *path, int rc, struct bl_error *error)
{
    return bl_error_set(error,
                        rc > 0               ? -rc
                        : rc == MDB_MAP_FULL ? -ENOSPC
                        : rc == MDB_NOTFOUND ? -ENOENT
                                             : -EBADMSG,
                        "%s: %s", path, mdb_strerror(rc));
}

static int rows_put(MDB_txn *txn, unsigned least,
                    bool (*next)(void *user, struct asked_row *out_row), void *user)
{
    struct asked_meta meta = {
        .format = ASKED_FORMAT, .byte_order = ASKED_BYTE_ORDER, .least = least};
    MDB_val key = {4, (void *)(uintptr_t) "meta"}, value = {sizeof(meta), &meta};
    struct asked_row row;
    uint8_t bytes[KEY_MAX];
    MDB_dbi table;
    int rc = mdb_dbi_open(txn, NULL, 0, &table);

    if (rc == 0)
        rc = mdb_put(txn, table, &key, &value, 0);
    while (rc == 0 && next(user, &row)) {
        size_t group_len = strlen(row.group) + 1;
        if (group_len + row.name_len > sizeof(bytes))
            continue;
        memcpy(bytes, row.group, group_len);
        memcpy(bytes + group_len, row.name, row.name_len);
        key = (MDB_val){group_len + row.name_len, bytes};
        value = (MDB_val){sizeof(row.count), &row.count};
        rc = mdb_put(txn, table, &key, &value, 0);
    }
    return rc;
}

static int file_fill(const char *path, unsigned least,
                     bool (*next)(void *user, struct asked_row *out_row), void *user)
{
    MDB_env *env;
    MDB_txn *txn;
    int rc = mdb_env_create(&env);

    if (rc != 0)
        return rc;
    mdb_env_set_mapsize(env, MAP_SIZE);
    rc = mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK, 0640);
    if (rc == 0)
        rc = mdb_txn_begin(env, NULL, 0, &txn);
    if (rc == 0) {
        rc = rows_put(txn, least, next, user);
        if (rc == 0)
            rc = mdb_txn_commit(txn); /* and synced */
        else
            mdb_txn_abort(txn);
    }
    mdb_env_close(env);
    return rc;
}

int asked_file_write(const char *state, const char *day, unsigned least,
                     bool (*next)(void *user, struct asked_row *out_row), void *user,
                     struct bl_error *error)
{
    char folder[PATH_MAX], path[PATH_MAX + 16], fresh[PATH_MAX + 16];

    snprintf(folder, sizeof(folder), "%s/counts", state);
    snprintf(path, sizeof(path), "%s/%s.mdb", folder, day);
    snprintf(fresh, sizeof(fresh), "%s/.fresh", folder);
    if (mkdir(folder, 0750) < 0 && errno != EEXIST)
        return bl_error_set(error, -errno, "%s: %s", folder, strerror(errno));
    unlink(fresh); /* what a kill left */
    int rc = file_fill(fresh, least, next, user);
    if (rc == 0 && rename(fresh, path) < 0)
        rc = errno;
    if (rc == 0) {
        folder_sync(folder);
        return 0;
    }
    unlink(fresh);
    return lmdb_failed(path, rc, error);
}

struct reading {
    const char *path;
    MDB_env *env;
    MDB_txn *txn;
    MDB_cursor *cursor;
    int (*each)(void *user, const struct asked_row *row);
    void *user;
    int rc;     /* LMDB's */
    int result; /* of `each` */
};

static void assert_failed(MDB_env *env, const char *message)
{
    (void)env;
    (void)message;
    guard_leave();
}

static bool meta_is_fine(const MDB_val *value)
{
    struct asked_meta meta;

    if (value->mv_size != sizeof(meta))
        return false;
    memcpy(&meta, value->mv_data, sizeof(meta));
    return meta.format == ASKED_FORMAT && meta.byte_order == ASKED_BYTE_ORDER;
}

/* One name, from the first octet to the last. */
static bool is_name(const uint8_t *name, size_t len)
{
    size_t at = 0;

    while (at < len && name[at] != 0 && name[at] <= BL_LABEL_MAX)
        at += 1u + name[at];
    return len <= BL_NAME_MAX && at + 1 == len && name[at] == 0;
}

/* A row of bytes that anybody may have altered. */
static bool row_read(const MDB_val *key, const MDB_val *value, struct asked_row *out_row)
{
    const char *group = key->mv_data;
    size_t group_len = strnlen(group, key->mv_size);
    struct asked_row row = {.group = group};

    if (group_len == key->mv_size || value->mv_size != sizeof(row.count))
        return false;
    row.name = (const uint8_t *)group + group_len + 1;
    row.name_len = key->mv_size - group_len - 1;
    if (!is_name(row.name, row.name_len))
        return false;
    memcpy(&row.count, value->mv_data, sizeof(row.count));
    *out_row = row;
    return true;
}

static int rows_walk(struct reading *reading)
{
    MDB_txn *txn = reading->txn;
    MDB_val key = {4, (void *)(uintptr_t) "meta"}, value;
    struct asked_row row;
    MDB_dbi table;
    int rc = mdb_dbi_open(txn, NULL, 0, &table);

    if (rc == 0)
        rc = mdb_get(txn, table, &key, &value);
    if (rc == 0 && !meta_is_fine(&value))
        rc = MDB_VERSION_MISMATCH;
    if (rc == 0)
        rc = mdb_cursor_open(txn, table, &reading->cursor);
    if (rc != 0)
        return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
    while (reading->result == 0 &&
           (rc = mdb_cursor_get(reading->cursor, &key, &value, MDB_NEXT)) == 0)
        if (row_read(&key, &value, &row))
            reading->result = reading->each(reading->user, &row);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static void file_read(void *user)
{
    struct reading *reading = user;

    reading->rc = mdb_env_create(&reading->env);
    if (reading->rc != 0)
        return;
    mdb_env_set_assert(reading->env, assert_failed);
    reading->rc =
        mdb_env_open(reading->env, reading->path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0);
    if (reading->rc == 0)
        reading->rc = mdb_txn_begin(reading->env, NULL, MDB_RDONLY, &reading->txn);
    if (reading->rc == 0)
        reading->rc = rows_walk(reading);
}

/* Without a lock file none of these looks into the map, so they are safe after a fault, too. */
static void file_close(struct reading *reading)
{
    if (reading->cursor != NULL)
        mdb_cursor_close(reading->cursor);
    if (reading->txn != NULL)
        mdb_txn_abort(reading->txn);
    if (reading->env != NULL)
        mdb_env_close(reading->env);
}

int asked_file_read(const char *state, const char *day,
                    int (*each)(void *user, const struct asked_row *row), void *user,
                    struct bl_error *error)
{
    char path[PATH_MAX];
    struct reading reading = {.path = path, .each = each, .user = user};

    snprintf(path, sizeof(path), "%s/counts/%s.mdb", state, day);
    if (!guard_run(file_read, &reading))
        reading.rc = MDB_CORRUPTED;
    file_close(&reading);
    if (reading.rc == ENOENT)
        return bl_error_set(error, -ENOENT, "%s: nothing was counted", path);
    if (reading.rc > 0)
        return bl_error_set(error, -reading.rc, "%s: %s", path, strerror(reading.rc));
    if (reading.rc < 0)
        return bl_error_set(error, -EBADMSG,
                            "%s: the counts of that day are damaged; the others were read", path);
    return reading.result;
}
