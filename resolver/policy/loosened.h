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
 * of the inside let in, further managers, and further sessions that wait for nobody.
 *
 * Threads: any. Allocates; not for the query path.
 */
#ifndef RESOLVER_POLICY_LOOSENED_H
#define RESOLVER_POLICY_LOOSENED_H

#include <stdint.h>

#include "blocklists/error.h"
#include "resolver/base/address.h"
#include "resolver/base/mac.h"
#include "resolver/config/config.h"

struct devices;

/* Calls `each` with a sentence for each thing that is loosened. 0, or a negative errno with a
 * sentence. */
int policy_loosened(const struct config *before, const struct config *after, int64_t now_s,
                    void (*each)(void *user, const char *sentence), void *user,
                    struct bl_error *error);

/* The same where somebody comes from one group of a configuration to another: only what differs
 * between these two. `from` NULL: somebody who might not ask at all. */
int policy_loosened_move(const struct config *config, const struct config_group *from,
                         const struct config_group *to, int64_t now_s,
                         void (*each)(void *user, const char *sentence), void *user,
                         struct bl_error *error);

/* The group that the configuration itself gives to who is at an address: that of the device, if it
 * has one, or of the subnet; NULL: none. `mac` may be NULL, as may `devices`. */
const struct config_group *policy_group_fixed(const struct config *config, struct devices *devices,
                                              const struct address *address, const uint8_t *mac);

#endif
