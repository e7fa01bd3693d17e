/* Stage rewrite: safe search. A question for a search engine, from a group whose search is to be
 * safe, is answered as an alias of the host that serves it filtered, with that host's addresses.
 * The host is sought like any other name (cache, exchanges in flight, upstreams); when its
 * addresses cannot be had the answer is SERVFAIL, never the engine's own addresses.
 *
 * No exception or grant turns it off: the group's `safe-search` alone decides.
 */
#ifndef RESOLVER_QUERY_REWRITE_H
#define RESOLVER_QUERY_REWRITE_H

#include "resolver/query/query.h"
#include "resolver/query/safe_search.h"

enum rewrite {
    REWRITE_NONE,
    REWRITE_ALIAS, /* query->sought asks for the safe host */
    REWRITE_DENY,  /* an engine that cannot be made safe */
};

/* What is done with a group's question. *out_form is set for all but REWRITE_NONE. */
enum rewrite rewrite_find(const struct safe_search *search, const struct config_group *group,
                          const struct dns_question *question, struct safe_form *out_form);

/* Sets query->sought: the question itself or the one that stands for it. Its other part lives in
 * the pipeline and holds until the next query's turn. */
enum rewrite rewrite_question(struct pipeline *pipeline, struct query *query);

static inline bool rewrite_is_on(const struct query *query)
{
    return query->sought != &query->question;
}

/* Counts a question that was answered with an alias, by group and engine. */
void rewrite_tally(struct pipeline *pipeline, const struct query *query);

#endif
