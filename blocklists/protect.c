#include "blocklists/protect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocklists/key.h"

struct guarded {
    uint8_t key[BL_KEY_MAX];
    size_t key_len;
    bool whole_zone;
    const char *reason;
};

struct bl_protect {
    struct guarded *names;
    size_t count, room;
    /* Most entries have nothing to do with any of the names: their keys differ within the first
     * HEAD octets. A bit for each such beginning tells without comparing. */
    bool short_key; /* some key is too short for that: compare always */
    uint8_t seen[1 << 13];
};

enum { HEAD = 6 }; /* octets of a key that the filter looks at: "com\0ex" */

static unsigned head_bit(const uint8_t *key)
{
    uint32_t hash = 2166136261u;

    for (unsigned i = 0; i < HEAD; i++)
        hash = (hash ^ key[i]) * 16777619u;
    return hash % (8 << 13);
}

struct bl_protect *bl_protect_create(void)
{
    return calloc(1, sizeof(struct bl_protect));
}

void bl_protect_destroy(struct bl_protect *protect)
{
    if (!protect)
        return;
    free(protect->names);
    free(protect);
}

int bl_protect_add(struct bl_protect *protect, const uint8_t *wire, bool whole_zone,
                   const char *reason)
{
    struct guarded *guarded;

    if (protect->count == protect->room) {
        size_t room = protect->room ? 2 * protect->room : 32;
        void *names = realloc(protect->names, room * sizeof *protect->names);

        if (!names)
            return -ENOMEM;
        protect->names = names;
        protect->room = room;
    }
    guarded = &protect->names[protect->count];
    guarded->key_len = bl_key_of_name(wire, guarded->key);
    if (guarded->key_len == 0)
        return 0;
    guarded->whole_zone = whole_zone;
    guarded->reason = reason;
    if (guarded->key_len < HEAD)
        protect->short_key = true;
    else
        protect->seen[head_bit(guarded->key) / 8] |= (uint8_t)(1u << head_bit(guarded->key) % 8);
    protect->count++;
    return 0;
}

static bool covers(const struct guarded *guarded, const uint8_t *key, size_t key_len,
                   enum bl_scope scope)
{
    size_t least = key_len < guarded->key_len ? key_len : guarded->key_len;

    if (memcmp(key, guarded->key, least) != 0)
        return false;
    if (key_len == guarded->key_len)
        return guarded->whole_zone || (scope & BL_EXACT);
    return key_len < guarded->key_len ? (scope & BL_BELOW) != 0 : guarded->whole_zone;
}

const char *bl_protect_find(const struct bl_protect *protect, const struct bl_entry *entry,
                            struct bl_name *out_name)
{
    uint8_t key[BL_KEY_MAX];
    size_t key_len;

    if (entry->is_address || entry->action != BL_BLOCK || protect->count == 0)
        return NULL;
    key_len = bl_key_of_name(entry->name.wire, key);
    if (key_len >= HEAD && !protect->short_key &&
        !(protect->seen[head_bit(key) / 8] & 1u << head_bit(key) % 8))
        return NULL;
    for (size_t i = 0; i < protect->count; i++) {
        const struct guarded *guarded = &protect->names[i];

        if (!covers(guarded, key, key_len, entry->scope))
            continue;
        bl_key_to_name(guarded->key, guarded->key_len, out_name);
        return guarded->reason;
    }
    return NULL;
}

static int filter_take(void *user, const struct bl_entry *entry, struct bl_error *error)
{
    struct bl_protect_filter *filter = user;
    struct bl_name name;
    const char *reason = bl_protect_find(filter->protect, entry, &name);

    if (!reason)
        return filter->next.take(filter->next.user, entry, error);
    filter->refused++;
    if (filter->sample_count < BL_SAMPLES_MAX) {
        struct bl_sample *sample = &filter->samples[filter->sample_count++];
        char text[BL_NAME_TEXT_MAX];

        bl_name_text(entry->name.wire, text);
        sample->name.len = 0;
        sample->line = entry->line;
        sample->reason = reason;
        snprintf(sample->text, sizeof sample->text, "%.*s", BL_SAMPLE_TEXT_MAX - 1, text);
    }
    return 0;
}

struct bl_sink bl_protect_sink(struct bl_protect_filter *filter)
{
    return (struct bl_sink){filter_take, filter};
}
