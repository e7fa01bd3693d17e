/* Stage recall: an answer from the cache. */
#ifndef RESOLVER_QUERY_RECALL_H
#define RESOLVER_QUERY_RECALL_H

#include "resolver/query/query.h"
#include "resolver/query/reply.h"

/* Answers from a fresh entry (or with `stale` from one up to a day old) and judges it for the
 * query's group. QUERY_WAIT when there is none: the query goes on. */
enum query_next recall_answer(struct pipeline *pipeline, struct query *query, bool stale);

/* Whether a stale answer could be given for what an exchange asks. */
bool recall_has_stale(struct pipeline *pipeline, const struct exchange *exchange);

/* A reply to this question is about to be read: has its place in the cache fetched from memory
 * meanwhile, and returns where that is for recall_store(). */
uint32_t recall_expect(const struct pipeline *pipeline, const struct reply_question *question);

/* Keeps the reply at hand, with its facts. */
void recall_store(struct pipeline *pipeline, const struct reply_question *question, uint32_t hash);

struct cache_key recall_key(const struct dns_question *question);

#endif
