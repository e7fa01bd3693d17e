/* The entries tree: two sorted streams become one, each key with its fact. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "blocklists/writer_inside.h"

enum { PROGRESS_EVERY = 1 << 16 };

/* Adds an entry to the key being gathered; a repeat only counts. */
static int packed_add(struct work *work, struct packed added)
{
    for (size_t i = work->packed_count; i-- > 0 && work->packed[i].source == added.source;)
        if (work->packed[i].flags == added.flags && work->packed[i].condition == added.condition) {
            work->writer->sources[added.source].duplicate++;
            return 0;
        }
    if (work->packed_count == work->packed_room) {
        size_t room = work->packed_room ? 2 * work->packed_room : 64;
        void *packed = realloc(work->packed, room * sizeof *work->packed);
        void *says = realloc(work->says, room * sizeof *work->says);
        void *value = realloc(work->value, 2 + room * BL_ENTRY_COST);

        work->packed = packed ? packed : work->packed;
        work->says = says ? says : work->says;
        work->value = value ? value : work->value;
        if (!packed || !says || !value)
            return writer_no_memory(work);
        work->packed_room = room;
    }
    work->packed[work->packed_count++] = added;
    return 0;
}

static unsigned label_count(const uint8_t *key, size_t len)
{
    unsigned labels = 0;

    for (size_t i = 0; i < len; i++)
        labels += key[i] == 0;
    return labels;
}

/* The key's fact, from what its entries say and what lies above. */
static int fact_of(struct work *work, bl_fact *out_fact)
{
    for (size_t i = 0; i < work->packed_count; i++) {
        const struct packed *packed = &work->packed[i];
        const struct bl_source *source = &work->writer->sources[packed->source];

        work->says[i] = bl_say(source->category, source->tier,
                               packed->flags & BL_ENTRY_ALLOW ? BL_ALLOW : BL_BLOCK,
                               (packed->flags & BL_ENTRY_IMPORTANT) != 0, packed->condition,
                               packed->flags & BL_ENTRY_SCOPE);
    }
    return bl_closing_key(&work->closing, work->key, work->key_len, work->says, work->packed_count,
                          out_fact, work->error);
}

static int value_append(struct work *work, bl_fact fact)
{
    MDB_val key = {work->key_len, work->key}, value = {2, work->value};
    int rc;

    bl_put16(work->value, fact);
    for (size_t i = 0; i < work->packed_count; i++) {
        const struct packed *packed = &work->packed[i];
        uint8_t *at = work->value + value.mv_size;

        at[0] = packed->flags;
        value.mv_size += 1 + bl_put_varint(at + 1, work->source_numbers[packed->source]);
        value.mv_size += bl_put_varint(work->value + value.mv_size, packed->line);
        if (packed->condition == 0)
            continue;
        at[0] |= BL_ENTRY_CONDITION;
        work->value[value.mv_size++] = packed->condition;
    }
    rc = mdb_cursor_put(work->cursor, &key, &value, MDB_APPEND);
    return rc == 0 ? 0 : writer_lmdb_fault(work, rc);
}

/* The gathered key is whole: its fact, its place in the tree, its counts. */
static int key_end(struct work *work)
{
    bool is_prefix = bl_key_is_prefix(work->key, work->key_len);
    bl_fact fact;
    int rc = fact_of(work, &fact);

    if (rc == 0)
        rc = value_append(work, fact);
    if (rc < 0)
        return rc;
    work->entry_count += work->packed_count;
    if (is_prefix) {
        work->prefixes++;
    } else {
        unsigned labels = label_count(work->key, work->key_len);

        work->labels_min = labels < work->labels_min ? labels : work->labels_min;
        work->labels_max = labels > work->labels_max ? labels : work->labels_max;
        work->names++;
    }
    return 0;
}

/* Begins to gather another key. */
static void key_begin(struct work *work, const uint8_t *key, size_t key_len)
{
    memcpy(work->key, key, key_len);
    work->key_len = key_len;
    work->packed_count = 0;
}

/* One record more of either stream is done with. */
static void progress_note(struct work *work)
{
    const struct bl_compile_options *options = work->writer->options;

    if (++work->done % PROGRESS_EVERY == 0 && options->progress)
        options->progress(options->user, work->done, work->total);
}

