/* Exceptions that change nothing: often a name mistyped, or one that its list has lost since. They
 * are no faults, for a name may be listed tomorrow.
 *
 * A name that a group allows, always or at times, has something to do where
 *   - a list has it, or a name below it, in a category that the group denies or observes at some
 *     time, and no allow entry of the lists (of a higher tier, say) lets it through already;
 *   - the group denies, at some time, the name itself or one above it, by name or by service; or
 *   - the group is a walled garden.
 * Else it is told of, and so is one that stays denied because its category is sealed. Names of
 * services are not looked at, nor are names that are denied: denying what no list has is what
 * `deny` is for.
 *
 * Grants come and go, so only those are told of whose category, service or group the configuration
 * does not have any more. They are in force again once it is back.
 *
 * Threads: any; for people who wait, not for workers: it walks over the lists' entries below the
 * names.
 */
#ifndef RESOLVER_POLICY_IDLE_H
#define RESOLVER_POLICY_IDLE_H

#include "resolver/policy/policy.h"

/* Calls `each` with a sentence for each such exception, in the configuration's order, then
 * for grants; what a group inherits is told for the group that says it. 0, or a negative errno when
 * the lists cannot be read. */
int policy_idle(const struct policy *policy, void (*each)(void *user, const char *sentence),
                void *user, struct bl_error *error);

#endif
