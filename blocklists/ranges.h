/* Address prefixes flattened into ranges that a look-up finds by halves.
 *
 * Prefixes nest: inside 10.0.0.0/8 there may be 10.1.0.0/16 with another fact, and after its end
 * the outer one goes on. A range is its first address, and the fact and length of the longest
 * prefix there; it ends where the next one begins.
 */
#ifndef BLOCKLISTS_RANGES_H
#define BLOCKLISTS_RANGES_H

#include <stddef.h>
#include <stdint.h>

#include "blocklists/store.h"

struct bl_ranges {
    uint8_t *out;        /* where they are written, or NULL to count them only */
    size_t octets, size; /* of an address, of a range */
    unsigned count;
    struct {
        uint8_t end[16]; /* its last address */
        uint8_t length;
        bl_fact fact;
    } open[130]; /* the prefixes around the current address, innermost last */
    unsigned open_count;
    uint8_t start[16]; /* of the range written last */
};

void bl_ranges_init(struct bl_ranges *ranges, uint8_t family, uint8_t *out);

/* In order of address and length; host bits are zero. */
void bl_ranges_add(struct bl_ranges *ranges, const uint8_t *address, uint8_t length, bl_fact fact);

/* Returns how many ranges there are. */
unsigned bl_ranges_end(struct bl_ranges *ranges);

#endif
