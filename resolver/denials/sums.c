#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "blocklists/name.h"
#include "blocklists/suffix.h"
#include "resolver/denials/days.h"

enum { CLIENTS_KEPT = 65536, NAMES_KEPT = 1 << 20 }; /* beyond: looked up each time */

struct sum_client {
    struct address address;
    struct denial_device device;
    bool known;
};

struct sums {
    int (*each)(void *user, const struct denial_sum *sum);
    void *user;
    const struct days_now *now;
    /* What the day's numbers stand for, once it was looked up: each sum names four of them. */
    struct segment_word *words;
    struct sum_client *clients;
    const uint8_t **names;
    uint32_t word_count, client_count, name_count;
};

static bool hour_passes(const struct days_now *now, unsigned hour)
{
    int64_t start_ms = now->day->start_ms + (int64_t)hour * 3600000;

    return start_ms + 3600000 > now->filter->since_ms && start_ms < now->filter->until_ms;
}

static struct segment_word word_read(const struct sums *sums, uint32_t id)
{
    struct segment_word room = {.name = NULL};
    struct segment_word *word = id < sums->word_count ? &sums->words[id] : &room;

    if (word->name == NULL && !segment_reader_word(sums->now->reader, id, word))
        *word = (struct segment_word){.name = "", .title = ""};
    return *word;
}

static void words_read(const struct sums *sums, uint32_t group_id, uint32_t category_id,
                       struct denial_sum *sum)
{
    struct segment_word group = word_read(sums, group_id), category = word_read(sums, category_id);

    sum->group = group.name;
    sum->category = category.name;
    sum->title = category.title;
    sum->severity = category.severity;
    sum->word_group = group_id;
    sum->word_category = category_id;
}

/* The client of a number: kept, or read into `room`. NULL: the day has none. */
static const struct sum_client *client_read(struct sums *sums, uint32_t id, struct sum_client *room)
{
    struct sum_client *client = id < sums->client_count ? &sums->clients[id] : room;
    struct segment_client read;

    if (client->known)
        return client;
    if (!segment_reader_client(sums->now->reader, id, &read, &client->device))
        return NULL;
    memcpy(client->address.bytes, read.address, 16);
    client->address.scope = read.scope;
    client->known = client != room;
    return client;
}

static const uint8_t *name_read(struct sums *sums, uint32_t id)
{
    uint32_t domain;

    if (id >= sums->name_count)
        return segment_reader_name(sums->now->reader, id, &domain);
    if (sums->names[id] == NULL)
        sums->names[id] = segment_reader_name(sums->now->reader, id, &domain);
    return sums->names[id];
}

static int rollup_tell(void *user, const struct segment_rollup *rollup)
{
    struct sums *sums = user;
    const struct days_now *now = sums->now;
    struct sum_client room = {.known = false};

    if (!hour_passes(now, rollup->hour) || (rollup->observed && now->filter->denied_only))
        return 0;
    const struct sum_client *client = client_read(sums, rollup->client, &room);
    const uint8_t *domain = name_read(sums, rollup->domain);
    if (client == NULL || domain == NULL)
        return -EBADMSG;
    struct denial_sum sum = {.day = now->day,
                             .hour = rollup->hour,
                             .observed = rollup->observed,
                             .domain = domain,
                             .client = &client->address,
                             .device = &client->device,
                             .itemised = true,
                             .count = rollup->count,
                             .domain_id = rollup->domain,
                             .client_id = rollup->client};
    words_read(sums, rollup->group, rollup->category, &sum);
    return sums->each(sums->user, &sum);
}

static int counted_tell(void *user, const MDB_val *key, const MDB_val *value)
{
    struct sums *sums = user;
    const struct days_now *now = sums->now;
    const struct segment_counted_key *at = key->mv_data;
    struct segment_counted counted;

    if (key->mv_size != sizeof(*at) || value->mv_size != sizeof(counted))
        return -EBADMSG;
    memcpy(&counted, value->mv_data, sizeof(counted));
    if (!hour_passes(now, at->hour))
        return 0;
    struct denial_sum sum = {.day = now->day,
                             .hour = at->hour,
                             .count = counted.count,
                             .domain_id = SEGMENT_NO_ID,
                             .client_id = SEGMENT_NO_ID};
    words_read(sums, counted.group, counted.category, &sum);
    return sums->each(sums->user, &sum);
}

static int waiting_tell(const struct sums *sums, const struct pending_item *item)
{
    const struct days_now *now = sums->now;
    const struct denial *denial = &item->item.denial;
    struct denial_sum sum = {.day = now->day,
                             .hour = day_hour(now->day, denial->wall_ms),
                             .observed = denial->observed,
                             .group = days_group(item->legend, denial->group),
                             .domain = denial->qname + suffix_domain(denial->qname),
                             .client = &denial->client,
                             .device = &item->item.device,
                             .itemised = true,
                             .count = 1,
                             .domain_id = SEGMENT_NO_ID,
                             .client_id = SEGMENT_NO_ID,
                             .word_group = SEGMENT_NO_ID,
                             .word_category = SEGMENT_NO_ID};

    sum.category = days_category(item->legend, denial->category, &sum.title, &sum.severity);
    if (!hour_passes(now, sum.hour) || (sum.observed && now->filter->denied_only))
        return 0;
    return sums->each(sums->user, &sum);
}

struct counted_sum {
    const struct pending_count *count;
    uint64_t moved;
};

