/* What segment.c (the environment), segment_add.c (records) and segment_read.c (readers) share. */
#ifndef RESOLVER_DENIALS_SEGMENT_INTERNAL_H
#define RESOLVER_DENIALS_SEGMENT_INTERNAL_H

#include <limits.h>
#include <lmdb.h>
#include <stdbool.h>

#include "resolver/denials/dictionary.h"
#include "resolver/denials/segment.h"
#include "resolver/denials/segment_format.h"

enum { SEGMENT_TABLES_MAX = 16 };

/* The map is address space, not memory or disk. A writer's grows with its file, so that the disk is
 * what ends a day of a flood, as everywhere; a reader's begins larger than most days are. */
#define SEGMENT_MAP_FIRST ((size_t)64 << 20)
#define SEGMENT_MAP_MOST  (sizeof(void *) >= 8 ? (size_t)1 << 40 : (size_t)256 << 20)
#define SEGMENT_MAP_READ  (sizeof(void *) >= 8 ? (size_t)16 << 30 : (size_t)256 << 20)

struct segment_tables {
    MDB_dbi meta, values[SEGMENT_DICTIONARIES], blocks, rollups, met, counted, journals;
    bool has_met; /* segments of before have none */
};

/* A record that waits for the commit; `fold` is the first of the repeats, −1 for none. */
struct segment_pending {
    struct segment_record record;
    int32_t fold, fold_last;
};

struct segment_pending_fold {
    uint16_t delta;
    int32_t next;
};

/* A record that is numbered and not yet among the pending ones, and what it adds to a roll-up: its
 * places in the tables of both are being fetched. */
struct segment_waiting {
    struct segment_record record;
    struct segment_rollup rollup;
    uint32_t same;  /* of the hash by which another that is the same is found */
    uint32_t place; /* where the search for its roll-up begins */
};

enum { SEGMENT_WAITING = 8 };

/* The numbers of a legend's words in this segment; worked out when a legend is first met. */
struct segment_legend {
    uint64_t sequence; /* of the file it stands in */
    uint16_t id;
    uint16_t group_count, category_count;
    uint16_t *ids; /* groups, then categories; UINT16_MAX: not yet asked for */
};

struct segment {
    struct day day;
    MDB_env *env;
    MDB_txn *txn; /* NULL between batches */
    struct segment_tables tables;
    struct segment_meta meta, committed; /* as it will be, and as it is on disk */
    struct dictionary dictionaries[SEGMENT_DICTIONARIES];
    struct segment_legend legend;
    struct {
        struct segment_client client;
        struct denial_device device;
        uint64_t rule_words[3];                      /* what the rule says */
        uint32_t rule_id, client_id;                 /* SEGMENT_NO_ID: none yet */
    } last;                                          /* denials come in runs of the same */
    uint64_t drained_sequence, drained_offset;       /* what was asked for last */
    struct segment_waiting waiting[SEGMENT_WAITING]; /* the last of those added */
    size_t waiting_added, waiting_settled;           /* how many ever came and went */
    struct segment_pending *pending;
    size_t pending_count;
    struct segment_pending_fold *folds;
    size_t fold_count;
    uint32_t *same; /* open addressing: pending index + 1, and high bits of the hash */
    struct segment_rollup
        *rollups; /* of records since meta.rolled_…; open addressing, count 0: empty */
    size_t rollup_count;
    unsigned rollup_hours; /* how often the hour changed from one to the next */
    uint8_t rollup_hour;
    uint64_t seed; /* of the hashes in memory */
    bool stale;    /* a batch failed: what is in memory has to be learned again */
    char path[PATH_MAX];
};

enum {
    SEGMENT_SAME_SIZE = 4 * SEGMENT_BATCH,
    SEGMENT_ROLLUP_SIZE = 65536,
    SEGMENT_ROLLUP_ENOUGH = 3 * SEGMENT_BATCH, /* then they are written */
};

/* Opens the tables within `txn`, making them when `flags` has MDB_CREATE. LMDB's error or 0. */
int segment_tables_open(MDB_txn *txn, unsigned flags, struct segment_tables *out_tables);

