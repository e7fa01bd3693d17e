#include "resolver/policy/state.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "resolver/base/lmdb_room.h"
#include "resolver/policy/state_check.h"

enum { PATH_ROOM = 4096, KEY_MOST = 511 };

#define DAMAGED                                                                                    \
    "%s is damaged (%s). Please put a backup in its place, or move it away to begin with none of " \
    "the grants and without the change log"

static const size_t MAP_FIRST = (size_t)64 << 20, MAP_MOST = (size_t)64 << 30;
static const char *const TABLES[TABLE_COUNT] = {"meta",     "grants", "past",      "changes",
                                                "versions", "policy", "incidents", "faults",
                                                "moments",  "configs"};

struct state {
    MDB_env *env;
    MDB_dbi tables[TABLE_COUNT];
    bool is_missing[TABLE_COUNT]; /* in a file of an older program, while it is only read */
    bool writable;
    bool was_full; /* a change did not fit: the next one is to find more room */
    pthread_mutex_t lock;
    char path[PATH_ROOM], folder[PATH_ROOM];
};

struct change {
    struct state *state;
    MDB_txn *txn;
    struct actor actor;
    bool writes;
    int64_t now_ms;
};

/* LMDB's codes are negative of its own or positive errno. */
static int fault(const struct state *state, int code, struct bl_error *error)
{
    switch (code) {
    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
    case MDB_BAD_TXN:
        return bl_error_set(error, -EBADMSG, DAMAGED, state->path, mdb_strerror(code));
    case MDB_VERSION_MISMATCH:
        return bl_error_set(error, -EPROTO, "%s was written by another version of LMDB",
                            state->path);
    case MDB_MAP_FULL:
        return bl_error_set(error, -ENOSPC,
                            "%s had no room for so much at once; nothing was changed. Please try "
                            "again: more room is made first",
                            state->path);
    case ENOSPC:
    case EDQUOT:
        return bl_error_set(error, -ENOSPC,
                            "the disk of %s is full; nothing was changed. Please make room",
                            state->path);
    default:
        return bl_error_set(error, code > 0 ? -code : -EIO, "%s: %s", state->path,
                            mdb_strerror(code));
    }
}

/* What LMDB would stumble over, found before it looks. */
static int soundness_check(const struct state *state, struct bl_error *error)
{
    struct bl_error why = {0};
    int code = state_check(state->path, &why);

    if (code == -EBADMSG)
        return bl_error_set(error, code, DAMAGED, state->path, why.text);
    if (code == -EACCES || code == -EPERM)
        return fault(state, -code, error);
    return code < 0 ? bl_error_set(error, code, "%s", why.text) : 0;
}

/* A file that was cut would raise SIGBUS when the missing pages are read. */
static int length_check(const struct state *state, struct bl_error *error)
{
    struct stat status;
    MDB_envinfo info;
    MDB_stat pages;

    mdb_env_info(state->env, &info);
    mdb_env_stat(state->env, &pages);
    if (stat(state->path, &status) < 0)
        return fault(state, errno, error);
    if ((size_t)status.st_size < (info.me_last_pgno + 1) * pages.ms_psize)
        return fault(state, MDB_CORRUPTED, error);
    return 0;
}

static int tables_open(struct state *state, struct bl_error *error)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(state->env, NULL, state->writable ? 0 : MDB_RDONLY, &txn);

    if (code)
        return fault(state, code, error);
    for (int i = 0; i < TABLE_COUNT && !code; i++) {
        code = mdb_dbi_open(txn, TABLES[i], state->writable ? MDB_CREATE : 0, &state->tables[i]);
        state->is_missing[i] = code == MDB_NOTFOUND && i >= TABLE_MOMENTS;
        if (state->is_missing[i])
            code = 0;
    }
    if (code)
        mdb_txn_abort(txn);
    else
        code = mdb_txn_commit(txn);
    if (code == MDB_NOTFOUND)
        return bl_error_set(error, -ENOENT, "nothing was ever recorded in %s", state->path);
    return code ? fault(state, code, error) : 0;
}

static int format_check(struct state *state, struct bl_error *error)
{
    struct change *change;
    uint32_t format;
    int code = change_begin(state, NULL, 0, &change, error);

    if (code < 0)
        return code;
    format = change_number(change, "format");
    change_abort(change);
    if (format == STATE_FORMAT)
        return 0;
    if (format)
        return bl_error_set(error, -EPROTO, "%s has format %u; this program knows %u", state->path,
                            format, (unsigned)STATE_FORMAT);
    if (!state->writable)
        return 0;
    code = change_begin(state, &(struct actor){.user = ""}, 0, &change, error);
    if (code < 0)
        return code;
    code = change_number_set(change, "format", STATE_FORMAT, error);
    if (code < 0) {
        change_abort(change);
        return code;
    }
    return change_commit(change, error);
}

static int env_open(struct state *state, struct bl_error *error)
{
    /* Our own lock file and mutex see to it that nobody else is there. */
    unsigned flags = MDB_NOSUBDIR | MDB_NOLOCK | (state->writable ? 0 : MDB_RDONLY);
    struct stat status;
    size_t size = MAP_FIRST;
    int code = soundness_check(state, error);

    if (code < 0)
        return code;
    code = mdb_env_create(&state->env);
    if (code)
        return fault(state, code, error);
    if (stat(state->path, &status) == 0) {
        while (size < 2 * (size_t)status.st_size && size < MAP_MOST)
            size *= 2;
    }
    code = mdb_env_set_mapsize(state->env, size);
    if (!code)
        code = mdb_env_set_maxdbs(state->env, TABLE_COUNT);
    if (!code)
        code = mdb_env_open(state->env, state->path, flags, 0600);
    return code ? fault(state, code, error) : length_check(state, error);
}

