/* Happy path: number what is kept → merge the sorted entries with the base's tree, key by key,
 * closing each one's fact over its parents on the way (a parent sorts right before what is below
 * it, so a stack of the open parents is enough) and appending it to the entries tree → fill the
 * fast table and the address ranges from that tree → write facts, categories, sources and meta →
 * commit, cut the file to its length, seal it.
 *
 * One LMDB transaction for all. MDB_WRITEMAP: pages are the file's own, so they do not count as
 * private memory and the kernel writes them when it likes. Writing through a map to a sparse file
 * raises SIGBUS when the disk is full, therefore space is allocated first, in the amounts that each
 * step can need.
 */
#include "blocklists/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocklists/facts.h"
#include "blocklists/layout.h"
#include "blocklists/ranges.h"
#include "blocklists/store_inside.h"
#include "blocklists/table.h"

enum {
    SEEDS_TRIED = 8,
    PROGRESS_EVERY = 1 << 16,
    NODE_COST = 8 + 2 + 1,     /* octets of LMDB's own around a key and a value, and rounding */
    ENTRY_COST = 9,            /* an entry at its longest: flags and two varints */
    ROOM_FOR_LATER = 64 << 20, /* of the map, not of the disk: facts, categories, sources */
    PAGE = 4096,
    TREE_SLACK = 64 * PAGE,
    VALUE_SLACK = 4 * PAGE,
};

struct packed {
    uint32_t line;
    uint16_t source;
    uint8_t flags;
};

/* A listed key above the current one. */
struct parent {
    size_t key_len;
    bl_fact below;
};

struct work {
    struct bl_writer *writer;
    struct bl_error *error;
    int fd;
    char path[64];      /* the descriptor's */
    uint64_t allocated; /* octets of the file that have room on the disk */
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi main, entries;
    MDB_cursor *cursor;
    struct bl_facts *facts;
    uint16_t *source_numbers;                /* old to new */
    const char *categories[BL_CATEGORY_MAX]; /* by number, sorted */
    struct bl_category counts[BL_CATEGORY_MAX];
    unsigned category_count;
    /* The key being gathered. */
    uint8_t key[BL_KEY_MAX];
    size_t key_len;
    struct packed *packed;
    size_t packed_count, packed_room;
    uint32_t *says;
    uint8_t *value;
    struct parent parents[BL_LABELS_MAX + 130]; /* labels of a name, or lengths of a prefix */
    unsigned parent_count;
    unsigned labels_min, labels_max;
    uint64_t names, prefixes, entry_count;
    uint64_t done, total;
    struct bl_cursor base;
    struct bl_record next; /* of the new entries */
    int has_next, has_base;
};

static int lmdb_fault(struct work *work, int rc)
{
    if (rc == MDB_MAP_FULL)
        return bl_error_set(work->error, -ENOSPC,
                            "the new generation outgrows the room made for it");
    return bl_lmdb_error(work->error, "the new generation", "cannot be written", rc);
}

static int no_memory(struct work *work)
{
    return bl_error_set(work->error, -ENOMEM, "not enough memory to compile the lists");
}

static int file_make(struct work *work)
{
    char path[4096];

    if ((size_t)snprintf(path, sizeof path, "%s/staging-XXXXXX", work->writer->options->folder) >=
        sizeof path)
        return bl_error_set(work->error, -ENAMETOOLONG, "%s: the path is too long",
                            work->writer->options->folder);
    work->fd = mkostemp(path, O_CLOEXEC);
    if (work->fd < 0)
        return bl_error_set(work->error, -errno, "cannot make a file in %s: %s",
                            work->writer->options->folder, strerror(errno));
    unlink(path);
    snprintf(work->path, sizeof work->path, "/proc/self/fd/%d", work->fd);
    return 0;
}

/* Makes sure that the next `more` octets of the file have room on the disk. */
static int file_allocate(struct work *work, uint64_t more)
{
    int rc = posix_fallocate(work->fd, (off_t)work->allocated, (off_t)more);

    if (rc != 0)
        return bl_error_set(work->error, -rc, "no room for the new generation (%llu MiB) in %s: %s",
                            (unsigned long long)((work->allocated + more + (1 << 20) - 1) >> 20),
                            work->writer->options->folder, strerror(rc));
    work->allocated += more;
    return 0;
}

