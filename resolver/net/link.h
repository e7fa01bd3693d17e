/* Kept connections to upstreams, over TCP or TLS: pipelined questions, replies in any order (RFC
 * 7766 section 6.2.1, RFC 7858). Private to net/.
 *
 * An upstream has up to LINKS_PER_UPSTREAM connections; a question goes on the one with the fewest
 * in flight, and another one is opened when all are busy. Questions asked while a connection is
 * being made wait on it and go out together when it stands. One that was idle for LINK_IDLE_MS is
 * closed.
 *
 * Failure modes: a connection that cannot be made, whose certificate is not good, that is cut in
 * the middle of a message, sends what is no message, or is silent for LINK_SILENT_MS while
 * questions are in flight, breaks, and its questions go on to another upstream. One that had served
 * and is then closed by the other side (ordinary for kept connections, RFC 7766 section 6.2.4) has
 * its questions sent once more on another one. After a failed handshake the upstream is left alone
 * for LINK_HOLD_MS; a bad certificate is logged, and never accepted.
 */
#ifndef RESOLVER_NET_LINK_H
#define RESOLVER_NET_LINK_H

#include "resolver/net/worker.h"

int links_create(struct worker *worker, struct links **out_links);
void links_close(struct links *links);   /* NULL is fine */
void links_destroy(struct links *links); /* after the loop has ended */

/* Sends the exchange's packet, now or when the connection stands: 0, or a negative errno. */
int links_send(struct links *links, struct exchange *exchange);

void links_flush(struct links *links); /* before the loop sleeps: writes what was collected */
void links_sweep(struct links *links); /* once a second */

#endif
