/* What stands beside the entries tree: the fast table, the ranges, facts, categories, sources,
 * meta. */
#include <errno.h>
#include <string.h>

#include "blocklists/table.h"
#include "blocklists/writer_inside.h"

enum {
    SEEDS_TRIED = 8,
    VALUE_SLACK = 4 * BL_PAGE,
};

/* Room for a value, in the file's own pages. */
static int value_reserve(struct work *work, const char *name, size_t size, void **out_bytes)
{
    MDB_val key = {strlen(name), (void *)(uintptr_t)name}, value = {size, NULL};
    int rc = writer_allocate(work, size + VALUE_SLACK);

    if (rc < 0)
        return rc;
    rc = mdb_put(work->txn, work->main, &key, &value, MDB_RESERVE);
    if (rc != 0)
        return writer_lmdb_fault(work, rc);
    memset(value.mv_data, 0, size);
    *out_bytes = value.mv_data;
    return 0;
}

/* Fills the table from the tree, with the first seed under which no two names are alike. */
static int table_write(struct work *work, uint64_t *out_seed, uint32_t *out_buckets)
{
    size_t size;
    struct bl_table table = {.bucket_count = bl_table_buckets(work->names),
                             .seed = work->writer->options->seed};
    void *bytes;
    int rc = 0;

    size = table.bucket_count * (size_t)BL_BUCKET_SIZE;
    rc = value_reserve(work, "table", BL_TABLE_PAD + size, &bytes);
    if (rc < 0)
        return rc;
    table.buckets = (uint8_t *)bytes + BL_TABLE_PAD;
    for (unsigned tried = 0; tried < SEEDS_TRIED; tried++, table.seed++) {
        MDB_val key, value;

        if (tried > 0)
            memset(table.buckets, 0, size);
        table.pending_count = 0;
        rc = mdb_cursor_get(work->cursor, &key, &value, MDB_FIRST);
        for (; rc == 0; rc = mdb_cursor_get(work->cursor, &key, &value, MDB_NEXT))
            if (!bl_key_is_prefix(key.mv_data, key.mv_size) &&
                bl_table_add(&table, key.mv_data, key.mv_size, bl_get16(value.mv_data)) < 0)
                break;
        if (rc != 0 && rc != MDB_NOTFOUND)
            return writer_lmdb_fault(work, rc);
        if (rc == MDB_NOTFOUND && bl_table_end(&table) == 0) {
            *out_seed = table.seed;
            *out_buckets = table.bucket_count;
            return 0;
        }
    }
    return bl_error_set(work->error, -EEXIST, "the fast table cannot tell all names apart");
}

static int ranges_write(struct work *work, uint8_t family, const char *name, unsigned *out_count)
{
    size_t size = family == 4 ? BL_RANGE4_SIZE : BL_RANGE6_SIZE;
    void *bytes;
    int rc = bl_closing_ranges(work->cursor, family, NULL, out_count);

    if (rc != 0)
        return writer_lmdb_fault(work, rc);
    rc = value_reserve(work, name, *out_count * size + 8, &bytes);
    if (rc < 0)
        return rc;
    rc = bl_closing_ranges(work->cursor, family, bytes, out_count);
    return rc == 0 ? 0 : writer_lmdb_fault(work, rc);
}

static uint8_t *string_put(uint8_t *at, const char *string)
{
    size_t len = strlen(string) + 1;

    memcpy(at, string, len);
    return at + len;
}

static int categories_write(struct work *work)
{
    size_t size = 8;
    void *bytes;
    uint8_t *at;
    int rc;

    for (unsigned i = 0; i < work->category_count; i++)
        size += BL_CATEGORY_FIXED + strlen(work->categories[i]) + 1;
    rc = value_reserve(work, "categories", size, &bytes);
    if (rc < 0)
        return rc;
    at = bytes;
    for (unsigned i = 0; i < work->category_count; i++) {
        bl_put64(at, work->closing.counts[i].names);
        bl_put64(at + 8, work->closing.counts[i].addresses);
        bl_put64(at + 16, work->closing.counts[i].whole);
        at = string_put(at + BL_CATEGORY_FIXED, work->categories[i]);
    }
    return 0;
}

static size_t source_size(const struct bl_source *source)
{
    return BL_SOURCE_FIXED + strlen(source->location) + strlen(source->format) +
           strlen(source->licence) + strlen(source->actor) + strlen(source->reason) +
           strlen(source->sha256) + strlen(source->reasons) + 7;
}

