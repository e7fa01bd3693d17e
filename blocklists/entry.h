/* What a list format can say, one entry at a time: the only thing that readers of formats hand to
 * the compiler. See read.h for the readers and compile.h for what becomes of the entries.
 */
#ifndef BLOCKLISTS_ENTRY_H
#define BLOCKLISTS_ENTRY_H

#include <stdint.h>

#include "blocklists/name.h"

enum bl_action { BL_BLOCK = 0, BL_ALLOW = 1 };

/* Which names an entry covers: the name itself, those below it, or both (the ordinary case). */
enum bl_scope { BL_EXACT = 1, BL_BELOW = 2, BL_SUBTREE = 3 };

/* National beats regional beats school: an allow entry of a tier beats a block of its own or a
 * lower one. */
enum bl_tier { BL_TIER_SCHOOL = 0, BL_TIER_REGIONAL = 1, BL_TIER_NATIONAL = 2 };

struct bl_prefix {
    uint8_t family;      /* 4 or 6 */
    uint8_t length;      /* bits, 0 to 32 or 128 */
    uint8_t address[16]; /* network order, 4 or 16 octets used, host bits zero */
};

enum { BL_TYPES_MAX = 32 };

/* Which types of question an entry is about; types.h. */
struct bl_types {
    uint8_t count;                /* 0: all types */
    uint8_t except;               /* all types but those below */
    uint16_t types[BL_TYPES_MAX]; /* ascending, each once */
};

struct bl_entry {
    enum bl_action action;
    enum bl_scope scope;   /* for names */
    uint8_t important;     /* Adblock's $important: beats allow entries of the same tier */
    uint8_t is_address;    /* `prefix` counts, not `name` */
    uint32_t line;         /* in its source, from 1 */
    struct bl_types types; /* for names */
    struct bl_name name;
    struct bl_prefix prefix;
};

#endif
