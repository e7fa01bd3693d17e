#include <string.h>

#include "resolver/policy/inside.h"

/* A name's hash is made from the root towards its first label, so that one pass over the octets
 * gives the hashes of all its parents. The table's names come from the school, so nobody can choose
 * them to collide. */
static uint32_t label_hash(uint32_t hash, const uint8_t *label)
{
    for (unsigned i = 0; i <= label[0]; i++) {
        hash ^= label[i];
        hash *= 0x9e3779b1u;
        hash ^= hash >> 15;
    }
    return hash;
}

static unsigned labels_of(const uint8_t *name, const uint8_t *labels[BL_LABELS_MAX + 1])
{
    unsigned count = 0;

    for (; *name && count < BL_LABELS_MAX; name += 1 + *name)
        labels[count++] = name;
    return count;
}

static uint32_t name_hash(const uint8_t *name, unsigned *out_labels)
{
    const uint8_t *labels[BL_LABELS_MAX + 1];
    unsigned count = labels_of(name, labels);
    uint32_t hash = 0;

    *out_labels = count;
    while (count-- > 0)
        hash = label_hash(hash, labels[count]);
    return hash;
}

bool names_add(struct arena *arena, struct name_table *table, const uint8_t *name,
               enum verdict verdict, uint16_t condition, uint16_t detail)
{
    struct name_entry *entries =
        arena_grow(arena, table->entries, table->entry_count, sizeof *entries);

    if (!entries)
        return false;
    table->entries = entries;
    entries[table->entry_count++] = (struct name_entry){.name = name,
                                                        .next = NAME_NONE,
                                                        .condition = condition,
                                                        .detail = detail,
                                                        .verdict = (uint8_t)verdict};
    return true;
}

bool names_finish(struct arena *arena, struct name_table *table)
{
    size_t size = 4;

    if (!table->entry_count)
        return true;
    while (size < 2 * table->entry_count)
        size *= 2;
    table->slots = arena_take(arena, size, sizeof *table->slots);
    if (!table->slots)
        return false;
    memset(table->slots, 0xff, size * sizeof *table->slots);
    table->slot_count = size;
    table->labels_least = BL_LABELS_MAX;
    for (uint32_t i = 0; i < table->entry_count; i++) {
        struct name_entry *entry = &table->entries[i];
        unsigned labels;
        size_t slot = name_hash(entry->name, &labels) & (size - 1);
        while (table->slots[slot] != NAME_NONE &&
               !bl_name_equal(table->entries[table->slots[slot]].name, entry->name))
            slot = (slot + 1) & (size - 1);
        entry->next = table->slots[slot];
        table->slots[slot] = i;
        if (labels < table->labels_least)
            table->labels_least = labels;
        if (labels > table->labels_most)
            table->labels_most = labels;
    }
    return true;
}

static const struct name_entry *slot_find(const struct name_table *table, uint32_t hash,
                                          const uint8_t *name, const uint8_t *active)
{
    size_t slot = hash & (table->slot_count - 1);

    while (table->slots[slot] != NAME_NONE &&
           !bl_name_equal(table->entries[table->slots[slot]].name, name))
        slot = (slot + 1) & (table->slot_count - 1);
    for (uint32_t i = table->slots[slot]; i != NAME_NONE; i = table->entries[i].next) {
        const struct name_entry *entry = &table->entries[i];
        if (active[entry->condition])
            return entry; /* the latest word comes first */
    }
    return NULL;
}

const struct name_entry *names_find(const struct name_table *table, const uint8_t *active,
                                    const uint8_t *name, size_t len)
{
    const uint8_t *labels[BL_LABELS_MAX + 1];
    const struct name_entry *found = NULL;
    unsigned count = labels_of(name, labels), from_root = 0;
    uint32_t hash = 0;

    (void)len;
    if (!table->slot_count || count < table->labels_least)
        return NULL;
    while (count-- > 0 && from_root++ < table->labels_most) {
        const struct name_entry *entry;
        hash = label_hash(hash, labels[count]);
        if (from_root < table->labels_least)
            continue;
        entry = slot_find(table, hash, labels[count], active);
        if (entry)
            found = entry;
    }
    return found;
}
