/* What follows from the entries of a store, key by key in order: facts, how much a category has,
 * and ranges of addresses. The compiler writes it; whoever takes a store from somebody else does it
 * again and compares (bl_store_facts_verify()), for look-ups go by what follows, and not by the
 * entries. One thread.
 */
#ifndef BLOCKLISTS_CLOSING_H
#define BLOCKLISTS_CLOSING_H

#include <lmdb.h>

#include "blocklists/facts.h"
#include "blocklists/key.h"

struct bl_closing {
    struct bl_facts *facts;
    struct bl_category counts[BL_CATEGORY_MAX]; /* by number, without names */
    uint8_t key[BL_KEY_MAX];                    /* the last one */
    size_t key_len;
    struct bl_parent { /* a listed key above the current one */
        size_t key_len;
        bl_fact below;
    } parents[BL_LABELS_MAX + 130]; /* labels of a name, or lengths of a prefix */
    unsigned parent_count;
};

/* The fact of a key with these entries (bl_say()), at least one, which are sorted here. Errors as
 * bl_facts_close(). */
int bl_closing_key(struct bl_closing *closing, const uint8_t *key, size_t key_len, uint32_t *says,
                   size_t count, bl_fact *out_fact, struct bl_error *error);

/* The prefixes of one family (4 or 6) in the entries tree as ranges, of 8 or 20 octets; `out` NULL
 * only counts them. 0, or LMDB's code. */
int bl_closing_ranges(MDB_cursor *cursor, uint8_t family, uint8_t *out, unsigned *out_count);

#endif
