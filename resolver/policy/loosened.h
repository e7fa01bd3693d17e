/* What a new configuration would allow that the one in force does not, for schools where a second
 * manager has to agree to that (`roles.requires-approval`).
 *
 * Compared is what holds, not how it is written: for each group and each category, service and name
 * that either configuration says something of, at every hour that differs from others within the
 * next year. A statement about a name counts by itself, so that a lifted denial is told although a
 * category may still deny the name: what is doubtful counts as loosened.
 *
 * Also told: groups, categories and subscribed lists that are gone, seals broken, addresses and
 * devices that come to another group or may ask for the first time, devices that others may be now,
 * forwarders whose word for a device is taken, safe search and walled gardens given up, addresses
 * of the inside let in, and further managers.
 *
 * Threads: any. Allocates; not for the query path.
 */
#ifndef RESOLVER_POLICY_LOOSENED_H
#define RESOLVER_POLICY_LOOSENED_H

#include <stdint.h>

#include "blocklists/error.h"
#include "resolver/config/config.h"

/* Calls `each` with a sentence for each thing that is loosened. 0, or a negative errno with a
 * sentence. */
int policy_loosened(const struct config *before, const struct config *after, int64_t now_s,
                    void (*each)(void *user, const char *sentence), void *user,
                    struct bl_error *error);

#endif