/* The pages that the entries can need at most: a sixth more than their nodes for branch pages and
 * the ends of leaves, and the base's tree a quarter larger, as numbers of sources may grow by an
 * octet. */
static uint64_t tree_bound(const struct work *work, uint64_t records, uint64_t key_octets)
{
    const struct bl_store *base = work->writer->options->base;
    uint64_t nodes = key_octets + records * (NODE_COST + ENTRY_COST + 2);

    return nodes + nodes / 6 + (base ? base->seal.lmdb_len + base->seal.lmdb_len / 4 : 0) +
           TREE_SLACK;
}

static int env_make(struct work *work, uint64_t map_size)
{
    int rc = mdb_env_create(&work->env);

    if (rc == 0)
        rc = mdb_env_set_maxdbs(work->env, 1);
    if (rc == 0)
        rc = mdb_env_set_mapsize(work->env, map_size);
    if (rc == 0)
        rc = mdb_env_open(work->env, work->path,
                          MDB_WRITEMAP | MDB_NOSYNC | MDB_NOMETASYNC | MDB_NOLOCK | MDB_NOSUBDIR |
                              MDB_NOMEMINIT,
                          0600);
    return rc == 0 ? 0 : lmdb_fault(work, rc);
}

static int tree_begin(struct work *work)
{
    int rc = mdb_txn_begin(work->env, NULL, 0, &work->txn);

    if (rc == 0)
        rc = mdb_dbi_open(work->txn, NULL, 0, &work->main);
    if (rc == 0)
        rc = mdb_dbi_open(work->txn, "entries", MDB_CREATE, &work->entries);
    if (rc == 0)
        rc = mdb_cursor_open(work->txn, work->entries, &work->cursor);
    return rc == 0 ? 0 : lmdb_fault(work, rc);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Numbers for the categories and sources that are kept. */
static int numbers_give(struct work *work)
{
    struct bl_writer *writer = work->writer;
    const char **names = calloc(writer->source_count + 1u, sizeof *names);
    unsigned kept = 0, count = 0;

    work->source_numbers = calloc(writer->source_count + 1u, sizeof *work->source_numbers);
    if (!names || !work->source_numbers) {
        free(names);
        return no_memory(work);
    }
    for (unsigned i = 0; i < writer->source_count; i++)
        if (!writer->dropped[i]) {
            work->source_numbers[i] = (uint16_t)kept;
            names[kept++] = writer->category_names[i];
        }
    qsort(names, kept, sizeof *names, by_text);
    for (unsigned i = 0; i < kept; i++) {
        if (i > 0 && strcmp(names[i], names[i - 1]) == 0)
            continue;
        if (count < BL_CATEGORY_MAX)
            work->categories[count] = names[i];
        count++;
    }
    free(names);
    if (count > BL_CATEGORY_MAX)
        return bl_error_set(work->error, -E2BIG, "more than %d categories", BL_CATEGORY_MAX);
    work->category_count = count;
    for (unsigned i = 0; i < writer->source_count; i++) {
        const char **found;

        if (writer->dropped[i])
            continue;
        found = bsearch(&writer->category_names[i], work->categories, count,
                        sizeof *work->categories, by_text);
        writer->sources[i].category = (uint16_t)(found - work->categories);
    }
    return 0;
}

/* Adds an entry to the key being gathered; a repeat only counts. */
static int packed_add(struct work *work, uint16_t source, uint8_t flags, uint32_t line)
{
    for (size_t i = work->packed_count; i-- > 0 && work->packed[i].source == source;)
        if (work->packed[i].flags == flags) {
            work->writer->sources[source].duplicate++;
            return 0;
        }
    if (work->packed_count == work->packed_room) {
        size_t room = work->packed_room ? 2 * work->packed_room : 64;
        void *packed = realloc(work->packed, room * sizeof *work->packed);
        void *says = realloc(work->says, room * sizeof *work->says);
        void *value = realloc(work->value, 2 + room * ENTRY_COST);

        work->packed = packed ? packed : work->packed;
        work->says = says ? says : work->says;
        work->value = value ? value : work->value;
        if (!packed || !says || !value)
            return no_memory(work);
        work->packed_room = room;
    }
    work->packed[work->packed_count++] =
        (struct packed){.source = source, .flags = flags, .line = line};
    return 0;
}

/* Counts the name or prefix once for each category that blocks it. */
static void categories_count(struct work *work, bool is_prefix)
{
    for (size_t i = 0; i < work->packed_count; i++) {
        uint16_t category = work->writer->sources[work->packed[i].source].category;
        size_t before = 0;

        if (work->packed[i].flags & BL_ENTRY_ALLOW)
            continue;
        while (before < i &&
               ((work->packed[before].flags & BL_ENTRY_ALLOW) ||
                work->writer->sources[work->packed[before].source].category != category))
            before++;
        if (before < i)
            continue;
        if (is_prefix)
            work->counts[category].addresses++;
        else
            work->counts[category].names++;
    }
}

/* Whether the key of this length at the front of the last key is above the new key, or holds it. */
static bool is_parent(const struct work *work, size_t parent_len, const uint8_t *last_key)
{
    if (!bl_key_is_prefix(work->key, work->key_len))
        return parent_len <= work->key_len && memcmp(last_key, work->key, parent_len) == 0;
    /* A stack of prefixes remembers lengths in bits, plus 1. */
    for (size_t bit = 0; bit + 1 < parent_len; bit++)
        if ((last_key[1 + bit / 8] ^ work->key[1 + bit / 8]) & (0x80u >> bit % 8))
            return false;
    return last_key[0] == work->key[0] && parent_len - 1 <= work->key[work->key_len - 1];
}

static unsigned label_count(const uint8_t *key, size_t len)
{
    unsigned labels = 0;

    for (size_t i = 0; i < len; i++)
        labels += key[i] == 0;
    return labels;
}

/* The key's fact, from what its entries say and what lies above. */
static int fact_of(struct work *work, bool is_prefix, bl_fact *out_fact)
{
    bl_fact above = work->parent_count ? work->parents[work->parent_count - 1].below : BL_FACT_NONE;
    int rc;

    for (size_t i = 0; i < work->packed_count; i++) {
        const struct packed *packed = &work->packed[i];
        const struct bl_source *source = &work->writer->sources[packed->source];

        work->says[i] = bl_say(
            source->category, source->tier, packed->flags & BL_ENTRY_ALLOW ? BL_ALLOW : BL_BLOCK,
            (packed->flags & BL_ENTRY_IMPORTANT) != 0, packed->flags & BL_ENTRY_SCOPE);
    }
    rc = bl_facts_close(work->facts, above, work->says, work->packed_count, out_fact, work->error);
    if (rc < 0)
        return rc;
    work->parents[work->parent_count].key_len =
        is_prefix ? work->key[work->key_len - 1] + 1u : work->key_len;
    work->parents[work->parent_count++].below = bl_facts_below(work->facts, *out_fact);
    return 0;
}

static int value_append(struct work *work, bl_fact fact)
{
    MDB_val key = {work->key_len, work->key}, value = {2, work->value};
    int rc;

    bl_put16(work->value, fact);
    for (size_t i = 0; i < work->packed_count; i++) {
        uint8_t *at = work->value + value.mv_size;

        at[0] = work->packed[i].flags;
        value.mv_size += 1 + bl_put_varint(at + 1, work->source_numbers[work->packed[i].source]);
        value.mv_size += bl_put_varint(work->value + value.mv_size, work->packed[i].line);
    }
    rc = mdb_cursor_put(work->cursor, &key, &value, MDB_APPEND);
    return rc == 0 ? 0 : lmdb_fault(work, rc);
}

/* The gathered key is whole: its fact, its place in the tree, its counts. */
static int key_end(struct work *work)
{
    bool is_prefix = bl_key_is_prefix(work->key, work->key_len);
    bl_fact fact;
    int rc = fact_of(work, is_prefix, &fact);

    if (rc == 0)
        rc = value_append(work, fact);
    if (rc < 0)
        return rc;
    categories_count(work, is_prefix);
    work->entry_count += work->packed_count;
    if (is_prefix) {
        work->prefixes++;
    } else {
        unsigned labels = label_count(work->key, work->key_len);

        work->labels_min = labels < work->labels_min ? labels : work->labels_min;
        work->labels_max = labels > work->labels_max ? labels : work->labels_max;
        work->names++;
    }
    if (++work->done % PROGRESS_EVERY == 0 && work->writer->options->progress)
        work->writer->options->progress(work->writer->options->user, work->done, work->total);
    return 0;
}

/* Begins to gather another key: forgets the parents that are not above it. */
static void key_begin(struct work *work, const uint8_t *key, size_t key_len)
{
    uint8_t last_key[BL_KEY_MAX];
    bool was_prefix = bl_key_is_prefix(work->key, work->key_len);

    memcpy(last_key, work->key, work->key_len);
    memcpy(work->key, key, key_len);
    work->key_len = key_len;
    work->packed_count = 0;
    if (was_prefix != bl_key_is_prefix(key, key_len))
        work->parent_count = 0;
    while (work->parent_count > 0 &&
           !is_parent(work, work->parents[work->parent_count - 1].key_len, last_key))
        work->parent_count--;
}

static int next_new(struct work *work)
{
    work->has_next = bl_runs_next(work->writer->runs, &work->next, work->error);
    return work->has_next;
}

static int next_base(struct work *work)
{
    work->has_base = work->base.cursor ? bl_cursor_next(&work->base, work->error) : 0;
    return work->has_base;
}

/* The base's entries of its current key whose sources are kept. */
static int base_gather(struct work *work)
{
    const uint8_t *at = (const uint8_t *)work->base.value.mv_data + 2;
    const uint8_t *end = (const uint8_t *)work->base.value.mv_data + work->base.value.mv_size;
    struct bl_packed_entry entry;

    while (bl_packed_next(&at, end, &entry)) {
        int rc;

        if (entry.source >= work->writer->base_count)
            break;
        if (work->writer->dropped[entry.source])
            continue;
        rc = packed_add(work, (uint16_t)entry.source, entry.flags & BL_ENTRY_FLAGS, entry.line);
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
            rc = packed_add(work, work->next.source, work->next.flags, work->next.line);
        if (rc >= 0)
            rc = next_new(work);
    }
    /* Where all sources of a name were dropped, the name is gone. */
    return rc >= 0 && work->packed_count > 0 ? key_end(work) : rc;
}

static int entries_write(struct work *work)
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

/* Room for a value, in the file's own pages. */
static int value_reserve(struct work *work, const char *name, size_t size, void **out_bytes)
{
    MDB_val key = {strlen(name), (void *)(uintptr_t)name}, value = {size, NULL};
    int rc = file_allocate(work, size + VALUE_SLACK);

    if (rc < 0)
        return rc;
    rc = mdb_put(work->txn, work->main, &key, &value, MDB_RESERVE);
    if (rc != 0)
        return lmdb_fault(work, rc);
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
            return lmdb_fault(work, rc);
        if (rc == MDB_NOTFOUND && bl_table_end(&table) == 0) {
            *out_seed = table.seed;
            *out_buckets = table.bucket_count;
            return 0;
        }
    }
    return bl_error_set(work->error, -EEXIST, "the fast table cannot tell all names apart");
}

