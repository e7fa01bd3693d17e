#include "resolver/denials/feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/denials/guard.h"
#include "resolver/denials/segment_read.h"

enum { HOUR_MS = 3600000 };

static const uint8_t root[1] = {0};

struct feed {
    struct segment_reader *reader;
    struct feed_place place;
    unsigned left; /* that may still be told */
    int (*each)(void *user, const struct denial_record *record);
    int (*each_counted)(void *user, const struct feed_counted *counted);
    void *user;
    struct feed_counted *sums; /* of what was only counted */
    size_t sum_count, sum_room;
    int result;
    unsigned told;
    struct { /* LMDB aligns its values to two octets only */
        struct segment_block head;
        struct segment_record records[SEGMENT_BLOCK_RECORDS];
    } block;
};

static void names_read(struct segment_reader *reader, const struct segment_record *record,
                       struct denial_record *out, struct segment_client *match)
{
    uint32_t domain = SEGMENT_NO_ID, other;

    out->qname = segment_reader_name(reader, record->name, &domain);
    if (out->qname != NULL)
        out->domain = segment_reader_name(reader, domain, &other);
    else
        out->qname = root;
    if (out->domain == NULL)
        out->domain = out->qname;
    if (record->match == SEGMENT_NO_ID)
        return;
    if (!(record->match & SEGMENT_MATCH_ADDRESS))
        out->matched = segment_reader_name(reader, record->match, &other);
    else if (segment_reader_client(reader, record->match & ~SEGMENT_MATCH_ADDRESS, match, NULL))
        out->address = match->address;
}

static int record_tell(struct feed *feed, const struct segment_record *record)
{
    struct segment_word group = {.name = ""}, category = {.name = "", .title = ""};
    struct segment_rule rule = {.group = UINT16_MAX, .category = UINT16_MAX};
    struct segment_client client = {.scope = 0}, match;
    struct denial_device device = {.has_mac = 0};
    struct denial_record out = {.wall_ms = feed->reader->day.start_ms + record->at_ms,
                                .case_number = record->case_number,
                                .device = &device,
                                .qtype = record->qtype,
                                .count = record->count};

    segment_reader_rule(feed->reader, record->rule, &rule);
    segment_reader_word(feed->reader, rule.group, &group);
    segment_reader_word(feed->reader, rule.category, &category);
    segment_reader_client(feed->reader, record->client, &client, &device);
    out.group = group.name;
    out.category = category.name;
    out.title = category.title;
    out.severity = category.severity;
    out.rule = rule.rule;
    out.via = rule.via;
    out.transport = rule.transport;
    out.observed = rule.observed;
    out.answer = rule.answer;
    out.policy_version = rule.policy_version;
    out.generation = rule.generation;
    memcpy(out.client.bytes, client.address, sizeof(client.address));
    out.client.scope = client.scope;
    names_read(feed->reader, record, &out, &match);
    return feed->each(feed->user, &out);
}

/* A damaged block is stepped over: its head's count is not to be trusted either. */
static bool block_take(struct feed *feed, const MDB_val *value)
{
    struct segment_block *head = &feed->block.head;

    if (value->mv_size < sizeof(*head) || value->mv_size > sizeof(feed->block))
        return false;
    memcpy(&feed->block, value->mv_data, value->mv_size);
    return head->count == (value->mv_size - sizeof(*head)) / sizeof(struct segment_record) &&
           segment_block_check(head) == head->check;
}

static int block_tell(void *user, const MDB_val *key, const MDB_val *value)
{
    struct feed *feed = user;
    uint32_t number;

    if (key->mv_size != sizeof(number))
        return -EBADMSG;
    memcpy(&number, key->mv_data, sizeof(number));
    if (number > feed->place.block) {
        feed->place.block = number;
        feed->place.record = 0;
    }
    if (!block_take(feed, value))
        return 0;
    for (; feed->place.record < feed->block.head.count; feed->place.record++) {
        const struct segment_record *record = &feed->block.records[feed->place.record];
        if (record->at_ms == SEGMENT_FOLD_MARK)
            continue;
        if (feed->left == 0)
            return 1;
        int result = record_tell(feed, record);
        if (result != 0)
            return result;
        feed->left--;
        feed->told++;
        feed->place.read++;
    }
    return 0;
}

static void feed_run(void *user)
{
    struct feed *feed = user;
    uint32_t block = feed->place.block;
    MDB_val first = {sizeof(block), &block};

    feed->result =
        segment_reader_walk(feed->reader, feed->reader->tables.blocks, &first, block_tell, feed);
}

/* Opens the day, runs `run` inside a guard and closes it: 0 or a negative errno. *out_records: how
 * many the day has. */
static int guarded_run(struct feed *feed, const char *state, const struct day *day,
                       void (*run)(void *feed), uint64_t *out_records, struct bl_error *error)
{
    int code = segment_reader_open(state, day, false, &feed->reader, error);

    if (code < 0)
        return code;
    *out_records = feed->reader->meta.records;
    if (!guard_run(run, feed)) {
        segment_reader_abandon(feed->reader);
        return bl_error_set(error, -EBADMSG, "the denials of %s are damaged", day->text);
    }
    segment_reader_close(feed->reader);
    return feed->result < 0
               ? bl_error_set(error, feed->result, "the denials of %s are damaged", day->text)
               : 0;
}