static int next_new(struct work *work)
{
    progress_note(work);
    work->has_next = bl_runs_next(work->writer->runs, &work->next, work->error);
    return work->has_next;
}

static int next_base(struct work *work)
{
    progress_note(work);
    work->has_base = work->base.cursor ? bl_cursor_next(&work->base, work->error) : 0;
    return work->has_base;
}

/* The number that a condition of the base has in the new generation; negative where there are too
 * many. */
static int base_condition(struct work *work, uint8_t condition)
{
    int number;

    if (condition == 0 || work->base_conditions[condition] != 0)
        return work->base_conditions[condition];
    number = bl_conditions_add(work->writer->conditions,
                               &work->base.store->conditions.items[condition - 1]);
    if (number < 0)
        return bl_error_set(
            work->error, number,
            "more than %d different sets of types of question ($dnstype) in all lists; "
            "please leave out lists that have them",
            BL_CONDITIONS_MAX);
    work->base_conditions[condition] = (uint8_t)number;
    return number;
}

/* The base's entries of its current key whose sources are kept. */
static int base_gather(struct work *work)
{
    const uint8_t *at = (const uint8_t *)work->base.value.mv_data + 2;
    const uint8_t *end = (const uint8_t *)work->base.value.mv_data + work->base.value.mv_size;
    struct bl_packed_entry entry;

    while (bl_packed_next(&at, end, &entry)) {
        int rc;

        if (entry.source >= work->writer->base_count ||
            entry.condition > work->base.store->conditions.count)
            break;
        if (work->writer->dropped[entry.source])
            continue;
        rc = base_condition(work, entry.condition);
        if (rc >= 0)
            rc = packed_add(work, (struct packed){.source = (uint16_t)entry.source,
                                                  .flags = entry.flags & BL_ENTRY_FLAGS,
                                                  .condition = (uint8_t)rc,
                                                  .line = entry.line});
        if (rc < 0)
            return rc;
    }
    if (at != end)
        return bl_error_set(work->error, -EBADMSG, "%s is damaged: an entry cannot be read",
                            work->base.store->path);
    return next_base(work) < 0 ? work->has_base : 0;
}

static int keys_order(const struct work *work)
{
    size_t base_len = work->base.key.mv_size, new_len = work->next.key_len;
    int order;

    if (work->has_next <= 0 || work->has_base <= 0)
        return work->has_base <= 0 ? 1 : -1;
    order = memcmp(work->base.key.mv_data, work->next.key, base_len < new_len ? base_len : new_len);
    return order != 0 ? order : (base_len > new_len) - (base_len < new_len);
}

/* One key, from whichever of the two streams has it, or both. */
static int key_merge(struct work *work)
{
    int order = keys_order(work), rc = 0;

    if (order <= 0) {
        key_begin(work, work->base.key.mv_data, work->base.key.mv_size);
        rc = base_gather(work);
    } else {
        key_begin(work, work->next.key, work->next.key_len);
    }
    while (rc >= 0 && order >= 0 && work->has_next > 0 && work->next.key_len == work->key_len &&
           memcmp(work->next.key, work->key, work->key_len) == 0) {
        if (!work->writer->dropped[work->next.source])
            rc = packed_add(work, (struct packed){.source = work->next.source,
                                                  .flags = work->next.flags,
                                                  .condition = work->next.condition,
                                                  .line = work->next.line});
        if (rc >= 0)
            rc = next_new(work);
    }
    /* Where all sources of a name were dropped, the name is gone. */
    return rc >= 0 && work->packed_count > 0 ? key_end(work) : rc;
}

int writer_merge(struct work *work)
{
    const struct bl_store *base = work->writer->options->base;
    int rc = 0;

    work->labels_min = BL_LABELS_MAX;
    if (base)
        rc = bl_cursor_open(base, &work->base, work->error);
    if (rc == 0)
        rc = next_base(work);
    if (rc >= 0)
        rc = next_new(work);
    while (rc >= 0 && (work->has_base > 0 || work->has_next > 0))
        rc = key_merge(work);
    if (base)
        bl_cursor_close(&work->base);
    for (unsigned i = work->writer->base_count; i < work->writer->source_count; i++)
        work->writer->sources[i].duplicate += bl_runs_duplicates(work->writer->runs, (uint16_t)i);
    if (work->names == 0)
        work->labels_min = 0;
    return rc < 0 ? rc : 0;
}
