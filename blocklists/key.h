/* The order of a store: one key for everything that a list can hold.
 *
 * A name's key is its labels from the top down, each followed by a zero octet: "com\0example\0".
 * The zero sorts before every octet that a listed name may have, so a parent comes right before all
 * that is below it, and "is below" is "has my key as a prefix". An address prefix is one octet for
 * the family (4 or 6), the whole address with the host bits zero, and one octet for the length;
 * that first octet sorts prefixes before names.
 *
 * Only names of letters, digits, '-' and '_' have a key: a label of a question that holds a zero
 * octet must never read as two.
 */
#ifndef BLOCKLISTS_KEY_H
#define BLOCKLISTS_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/entry.h"

enum { BL_KEY_MAX = 255 };

/* Each returns the key's length. bl_key_of_name(): 0 for the root, and where a label has other
 * octets. */
size_t bl_key_of_name(const uint8_t *wire, uint8_t key[BL_KEY_MAX]);
size_t bl_key_of_prefix(const struct bl_prefix *prefix, uint8_t key[BL_KEY_MAX]);

static inline bool bl_key_is_prefix(const uint8_t *key, size_t len)
{
    return len > 0 && (key[0] == 4 || key[0] == 6);
}

/* Whether the octets are the key of a name: labels as above, each ended, none too long. */
bool bl_key_is_name(const uint8_t *key, size_t len);

/* Back again. False for octets that are no key: a damaged store. */
bool bl_key_to_name(const uint8_t *key, size_t len, struct bl_name *out_name);
bool bl_key_to_prefix(const uint8_t *key, size_t len, struct bl_prefix *out_prefix);

#endif
