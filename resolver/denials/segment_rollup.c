/* Roll-ups of a segment: sums in memory, appended as runs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/base/hash.h"
#include "resolver/denials/segment_internal.h"

uint32_t segment_run_check(const struct segment_run *run)
{
    return (uint32_t)dictionary_hash(run->count, run + 1,
                                     (size_t)run->count * sizeof(struct segment_rollup));
}

static bool rollups_same(const struct segment_rollup *a, const struct segment_rollup *b)
{
    return a->domain == b->domain && a->client == b->client && a->group == b->group &&
           a->category == b->category && a->hour == b->hour && a->observed == b->observed;
}

/* Where the search for it begins. */
uint32_t segment_rollup_place(const struct segment *segment, const struct segment_rollup *rollup)
{
    uint64_t who = (uint64_t)rollup->domain << 32 | rollup->client;
    uint64_t what = (uint64_t)rollup->group << 32 | (uint64_t)rollup->category << 16 |
                    (uint64_t)rollup->hour << 8 | rollup->observed;

    return hash_pair(segment->seed, who, what) & (SEGMENT_ROLLUP_SIZE - 1);
}

void segment_rollup_add(struct segment *segment, const struct segment_rollup *add, uint32_t place)
{
    size_t at = place;

    if (segment->rollup_count == 0 || segment->rollup_hour != add->hour)
        segment->rollup_hours++;
    segment->rollup_hour = add->hour;
    for (;; at = (at + 1) & (SEGMENT_ROLLUP_SIZE - 1)) {
        struct segment_rollup *rollup = &segment->rollups[at];
        if (rollup->count == 0) {
            *rollup = *add;
            segment->rollup_count++;
            return;
        }
        if (rollups_same(rollup, add) && rollup->count <= UINT32_MAX - add->count) {
            rollup->count += add->count;
            return;
        }
    }
}

/* Enough of them, or an hour that may be over: the sums of one hour stand together. */
bool segment_rollups_due(const struct segment *segment)
{
    return segment->rollup_count >= SEGMENT_ROLLUP_ENOUGH ||
           (segment->rollup_count > 0 && segment->rollup_hours > 1);
}

static_assert(sizeof(struct segment_run_room) == 16368, "segment-format.md");

bool segment_run_take(const MDB_val *value, struct segment_run_room *out_run)
{
    if (value->mv_size < sizeof(out_run->head) || value->mv_size > sizeof(*out_run))
        return false;
    memcpy(out_run, value->mv_data, value->mv_size);
    return value->mv_size ==
               sizeof(out_run->head) + out_run->head.count * sizeof(out_run->rollups[0]) &&
           segment_run_check(&out_run->head) == out_run->head.check;
}

static int run_put(struct segment *segment, struct segment_run_room *run)
{
    uint32_t number = segment->meta.runs;
    MDB_val key = {sizeof(number), &number};
    MDB_val value = {sizeof(run->head) + run->head.count * sizeof(run->rollups[0]), run};

    if (run->head.count == 0)
        return 0;
    run->head.check = segment_run_check(&run->head);
    int rc = mdb_put(segment->txn, segment->tables.rollups, &key, &value, MDB_APPEND);
    segment->meta.runs++;
    run->head.count = 0;
    return rc;
}

static void rollups_clear(struct segment *segment)
{
    memset(segment->rollups, 0, SEGMENT_ROLLUP_SIZE * sizeof(*segment->rollups));
    segment->rollup_count = 0;
    segment->rollup_hours = 0;
}

int segment_rollups_write(struct segment *segment, uint32_t last_block_count)
{
    struct segment_run_room *run = calloc(1, sizeof(*run));
    int rc = 0;

    if (run == NULL)
        return ENOMEM;
    for (size_t i = 0; i < SEGMENT_ROLLUP_SIZE && rc == 0; i++) {
        if (segment->rollups[i].count == 0)
            continue;
        run->rollups[run->head.count++] = segment->rollups[i];
        if (run->head.count == SEGMENT_RUN_ROLLUPS)
            rc = run_put(segment, run);
    }
    if (rc == 0)
        rc = run_put(segment, run);
    free(run);
    if (rc == 0)
        rc = segment_met_write(segment);
    if (rc != 0)
        return rc; /* the batch fails, and what is here is summed again */
    segment->meta.rolled_block = segment->meta.blocks - 1;
    segment->meta.rolled_record = last_block_count;
    rollups_clear(segment);
    return 0;
}

static int rollup_of_record(struct segment *segment, const struct segment_record *record)
{
    struct segment_rollup rollup = {
        .client = record->client, .domain = record->name, .count = record->count};
    MDB_dbi rules = segment->tables.values[SEGMENT_RULES],
            names = segment->tables.values[SEGMENT_NAMES];
    uint32_t id = record->rule, domain;
    MDB_val key = {sizeof(id), &id}, value;
    struct segment_rule rule;

    int rc = mdb_get(segment->txn, rules, &key, &value);
    if (rc != 0)
        return rc;
    if (value.mv_size != sizeof(struct segment_value) + sizeof(rule))
        return MDB_CORRUPTED;
    memcpy(&rule, (const uint8_t *)value.mv_data + sizeof(struct segment_value), sizeof(rule));
    id = record->name;
    rc = mdb_get(segment->txn, names, &key, &value);
    if (rc != 0)
        return rc;
    memcpy(&domain, value.mv_data, sizeof(domain));
    if (domain != SEGMENT_NO_ID)
        rollup.domain = domain;
    rollup.group = rule.group;
    rollup.category = rule.category;
    rollup.observed = rule.observed;
    rollup.hour = (uint8_t)day_hour(&segment->day, segment->day.start_ms + record->at_ms);
    segment_rollup_add(segment, &rollup, segment_rollup_place(segment, &rollup));
    return 0;
}

static int rollups_of_block(struct segment *segment, uint32_t number, const MDB_val *value)
{
    struct segment_block head;
    uint32_t first = number == segment->meta.rolled_block ? segment->meta.rolled_record : 0;
    const uint8_t *records = (const uint8_t *)value->mv_data + sizeof(head);
    int rc = 0;

    if (value->mv_size < sizeof(head))
        return 0;
    memcpy(&head, value->mv_data, sizeof(head));
    if (value->mv_size != sizeof(head) + head.count * sizeof(struct segment_record))
        return 0;
    for (uint32_t i = first; i < head.count && rc == 0; i++) {
        struct segment_record record;
        memcpy(&record, records + i * sizeof(record), sizeof(record));
        if (record.at_ms != SEGMENT_FOLD_MARK)
            rc = rollup_of_record(segment, &record);
        if (segment->rollup_count >= SEGMENT_ROLLUP_SIZE - 1)
            return MDB_MAP_FULL;
    }
    return rc;
}

int segment_rollups_load(struct segment *segment)
{
    uint32_t number = segment->meta.rolled_block;
    MDB_val key = {sizeof(number), &number}, value;
    MDB_cursor *cursor;

    rollups_clear(segment);
    int rc = mdb_cursor_open(segment->txn, segment->tables.blocks, &cursor);
    if (rc != 0)
        return rc;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (rc == 0) {
        memcpy(&number, key.mv_data, sizeof(number));
        rc = rollups_of_block(segment, number, &value);
        if (rc == 0)
            rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}
