#include "blocklists/ranges.h"

#include <string.h>

#include "blocklists/layout.h"

void bl_ranges_init(struct bl_ranges *ranges, uint8_t family, uint8_t *out)
{
    memset(ranges, 0, sizeof *ranges);
    ranges->out = out;
    ranges->octets = family == 4 ? 4 : 16;
    ranges->size = family == 4 ? BL_RANGE4_SIZE : BL_RANGE6_SIZE;
}

static void range_start(struct bl_ranges *ranges, const uint8_t *address, bl_fact fact,
                        uint8_t length)
{
    /* What begins where another has just begun takes its place. */
    if (ranges->count > 0 && memcmp(ranges->start, address, ranges->octets) == 0)
        ranges->count--;
    memcpy(ranges->start, address, ranges->octets);
    if (ranges->out) {
        uint8_t *at = ranges->out + ranges->count * ranges->size;

        memcpy(at, address, ranges->octets);
        bl_put16(at + ranges->octets, fact);
        at[ranges->octets + 2] = length;
        at[ranges->octets + 3] = 0;
    }
    ranges->count++;
}

/* Ends the innermost open prefix: the next address belongs to the one around it, or to nobody. */
static void innermost_end(struct bl_ranges *ranges)
{
    unsigned outer = --ranges->open_count;
    uint8_t next[16];
    size_t at = ranges->octets;

    memcpy(next, ranges->open[outer].end, ranges->octets);
    while (at > 0 && ++next[at - 1] == 0)
        at--;
    if (at == 0)
        return; /* it reached to the last address there is */
    if (outer > 0)
        range_start(ranges, next, ranges->open[outer - 1].fact, ranges->open[outer - 1].length);
    else
        range_start(ranges, next, BL_FACT_NONE, 0);
}

void bl_ranges_add(struct bl_ranges *ranges, const uint8_t *address, uint8_t length, bl_fact fact)
{
    while (ranges->open_count > 0 &&
           memcmp(ranges->open[ranges->open_count - 1].end, address, ranges->octets) < 0)
        innermost_end(ranges);
    memcpy(ranges->open[ranges->open_count].end, address, ranges->octets);
    for (size_t bit = length; bit < ranges->octets * 8; bit++)
        ranges->open[ranges->open_count].end[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
    ranges->open[ranges->open_count].length = length;
    ranges->open[ranges->open_count++].fact = fact;
    range_start(ranges, address, fact, length);
}

unsigned bl_ranges_end(struct bl_ranges *ranges)
{
    while (ranges->open_count > 0)
        innermost_end(ranges);
    return ranges->count;
}
