/* Local time of one time zone at any instant, past and future: the system's own data (TZif, RFC
 * 8536), read by us, so that a configured zone needs no change of the process's environment and a
 * test any zone it likes.
 *
 * Immutable once open; any thread. A zone that has been opened does not notice when the system's
 * files are updated: a reload does.
 */
#ifndef RESOLVER_POLICY_ZONE_H
#define RESOLVER_POLICY_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "blocklists/error.h"

struct zone;

/* `name` as "Europe/London" or "UTC"; NULL is the machine's own (TZ, else /etc/localtime, else
 * UTC). 0, -ENOENT, -EBADMSG with a sentence, or another negative errno. */
int zone_open(const char *name, struct zone **out_zone, struct bl_error *error);

/* The same from the octets of a TZif file. 0, -EBADMSG or -ENOMEM. */
int zone_parse(const uint8_t *octets, size_t len, struct zone **out_zone);
void zone_close(struct zone *zone); /* NULL is fine */

/* Seconds that local time is ahead of UTC at `utc_s`, and the first instant after it at which that
 * changes (INT64_MAX: not within the 400 years that the calendar takes to repeat). */
int32_t zone_offset(const struct zone *zone, int64_t utc_s);
int64_t zone_next_change(const struct zone *zone, int64_t utc_s);

#endif
