/* Which client was refused which category, for "the first time in four weeks". */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/denials/days.h"

struct meeting {
    int (*each)(void *user, const struct denial_met *met);
    void *user;
    const struct days_now *now;
    /* Of the day: a million roll-ups come down to some thousand pairs, and only those are told. */
    struct segment_bits bits;
    const char **categories; /* by word, once it was looked up */
    bool damaged;            /* somebody of the day cannot be told; the others are */
};

static const char *category_of(const struct meeting *meeting, uint32_t word_id)
{
    struct segment_word word = {.name = ""};

    if (meeting->categories[word_id] == NULL) {
        segment_reader_word(meeting->now->reader, word_id, &word);
        meeting->categories[word_id] = word.name;
    }
    return meeting->categories[word_id];
}

static int pair_tell(const struct meeting *meeting, const struct segment_client *client,
                     struct denial_met *met, uint32_t word_id)
{
    struct address address = {.scope = client->scope};

    memcpy(address.bytes, client->address, sizeof(client->address));
    met->day = meeting->now->day;
    met->client = &address;
    met->category = category_of(meeting, word_id);
    met->word_category = word_id;
    return meeting->each(meeting->user, met);
}

static int rollup_meet(void *user, const struct segment_rollup *rollup)
{
    struct meeting *meeting = user;
    struct segment_client client;
    struct denial_device device;
    struct denial_met met = {.device = &device, .client_id = rollup->client};

    /* Known, or without a category, or damaged. */
    if (!segment_bits_set(&meeting->bits, rollup->client, rollup->category))
        return 0;
    if (!segment_reader_client(meeting->now->reader, rollup->client, &client, &device)) {
        meeting->damaged = true;
        return 0;
    }
    return pair_tell(meeting, &client, &met, rollup->category);
}

/* The pairs of a client whose bits the segment's own table has set. */
static int client_tell(void *user, const MDB_val *key, const MDB_val *value)
{
    enum { FIXED = sizeof(struct segment_value) + sizeof(struct segment_client) };
    struct meeting *meeting = user;
    const struct segment_bits *bits = &meeting->bits;
    const uint8_t *bytes = value->mv_data;
    struct denial_device device;
    struct denial_met met = {.device = &device};
    struct segment_client client;
    int result = 0;

    if (key->mv_size != sizeof(met.client_id) || value->mv_size < FIXED ||
        !denial_device_read(bytes + FIXED, value->mv_size - FIXED, &device)) {
        meeting->damaged = true;
        return 0;
    }
    memcpy(&met.client_id, key->mv_data, sizeof(met.client_id));
    memcpy(&client, bytes + sizeof(struct segment_value), sizeof(client));
    if (met.client_id >= bits->clients)
        return 0;
    const uint64_t *row = &bits->rows[(size_t)met.client_id * bits->stride];
    for (uint32_t i = 0; i < bits->stride; i++)
        for (uint64_t left = row[i]; left != 0 && result == 0; left &= left - 1)
            result = pair_tell(meeting, &client, &met, i * 64 + (uint32_t)__builtin_ctzll(left));
    return result;
}

static int waiting_meet(const struct meeting *meeting, const struct pending_item *item)
{
    struct denial_met met = {.day = meeting->now->day,
                             .client = &item->item.denial.client,
                             .device = &item->item.device,
                             .client_id = SEGMENT_NO_ID,
                             .word_category = SEGMENT_NO_ID};
    const char *title;
    uint8_t severity;

    met.category = days_category(item->legend, item->item.denial.category, &title, &severity);
    return meeting->each(meeting->user, &met);
}

static void day_forget(struct meeting *meeting)
{
    free(meeting->bits.rows);
    free(meeting->categories);
    meeting->bits.rows = NULL;
    meeting->categories = NULL;
    meeting->damaged = false;
}

/* First what the segment has put together by itself, then what has come since. */
static int segment_meet(struct meeting *meeting, struct segment_reader *reader)
{
    enum { BITS_MOST = 64 << 20 }; /* a damaged file may say anything */
    unsigned damaged = 0;
    int code = segment_bits_make(&meeting->bits, reader->meta.next[SEGMENT_CLIENTS],
                                 reader->meta.next[SEGMENT_WORDS], BITS_MOST);

    if (code < 0)
        return code == -EFBIG ? -EBADMSG : code;
    meeting->categories = calloc((size_t)meeting->bits.words + 1, sizeof(*meeting->categories));
    if (meeting->categories == NULL)
        return -ENOMEM;
    uint32_t first = segment_reader_met(reader, &meeting->bits);
    if (reader->tables.has_met) /* damaged or not: what is in the bits is told by nobody else */
        code = segment_reader_walk(reader, reader->tables.values[SEGMENT_CLIENTS], NULL,
                                   client_tell, meeting);
    bool broken = code == -EBADMSG || meeting->damaged;
    if (code == 0 || code == -EBADMSG)
        code = segment_reader_rollups(reader, first, rollup_meet, meeting, &damaged);
    return code == 0 && (broken || meeting->damaged || damaged > 0) ? -EBADMSG : code;
}

static int day_meet(void *user, const struct days_now *now)
{
    struct meeting *meeting = user;

    meeting->now = now;
    day_forget(meeting); /* a damaged day was left in the middle */
    int code = now->reader != NULL ? segment_meet(meeting, now->reader) : 0;
    bool damaged = code == -EBADMSG;
    if (damaged)
        code = 0;
    for (size_t i = 0; i < now->pending->item_count && code == 0; i++)
        if (days_is_waiting(now, &now->pending->items[i]))
            code = waiting_meet(meeting, &now->pending->items[i]);
    return code == 0 && damaged ? -EBADMSG : code;
}

int denials_met(const char *state, const struct denials_filter *filter,
                int (*each)(void *user, const struct denial_met *met), void *user,
                struct bl_error *error)
{
    struct meeting meeting = {.each = each, .user = user};
    int code = days_read(state, filter, day_meet, &meeting, error);

    day_forget(&meeting);
    return code;
}