int feed_read(const char *state, const struct day *day, struct feed_place *place, unsigned most,
              int (*each)(void *user, const struct denial_record *record), void *user,
              uint64_t *out_left, struct bl_error *error)
{
    struct feed *feed = calloc(1, sizeof(*feed));

    if (feed == NULL)
        return bl_error_set(error, -ENOMEM, "out of memory while reading denials");
    *feed = (struct feed){.place = *place, .left = most, .each = each, .user = user};
    uint64_t records = 0;
    int code = guarded_run(feed, state, day, feed_run, &records, error);
    if (code == 0)
        code = (int)feed->told;
    *place = feed->place;
    *out_left = records > place->read ? records - place->read : 0;
    free(feed);
    return code;
}

static int end_note(void *user, const MDB_val *key, const MDB_val *value)
{
    struct feed *feed = user;
    struct segment_block head;

    if (key->mv_size != sizeof(feed->place.block) || value->mv_size < sizeof(head))
        return -EBADMSG;
    memcpy(&head, value->mv_data, sizeof(head));
    memcpy(&feed->place.block, key->mv_data, sizeof(feed->place.block));
    feed->place.record = head.count;
    return 0;
}

static void end_run(void *user)
{
    struct feed *feed = user;
    uint32_t last = feed->reader->meta.blocks - 1;
    MDB_val first = {sizeof(last), &last};

    if (feed->reader->meta.blocks > 0)
        feed->result =
            segment_reader_walk(feed->reader, feed->reader->tables.blocks, &first, end_note, feed);
}

int feed_end(const char *state, const struct day *day, struct feed_place *out_place,
             struct bl_error *error)
{
    struct feed *feed = calloc(1, sizeof(*feed));

    if (feed == NULL)
        return bl_error_set(error, -ENOMEM, "out of memory while reading denials");
    int code = guarded_run(feed, state, day, end_run, &feed->place.read, error);
    if (code == 0)
        *out_place = feed->place;
    free(feed);
    return code;
}

static int counted_compare(const void *a, const void *b)
{
    const struct feed_counted *x = a, *y = b;
    int order = (x->hour > y->hour) - (x->hour < y->hour);

    if (order == 0)
        order = strcmp(x->group, y->group);
    return order != 0 ? order : strcmp(x->category, y->category);
}

static int counted_take(void *user, const MDB_val *key, const MDB_val *value)
{
    struct feed *feed = user;
    const struct day *day = &feed->reader->day;
    const struct segment_counted_key *at = key->mv_data;
    struct segment_word group = {.name = ""}, category = {.name = "", .title = ""};
    struct segment_counted counted;

    if (key->mv_size != sizeof(*at) || value->mv_size != sizeof(counted))
        return -EBADMSG;
    memcpy(&counted, value->mv_data, sizeof(counted));
    if (feed->sum_count == feed->sum_room) {
        size_t room = feed->sum_room == 0 ? 64 : feed->sum_room * 2;
        struct feed_counted *more = realloc(feed->sums, room * sizeof(*more));
        if (more == NULL)
            return -ENOMEM;
        feed->sums = more;
        feed->sum_room = room;
    }
    segment_reader_word(feed->reader, counted.group, &group);
    segment_reader_word(feed->reader, counted.category, &category);
    int64_t from_ms = day->start_ms + at->hour * HOUR_MS;
    feed->sums[feed->sum_count++] = (struct feed_counted){
        .hour = at->hour,
        .from_ms = from_ms,
        .until_ms = from_ms + HOUR_MS < day->end_ms ? from_ms + HOUR_MS : day->end_ms,
        .group = group.name,
        .category = category.name,
        .title = category.title,
        .severity = category.severity,
        .count = counted.count};
    return 0;
}

/* The same hour, group and category come from several journals, and under several legends. */
static void counted_run(void *user)
{
    struct feed *feed = user;
    size_t next;

    feed->result =
        segment_reader_walk(feed->reader, feed->reader->tables.counted, NULL, counted_take, feed);
    if (feed->result != 0 || feed->sum_count == 0)
        return;
    qsort(feed->sums, feed->sum_count, sizeof(*feed->sums), counted_compare);
    for (size_t i = 0; i < feed->sum_count && feed->result == 0; i = next) {
        struct feed_counted sum = feed->sums[i];
        for (next = i + 1; next < feed->sum_count && counted_compare(&sum, &feed->sums[next]) == 0;
             next++) {
            sum.count += feed->sums[next].count;
            if (feed->sums[next].severity > sum.severity)
                sum.severity = feed->sums[next].severity;
        }
        feed->result = feed->each_counted(feed->user, &sum);
    }
}

int feed_counted(const char *state, const struct day *day,
                 int (*each)(void *user, const struct feed_counted *counted), void *user,
                 struct bl_error *error)
{
    struct feed *feed = calloc(1, sizeof(*feed));

    if (feed == NULL)
        return bl_error_set(error, -ENOMEM, "out of memory while reading denials");
    feed->each_counted = each;
    feed->user = user;
    uint64_t records;
    int code = guarded_run(feed, state, day, counted_run, &records, error);
    if (code == 0)
        code = feed->result;
    free(feed->sums);
    free(feed);
    return code;
}
