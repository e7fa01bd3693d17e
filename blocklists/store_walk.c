/* The entries of a store: behind one name, all in order, and the whole of it verified. */
#include <errno.h>
#include <string.h>

#include "blocklists/hash.h"
#include "blocklists/layout.h"
#include "blocklists/store_inside.h"

int bl_cursor_open(const struct bl_store *store, struct bl_cursor *cursor, struct bl_error *error)
{
    int rc;

    memset(cursor, 0, sizeof *cursor);
    cursor->store = store;
    /* A transaction of its own: one that is shared may be used by one thread at a time. */
    rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &cursor->txn);
    if (rc == 0)
        rc = mdb_cursor_open(cursor->txn, store->entries, &cursor->cursor);
    if (rc != 0) {
        bl_cursor_close(cursor);
        return bl_lmdb_error(error, store->path, "cannot be read", rc);
    }
    return 0;
}

int bl_cursor_next(struct bl_cursor *cursor, struct bl_error *error)
{
    int rc = mdb_cursor_get(cursor->cursor, &cursor->key, &cursor->value,
                            cursor->started ? MDB_NEXT : MDB_FIRST);

    cursor->started = true;
    if (rc == MDB_NOTFOUND)
        return 0;
    if (rc != 0)
        return bl_lmdb_error(error, cursor->store->path, "cannot be read", rc);
    if (cursor->value.mv_size < 3 || cursor->key.mv_size > BL_KEY_MAX || cursor->key.mv_size == 0)
        return bl_error_set(error, -EBADMSG, "%s is damaged: an entry is cut off",
                            cursor->store->path);
    return 1;
}

int bl_cursor_seek(struct bl_cursor *cursor, const uint8_t *key, size_t len)
{
    cursor->key = (MDB_val){len, (void *)(uintptr_t)key};
    cursor->started = true;
    return mdb_cursor_get(cursor->cursor, &cursor->key, &cursor->value, MDB_SET_KEY) == 0 &&
           cursor->value.mv_size >= 3;
}

void bl_cursor_close(struct bl_cursor *cursor)
{
    if (cursor->cursor)
        mdb_cursor_close(cursor->cursor);
    if (cursor->txn)
        mdb_txn_abort(cursor->txn);
    cursor->cursor = NULL;
    cursor->txn = NULL;
}

bool bl_packed_next(const uint8_t **at, const uint8_t *end, struct bl_packed_entry *out_entry)
{
    unsigned source, line;

    if (*at >= end)
        return false;
    out_entry->flags = **at;
    source = bl_get_varint(*at + 1, end, &out_entry->source);
    line = source ? bl_get_varint(*at + 1 + source, end, &out_entry->line) : 0;
    if (line == 0)
        return false;
    *at += 1 + source + line;
    return true;
}

static int entry_of(const uint8_t *key, size_t key_len, struct bl_entry *out_entry)
{
    memset(out_entry, 0, offsetof(struct bl_entry, name.wire));
    out_entry->is_address = bl_key_is_prefix(key, key_len);
    if (out_entry->is_address ? bl_key_to_prefix(key, key_len, &out_entry->prefix)
                              : bl_key_to_name(key, key_len, &out_entry->name))
        return 0;
    return -EBADMSG;
}

typedef int each_entry(void *user, unsigned source, const struct bl_entry *entry);

/* All entries of one key. */
static int value_walk(const struct bl_store *store, const MDB_val *value, struct bl_entry *entry,
                      each_entry *each, void *user)
{
    const uint8_t *at = (const uint8_t *)value->mv_data + 2;
    const uint8_t *end = (const uint8_t *)value->mv_data + value->mv_size;
    struct bl_packed_entry packed;

    while (bl_packed_next(&at, end, &packed)) {
        int rc;

        if (packed.source >= store->source_count)
            return -EBADMSG;
        entry->scope = packed.flags & BL_ENTRY_SCOPE;
        entry->action = packed.flags & BL_ENTRY_ALLOW ? BL_ALLOW : BL_BLOCK;
        entry->important = (packed.flags & BL_ENTRY_IMPORTANT) != 0;
        entry->line = packed.line;
        rc = each(user, packed.source, entry);
        if (rc != 0)
            return rc;
    }
    return at == end ? 0 : -EBADMSG;
}

