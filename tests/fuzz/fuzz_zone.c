/* Any bytes as a time zone file: no crash, offsets that a zone can have, and changes that lie
 * ahead. */
#include <stdlib.h>
#include <string.h>

#include "resolver/policy/zone.h"

enum { OFFSET_MOST_S = 26 * 3600 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct zone *zone, int64_t from_s)
{
    int64_t at_s = from_s;

    for (int steps = 0; steps < 8; steps++) {
        int32_t offset_s = zone_offset(zone, at_s);
        int64_t next_s = zone_next_change(zone, at_s);
        if (offset_s > OFFSET_MOST_S || offset_s < -OFFSET_MOST_S || next_s <= at_s)
            abort();
        if (next_s > INT64_C(1) << 40) /* thirty thousand years on */
            return;
        at_s = next_s;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t MOMENTS[] = {
        INT64_C(-62135596800), -1, 0, 1792893600, 1803949200, INT32_MAX, INT64_C(253402300799)};
    uint8_t *octets = malloc(size ? size : 1); /* so that the sanitizer sees a read beyond */
    struct zone *zone;

    if (!octets)
        return 0;
    memcpy(octets, data, size);
    if (zone_parse(octets, size, &zone) == 0) {
        for (size_t i = 0; i < sizeof MOMENTS / sizeof *MOMENTS; i++)
            walk(zone, MOMENTS[i]);
        zone_close(zone);
    }
    free(octets);
    return 0;
}
