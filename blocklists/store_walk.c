/* The entries of a store: behind one name, and all in order. */
#include <errno.h>
#include <string.h>

#include "blocklists/hash.h"
#include "blocklists/layout.h"
#include "blocklists/store_inside.h"

/* LMDB follows what it reads, and a disk may have damaged it since adoption. The query path needs
 * none of it; whoever walks the tree has the time to look once. */
static int pages_sound(const struct bl_store *store, struct bl_error *error)
{
    int checked = __atomic_load_n(store->pages_checked, __ATOMIC_ACQUIRE);
    mdb_filehandle_t fd;

    if (checked == 0) {
        if (mdb_env_get_fd(store->env, &fd) != 0)
            return -EBADF;
        checked = bl_store_pages_check(store, fd, true, NULL) == 0 ? 1 : -1;
        __atomic_store_n(store->pages_checked, checked, __ATOMIC_RELEASE);
    }
    if (checked < 0)
        return bl_error_set(error, -EBADMSG, "%s is damaged: its pages lead astray", store->path);
    return 0;
}

int bl_cursor_open(const struct bl_store *store, struct bl_cursor *cursor, struct bl_error *error)
{
    int rc;

    memset(cursor, 0, sizeof *cursor);
    cursor->store = store;
    rc = pages_sound(store, error);
    if (rc < 0)
        return rc;
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

/* 1, 0 where there is none, or negative. */
static int cursor_go(struct bl_cursor *cursor, MDB_cursor_op way, struct bl_error *error)
{
    int rc = mdb_cursor_get(cursor->cursor, &cursor->key, &cursor->value, way);

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

int bl_cursor_next(struct bl_cursor *cursor, struct bl_error *error)
{
    return cursor_go(cursor, cursor->started ? MDB_NEXT : MDB_FIRST, error);
}

int bl_cursor_reach(struct bl_cursor *cursor, const uint8_t *key, size_t len,
                    struct bl_error *error)
{
    cursor->key = (MDB_val){len, (void *)(uintptr_t)key};
    return cursor_go(cursor, MDB_SET_RANGE, error);
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
    line += 1 + source;
    out_entry->condition = 0;
    if (out_entry->flags & BL_ENTRY_CONDITION) {
        if (*at + line >= end)
            return false;
        out_entry->condition = (*at)[line++];
    }
    *at += line;
    return true;
}

int bl_key_entry(const uint8_t *key, size_t key_len, struct bl_entry *out_entry)
{
    memset(out_entry, 0, offsetof(struct bl_entry, name.wire));
    out_entry->is_address = bl_key_is_prefix(key, key_len);
    if (out_entry->is_address ? bl_key_to_prefix(key, key_len, &out_entry->prefix)
                              : bl_key_to_name(key, key_len, &out_entry->name))
        return 0;
    return -EBADMSG;
}

typedef int each_entry(void *user, unsigned source, const struct bl_entry *entry);

int bl_value_walk(const struct bl_store *store, const MDB_val *value, struct bl_entry *entry,
                  each_entry *each, void *user)
{
    const uint8_t *at = (const uint8_t *)value->mv_data + 2;
    const uint8_t *end = (const uint8_t *)value->mv_data + value->mv_size;
    struct bl_packed_entry packed;

    while (bl_packed_next(&at, end, &packed)) {
        int rc;

        if (packed.source >= store->source_count || packed.condition > store->conditions.count)
            return -EBADMSG;
        entry->scope = packed.flags & BL_ENTRY_SCOPE;
        entry->action = packed.flags & BL_ENTRY_ALLOW ? BL_ALLOW : BL_BLOCK;
        entry->important = (packed.flags & BL_ENTRY_IMPORTANT) != 0;
        entry->line = packed.line;
        entry->types.count = 0;
        if (packed.condition > 0)
            entry->types = store->conditions.items[packed.condition - 1];
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
        rc = bl_key_entry(key, len, &entry);
        if (rc == 0)
            rc = bl_value_walk(store, &cursor.value, &entry, each, user);
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

static bool cursor_is_below(const struct bl_cursor *cursor, const uint8_t *key, size_t len)
{
    return cursor->key.mv_size >= len && memcmp(cursor->key.mv_data, key, len) == 0;
}

/* All listed names from one down, whose key has `own_len` octets, until `each` returns non-zero,
 * which is returned. */
static int names_below(const struct bl_store *store, const uint8_t *wire,
                       int (*each)(void *user, const struct bl_cursor *cursor, size_t own_len),
                       void *user, struct bl_error *error)
{
    uint8_t key[BL_KEY_MAX];
    size_t len = bl_key_of_name(wire, key);
    struct bl_cursor cursor;
    int rc, stop = 0;

    if (len == 0)
        return 0;
    rc = bl_cursor_open(store, &cursor, error);
    if (rc < 0)
        return rc;
    rc = bl_cursor_reach(&cursor, key, len, error);
    while (rc > 0 && cursor_is_below(&cursor, key, len) && stop == 0) {
        stop = each(user, &cursor, len);
        if (stop == 0)
            rc = bl_cursor_next(&cursor, error);
    }
    bl_cursor_close(&cursor);
    return stop != 0 ? stop : rc < 0 ? rc : 0;
}

struct facts_below {
    int (*each)(void *user, bl_fact fact);
    void *user;
};

static int facts_tell(void *user, const struct bl_cursor *cursor, size_t own_len)
{
    const struct facts_below *below = user;
    const struct bl_store *store = cursor->store;
    bl_fact fact = bl_get16(cursor->value.mv_data);
    uint32_t form = fact < store->fact_count ? store->fact_forms[fact] : 0;

    (void)own_len;
    return (fact < store->fact_count && below->each(below->user, fact) != 0) ||
           (form >> 16 & BL_FACT_OWN_BELOW && (bl_fact)form != fact &&
            below->each(below->user, (bl_fact)form) != 0);
}

int bl_store_below(const struct bl_store *store, const uint8_t *wire,
                   int (*each)(void *user, bl_fact fact), void *user, struct bl_error *error)
{
    struct facts_below below = {each, user};
    int rc = names_below(store, wire, facts_tell, &below, error);

    return rc < 0 ? rc : 0;
}

/* The entries where the cursor is: 0, or what ends the walk. */
static int cursor_entries(const struct bl_cursor *cursor, each_entry *each, void *user,
                          struct bl_error *error)
{
    struct bl_entry entry;
    int rc = bl_key_entry(cursor->key.mv_data, cursor->key.mv_size, &entry);

    if (rc == 0)
        rc = bl_value_walk(cursor->store, &cursor->value, &entry, each, user);
    if (rc == -EBADMSG)
        bl_error_set(error, rc, "%s is damaged: an entry cannot be read", cursor->store->path);
    return rc;
}

int bl_store_walk(const struct bl_store *store, each_entry *each, void *user,
                  struct bl_error *error)
{
    struct bl_cursor cursor;
    int rc = bl_cursor_open(store, &cursor, error);

    if (rc < 0)
        return rc;
    while ((rc = bl_cursor_next(&cursor, error)) > 0) {
        rc = cursor_entries(&cursor, each, user, error);
        if (rc != 0)
            break;
    }
    bl_cursor_close(&cursor);
    return rc;
}

struct entries_below {
    each_entry *each;
    void *user;
    struct bl_error *error;
};

static int entries_tell(void *user, const struct bl_cursor *cursor, size_t own_len)
{
    const struct entries_below *below = user;

    return cursor->key.mv_size > own_len
               ? cursor_entries(cursor, below->each, below->user, below->error)
               : 0;
}

int bl_store_walk_below(const struct bl_store *store, const uint8_t *wire, each_entry *each,
                        void *user, struct bl_error *error)
{
    struct entries_below below = {each, user, error};

    return names_below(store, wire, entries_tell, &below, error);
}