static int key_entries(const struct bl_store *store, const uint8_t *key, size_t len,
                       each_entry *each, void *user)
{
    struct bl_cursor cursor;
    struct bl_entry entry;
    int rc;

    if (len == 0)
        return -ENOENT;
    rc = bl_cursor_open(store, &cursor, NULL);
    if (rc < 0)
        return rc;
    rc = -ENOENT;
    if (bl_cursor_seek(&cursor, key, len)) {
        rc = entry_of(key, len, &entry);
        if (rc == 0)
            rc = value_walk(store, &cursor.value, &entry, each, user);
    }
    bl_cursor_close(&cursor);
    return rc;
}

int bl_store_entries(const struct bl_store *store, const uint8_t *wire, each_entry *each,
                     void *user)
{
    uint8_t key[BL_KEY_MAX];

    return key_entries(store, key, bl_key_of_name(wire, key), each, user);
}

int bl_store_prefix_entries(const struct bl_store *store, const struct bl_prefix *prefix,
                            each_entry *each, void *user)
{
    uint8_t key[BL_KEY_MAX];

    return key_entries(store, key, bl_key_of_prefix(prefix, key), each, user);
}

int bl_store_walk(const struct bl_store *store, each_entry *each, void *user,
                  struct bl_error *error)
{
    struct bl_cursor cursor;
    struct bl_entry entry;
    int rc = bl_cursor_open(store, &cursor, error);

    if (rc < 0)
        return rc;
    while ((rc = bl_cursor_next(&cursor, error)) > 0) {
        rc = entry_of(cursor.key.mv_data, cursor.key.mv_size, &entry);
        if (rc == 0)
            rc = value_walk(store, &cursor.value, &entry, each, user);
        if (rc == -EBADMSG)
            bl_error_set(error, rc, "%s is damaged: an entry cannot be read", store->path);
        if (rc != 0)
            break;
    }
    bl_cursor_close(&cursor);
    return rc;
}

/* What the entries must add up to. */
struct sums {
    uint64_t names, prefixes, entries;
    unsigned labels_min, labels_max;
    uint8_t last_key[BL_KEY_MAX];
    size_t last_len;
};

static int skip_entry(void *user, unsigned source, const struct bl_entry *entry)
{
    struct sums *sums = user;

    (void)source;
    sums->entries++;
    return entry->scope == 0 ? -EBADMSG : 0;
}

static unsigned label_count(const uint8_t *wire)
{
    unsigned labels = 0;

    for (; *wire; wire += *wire + 1)
        labels++;
    return labels;
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
    struct bl_entry entry;
    unsigned labels;

    if (order > 0 || (order == 0 && len <= sums->last_len))
        return "its entries are out of order";
    memcpy(sums->last_key, key, len);
    sums->last_len = len;
    if (fact == BL_FACT_NONE || fact >= store->fact_count || entry_of(key, len, &entry) < 0 ||
        value_walk(store, &cursor->value, &entry, skip_entry, sums) != 0)
        return "an entry cannot be read";
    if (entry.is_address) {
        sums->prefixes++;
        return NULL;
    }
    sums->names++;
    labels = label_count(entry.name.wire);
    if (labels < store->labels_min || labels > store->labels_max)
        return "its table leaves out names";
    if (store->fact_forms[fact] >> 16 & BL_FACT_OWN_SELF) {
        struct bl_found found = bl_store_find(store, entry.name.wire, entry.name.len);

        if (found.fact != fact || found.matched != 0)
            return "its table and its entries differ";
    }
    return NULL;
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

int bl_store_verify(const struct bl_store *store, struct bl_error *error)
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
    rc = bl_store_pages_check(store, fd, true, error);
    if (rc == 0)
        rc = entries_verify(store, error);
    if (rc == 0)
        rc = table_verify(store, error);
    return rc;
}
