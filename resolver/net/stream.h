/* TCP with clients (RFC 7766): pipelined questions, answers in the order they come. Private to
 * net/.
 *
 * Happy path: a read brings one or more questions, each behind its length; each goes through the
 * pipeline; what can be answered at once is collected and written together, the rest is written
 * when its upstream has replied. All reads of a worker share one buffer; a connection owns memory
 * only while a question of it is incomplete (its octets so far) or an answer is not taken by the
 * kernel. Idle, it is one struct below 1 KiB.
 *
 * Limits: limits.h. A connection ends when for STREAM_IDLE_MS no whole question came and none is in
 * flight: trickled octets (slowloris) do not count. A client that does not take its answers, or has
 * too many questions in flight, is not read from until that changes. At the limit for one client or
 * for all, the one that has been idle for longest makes room; without an idle one, the new one is
 * refused. Each worker has its share of the limits, so workers share nothing.
 *
 * A connection that is closed takes its questions in flight with it.
 */
#ifndef RESOLVER_NET_STREAM_H
#define RESOLVER_NET_STREAM_H

#include "resolver/net/worker.h"

int streams_create(struct worker *worker, struct streams **out_streams);
/* Takes the socket's descriptor. */
int streams_listen(struct streams *streams, struct listen_socket *socket);
void streams_stop(
    struct streams *streams); /* no new connections or questions; answers still go out */
void streams_close(struct streams *streams);   /* NULL is fine */
void streams_destroy(struct streams *streams); /* after the loop has ended */
void streams_sweep(struct streams *streams);   /* once a second */

void streams_settle(
    struct streams *streams); /* before the loop sleeps: writes what was collected */

/* Composes and writes the answer of a query that waited; query->channel is its connection. */
void stream_deliver(struct worker *worker, struct query *query);

#endif
