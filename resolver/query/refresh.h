/* Stage refresh: questions that no client waits for. What is popular is fetched again before it
 * ends, and while all servers are silent what was answered stale is how they are probed.
 *
 * Threads: the pipeline's worker.
 */
#ifndef RESOLVER_QUERY_REFRESH_H
#define RESOLVER_QUERY_REFRESH_H

#include "resolver/query/query.h"

/* Asks upstreams for `sought` unless that is under way, has failed just now, or too much is in
 * flight already. Net sends it: pipeline_next_refresh(). */
void refresh_begin(struct pipeline *pipeline, const struct dns_question *sought);

#endif
