/* One denial by its case number, as JSON: for `case`, incidents and whoever else needs it whole.
 *
 *   {"case", "wall_ms", "time", "device", "group", "category", "title", "severity", "name", "type",
 * "matched", "via", "observed", "count", "policy_version", "generation"}, and
 * denial_device_tell()'s
 *
 * Threads, access and damage: as with denials_search() of records.h.
 */
#ifndef RESOLVER_DENIALS_DESCRIBE_H
#define RESOLVER_DENIALS_DESCRIBE_H

#include <jansson.h>
#include <stdbool.h>

#include "blocklists/error.h"

/* 0; -EINVAL: no case has such a code; -ENODATA: it was counted but not itemised; -ENOENT: it is
 * not, or no more, on record; or another negative errno. `copy` within the daemon. */
int denial_describe(const char *state, const char *code, bool copy, json_t **out_denial,
                    struct bl_error *error);

/* A record of any kind in that form, without its case: a new reference, or NULL (out of memory). */
struct denial_record;
json_t *denial_record_describe(const struct denial_record *record);

#endif
