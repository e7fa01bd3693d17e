/* Stage recall: an answer from the cache. */
#ifndef RESOLVER_QUERY_RECALL_H
#define RESOLVER_QUERY_RECALL_H

#include "resolver/query/query.h"
#include "resolver/query/reply.h"

/* What the cache has for the question as it was asked, fresh or not, or NULL. Borrowed until a
 * reply is kept. */
struct cache_entry *recall_asked(const struct pipeline *pipeline, const struct query *query);

/* Answers from a fresh entry (recall_asked()'s, unless the question is rewritten) or from one up to
 * a day old, and judges it for the query's group. QUERY_WAIT when there is none: the query goes on.
 */
enum query_next recall_fresh(struct pipeline *pipeline, struct query *query,
                             struct cache_entry *asked);
enum query_next recall_stale(struct pipeline *pipeline, struct query *query);

/* Whether a stale answer could be given for what an exchange asks. */
bool recall_has_stale(struct pipeline *pipeline, const struct exchange *exchange);

/* A reply to this question is about to be read: has its place in the cache fetched from memory
 * meanwhile, and returns where that is for recall_store(). */
uint32_t recall_expect(const struct pipeline *pipeline, const struct reply_question *question);

/* Keeps the reply at hand, with its facts. */
void recall_store(struct pipeline *pipeline, const struct reply_question *question, uint32_t hash);

struct cache_key recall_key(const struct dns_question *question);

#endif
