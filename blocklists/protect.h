/* Names that no list may deny: the school's own zones, its upstream servers, the clock and the
 * updates of the machine. A list that names one of them, or a parent of one, is wrong or hostile;
 * such entries are refused on their way to the compiler, counted, and shown with a reason.
 *
 * One thread. The set is filled first, then asked.
 */
#ifndef BLOCKLISTS_PROTECT_H
#define BLOCKLISTS_PROTECT_H

#include <stdbool.h>

#include "blocklists/read.h"

struct bl_protect;

struct bl_protect *bl_protect_create(void); /* NULL: no memory */
void bl_protect_destroy(struct bl_protect *protect);

/* `whole_zone`: everything below the name is protected as well. `reason` is kept, not copied: "a
 * server that questions are forwarded to". Names that no list can hold need no protection and are
 * left out. */
int bl_protect_add(struct bl_protect *protect, const uint8_t *wire, bool whole_zone,
                   const char *reason);

/* Why this entry is refused, and which name it would deny; NULL when it is fine. */
const char *bl_protect_find(const struct bl_protect *protect, const struct bl_entry *entry,
                            struct bl_name *out_name);

/* A sink that passes on what is fine, and counts what is not. */
struct bl_protect_filter {
    const struct bl_protect *protect;
    struct bl_sink next;
    uint64_t refused;
    struct bl_sample samples[BL_SAMPLES_MAX];
    unsigned sample_count;
};

struct bl_sink bl_protect_sink(struct bl_protect_filter *filter);

#endif
