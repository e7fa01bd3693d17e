#include "resolver/denials/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "resolver/base/lmdb_room.h"
#include "resolver/base/random.h"
#include "resolver/denials/segment_internal.h"

enum { READERS_MAX = 512, LOCK_SIZE = 48 << 10 /* more than LMDB wants for as many readers */ };

/* How many strings each dictionary remembers. */
static const size_t dictionary_slots[SEGMENT_DICTIONARIES] = {[SEGMENT_WORDS] = 1024,
                                                              [SEGMENT_NAMES] = 262144,
                                                              [SEGMENT_CLIENTS] = 16384,
                                                              [SEGMENT_RULES] = 4096};

uint32_t segment_block_check(const struct segment_block *block)
{
    size_t len = (size_t)block->count * sizeof(struct segment_record);
    uint64_t seed = ((uint64_t)block->first_ms << 32 | block->last_ms) + block->count;

    return (uint32_t)dictionary_hash(seed, block + 1, len);
}

int segment_failed(const struct segment *segment, int rc, struct bl_error *error)
{
    struct statvfs disk;
    int code;

    /* LMDB calls a write that was cut short by a full disk an input/output error. */
    if (rc == EIO && statvfs(segment->path, &disk) == 0 && disk.f_bavail < 256)
        rc = ENOSPC;
    if (rc == MDB_MAP_FULL)
        return bl_error_set(error, -ENOSPC, "%s has reached its largest size of %zu MiB",
                            segment->path, SEGMENT_MAP_MOST >> 20);
    code = rc > 0 ? -rc : -EBADMSG;
    return bl_error_set(error, code, "%s: %s", segment->path, mdb_strerror(rc));
}

int segment_tables_open(MDB_txn *txn, unsigned flags, struct segment_tables *out_tables)
{
    struct segment_tables tables;
    const struct {
        const char *name;
        unsigned flags;
        MDB_dbi *dbi;
    } all[] = {
        {"meta", 0, &tables.meta},
        {"words", MDB_INTEGERKEY, &tables.values[SEGMENT_WORDS]},
        {"names", MDB_INTEGERKEY, &tables.values[SEGMENT_NAMES]},
        {"clients", MDB_INTEGERKEY, &tables.values[SEGMENT_CLIENTS]},
        {"rules", MDB_INTEGERKEY, &tables.values[SEGMENT_RULES]},
        {"blocks", MDB_INTEGERKEY, &tables.blocks},
        {"rollups", MDB_INTEGERKEY, &tables.rollups},
        {"counted", 0, &tables.counted},
        {"journals", 0, &tables.journals},
        {"met", MDB_INTEGERKEY, &tables.met},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        int rc = mdb_dbi_open(txn, all[i].name, all[i].flags | flags, all[i].dbi);
        tables.has_met = rc == 0; /* the last of them */
        if (rc != 0 && !(rc == MDB_NOTFOUND && all[i].dbi == &tables.met))
            return rc;
    }
    *out_tables = tables;
    return 0;
}

static void meta_fresh(struct segment *segment)
{
    struct segment_meta meta = {.format = SEGMENT_FORMAT,
                                .byte_order = SEGMENT_BYTE_ORDER,
                                .start_ms = segment->day.start_ms,
                                .end_ms = segment->day.end_ms};

    strcpy(meta.day, segment->day.text);
    segment->meta = meta;
}

static int meta_put(struct segment *segment)
{
    MDB_val key = {4, (void *)(uintptr_t) "meta"}, value = {sizeof(segment->meta), &segment->meta};

    return mdb_put(segment->txn, segment->tables.meta, &key, &value, 0);
}

