/* Seals are for good.
 *
 * `meta` of state.mdb has "sealed:NAME" for each category that a configuration in force ever
 * sealed. A configuration that takes the seal off, or the category out, is refused by whoever would
 * put it in force: at the start, at a reload, and by commands that work on the state folder
 * themselves. Whoever owns the machine may still begin with a new state folder; that is no slip of
 * the pen, and leaves the records behind.
 */
#ifndef RESOLVER_POLICY_SEALS_H
#define RESOLVER_POLICY_SEALS_H

#include "resolver/config/config.h"
#include "resolver/policy/state.h"

/* Notes the seals of the configuration in the change. 0; -EPERM with a sentence where it takes one
 * off. */
int seals_keep(struct change *change, const struct config *config, struct bl_error *error);

#endif
