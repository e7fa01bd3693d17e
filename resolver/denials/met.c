/* Which client was refused which category, for "the first time in four weeks". */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/denials/days.h"

struct meeting {
    int (*each)(void *user, const struct denial_met *met);
    void *user;
    const struct days_now *now;
    /* A bit for each client and word of the day: a million roll-ups come down to some thousand
     * pairs, and only those have their strings looked up. */
    uint8_t *bits;
    uint32_t clients, words;
};

static int client_tell(const struct meeting *meeting, uint32_t client_id, uint32_t word_id)
{
    struct segment_reader *reader = meeting->now->reader;
    struct segment_client client = {.scope = 0};
    struct segment_word category = {.name = ""};
    struct address address = {.port = 0};
    struct denial_device device;
    struct denial_met met = {
        .day = meeting->now->day, .client = &address, .device = &device, .client_id = client_id};

    if (!segment_reader_client(reader, client_id, &client, &device))
        return -EBADMSG;
    segment_reader_word(reader, word_id, &category);
    memcpy(address.bytes, client.address, sizeof(client.address));
    address.scope = client.scope;
    met.category = category.name;
    return meeting->each(meeting->user, &met);
}

static int rollup_meet(void *user, const struct segment_rollup *rollup)
{
    const struct meeting *meeting = user;

    if (rollup->client >= meeting->clients || rollup->category >= meeting->words)
        return 0; /* without a category, or damaged */
    size_t bit = (size_t)rollup->client * meeting->words + rollup->category;
    if (meeting->bits[bit / 8] & 1u << bit % 8)
        return 0;
    meeting->bits[bit / 8] |= (uint8_t)(1u << bit % 8);
    return client_tell(meeting, rollup->client, rollup->category);
}

static int waiting_meet(const struct meeting *meeting, const struct pending_item *item)
{
    struct denial_met met = {.day = meeting->now->day,
                             .client = &item->item.denial.client,
                             .device = &item->item.device,
                             .client_id = SEGMENT_NO_ID};
    const char *title;
    uint8_t severity;

    met.category = days_category(item->legend, item->item.denial.category, &title, &severity);
    return meeting->each(meeting->user, &met);
}

static int day_meet(void *user, const struct days_now *now)
{
    enum { BITS_MOST = 1 << 29 }; /* a damaged file may say anything */
    struct meeting *meeting = user;
    unsigned damaged = 0;
    int code = 0;

    meeting->now = now;
    free(meeting->bits);
    meeting->bits = NULL;
    if (now->reader != NULL) {
        meeting->clients = now->reader->meta.next[SEGMENT_CLIENTS];
        meeting->words = now->reader->meta.next[SEGMENT_WORDS];
        if ((uint64_t)meeting->clients * meeting->words > BITS_MOST)
            return -EBADMSG;
        meeting->bits = calloc(1, (size_t)meeting->clients * meeting->words / 8 + 1);
        if (meeting->bits == NULL)
            return -ENOMEM;
        code = segment_reader_rollups(now->reader, rollup_meet, meeting, &damaged);
    }
    for (size_t i = 0; i < now->pending->item_count && code == 0; i++)
        if (days_is_waiting(now, &now->pending->items[i]))
            code = waiting_meet(meeting, &now->pending->items[i]);
    return code == 0 && damaged > 0 ? -EBADMSG : code;
}

int denials_met(const char *state, const struct denials_filter *filter,
                int (*each)(void *user, const struct denial_met *met), void *user,
                struct bl_error *error)
{
    struct meeting meeting = {.each = each, .user = user};
    int code = days_read(state, filter, day_meet, &meeting, error);

    free(meeting.bits);
    return code;
}