static int moved_add(void *user, const MDB_val *key, const MDB_val *value)
{
    struct counted_sum *sum = user;
    const struct segment_counted_key *at = key->mv_data;
    struct segment_counted counted;

    if (key->mv_size != sizeof(*at) || value->mv_size != sizeof(counted) ||
        segment_get_64(at->sequence) != sum->count->sequence ||
        segment_get_16(at->slot) != sum->count->slot)
        return 1;
    memcpy(&counted, value->mv_data, sizeof(counted));
    sum->moved += counted.count;
    return 0;
}

/* A count goes on growing in its journal: what of it is in the segment is taken off. A count that
 * began on an earlier day is told on the day of its last denial; over midnight that is the best
 * that is known. */
static int counts_tell(const struct sums *sums)
{
    const struct days_now *now = sums->now;
    int result = 0;

    for (size_t i = 0; i < now->pending->count_count && result == 0; i++) {
        const struct pending_count *count = &now->pending->counts[i];
        struct counted_sum moved = {.count = count};
        if (count->last_ms < now->day->start_ms || count->last_ms >= now->day->end_ms)
            continue;
        if (now->reader != NULL) {
            struct segment_counted_key first = {.hour = 0};
            MDB_val key = {sizeof(first), &first};
            segment_put_64(first.sequence, count->sequence);
            segment_put_16(first.slot, (uint16_t)count->slot);
            segment_reader_walk(now->reader, now->reader->tables.counted, &key, moved_add, &moved);
        }
        if (moved.moved >= count->count)
            continue;
        struct denial_sum sum = {.day = now->day,
                                 .hour = day_hour(now->day, count->last_ms),
                                 .group = days_group(count->legend, count->group),
                                 .count = count->count - moved.moved,
                                 .domain_id = SEGMENT_NO_ID,
                                 .client_id = SEGMENT_NO_ID,
                                 .word_group = SEGMENT_NO_ID,
                                 .word_category = SEGMENT_NO_ID};
        sum.category = days_category(count->legend, count->category, &sum.title, &sum.severity);
        if (hour_passes(now, sum.hour))
            result = sums->each(sums->user, &sum);
    }
    return result;
}

static void numbers_forget(struct sums *sums)
{
    free(sums->words);
    free(sums->clients);
    free(sums->names);
    sums->words = NULL;
    sums->clients = NULL;
    sums->names = NULL;
    sums->word_count = sums->client_count = sums->name_count = 0;
}

/* Room for `count` numbers of `size` octets each, but for `most` at most; none where there is no
 * memory. */
static void *numbers_room(uint32_t count, uint32_t most, size_t size, uint32_t *out_count)
{
    void *room = count > 0 ? calloc(count < most ? count : most, size) : NULL;

    *out_count = room == NULL ? 0 : count < most ? count : most;
    return room;
}

static void numbers_start(struct sums *sums, const uint32_t next[SEGMENT_DICTIONARIES])
{
    sums->words =
        numbers_room(next[SEGMENT_WORDS], UINT16_MAX, sizeof(*sums->words), &sums->word_count);
    sums->clients = numbers_room(next[SEGMENT_CLIENTS], CLIENTS_KEPT, sizeof(*sums->clients),
                                 &sums->client_count);
    sums->names =
        numbers_room(next[SEGMENT_NAMES], NAMES_KEPT, sizeof(*sums->names), &sums->name_count);
}

static int day_sums(void *user, const struct days_now *now)
{
    struct sums *sums = user;
    bool damaged = false;
    int code = 0;

    sums->now = now;
    numbers_forget(sums);
    if (now->reader != NULL) {
        unsigned blocks = 0;
        numbers_start(sums, now->reader->meta.next);
        code = segment_reader_rollups(now->reader, 0, rollup_tell, sums, &blocks);
        damaged = code == -EBADMSG || blocks > 0;
        if (code == 0 || damaged)
            code = segment_reader_walk(now->reader, now->reader->tables.counted, NULL, counted_tell,
                                       sums);
        damaged = damaged || code == -EBADMSG;
    }
    if (code == -EBADMSG)
        code = 0;
    for (size_t i = 0; i < now->pending->item_count && code == 0; i++)
        if (days_is_waiting(now, &now->pending->items[i]))
            code = waiting_tell(sums, &now->pending->items[i]);
    if (code == 0)
        code = counts_tell(sums);
    return code == 0 && damaged ? -EBADMSG : code;
}

int denials_sums(const char *state, const struct denials_filter *filter,
                 int (*each)(void *user, const struct denial_sum *sum), void *user,
                 struct bl_error *error)
{
    struct sums sums = {.each = each, .user = user};
    int code = days_read(state, filter, day_sums, &sums, error);

    numbers_forget(&sums);
    return code;
}

struct totals {
    int (*each)(void *user, const struct denials_day *day);
    void *user;
};

static int day_totals(void *user, const struct days_now *now)
{
    const struct totals *totals = user;
    struct denials_day day = {.day = now->day};

    if (now->reader != NULL) {
        day.observed = now->reader->meta.observed;
        day.denied = now->reader->meta.denials - day.observed;
        day.counted = now->reader->meta.counted;
        day.runs = now->reader->meta.runs;
    }
    for (size_t i = 0; i < now->pending->item_count; i++) {
        const struct pending_item *item = &now->pending->items[i];
        if (days_is_waiting(now, item))
            *(item->item.denial.observed ? &day.observed : &day.denied) += 1;
    }
    return totals->each(totals->user, &day);
}

int denials_days(const char *state, const struct denials_filter *filter,
                 int (*each)(void *user, const struct denials_day *day), void *user,
                 struct bl_error *error)
{
    struct totals totals = {.each = each, .user = user};

    return days_read(state, filter, day_totals, &totals, error);
}
