/* What other lists would allow that those in force do not, for schools where a second manager has
 * to agree to that (`roles.requires-approval`).
 *
 * Told, for each category, is how many entries would not be denied any more (`lost` of
 * blocklists/diff.h: narrowed to fewer names or types counts as well), how many would be allowed
 * anew, and how many that are still denied by one list would be allowed by another (whose tier or
 * weight has changed), with a few of each; and what is new in a category that some group is
 * allowed, by the configuration or a grant, for that is an exception, too. Whether a group is
 * denied the category makes no difference: what is doubtful counts as loosened.
 *
 * Threads: any. Reads both stores whole; not for the query path.
 */
#ifndef RESOLVER_POLICY_LISTS_LOOSENED_H
#define RESOLVER_POLICY_LISTS_LOOSENED_H

#include <jansson.h>

#include "blocklists/store.h"
#include "resolver/config/config.h"

/* Calls `each` with a sentence for each category and kind. `grants` are those of the table
 * (grants.h), or NULL. 0, or a negative errno with a sentence.
 */
int lists_loosened(const struct config *config, const json_t *grants, const struct bl_store *before,
                   const struct bl_store *after, void (*each)(void *user, const char *sentence),
                   void *user, struct bl_error *error);

/* Whether all that differs is what a refresh of the configuration's subscriptions may bring:
 * sources that it names, as it names them, were read anew, and those that are gone were subscribed
 * to once and are named no more. */
bool lists_are_refreshed(const struct config *config, const struct bl_store *before,
                         const struct bl_store *after);

#endif
