#include "blocklists/closing.h"

#include <string.h>

#include "blocklists/layout.h"
#include "blocklists/ranges.h"

static unsigned say_scope(uint32_t say)
{
    return say & BL_ENTRY_SCOPE;
}

static unsigned say_condition(uint32_t say)
{
    return say >> 8 & 255;
}

static uint16_t say_category(uint32_t say)
{
    return (uint16_t)(say >> 16);
}

static bool say_blocks(uint32_t say)
{
    return (say >> 3 & 1) == BL_BLOCK;
}

/* Counts the name or prefix once for each category that blocks it. It is blocked whole where that
 * is for all types of question, and with all below it. Entries of a category stand together. */
static void categories_count(struct bl_closing *closing, bool is_prefix, const uint32_t *says,
                             size_t count)
{
    for (size_t i = 0; i < count;) {
        uint16_t category = say_category(says[i]);
        struct bl_category *counts = &closing->counts[category];
        unsigned scope = 0;
        bool blocks = false;

        for (; i < count && say_category(says[i]) == category; i++) {
            blocks |= say_blocks(says[i]);
            if (say_blocks(says[i]) && say_condition(says[i]) == 0)
                scope |= say_scope(says[i]);
        }
        counts->names += blocks && !is_prefix;
        counts->addresses += blocks && is_prefix;
        counts->whole += blocks && (is_prefix || scope == BL_ENTRY_SCOPE);
    }
}

/* Whether the key of this length at the front of the last one is above the new one, or holds it. */
static bool is_parent(const struct bl_closing *closing, size_t parent_len, const uint8_t *key,
                      size_t key_len)
{
    const uint8_t *last = closing->key;

    if (!bl_key_is_prefix(key, key_len))
        return parent_len <= key_len && memcmp(last, key, parent_len) == 0;
    /* A stack of prefixes remembers lengths in bits, plus 1. */
    for (size_t bit = 0; bit + 1 < parent_len; bit++)
        if ((last[1 + bit / 8] ^ key[1 + bit / 8]) & (0x80u >> bit % 8))
            return false;
    return last[0] == key[0] && parent_len - 1 <= key[key_len - 1];
}

/* Forgets the parents that are not above it. */
static void key_enter(struct bl_closing *closing, const uint8_t *key, size_t key_len)
{
    if (bl_key_is_prefix(closing->key, closing->key_len) != bl_key_is_prefix(key, key_len))
        closing->parent_count = 0;
    while (closing->parent_count > 0 &&
           !is_parent(closing, closing->parents[closing->parent_count - 1].key_len, key, key_len))
        closing->parent_count--;
    memcpy(closing->key, key, key_len);
    closing->key_len = key_len;
}

int bl_closing_key(struct bl_closing *closing, const uint8_t *key, size_t key_len, uint32_t *says,
                   size_t count, bl_fact *out_fact, struct bl_error *error)
{
    bool is_prefix = bl_key_is_prefix(key, key_len);
    struct bl_parent *parent;
    bl_fact above;
    int rc;

    key_enter(closing, key, key_len);
    above =
        closing->parent_count ? closing->parents[closing->parent_count - 1].below : BL_FACT_NONE;
    rc = bl_facts_close(closing->facts, above, says, count, out_fact, error);
    if (rc < 0)
        return rc;
    categories_count(closing, is_prefix, says, count);
    parent = &closing->parents[closing->parent_count++];
    parent->key_len = is_prefix ? key[key_len - 1] + 1u : key_len;
    parent->below = bl_facts_below(closing->facts, *out_fact);
    return 0;
}

int bl_closing_ranges(MDB_cursor *cursor, uint8_t family, uint8_t *out, unsigned *out_count)
{
    struct bl_ranges ranges;
    MDB_val key = {1, &family}, value;
    int rc;

    bl_ranges_init(&ranges, family, out);
    for (rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
         rc == 0 && *(const uint8_t *)key.mv_data == family;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        struct bl_prefix prefix;

        if (bl_key_to_prefix(key.mv_data, key.mv_size, &prefix))
            bl_ranges_add(&ranges, prefix.address, prefix.length, bl_get16(value.mv_data));
    }
    *out_count = bl_ranges_end(&ranges);
    return rc == MDB_NOTFOUND ? 0 : rc;
}
