/* What is kept of allowed questions, as `recording` of the configuration says: counts without
 * clients (asked.h), or each of them in a journal of their own.
 *
 * Answers that come from upstreams or the cache count; what is answered here (the school's own
 * records, special names) and what no upstream could answer does not. Private to query/.
 */
#ifndef RESOLVER_QUERY_ALLOWED_H
#define RESOLVER_QUERY_ALLOWED_H

#include "resolver/query/query.h"

/* Between two batches: a world with another configuration, or legend. */
void allowed_enter(struct pipeline *pipeline, const struct config *before);

/* An allowed question gets its answer; pipeline->asked is there. */
void allowed_note(struct pipeline *pipeline, const struct query *query);

#endif
