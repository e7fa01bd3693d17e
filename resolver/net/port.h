/* UDP towards upstreams: many connected sockets, each with a random port of its own. Private to
 * net/.
 *
 * A forger who cannot see our traffic has to guess the id and the port (RFC 5452 section 4). Each
 * upstream has PORTS_PER_UPSTREAM slots; each question takes one drawn at random, and an empty slot
 * is filled with a socket bound to a port drawn from 1024 to 65535. A socket is given back after
 * some uses or some time, so the population of open ports moves on. Being connected, the kernel
 * drops datagrams from anybody else for us and tells when an upstream refuses.
 *
 * In a flood (many new questions in each of many turns of the loop) those of one turn leave by one
 * port together, in one sendmmsg(), joined where lengths allow it (volley.h). To forge the answer
 * to a given name both its port and its id are to be guessed all the same, whatever else leaves by
 * the same port.
 *
 * All sockets are in one epoll set, itself watched by the loop: a turn costs one epoll_wait() and a
 * recvmmsg() for each socket that has replies, and sockets come and go without the loop's
 * knowledge.
 *
 * Failure modes: no descriptor or port to be had: any open socket of the upstream is used, else the
 * try fails.
 */
#ifndef RESOLVER_NET_PORT_H
#define RESOLVER_NET_PORT_H

#include "resolver/net/worker.h"

int ports_create(struct worker *worker, struct ports **out_ports);
void ports_close(struct ports *ports);   /* NULL is fine */
void ports_destroy(struct ports *ports); /* after the loop has ended */

/* Puts the exchange's packet with those of this turn: 0, or a negative errno and the exchange is on
 * no channel. */
int ports_send(struct ports *ports, struct exchange *exchange);

void ports_flush(struct ports *ports); /* before the loop sleeps: sends what was collected */

/* Once a second: gives back what is old. */
void ports_sweep(struct ports *ports);

#endif