/* Flattens the prefixes of one family; `out` NULL only counts the ranges. */
static int family_flatten(struct work *work, uint8_t family, uint8_t *out, unsigned *out_count)
{
    struct bl_ranges ranges;
    MDB_val key = {1, &family}, value;
    int rc;

    bl_ranges_init(&ranges, family, out);
    for (rc = mdb_cursor_get(work->cursor, &key, &value, MDB_SET_RANGE);
         rc == 0 && *(const uint8_t *)key.mv_data == family;
         rc = mdb_cursor_get(work->cursor, &key, &value, MDB_NEXT)) {
        struct bl_prefix prefix;

        if (bl_key_to_prefix(key.mv_data, key.mv_size, &prefix))
            bl_ranges_add(&ranges, prefix.address, prefix.length, bl_get16(value.mv_data));
    }
    if (rc != 0 && rc != MDB_NOTFOUND)
        return lmdb_fault(work, rc);
    *out_count = bl_ranges_end(&ranges);
    return 0;
}

static int ranges_write(struct work *work, uint8_t family, const char *name, unsigned *out_count)
{
    size_t size = family == 4 ? BL_RANGE4_SIZE : BL_RANGE6_SIZE;
    void *bytes;
    int rc = family_flatten(work, family, NULL, out_count);

    if (rc == 0)
        rc = value_reserve(work, name, *out_count * size + 8, &bytes);
    return rc == 0 ? family_flatten(work, family, bytes, out_count) : rc;
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
        bl_put64(at, work->counts[i].names);
        bl_put64(at + 8, work->counts[i].addresses);
        at = string_put(at + BL_CATEGORY_FIXED, work->categories[i]);
    }
    return 0;
}

