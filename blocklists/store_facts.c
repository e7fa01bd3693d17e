/* Whether what look-ups go by follows from the entries of a store. Programs write both at once, but
 * a store may come from anybody who may import; what lists lose is told by their entries. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "blocklists/closing.h"
#include "blocklists/layout.h"
#include "blocklists/store_inside.h"

struct check {
    const struct bl_store *store;
    struct bl_cursor cursor;
    struct bl_closing closing;
    uint32_t *says;
    size_t room;
    struct bl_error *error;
};

static int no_memory(const struct check *check)
{
    return bl_error_set(check->error, -ENOMEM, "not enough memory to check %s", check->store->path);
}

static int differs(const struct check *check, const char *what)
{
    return bl_error_set(check->error, -EBADMSG, "%s is damaged: %s", check->store->path, what);
}

/* The entries of the key as facts are made of; how many, or negative. */
static ssize_t says_gather(struct check *check)
{
    const struct bl_store *store = check->store;
    const uint8_t *at = (const uint8_t *)check->cursor.value.mv_data + 2;
    const uint8_t *end = (const uint8_t *)check->cursor.value.mv_data + check->cursor.value.mv_size;
    struct bl_packed_entry entry;
    size_t count = 0;

    while (bl_packed_next(&at, end, &entry)) {
        const struct bl_source *source = bl_store_source(store, entry.source);

        if (!source || entry.condition > store->conditions.count)
            break;
        if (count == check->room) {
            size_t room = count ? 2 * count : 64;
            uint32_t *says = realloc(check->says, room * sizeof *says);

            if (!says)
                return no_memory(check);
            check->says = says;
            check->room = room;
        }
        check->says[count++] = bl_say(
            source->category, source->tier, entry.flags & BL_ENTRY_ALLOW ? BL_ALLOW : BL_BLOCK,
            (entry.flags & BL_ENTRY_IMPORTANT) != 0, entry.condition, entry.flags & BL_ENTRY_SCOPE);
    }
    return at == end && count > 0 ? (ssize_t)count : differs(check, "an entry cannot be read");
}

static int keys_check(struct check *check)
{
    int rc;

    while ((rc = bl_cursor_next(&check->cursor, check->error)) > 0) {
        const MDB_val *key = &check->cursor.key;
        ssize_t count = says_gather(check);
        bl_fact fact;

        if (count < 0)
            return (int)count;
        rc = bl_closing_key(&check->closing, key->mv_data, key->mv_size, check->says, (size_t)count,
                            &fact, check->error);
        if (rc == 0 && fact != bl_get16(check->cursor.value.mv_data))
            rc = differs(check, "its facts are not of its entries");
        if (rc < 0)
            return rc;
    }
    return rc;
}

/* Whether a value of the store has these octets. */
static bool value_is(const struct check *check, const char *name, const uint8_t *octets, size_t len)
{
    MDB_val key = {strlen(name), (void *)(uintptr_t)name}, value;
    MDB_dbi main_dbi;

    return mdb_dbi_open(check->cursor.txn, NULL, 0, &main_dbi) == 0 &&
           mdb_get(check->cursor.txn, main_dbi, &key, &value) == 0 && value.mv_size == len &&
           memcmp(value.mv_data, octets, len) == 0;
}

static int facts_check(struct check *check)
{
    struct bl_facts *facts = check->closing.facts;
    size_t len, variants_len, variants = 0;
    uint8_t *octets;
    bool is_same;
    int rc = bl_facts_finish(facts, &check->store->conditions, check->error);

    if (rc < 0)
        return rc;
    len = bl_facts_size(facts);
    variants_len = bl_facts_variants_size(facts);
    octets = calloc(1, len + variants_len);
    if (!octets)
        return no_memory(check);
    bl_facts_write(facts, octets);
    bl_facts_variants_write(facts, octets + len);
    for (unsigned i = 0; i < check->store->fact_count; i++)
        variants += check->store->facts[i].variant_count;
    is_same = value_is(check, "facts", octets, len) &&
              value_is(check, "variants", octets + len, variants_len) &&
              variants == bl_facts_variant_count(facts);
    free(octets);
    return is_same ? 0 : differs(check, "its facts are not of its entries");
}

static int categories_check(const struct check *check)
{
    for (unsigned i = 0; i < check->store->category_count; i++) {
        const struct bl_category *says = &check->store->categories[i];
        const struct bl_category *has = &check->closing.counts[i];

        if (says->names != has->names || says->addresses != has->addresses ||
            says->whole != has->whole)
            return differs(check, "its categories are not as large as it says");
    }
    return 0;
}

static int ranges_check(struct check *check, uint8_t family, const char *name, unsigned says)
{
    size_t size = family == 4 ? BL_RANGE4_SIZE : BL_RANGE6_SIZE;
    MDB_cursor *cursor = check->cursor.cursor;
    unsigned count;
    uint8_t *octets;
    bool is_same;

    if (bl_closing_ranges(cursor, family, NULL, &count) != 0)
        return differs(check, "its prefixes cannot be read");
    octets = calloc(1, count * size + 8);
    if (!octets)
        return no_memory(check);
    is_same = count == says && bl_closing_ranges(cursor, family, octets, &count) == 0 &&
              value_is(check, name, octets, count * size + 8);
    free(octets);
    return is_same ? 0 : differs(check, "its ranges of addresses are not of its entries");
}

static int store_check(struct check *check)
{
    const struct bl_store *store = check->store;
    int rc = keys_check(check);

    if (rc == 0)
        rc = facts_check(check);
    if (rc == 0)
        rc = categories_check(check);
    if (rc == 0)
        rc = ranges_check(check, 4, "addresses4", store->range4_count);
    if (rc == 0)
        rc = ranges_check(check, 6, "addresses6", store->range6_count);
    return rc;
}

int bl_store_facts_verify(const struct bl_store *store, struct bl_error *error)
{
    struct check *check;
    int rc;

    if (store->seal.version != BL_FORMAT_VERSION)
        return bl_error_set(error, -EPROTO,
                            "%s is of format %u, and this chalkgated takes in what one of format "
                            "%d writes: please import again with the chalkgate beside it",
                            store->path, store->seal.version, BL_FORMAT_VERSION);
    check = calloc(1, sizeof *check);
    if (!check)
        return bl_error_set(error, -ENOMEM, "not enough memory to check %s", store->path);
    check->store = store;
    check->error = error;
    check->closing.facts = bl_facts_create();
    rc = check->closing.facts ? bl_cursor_open(store, &check->cursor, error) : no_memory(check);
    if (rc == 0) {
        rc = store_check(check);
        bl_cursor_close(&check->cursor);
    }
    bl_facts_destroy(check->closing.facts);
    free(check->says);
    free(check);
    return rc;
}
