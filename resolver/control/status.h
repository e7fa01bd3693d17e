/* What runs, for `chalkgate status`: as one JSON object. Who may read records is told of devices,
 * too; others learn how many there are. */
#ifndef RESOLVER_CONTROL_STATUS_H
#define RESOLVER_CONTROL_STATUS_H

#include <jansson.h>
#include <stdbool.h>

#include "blocklists/error.h"

struct daemon;
struct world;

/* Fills `out_object`: version, pid, started, uptime_s, workers, generation, names, imported,
 * oldest_imported, sources, stale, stale_text (how the warning of them begins, where there is one),
 * removed, categories, groups, upstreams, cache, queries, denials, tallies, verdicts, latencies,
 * alerts, exports, radar, warnings. Visits the workers. 0 or a negative errno. */
int status_describe(struct daemon *daemon, bool tells_devices, json_t *out_object,
                    struct bl_error *error);

/* Lists in force that `lists update` read and that the configuration names no more, as
 * {"location", "category"}. */
json_t *status_removed(const struct world *world);

#endif
