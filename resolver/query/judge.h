/* Stage judge, for what comes in an answer: the names of its chain and its addresses. */
#ifndef RESOLVER_QUERY_JUDGE_H
#define RESOLVER_QUERY_JUDGE_H

#include "resolver/query/answer.h"
#include "resolver/query/query.h"

/* A message with its facts, fresh or from the cache. */
struct judged_message {
    const uint8_t *message;
    size_t len;
    const struct cache_fact *facts;
    size_t fact_count;
    bool has_targets, has_private;
};

/* Whether anything in the message is denied to the query's group. A question that is allowed by a
 * rule of its own (an exception, an allow entry) takes what its chain leads to with it, but for
 * sealed categories: who allowed a site meant it to work. What is observed is recorded on the way.
 * On true *out_ruling and *out_match say what to answer; the match's name is in `name`. */
bool judge_message(struct pipeline *pipeline, struct query *query,
                   const struct judged_message *message, struct ruling *out_ruling,
                   struct denial_match *out_match, struct bl_name *name, uint8_t address[16]);

#endif
