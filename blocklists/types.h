/* Types of question, by name and number, and conditions made of them: an entry may stand for some
 * types only (Adblock's $dnstype).
 *
 * Names are those of IANA's registry of RR types (RFC 6895), in any case; "TYPE65280" (RFC 3597
 * section 5) and plain numbers are understood as well. Any thread; no state but what is given.
 */
#ifndef BLOCKLISTS_TYPES_H
#define BLOCKLISTS_TYPES_H

#include <stdbool.h>
#include <stddef.h>

#include "blocklists/entry.h"

enum {
    BL_TYPE_TEXT_MAX = 16,
    BL_TYPES_TEXT_MAX = 32 + BL_TYPES_MAX * BL_TYPE_TEXT_MAX,
    BL_CONDITIONS_MAX = 255, /* different ones in a generation */
};

/* The number, or 0: there is no such type. */
unsigned bl_type_number(const char *text, size_t len);

/* "AAAA", or "TYPE65280". */
char *bl_type_text(unsigned type, char out[BL_TYPE_TEXT_MAX]);

/* Whether an entry with these types is about questions of this one. Type 0, which is in no list,
 * stands for all that a list does not name. */
bool bl_types_cover(const struct bl_types *types, unsigned type);

bool bl_types_equal(const struct bl_types *a, const struct bl_types *b);

/* "only AAAA, HTTPS", "all but A", or "" for all types. */
char *bl_types_text(const struct bl_types *types, char out[BL_TYPES_TEXT_MAX]);

/* Adds a type, keeping them in order; false when there is no more room. */
bool bl_types_add(struct bl_types *types, unsigned type);

/* The conditions of a generation, each once, numbered from 1; 0 is none. */
struct bl_conditions {
    struct bl_types items[BL_CONDITIONS_MAX]; /* number n at n − 1 */
    unsigned count;
};

/* The number of a condition, which is added where it is new; 0 for all types, and −E2BIG where
 * there are too many. */
int bl_conditions_add(struct bl_conditions *conditions, const struct bl_types *types);

#endif
