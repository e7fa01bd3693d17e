/* The rest of the way, for `why`: what is done with a name beyond the policy's verdict. Safe
 * search, names that are answered here, zones with servers of their own, and what an answer leads
 * to, where the request brings what upstreams answered.
 *
 * It asks the same functions as the query path does, without a pipeline. Any thread.
 */
#ifndef RESOLVER_QUERY_WAY_H
#define RESOLVER_QUERY_WAY_H

#include "resolver/policy/story.h"

struct local_names;
struct safe_search;

struct way { /* borrowed; story_world.beyond_user */
    const struct local_names *local;
    const struct safe_search *safe_search;
};

/* Adds "handled", what is done with the question in words, and "judged_later", which is true where
 * an answer that is not known here could still be denied; puts "denied" with its reason in the
 * place of a verdict that does not stand. */
story_beyond way_tell;

/* The forward-zone of a name, the most specific one; NULL: none. */
const struct config_zone *way_zone(const struct config *config, const uint8_t *name);

#endif