int state_open(const char *folder, bool writable, struct state **out_state, struct bl_error *error)
{
    struct state *state = calloc(1, sizeof *state);
    int code;

    if (!state)
        return bl_error_set(error, -ENOMEM, "no memory for the state");
    pthread_mutex_init(&state->lock, NULL);
    state->writable = writable;
    if (snprintf(state->path, sizeof state->path, "%s/state.mdb", folder) >= PATH_ROOM)
        code = bl_error_set(error, -ENAMETOOLONG, "the path of the state folder is too long");
    else
        code = env_open(state, error);
    snprintf(state->folder, sizeof state->folder, "%s", folder);
    if (code == 0)
        code = tables_open(state, error);
    if (code == 0)
        code = format_check(state, error);
    if (code < 0) {
        state_close(state);
        return code;
    }
    *out_state = state;
    return 0;
}

void state_close(struct state *state)
{
    if (!state)
        return;
    if (state->env)
        mdb_env_close(state->env);
    pthread_mutex_destroy(&state->lock);
    free(state);
}

/* Between transactions: room for at least as much again as there is. */
static int map_grow(struct state *state)
{
    bool was_full = state->was_full;

    state->was_full = false;
    return lmdb_grow(state->env, MAP_MOST, was_full);
}

int change_begin(struct state *state, const struct actor *actor, int64_t now_ms,
                 struct change **out_change, struct bl_error *error)
{
    struct change *change = calloc(1, sizeof *change);
    int code = 0;

    if (!change)
        return bl_error_set(error, -ENOMEM, "no memory for a change");
    change->state = state;
    change->now_ms = now_ms;
    change->writes = actor != NULL;
    if (actor)
        change->actor = *actor;
    pthread_mutex_lock(&state->lock);
    if (change->writes)
        code = map_grow(state);
    if (!code)
        code = mdb_txn_begin(state->env, NULL, change->writes ? 0 : MDB_RDONLY, &change->txn);
    if (code) {
        pthread_mutex_unlock(&state->lock);
        free(change);
        return fault(state, code, error);
    }
    *out_change = change;
    return 0;
}

int change_commit(struct change *change, struct bl_error *error)
{
    struct state *state = change->state;
    int code = mdb_txn_commit(change->txn);

    state->was_full = code == MDB_MAP_FULL;
    pthread_mutex_unlock(&state->lock);
    free(change);
    return code ? fault(state, code, error) : 0;
}

void change_abort(struct change *change)
{
    if (!change)
        return;
    mdb_txn_abort(change->txn);
    pthread_mutex_unlock(&change->state->lock);
    free(change);
}

const struct actor *change_actor(const struct change *change)
{
    return &change->actor;
}

int64_t change_now_ms(const struct change *change)
{
    return change->now_ms;
}

const char *change_folder(const struct change *change)
{
    return change->state->folder;
}

static MDB_val value_of(const void *octets, size_t len)
{
    return (MDB_val){.mv_size = len, .mv_data = (void *)(uintptr_t)octets};
}

int change_get(struct change *change, enum state_table table, const void *key, size_t key_len,
               MDB_val *out_value)
{
    MDB_val wanted = value_of(key, key_len);

    if (key_len == 0 || key_len > KEY_MOST || change->state->is_missing[table] ||
        mdb_get(change->txn, change->state->tables[table], &wanted, out_value))
        return -ENOENT;
    return 0;
}

int change_put(struct change *change, enum state_table table, const void *key, size_t key_len,
               const void *value, size_t len, struct bl_error *error)
{
    MDB_val wanted = value_of(key, key_len), data = value_of(value, len);
    int code = mdb_put(change->txn, change->state->tables[table], &wanted, &data, 0);

    change->state->was_full = change->state->was_full || code == MDB_MAP_FULL;
    return code ? fault(change->state, code, error) : 0;
}

int change_delete(struct change *change, enum state_table table, const void *key, size_t key_len,
                  struct bl_error *error)
{
    MDB_val wanted = value_of(key, key_len);
    int code = mdb_del(change->txn, change->state->tables[table], &wanted, NULL);

    return code && code != MDB_NOTFOUND ? fault(change->state, code, error) : 0;
}

int change_cursor(struct change *change, enum state_table table, MDB_cursor **out_cursor,
                  struct bl_error *error)
{
    int code;

    if (change->state->is_missing[table])
        return bl_error_set(error, -ENOENT, "nothing of that kind was ever recorded in %s",
                            change->state->path);
    code = mdb_cursor_open(change->txn, change->state->tables[table], out_cursor);
    return code ? fault(change->state, code, error) : 0;
}

int change_each(struct change *change, enum state_table table,
                void (*each)(void *user, json_t *value), void *user, struct bl_error *error)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int code = change_cursor(change, table, &cursor, error);

    if (code < 0)
        return code;
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        json_t *record = json_loadb(value.mv_data, value.mv_size, 0, NULL);

        if (record)
            each(user, record);
        json_decref(record);
    }
    mdb_cursor_close(cursor);
    return 0;
}

uint32_t change_number(struct change *change, const char *name)
{
    MDB_val value;

    if (change_get(change, TABLE_META, name, strlen(name), &value) < 0 || value.mv_size != 4)
        return 0;
    return get_be32(value.mv_data);
}

int change_number_set(struct change *change, const char *name, uint32_t value,
                      struct bl_error *error)
{
    uint8_t octets[4];

    put_be32(octets, value);
    return change_put(change, TABLE_META, name, strlen(name), octets, sizeof octets, error);
}
