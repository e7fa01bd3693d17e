/* The whole of a store read and compared: checksum, pages, entries, and the fast table against
 * them. */
#include <errno.h>
#include <string.h>

#include "blocklists/layout.h"
#include "blocklists/store_inside.h"

enum { PENDING = 32 };

/* What the entries must add up to. */
struct sums {
    uint64_t names, prefixes, entries;
    uint8_t last_key[BL_KEY_MAX];
    size_t last_len;
    /* Names whose buckets are on the way from memory: waiting for each in turn, five million take a
     * second. */
    unsigned pending_count;
    struct {
        uint64_t hash;
        bl_fact fact;
    } pending[PENDING];
};

static int skip_entry(void *user, unsigned source, const struct bl_entry *entry)
{
    struct sums *sums = user;

    (void)source;
    sums->entries++;
    return entry->scope == 0 ? -EBADMSG : 0;
}

/* Whether the table has what the tree has, of the names that are pending. */
static bool pending_agree(const struct bl_store *store, struct sums *sums)
{
    bool agree = true;

    for (unsigned i = 0; i < sums->pending_count; i++)
        agree &= bl_table_find(store, sums->pending[i].hash) == sums->pending[i].fact;
    sums->pending_count = 0;
    return agree;
}

static const char *name_verify(const struct bl_store *store, const uint8_t *key, size_t len,
                               bl_fact fact, struct sums *sums)
{
    uint64_t hash = bl_hash_start(store->seed);
    unsigned labels = 0;

    for (const uint8_t *end = key + len; key < end; labels++) {
        size_t label = strlen((const char *)key);

        hash = bl_hash_label(hash, store->seed, key, label);
        key += label + 1;
    }
    if (labels < store->labels_min || labels > store->labels_max)
        return "its table leaves out names";
    __builtin_prefetch(store->buckets +
                       bl_hash_bucket(hash, store->bucket_count) * (size_t)BL_BUCKET_SIZE);
    sums->pending[sums->pending_count].hash = hash;
    sums->pending[sums->pending_count++].fact = fact;
    if (sums->pending_count == PENDING && !pending_agree(store, sums))
        return "its table and its entries differ";
    return NULL;
}

/* One key of the tree: in order, readable, and the fast form says the same. */
static const char *entry_verify(const struct bl_store *store, const struct bl_cursor *cursor,
                                struct sums *sums)
{
    const uint8_t *key = cursor->key.mv_data;
    size_t len = cursor->key.mv_size;
    size_t least = len < sums->last_len ? len : sums->last_len;
    int order = memcmp(sums->last_key, key, least);
    bl_fact fact = bl_get16(cursor->value.mv_data);
    bool is_prefix = bl_key_is_prefix(key, len);
    struct bl_entry entry; /* of each entry in turn, without its name, which nobody needs */

    if (order > 0 || (order == 0 && len <= sums->last_len))
        return "its entries are out of order";
    memcpy(sums->last_key, key, len);
    sums->last_len = len;
    if (fact == BL_FACT_NONE || fact >= store->fact_count ||
        !(is_prefix ? bl_key_to_prefix(key, len, &entry.prefix) : bl_key_is_name(key, len)) ||
        bl_value_walk(store, &cursor->value, &entry, skip_entry, sums) != 0)
        return "an entry cannot be read";
    if (is_prefix) {
        sums->prefixes++;
        return bl_store_fact_by_type(store, fact) ? "a prefix asks for a type of question" : NULL;
    }
    sums->names++;
    return name_verify(store, key, len, fact, sums);
}

static int entries_verify(const struct bl_store *store, struct bl_error *error)
{
    struct sums sums = {0};
    struct bl_cursor cursor;
    const char *fault = NULL;
    int rc = bl_cursor_open(store, &cursor, error);

    if (rc < 0)
        return rc;
    while (!fault && (rc = bl_cursor_next(&cursor, error)) > 0)
        fault = entry_verify(store, &cursor, &sums);
    bl_cursor_close(&cursor);
    if (rc < 0)
        return rc;
    if (!fault && !pending_agree(store, &sums))
        fault = "its table and its entries differ";
    if (!fault && (sums.names != store->name_count || sums.prefixes != store->prefix_count ||
                   sums.entries != store->entry_count))
        fault = "its entries are not as many as it says";
    if (fault)
        return bl_error_set(error, -EBADMSG, "%s is damaged: %s", store->path, fault);
    return 0;
}

/* Every slot that is filled is one of the names: together with the look-up of each, none too many.
 */
static int table_verify(const struct bl_store *store, struct bl_error *error)
{
    uint64_t filled = 0;

    for (uint32_t bucket = 0; bucket < store->bucket_count; bucket++)
        for (unsigned i = 0; i < BL_BUCKET_SLOTS; i++)
            filled +=
                bl_get64(store->buckets + bucket * (size_t)BL_BUCKET_SIZE + (size_t)8 * i) != 0;
    if (filled != store->name_count)
        return bl_error_set(error, -EBADMSG, "%s is damaged: its table is not of its entries",
                            store->path);
    return 0;
}

int bl_store_compare(const struct bl_store *store, struct bl_error *error)
{
    uint8_t sha256[32];
    mdb_filehandle_t fd;
    int rc = mdb_env_get_fd(store->env, &fd);

    if (rc != 0)
        return bl_lmdb_error(error, store->path, "cannot be read", rc);
    rc = bl_seal_hash(fd, store->path, store->seal.lmdb_len, sha256, error);
    if (rc < 0)
        return rc;
    if (memcmp(sha256, store->seal.sha256, sizeof sha256) != 0)
        return bl_error_set(error, -EBADMSG, "%s is damaged: its checksum does not match",
                            store->path);
    return 0;
}

int bl_store_verify(const struct bl_store *store, struct bl_error *error)
{
    int rc = bl_store_compare(store, error);

    if (rc == 0)
        rc = entries_verify(store, error); /* opens a cursor, which checks the pages first */
    if (rc == 0)
        rc = table_verify(store, error);
    return rc;
}
