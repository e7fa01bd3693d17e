/* Legends: what the numbers in a journal's records mean, as bytes that go into the journal itself.
 *
 * Immutable once made; any thread. See journal.h for making one and journal-format.md for the
 * bytes.
 */
#ifndef RESOLVER_DENIALS_LEGEND_H
#define RESOLVER_DENIALS_LEGEND_H

#include <stddef.h>
#include <stdint.h>

#include "resolver/denials/journal.h"
#include "resolver/denials/journal_format.h"

struct legend {
    size_t len;                  /* octets of the record, a multiple of eight */
    uint16_t id;                 /* never 0 */
    _Alignas(8) uint8_t bytes[]; /* a struct journal_legend whose check is still to be set */
};

/* A legend as read back from a journal. */
struct legend_names {
    uint16_t id;
    uint16_t group_count, category_count;
    uint32_t policy_version;
    uint64_t generation;
    const char **groups;
    const char **categories;
    const char **titles;
    uint8_t *severities;
};

/* Reads a record that journal_scan_next() gave. 0, -EBADMSG (it lies about itself), -ENOMEM. */
int legend_read(const struct journal_legend *record, struct legend_names **out_names);
void legend_names_free(struct legend_names *names);

#endif
