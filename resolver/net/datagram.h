/* UDP with clients: questions in batches, answers in batches. Private to net/.
 *
 * Happy path: the socket is readable; recvmmsg() takes up to BATCH datagrams; each goes through the
 * pipeline, and an answer is composed straight into the outbox (outbox.h), which sends them.
 *
 * Failure modes: when the kernel takes no more (EAGAIN), the rest waits and the socket is watched
 * for room instead of questions; answers for which there is no place meanwhile are dropped and
 * counted, as a full network would. An answer the kernel refuses (no route, a firewall) is dropped
 * alone.
 */
#ifndef RESOLVER_NET_DATAGRAM_H
#define RESOLVER_NET_DATAGRAM_H

#include <stdbool.h>

#include "resolver/net/worker.h"

int incoming_create(struct incoming **out_incoming);
void incoming_destroy(struct incoming *incoming);

/* Takes the socket's descriptor. */
int datagrams_create(struct worker *worker, struct listen_socket *socket,
                     struct datagrams **out_datagrams);
int datagrams_start(struct datagrams *datagrams);
void datagrams_stop(struct datagrams *datagrams);  /* no more questions; answers still go out */
void datagrams_close(struct datagrams *datagrams); /* freed by the loop */

/* Room of ANSWER_ROOM octets for one answer, or NULL when the kernel takes none. */
uint8_t *datagrams_room(struct datagrams *datagrams);
/* Queues query->answer, composed in that room. */
void datagrams_answer(struct datagrams *datagrams, const struct query *query);
void datagrams_flush(struct datagrams *datagrams);

#endif
