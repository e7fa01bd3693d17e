#include "resolver/denials/asked.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int asked_create(uint64_t salt, struct asked **out_asked)
{
    struct asked *asked = calloc(1, sizeof(*asked));

    if (asked == NULL)
        return -ENOMEM;
    asked->salt = salt;
    asked->now = calloc(1, sizeof(*asked->now));
    asked->before = calloc(1, sizeof(*asked->before));
    if (asked->now == NULL || asked->before == NULL) {
        asked_free(asked);
        return -ENOMEM;
    }
    *out_asked = asked;
    return 0;
}

void asked_free(struct asked *asked)
{
    if (asked == NULL)
        return;
    for (unsigned i = 0; i < asked->group_count; i++)
        free(asked->groups[i]);
    free(asked->numbers);
    free(asked->now);
    free(asked->before);
    free(asked);
}

static int group_number(struct asked *asked, const char *name, uint16_t *out_number)
{
    unsigned number = 0;

    while (number < asked->group_count && strcmp(asked->groups[number], name) != 0)
        number++;
    if (number == asked->group_count && number < ASKED_GROUPS_MAX) {
        asked->groups[number] = strdup(name);
        if (asked->groups[number] == NULL)
            return -ENOMEM;
        asked->group_count++;
    }
    *out_number = (uint16_t)number;
    return 0;
}

int asked_groups(struct asked *asked, const char *const *names, size_t count)
{
    uint16_t *numbers = malloc((count + 1) * sizeof(*numbers));
    int code = numbers == NULL ? -ENOMEM : 0;

    for (size_t i = 0; i < count && code == 0; i++)
        code = group_number(asked, names[i], &numbers[i]);
    free(asked->numbers);
    asked->numbers = code == 0 ? numbers : NULL;
    asked->number_count = code == 0 ? count : 0;
    if (code < 0)
        free(numbers);
    return code;
}

/* One of 64 bits for an address. */
static uint64_t device_bit(const struct asked *asked, const struct address *client)
{
    uint64_t halves[2];

    memcpy(halves, client->bytes, sizeof(halves));
    halves[0] = (halves[0] ^ asked->salt) * 0x9e3779b97f4a7c15u;
    return UINT64_C(1) << (((halves[0] >> 32 ^ halves[1]) * (asked->salt | 1)) >> 58);
}

/* No place is free: the least asked loses a turn, and its place once it has none left. So one-off
 * names pass by while those that are asked again and again stay. */
static struct asked_slot *least_of(struct asked_slot *set)
{
    struct asked_slot *least = &set[set[1].count < set[0].count];

    if (least->count > 0)
        least->count--;
    return least->count == 0 ? least : NULL;
}

void asked_note(struct asked *asked, uint32_t hash, uint16_t group, const uint8_t *name, size_t len,
                const struct address *client)
{
    size_t place = asked_place(hash);
    struct asked_table *table = asked->now;
    struct asked_slot *slot;

    if (group >= asked->number_count || len > ASKED_NAME_MAX)
        return;
    group = asked->numbers[group];
    uint32_t tag = hash + group * 0x85ebca6bu;
    for (unsigned way = 0; way < ASKED_WAYS; way++) {
        slot = &table->slots[place + way];
        if (table->tags[place + way] != tag || slot->count == 0 || slot->group != group ||
            slot->name_len != len || memcmp(slot->name, name, len) != 0)
            continue;
        slot->count++;
        slot->devices |= device_bit(asked, client);
        return;
    }
    slot = least_of(&table->slots[place]);
    if (slot == NULL || group >= ASKED_GROUPS_MAX)
        return;
    table->tags[slot - table->slots] = tag;
    slot->devices = device_bit(asked, client);
    slot->count = 1;
    slot->hash = hash;
    slot->group = group;
    slot->name_len = (uint8_t)len;
    memcpy(slot->name, name, len);
}

struct asked_table *asked_swap(struct asked *asked)
{
    struct asked_table *counted = asked->now;

    asked->now = asked->before;
    asked->before = counted;
    return counted;
}