/* Reads what an earlier run left, or begins the day. */
static int meta_load(struct segment *segment, struct bl_error *error)
{
    MDB_val key = {4, (void *)(uintptr_t) "meta"}, value;
    int rc = segment_tables_open(segment->txn, MDB_CREATE, &segment->tables);

    if (rc == 0)
        rc = mdb_get(segment->txn, segment->tables.meta, &key, &value);
    if (rc == MDB_NOTFOUND) {
        meta_fresh(segment);
        rc = meta_put(segment);
    } else if (rc == 0) {
        if (value.mv_size != sizeof(segment->meta))
            return bl_error_set(error, -EPROTO, "%s: a segment of another version", segment->path);
        memcpy(&segment->meta, value.mv_data, sizeof(segment->meta));
        if (segment->meta.format != SEGMENT_FORMAT ||
            segment->meta.byte_order != SEGMENT_BYTE_ORDER)
            return bl_error_set(error, -EPROTO, "%s: a segment of another version", segment->path);
        /* What the segment says of its day holds, should the zone have been changed since. */
        segment->day.start_ms = segment->meta.start_ms;
        segment->day.end_ms = segment->meta.end_ms;
    }
    return rc == 0 ? 0 : segment_failed(segment, rc, error);
}

/* LMDB maps its lock file over a hole and would meet SIGBUS there on a full disk: it is filled
 * first. */
static int lock_prepare(const struct segment *segment)
{
    char path[PATH_MAX + 8];

    snprintf(path, sizeof(path), "%s-lock", segment->path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0660);
    if (fd < 0)
        return errno;
    int failure = posix_fallocate(fd, 0, LOCK_SIZE);
    /* Who may read the segment takes a reader's slot here, and that means writing. */
    (void)!fchmod(fd, 0660);
    close(fd);
    return failure;
}

/* The batch's transaction ends, one way or the other. */
static void txn_abort(struct segment *segment)
{
    for (int i = 0; i < SEGMENT_DICTIONARIES; i++)
        dictionary_finish(&segment->dictionaries[i]);
    if (segment->txn != NULL)
        mdb_txn_abort(segment->txn);
    segment->txn = NULL;
}

static int txn_commit(struct segment *segment)
{
    for (int i = 0; i < SEGMENT_DICTIONARIES; i++)
        dictionary_finish(&segment->dictionaries[i]);
    int rc = mdb_txn_commit(segment->txn);
    segment->txn = NULL; /* freed, whatever came of it */
    return rc;
}

static int environment_open(struct segment *segment)
{
    int rc = lock_prepare(segment), dead;

    if (rc == 0)
        rc = mdb_env_create(&segment->env);
    if (rc != 0)
        return rc;
    mdb_env_set_maxdbs(segment->env, SEGMENT_TABLES_MAX);
    mdb_env_set_maxreaders(segment->env, READERS_MAX);
    mdb_env_set_mapsize(segment->env, SEGMENT_MAP_FIRST);
    rc = mdb_env_open(segment->env, segment->path, MDB_NOSUBDIR | MDB_NOTLS, 0640);
    if (rc != 0)
        return rc;
    mdb_reader_check(segment->env, &dead);
    rc = lmdb_grow(segment->env, SEGMENT_MAP_MOST, false);
    return rc == 0 ? mdb_txn_begin(segment->env, NULL, 0, &segment->txn) : rc;
}

static int buffers_make(struct segment *segment)
{
    struct random_pool random;
    uint64_t seed;

    /* Names are chosen by pupils: without a secret they could be chosen to collide. */
    random_init(&random);
    seed = random_64(&random);
    segment->seed = random_64(&random);
    segment->pending = calloc(SEGMENT_BATCH, sizeof(*segment->pending));
    segment->folds = calloc(SEGMENT_BATCH, sizeof(*segment->folds));
    segment->same = calloc(SEGMENT_SAME_SIZE, sizeof(*segment->same));
    segment->rollups = calloc(SEGMENT_ROLLUP_SIZE, sizeof(*segment->rollups));
    for (int i = 0; i < SEGMENT_DICTIONARIES; i++)
        if (dictionary_init(&segment->dictionaries[i], dictionary_slots[i], seed) < 0)
            return -ENOMEM;
    return segment->pending != NULL && segment->folds != NULL && segment->same != NULL &&
                   segment->rollups != NULL
               ? 0
               : -ENOMEM;
}

/* What the segment holds in memory besides the batch, learned from what it holds on disk. */
static int memory_load(struct segment *segment)
{
    int rc = 0;

    segment->last.rule_id = segment->last.client_id = SEGMENT_NO_ID;
    for (int i = 0; i < SEGMENT_DICTIONARIES && rc == 0; i++)
        rc = dictionary_load(&segment->dictionaries[i], segment->txn, segment->tables.values[i],
                             segment->meta.next[i]);
    if (rc == 0)
        rc = segment_rollups_load(segment);
    segment->stale = rc != 0;
    return rc;
}

