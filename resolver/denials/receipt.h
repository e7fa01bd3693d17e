/* What retention destroyed, told once: the receipt is on the disk before anything goes.
 *
 * Whoever destroys calls receipt_begin(), then receipt_step() before each file that goes or is
 * replaced; once the change log has the receipt, receipt_told(). A kill or a power cut anywhere
 * between leaves FOLDER/.receipt, and the next receipt_begin() goes on from it: what was destroyed
 * is in the change log then, with what is due since. Only a kill between the change log and
 * receipt_told() has the same receipt told twice; none has it lost.
 *
 * Threads: one at a time for a folder.
 */
#ifndef RESOLVER_DENIALS_RECEIPT_H
#define RESOLVER_DENIALS_RECEIPT_H

#include <stdint.h>

#include "blocklists/error.h"
#include "resolver/denials/day.h"

struct retention_receipt {
    unsigned dropped;                             /* days that went whole */
    unsigned rewritten;                           /* days of which some categories went */
    unsigned held;                                /* days that would have gone */
    unsigned journals;                            /* damaged journals, kept aside until then */
    uint64_t denials;                             /* records destroyed, folded ones each counted */
    char first[DAY_TEXT_MAX], last[DAY_TEXT_MAX]; /* of the days touched; "" for none */
};

/* Nothing, or what an earlier run destroyed that nobody was told of. */
int receipt_begin(const char *folder, struct retention_receipt *out_receipt,
                  struct bl_error *error);
/* Adds `day` to the span of days. */
void receipt_day(struct retention_receipt *receipt, const struct day *day);
/* Before `path` goes or another file takes its place: *sure becomes *then once that is on the disk.
 * Where it fails (a full disk), nothing may be destroyed. */
int receipt_step(const char *folder, struct retention_receipt *sure,
                 const struct retention_receipt *then, const char *path, struct bl_error *error);
void receipt_told(const char *folder);

#endif
