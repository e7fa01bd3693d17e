/* Roll-ups as readers meet them. */
#include <errno.h>
#include <string.h>

#include "resolver/denials/segment_read.h"

struct summing {
    struct segment_reader *reader;
    int (*each)(void *user, const struct segment_rollup *rollup);
    void *user;
    unsigned damaged;
    union {
        struct segment_run_room run;
        struct {
            struct segment_block head;
            struct segment_record records[SEGMENT_BLOCK_RECORDS];
        } block;
    };
};

static int run_tell(void *user, const MDB_val *key, const MDB_val *value)
{
    struct summing *summing = user;
    int result = 0;
    (void)key;

    if (!segment_run_take(value, &summing->run)) {
        summing->damaged++;
        return 0;
    }
    for (uint32_t i = 0; i < summing->run.head.count && result == 0; i++)
        result = summing->each(summing->user, &summing->run.rollups[i]);
    return result;
}

static int record_tell(struct summing *summing, const struct segment_record *record)
{
    struct segment_reader *reader = summing->reader;
    struct segment_rollup rollup = {.client = record->client, .count = record->count};
    struct segment_rule rule;

    if (!segment_reader_rule(reader, record->rule, &rule) ||
        segment_reader_name(reader, record->name, &rollup.domain) == NULL)
        return -EBADMSG;
    rollup.group = rule.group;
    rollup.category = rule.category;
    rollup.observed = rule.observed;
    rollup.hour = (uint8_t)day_hour(&reader->day, reader->day.start_ms + record->at_ms);
    return summing->each(summing->user, &rollup);
}

static int block_tell(void *user, const MDB_val *key, const MDB_val *value)
{
    struct summing *summing = user;
    uint32_t number = 0;
    int result = 0;

    if (key->mv_size == sizeof(number))
        memcpy(&number, key->mv_data, sizeof(number));
    if (value->mv_size < sizeof(summing->block.head) || value->mv_size > sizeof(summing->block)) {
        summing->damaged++;
        return 0;
    }
    memcpy(&summing->block, value->mv_data, value->mv_size);
    uint32_t count = summing->block.head.count;
    if (value->mv_size != sizeof(summing->block.head) + count * sizeof(summing->block.records[0]) ||
        segment_block_check(&summing->block.head) != summing->block.head.check) {
        summing->damaged++;
        return 0;
    }
    const struct segment_meta *meta = &summing->reader->meta;
    for (uint32_t i = number == meta->rolled_block ? meta->rolled_record : 0;
         i < count && result == 0; i++)
        if (summing->block.records[i].at_ms != SEGMENT_FOLD_MARK)
            result = record_tell(summing, &summing->block.records[i]);
    return result;
}

int segment_reader_rollups(struct segment_reader *reader, uint32_t first,
                           int (*each)(void *user, const struct segment_rollup *rollup), void *user,
                           unsigned *out_damaged)
{
    struct summing summing = {.reader = reader, .each = each, .user = user};
    uint32_t block = reader->meta.rolled_block;
    MDB_val run_key = {sizeof(first), &first}, block_key = {sizeof(block), &block};
    int runs = segment_reader_walk(reader, reader->tables.rollups, &run_key, run_tell, &summing);
    int code = runs;

    if (runs == 0 || runs == -EBADMSG)
        code = segment_reader_walk(reader, reader->tables.blocks, &block_key, block_tell, &summing);
    *out_damaged = summing.damaged;
    return code == 0 ? runs : code;
}
