/* Totals of days, without names and addresses, which outlive the records: kept for governors and
 * trends in STATE/denials/totals/DAY.json:
 *
 *   {"format": 1, "day", "refused", "observed", "counted", "hours": [24 numbers],
 *    "groups": [{"name", "refused", "observed", "counted", "devices"}…],
 *    "categories": [{"name", "title", "severity", "refused", "observed", "counted"}…]}
 *
 * One thread of one process at a time should write (two would write the same); any reads, and meets
 * a file whole. Allocates; not for the query path.
 */
#ifndef RESOLVER_DENIALS_TOTALS_H
#define RESOLVER_DENIALS_TOTALS_H

#include <limits.h>
#include <stdbool.h>

#include "blocklists/error.h"
#include "resolver/denials/day.h"

enum { TOTALS_FORMAT = 1, TOTALS_SETTLE_MS = 3600000 };

/* Writes the totals of each day that has records and none yet and that ended TOTALS_SETTLE_MS ago,
 * and removes those of days that ended `keep_ms` ago. `copy`: in the process that writes segments
 * (records.h). A day that cannot be summed does not keep the others from it; the first error is
 * told. */
int totals_keep(const char *state, int64_t keep_ms, int64_t now_ms, bool copy,
                struct bl_error *error);

void totals_path(const char *state, const char *day, char path[PATH_MAX]);

#endif
