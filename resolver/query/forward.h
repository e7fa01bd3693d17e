/* Stage forward: asking upstreams, and what becomes of their replies. */
#ifndef RESOLVER_QUERY_FORWARD_H
#define RESOLVER_QUERY_FORWARD_H

#include "resolver/query/query.h"

/* Joins the query to a question already out, or sends a new one. */
enum query_next forward_begin(struct pipeline *pipeline, struct query *query);

/* The matched try's reply was truncated: the same over TCP, there or elsewhere. */
enum query_next forward_truncated(struct pipeline *pipeline, struct exchange *exchange);

/* The matched try's question again, over TCP, since its reply may be forged: the name's case was
 * not kept, or a cookie is missing. */
enum query_next forward_over_tcp(struct pipeline *pipeline, struct exchange *exchange);

/* A reply that fits: read, looked up, kept, given out; or a failure, and the next server is asked.
 */
enum query_next forward_accept(struct pipeline *pipeline, struct exchange *exchange,
                               const uint8_t *bytes, size_t len);

/* The next try; with `another` only one at a server that was not asked yet. When none is left:
 * waits for what is still out, or fails. In every case less than two seconds in all where whoever
 * waits can have a stale answer (RFC 8767 section 5). */
enum query_next forward_again(struct pipeline *pipeline, struct exchange *exchange, bool another);

/* The current try's patience ended: a stale answer if there is one and nothing better will come,
 * otherwise the next try. */
enum query_next forward_late(struct pipeline *pipeline, struct exchange *exchange);

/* No upstream gave an answer: a stale one (RFC 8767), or SERVFAIL with the reason (RFC 8914). */
enum query_next forward_failed(struct pipeline *pipeline, struct query *query, bool unreachable);

#endif