static size_t source_size(const struct bl_source *source)
{
    return BL_SOURCE_FIXED + strlen(source->location) + strlen(source->format) +
           strlen(source->licence) + strlen(source->actor) + strlen(source->reason) +
           strlen(source->sha256) + 6;
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
        (*out_count)++;
    }
    return 0;
}

/* Everything that is made from the entries tree or stands beside it. */
static int rest_write(struct work *work)
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
        rc = value_reserve(work, "facts", bl_facts_size(work->facts), &bytes);
    if (rc < 0)
        return rc;
    bl_facts_write(work->facts, bytes);
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
    bl_put32((uint8_t *)bytes + BL_META_FACTS, bl_facts_count(work->facts));
    bl_put32((uint8_t *)bytes + BL_META_RULES, (uint32_t)bl_facts_rule_count(work->facts));
    bl_put32((uint8_t *)bytes + BL_META_CATEGORIES, work->category_count);
    bl_put32((uint8_t *)bytes + BL_META_SOURCES, sources);
    return 0;
}

static int file_finish(struct work *work)
{
    const struct bl_store *base = work->writer->options->base;
    struct bl_seal seal = {.base = base ? bl_store_generation(base) : 0,
                           .names = work->names,
                           .made = work->writer->options->now};
    MDB_envinfo info;
    MDB_stat stat;
    int rc;

    mdb_cursor_close(work->cursor);
    work->cursor = NULL;
    rc = mdb_txn_commit(work->txn);
    work->txn = NULL;
    if (rc == 0)
        rc = mdb_env_info(work->env, &info);
    if (rc == 0)
        rc = mdb_env_stat(work->env, &stat);
    if (rc != 0)
        return lmdb_fault(work, rc);
    mdb_env_close(work->env);
    work->env = NULL;
    seal.page_size = stat.ms_psize;
    seal.lmdb_len = (info.me_last_pgno + 1) * (uint64_t)stat.ms_psize;
    rc = bl_seal_hash(work->fd, "the new generation", seal.lmdb_len, seal.sha256, work->error);
    if (rc < 0)
        return rc;
    return bl_seal_write(work->fd, "the new generation", &seal, work->error);
}