/* Starts the batch's transaction where there is none. */
int segment_begin(struct segment *segment, struct bl_error *error);

/* Sets the message for LMDB's error `rc` and returns a negative errno. */
int segment_failed(const struct segment *segment, int rc, struct bl_error *error);

/* Writes pending records and their folds, and roll-ups when there are enough, into the transaction.
 * LMDB's error or 0. */
int segment_flush(struct segment *segment);
void segment_forget(struct segment *segment);

/* Puts the waiting records among the pending ones, and into the roll-ups. */
void segment_settle(struct segment *segment);

/* Roll-ups: added in memory, written as runs, and after a start or a failure summed again from the
 * records that no run holds. LMDB's error or 0. */
uint32_t segment_rollup_place(const struct segment *segment, const struct segment_rollup *rollup);
void segment_rollup_add(struct segment *segment, const struct segment_rollup *add, uint32_t place);
int segment_rollups_write(struct segment *segment, uint32_t last_block_count);
int segment_rollups_load(struct segment *segment);
bool segment_rollups_due(const struct segment *segment);

/* A run in place: LMDB aligns its values to two octets only. */
struct segment_run_room {
    struct segment_run head;
    struct segment_rollup rollups[SEGMENT_RUN_ROLLUPS];
};

/* False: the value is no whole run. */
bool segment_run_take(const MDB_val *value, struct segment_run_room *out_run);

/* A bit for each client and word of a day: words that are categories. */
struct segment_bits {
    uint64_t *rows; /* of each client, `stride` of them */
    uint32_t clients, words, stride;
};

/* 0, -ENOMEM, or -EFBIG: more than `most` octets. Free `rows`. */
int segment_bits_make(struct segment_bits *bits, uint32_t clients, uint32_t words, size_t most);

/* Sets a bit; false where it was set, or there is no such client or word. */
static inline bool segment_bits_set(const struct segment_bits *bits, uint32_t client, uint32_t word)
{
    if (client >= bits->clients || word >= bits->words)
        return false;
    uint64_t *row = &bits->rows[(size_t)client * bits->stride + word / 64];
    uint64_t bit = UINT64_C(1) << word % 64;
    bool fresh = !(*row & bit);
    *row |= bit;
    return fresh;
}

/* Who met what, as the table `met` has it: into the bits, and *out_runs: all of the runs before
 * this one. LMDB's error (MDB_CORRUPTED: the table is of no use) or 0. */
int segment_met_read(MDB_txn *txn, MDB_dbi table, const struct segment_bits *bits,
                     uint32_t *out_runs, uint32_t *out_blocks);

/* Adds to the table `met` what the runs have that it does not say yet. LMDB's error or 0. */
int segment_met_write(struct segment *segment);

/* The number of a group (or category) of a legend in this segment. */
int segment_word(struct segment *segment, uint64_t sequence, const struct legend_names *legend,
                 enum segment_word_kind kind, uint16_t number, uint16_t *out_word);

static inline void segment_put_16(uint8_t out[2], uint16_t value)
{
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
}

static inline void segment_put_32(uint8_t out[4], uint32_t value)
{
    segment_put_16(out, (uint16_t)(value >> 16));
    segment_put_16(out + 2, (uint16_t)value);
}

static inline void segment_put_64(uint8_t out[8], uint64_t value)
{
    segment_put_32(out, (uint32_t)(value >> 32));
    segment_put_32(out + 4, (uint32_t)value);
}

static inline uint16_t segment_get_16(const uint8_t in[2])
{
    return (uint16_t)(in[0] << 8 | in[1]);
}

static inline uint32_t segment_get_32(const uint8_t in[4])
{
    return (uint32_t)segment_get_16(in) << 16 | segment_get_16(in + 2);
}

static inline uint64_t segment_get_64(const uint8_t in[8])
{
    return (uint64_t)segment_get_32(in) << 32 | segment_get_32(in + 4);
}

#endif