static int sources_write(struct work *work, uint32_t *out_count)
{
    const struct bl_writer *writer = work->writer;
    size_t size = 8;
    void *bytes;
    uint8_t *at;
    int rc;

    for (unsigned i = 0; i < writer->source_count; i++)
        if (!writer->dropped[i])
            size += source_size(&writer->sources[i]);
    rc = value_reserve(work, "sources", size, &bytes);
    if (rc < 0)
        return rc;
    at = bytes;
    *out_count = 0;
    for (unsigned i = 0; i < writer->source_count; i++) {
        const struct bl_source *source = &writer->sources[i];

        if (writer->dropped[i])
            continue;
        bl_put16(at, source->category);
        at[2] = source->tier;
        at[3] = source->action;
        at[4] = source->subscribed;
        at[BL_SOURCE_HAS_REASONS] = 1;
        bl_put64(at + 8, (uint64_t)source->imported);
        bl_put64(at + 16, source->read);
        bl_put64(at + 24, source->taken);
        bl_put64(at + 32, source->duplicate);
        bl_put64(at + 40, source->malformed);
        bl_put64(at + 48, source->unused);
        at = string_put(at + BL_SOURCE_FIXED, source->location);
        at = string_put(at, source->format);
        at = string_put(at, source->licence);
        at = string_put(at, source->actor);
        at = string_put(at, source->reason);
        at = string_put(at, source->sha256);
        at = string_put(at, source->reasons);
        (*out_count)++;
    }
    return 0;
}

static int conditions_write(struct work *work)
{
    const struct bl_conditions *conditions = work->writer->conditions;
    size_t size = 8;
    void *bytes;
    uint8_t *at;
    int rc;

    for (unsigned i = 0; i < conditions->count; i++)
        size += BL_CONDITION_FIXED + conditions->items[i].count * sizeof(uint16_t);
    rc = value_reserve(work, "conditions", size, &bytes);
    if (rc < 0)
        return rc;
    at = bytes;
    for (unsigned i = 0; i < conditions->count; i++) {
        const struct bl_types *types = &conditions->items[i];

        *at++ = types->except;
        *at++ = types->count;
        for (unsigned j = 0; j < types->count; j++, at += sizeof(uint16_t))
            bl_put16(at, types->types[j]);
    }
    return 0;
}

static int facts_write(struct work *work)
{
    void *bytes;
    int rc = bl_facts_finish(work->closing.facts, work->writer->conditions, work->error);

    if (rc == 0)
        rc = value_reserve(work, "facts", bl_facts_size(work->closing.facts), &bytes);
    if (rc < 0)
        return rc;
    bl_facts_write(work->closing.facts, bytes);
    rc = value_reserve(work, "variants", bl_facts_variants_size(work->closing.facts), &bytes);
    if (rc == 0)
        bl_facts_variants_write(work->closing.facts, bytes);
    return rc;
}

int writer_values(struct work *work)
{
    uint64_t seed = 0;
    uint32_t buckets = 0, ranges4 = 0, ranges6 = 0, sources = 0;
    void *bytes;
    int rc = table_write(work, &seed, &buckets);

    if (rc == 0)
        rc = ranges_write(work, 4, "addresses4", &ranges4);
    if (rc == 0)
        rc = ranges_write(work, 6, "addresses6", &ranges6);
    if (rc == 0)
        rc = categories_write(work);
    if (rc == 0)
        rc = sources_write(work, &sources);
    if (rc == 0)
        rc = facts_write(work);
    if (rc == 0)
        rc = conditions_write(work);
    if (rc == 0)
        rc = value_reserve(work, "meta", BL_META_SIZE, &bytes);
    if (rc < 0)
        return rc;
    bl_put64((uint8_t *)bytes + BL_META_NAMES, work->names);
    bl_put64((uint8_t *)bytes + BL_META_PREFIXES, work->prefixes);
    bl_put64((uint8_t *)bytes + BL_META_ENTRIES, work->entry_count);
    bl_put64((uint8_t *)bytes + BL_META_SEED, seed);
    bl_put32((uint8_t *)bytes + BL_META_BUCKETS, buckets);
    bl_put16((uint8_t *)bytes + BL_META_LABELS_MIN, (uint16_t)work->labels_min);
    bl_put16((uint8_t *)bytes + BL_META_LABELS_MAX, (uint16_t)work->labels_max);
    bl_put32((uint8_t *)bytes + BL_META_RANGES4, ranges4);
    bl_put32((uint8_t *)bytes + BL_META_RANGES6, ranges6);
    bl_put32((uint8_t *)bytes + BL_META_FACTS, bl_facts_count(work->closing.facts));
    bl_put32((uint8_t *)bytes + BL_META_RULES, (uint32_t)bl_facts_rule_count(work->closing.facts));
    bl_put32((uint8_t *)bytes + BL_META_CATEGORIES, work->category_count);
    bl_put32((uint8_t *)bytes + BL_META_SOURCES, sources);
    bl_put32((uint8_t *)bytes + BL_META_CONDITIONS, work->writer->conditions->count);
    bl_put32((uint8_t *)bytes + BL_META_VARIANTS,
             (uint32_t)bl_facts_variant_count(work->closing.facts));
    return 0;
}
