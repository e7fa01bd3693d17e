/* Who met what in a segment: pairs of a client and a category, each once, so that "the first time
 * in four weeks" does not read four weeks of roll-ups. Always those of the runs that are written,
 * in their transaction. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/denials/segment_read.h"

/* A day of a flood gains nothing by it: then it ends, and readers go on with the roll-ups. */
enum { BITS_MOST = 8 << 20, PAGES_MOST = 1024 };

uint32_t segment_met_check(const struct segment_met *met)
{
    return (uint32_t)dictionary_hash((uint64_t)met->runs << 32 | met->count, met + 1,
                                     (size_t)met->count * sizeof(struct segment_pair));
}

int segment_bits_make(struct segment_bits *bits, uint32_t clients, uint32_t words, size_t most)
{
    if (words > UINT16_MAX) /* numbers of categories have 16 bits, and that one means none */
        words = UINT16_MAX;
    *bits = (struct segment_bits){
        .clients = clients, .words = words, .stride = words / 64 + (words % 64 != 0)};
    if (bits->stride > 0 && clients > most / sizeof(*bits->rows) / bits->stride)
        return -EFBIG;
    bits->rows = calloc((size_t)clients * bits->stride + 1, sizeof(*bits->rows));
    return bits->rows != NULL ? 0 : -ENOMEM;
}

/* A block in place: LMDB aligns its values to two octets only. */
struct met_block {
    struct segment_met head;
    struct segment_pair pairs[SEGMENT_MET_PAIRS];
};

static_assert(sizeof(struct met_block) == 16368, "segment-format.md");

static bool block_take(const MDB_val *value, struct met_block *block)
{
    if (value->mv_size < sizeof(block->head) || value->mv_size > sizeof(*block))
        return false;
    memcpy(block, value->mv_data, value->mv_size);
    return block->head.count <= sizeof(block->pairs) / sizeof(block->pairs[0]) &&
           value->mv_size == sizeof(block->head) + block->head.count * sizeof(block->pairs[0]) &&
           block->head.check == segment_met_check(&block->head);
}

int segment_met_read(MDB_txn *txn, MDB_dbi table, const struct segment_bits *bits,
                     uint32_t *out_runs, uint32_t *out_blocks)
{
    MDB_val key, value;
    MDB_cursor *cursor;
    struct met_block block;
    uint32_t number = UINT32_MAX, runs = 0, blocks = 0;
    int rc = mdb_cursor_open(txn, table, &cursor);

    if (rc != 0)
        return rc;
    for (rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST); rc == 0;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        if (key.mv_size == sizeof(number))
            memcpy(&number, key.mv_data, sizeof(number));
        if (number != blocks || !block_take(&value, &block) || block.head.runs < runs) {
            rc = MDB_CORRUPTED;
            break;
        }
        blocks++;
        for (uint32_t i = 0; i < block.head.count; i++)
            segment_bits_set(bits, block.pairs[i].client, block.pairs[i].category);
        runs = block.head.runs;
    }
    mdb_cursor_close(cursor);
    *out_runs = runs;
    *out_blocks = blocks;
    return rc == MDB_NOTFOUND ? 0 : rc;
}

uint32_t segment_reader_met(struct segment_reader *reader, const struct segment_bits *bits)
{
    uint32_t runs, blocks;

    if (!reader->tables.has_met ||
        segment_met_read(reader->txn, reader->tables.met, bits, &runs, &blocks) != 0 ||
        runs > reader->meta.runs)
        return 0;
    return runs;
}

static int block_put(struct segment *segment, struct met_block *block, uint32_t number)
{
    MDB_val key = {sizeof(number), &number};
    MDB_val value = {sizeof(block->head) + block->head.count * sizeof(block->pairs[0]), block};

    block->head.check = segment_met_check(&block->head);
    return mdb_put(segment->txn, segment->tables.met, &key, &value, MDB_APPEND);
}

/* The pairs of a run that are not in the bits yet. False: it is damaged. */
static bool run_meet(const MDB_val *value, const struct segment_bits *bits, struct met_block *block)
{
    struct segment_run_room run;

    if (!segment_run_take(value, &run))
        return false;
    for (uint32_t i = 0; i < run.head.count; i++)
        if (segment_bits_set(bits, run.rollups[i].client, run.rollups[i].category))
            block->pairs[block->head.count++] = (struct segment_pair){
                .client = run.rollups[i].client, .category = run.rollups[i].category};
    return true;
}

/* From what the table says on to the last run; one that is damaged ends it, so that readers meet
 * that run themselves. */
static int runs_meet(struct segment *segment, const struct segment_bits *bits, uint32_t first,
                     uint32_t blocks)
{
    struct met_block block = {.head = {.runs = first}};
    uint32_t said = first;
    int rc = 0;

    for (uint32_t number = first; number < segment->meta.runs && rc == 0; number++) {
        MDB_val key = {sizeof(number), &number}, value;
        rc = mdb_get(segment->txn, segment->tables.rollups, &key, &value);
        if (rc != 0)
            return rc == MDB_NOTFOUND ? 0 : rc;
        if (!run_meet(&value, bits, &block))
            break;
        block.head.runs = number + 1;
        if (block.head.count > SEGMENT_MET_PAIRS - SEGMENT_RUN_ROLLUPS) {
            rc = block_put(segment, &block, blocks++);
            block.head.count = 0;
            said = block.head.runs;
        }
    }
    return rc == 0 && block.head.runs > said ? block_put(segment, &block, blocks) : rc;
}

int segment_met_write(struct segment *segment)
{
    const struct dictionary *dictionaries = segment->dictionaries;
    struct segment_bits bits;
    uint32_t runs, blocks;
    MDB_stat size;
    int rc = mdb_stat(segment->txn, segment->tables.met, &size);

    if (rc != 0)
        return rc;
    if (size.ms_leaf_pages + size.ms_overflow_pages > PAGES_MOST ||
        segment_bits_make(&bits, dictionaries[SEGMENT_CLIENTS].next,
                          dictionaries[SEGMENT_WORDS].next, BITS_MOST) < 0)
        return 0;
    rc = segment_met_read(segment->txn, segment->tables.met, &bits, &runs, &blocks);
    if (rc == 0)
        rc = runs_meet(segment, &bits, runs, blocks);
    else if (rc == MDB_CORRUPTED)
        rc = 0; /* readers find that, too, and take the roll-ups */
    free(bits.rows);
    return rc;
}
