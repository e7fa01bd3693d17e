/* What runs, for `chalkgate status`: as one JSON object, nothing in it about any client. */
#ifndef RESOLVER_CONTROL_STATUS_H
#define RESOLVER_CONTROL_STATUS_H

#include <jansson.h>

#include "blocklists/error.h"

struct daemon;

/* Fills `out_object`: version, pid, started, uptime_s, workers, generation, names, categories,
 * groups, upstreams, cache, queries, denials, warnings. Visits the workers. 0 or a negative errno.
 */
int status_describe(struct daemon *daemon, json_t *out_object, struct bl_error *error);

#endif