int segment_open(const char *state, const struct day *day, struct segment **out_segment,
                 struct bl_error *error)
{
    struct segment *segment = calloc(1, sizeof(*segment));
    int code;

    if (segment == NULL)
        return bl_error_set(error, -ENOMEM, "out of memory for a segment of denials");
    segment->day = *day;
    snprintf(segment->path, sizeof(segment->path), "%s/denials", state);
    if (mkdir(segment->path, 0750) < 0 && errno != EEXIST) {
        code = bl_error_set(error, -errno, "%s: %s", segment->path, strerror(errno));
        goto failed;
    }
    snprintf(segment->path, sizeof(segment->path), "%s/denials/%s.mdb", state, day->text);
    if (buffers_make(segment) < 0) {
        code = bl_error_set(error, -ENOMEM, "out of memory for a segment of denials");
        goto failed;
    }
    int rc = environment_open(segment);
    code = rc == 0 ? meta_load(segment, error) : segment_failed(segment, rc, error);
    if (code == 0) {
        rc = memory_load(segment);
        code = rc == 0 ? 0 : segment_failed(segment, rc, error);
    }
    if (code == 0) {
        rc = txn_commit(segment);
        code = rc == 0 ? 0 : segment_failed(segment, rc, error);
    }
    if (code < 0)
        goto failed;
    segment->committed = segment->meta;
    *out_segment = segment;
    return 0;

failed:
    segment_close(segment);
    return code;
}

/* The last roll-ups. Should this fail, readers and the next start sum them from the records. */
static void rollups_finish(struct segment *segment)
{
    uint32_t number = segment->meta.blocks - 1;
    MDB_val key = {sizeof(number), &number}, value;
    struct segment_block head;

    if (segment->rollup_count == 0 || segment->stale || segment_begin(segment, NULL) < 0 ||
        mdb_get(segment->txn, segment->tables.blocks, &key, &value) != 0 ||
        value.mv_size < sizeof(head))
        return;
    memcpy(&head, value.mv_data, sizeof(head));
    if (segment_rollups_write(segment, head.count) == 0)
        segment_commit(segment, NULL);
}

void segment_close(struct segment *segment)
{
    if (segment == NULL)
        return;
    segment_abort(segment);
    if (segment->committed.blocks > 0)
        rollups_finish(segment);
    txn_abort(segment);
    if (segment->env != NULL)
        mdb_env_close(segment->env);
    for (int i = 0; i < SEGMENT_DICTIONARIES; i++)
        dictionary_fini(&segment->dictionaries[i]);
    free(segment->legend.ids);
    free(segment->pending);
    free(segment->folds);
    free(segment->same);
    free(segment->rollups);
    free(segment);
}

const struct day *segment_day(const struct segment *segment)
{
    return &segment->day;
}

bool segment_is_full(const struct segment *segment)
{
    size_t waiting = segment->waiting_added - segment->waiting_settled; /* to become any of these */

    return segment->pending_count + waiting >= SEGMENT_BATCH ||
           segment->fold_count + waiting >= SEGMENT_BATCH ||
           segment->rollup_count + waiting >= SEGMENT_ROLLUP_SIZE / 2 + SEGMENT_BATCH;
}

int segment_begin(struct segment *segment, struct bl_error *error)
{
    if (segment->txn != NULL)
        return 0;
    /* At least half of the map is left for a batch, which needs a few MiB. */
    int rc = lmdb_grow(segment->env, SEGMENT_MAP_MOST, false);
    if (rc == 0)
        rc = mdb_txn_begin(segment->env, NULL, 0, &segment->txn);
    if (rc != 0)
        segment->txn = NULL;
    if (rc == 0 && segment->stale)
        rc = memory_load(segment);
    if (rc == 0)
        return 0;
    txn_abort(segment);
    return segment_failed(segment, rc, error);
}