static int work_run(struct work *work)
{
    uint64_t records = 0, key_octets = 0, bound;
    int rc = numbers_give(work);

    if (rc == 0)
        rc = bl_runs_finish(work->writer->runs, &records, &key_octets, work->error);
    if (rc == 0)
        rc = file_make(work);
    if (rc < 0)
        return rc;
    work->total = records;
    if (work->writer->options->base)
        work->total += work->writer->options->base->name_count;
    bound = tree_bound(work, records, key_octets);
    rc = env_make(work, (bound + work->total * 64 + ROOM_FOR_LATER) / PAGE * PAGE);
    if (rc == 0)
        rc = file_allocate(work, bound);
    if (rc == 0)
        rc = tree_begin(work);
    if (rc == 0)
        rc = entries_write(work);
    if (rc == 0)
        rc = rest_write(work);
    return rc == 0 ? file_finish(work) : rc;
}

int bl_writer_run(struct bl_writer *writer, int *out_fd, struct bl_compile_result *out_result,
                  struct bl_error *error)
{
    struct work *work = calloc(1, sizeof *work);
    int rc;

    if (!work)
        return bl_error_set(error, -ENOMEM, "not enough memory to compile the lists");
    work->writer = writer;
    work->error = error;
    work->fd = -1;
    work->facts = bl_facts_create();
    rc = work->facts ? work_run(work) : no_memory(work);
    if (rc == 0) {
        *out_fd = work->fd;
        work->fd = -1;
        out_result->names = work->names;
        out_result->prefixes = work->prefixes;
        out_result->entries = work->entry_count;
        out_result->base = writer->options->base ? bl_store_generation(writer->options->base) : 0;
    }
    if (work->cursor)
        mdb_cursor_close(work->cursor);
    if (work->txn)
        mdb_txn_abort(work->txn);
    if (work->env)
        mdb_env_close(work->env);
    if (work->fd >= 0)
        close(work->fd);
    bl_facts_destroy(work->facts);
    free(work->source_numbers);
    free(work->packed);
    free(work->says);
    free(work->value);
    free(work);
    return rc;
}