int segment_drained(struct segment *segment, uint64_t sequence, uint64_t *out_offset,
                    struct bl_error *error)
{
    if (segment->drained_sequence == sequence) {
        *out_offset = segment->drained_offset;
        return 0;
    }
    int code = segment_begin(segment, error);
    if (code < 0)
        return code;
    uint8_t key_bytes[8];
    segment_put_64(key_bytes, sequence);
    MDB_val key = {sizeof(key_bytes), key_bytes}, value;
    int rc = mdb_get(segment->txn, segment->tables.journals, &key, &value);
    if (rc != 0 && rc != MDB_NOTFOUND)
        return segment_failed(segment, rc, error);
    segment->drained_offset = 0;
    if (rc == 0 && value.mv_size == sizeof(segment->drained_offset))
        memcpy(&segment->drained_offset, value.mv_data, sizeof(segment->drained_offset));
    segment->drained_sequence = sequence;
    *out_offset = segment->drained_offset;
    return 0;
}

int segment_mark(struct segment *segment, uint64_t sequence, uint64_t offset,
                 struct bl_error *error)
{
    uint8_t key_bytes[8];
    int code = segment_begin(segment, error);

    if (code < 0)
        return code;
    segment_put_64(key_bytes, sequence);
    MDB_val key = {sizeof(key_bytes), key_bytes}, value = {sizeof(offset), &offset};
    int rc = mdb_put(segment->txn, segment->tables.journals, &key, &value, 0);
    segment->drained_sequence = 0;
    return rc == 0 ? 0 : segment_failed(segment, rc, error);
}

int segment_counted(struct segment *segment, uint64_t sequence, uint64_t *moved, size_t slots,
                    struct bl_error *error)
{
    struct segment_counted_key first = {0};
    MDB_val key = {sizeof(first), &first}, value;
    MDB_cursor *cursor;
    int code = segment_begin(segment, error);

    if (code < 0)
        return code;
    segment_put_64(first.sequence, sequence);
    int rc = mdb_cursor_open(segment->txn, segment->tables.counted, &cursor);
    if (rc != 0)
        return segment_failed(segment, rc, error);
    for (rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE); rc == 0;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        const struct segment_counted_key *at = key.mv_data;
        struct segment_counted counted;
        if (key.mv_size != sizeof(*at) || segment_get_64(at->sequence) != sequence)
            break;
        if (segment_get_16(at->slot) >= slots || value.mv_size != sizeof(counted))
            continue;
        memcpy(&counted, value.mv_data, sizeof(counted));
        moved[segment_get_16(at->slot)] += counted.count;
    }
    mdb_cursor_close(cursor);
    return rc == 0 || rc == MDB_NOTFOUND ? 0 : segment_failed(segment, rc, error);
}

/* As if the batch had never been. */
static void segment_reset(struct segment *segment)
{
    txn_abort(segment);
    segment->meta = segment->committed;
    segment->stale = true;
    segment_forget(segment);
    segment->drained_sequence = 0;
    segment->legend.sequence = 0;
}

void segment_abort(struct segment *segment)
{
    bool changed = segment->pending_count > 0 ||
                   segment->waiting_added != segment->waiting_settled ||
                   segment->meta.counted != segment->committed.counted;

    for (int i = 0; i < SEGMENT_DICTIONARIES; i++)
        changed = changed || segment->dictionaries[i].next != segment->committed.next[i];
    if (changed)
        segment_reset(segment);
    else
        txn_abort(segment);
}

int segment_commit(struct segment *segment, struct bl_error *error)
{
    if (segment->txn == NULL)
        return 0;
    int rc = segment_flush(segment);
    if (rc == 0) {
        for (int i = 0; i < SEGMENT_DICTIONARIES; i++)
            segment->meta.next[i] = segment->dictionaries[i].next;
        rc = meta_put(segment);
    }
    if (rc == 0)
        rc = txn_commit(segment);
    if (rc != 0) {
        int code = segment_failed(segment, rc, error);
        segment_reset(segment);
        return code;
    }
    segment->committed = segment->meta;
    segment_forget(segment);
    segment->drained_sequence = 0;
    return 0;
}

void segment_check_readers(struct segment *segment)
{
    int dead;

    mdb_reader_check(segment->env, &dead);
}
