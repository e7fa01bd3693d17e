/* The sockets that clients ask: for each listen address and each worker one for UDP and one for
 * TCP.
 *
 * They are opened before privileges are dropped and handed to the workers. With several workers the
 * kernel spreads clients over the sockets of one address (SO_REUSEPORT); a first bind without it
 * tells whether another program has the port, which SO_REUSEPORT alone would share in silence.
 *
 * "::" takes IPv4 clients too (as v4-mapped addresses) unless 0.0.0.0 is listed with the same port.
 * A wildcard socket learns from the kernel which address each datagram was sent to, so that the
 * reply comes from there; on a specific address this is known beforehand and costs nothing.
 *
 * Beside each UDP socket stands a second one on the same address and port, by which answers leave.
 * The kernel tells all who watch a socket of every datagram that has left it; for a socket that the
 * loop watches for questions this costs a twentieth of what an answer costs, and nobody wants to
 * know. The second one is watched only while it has no room. It is connected to a port of this
 * machine that nobody uses, so that no question is ever given to it.
 */
#ifndef RESOLVER_NET_LISTEN_H
#define RESOLVER_NET_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#include "blocklists/error.h"
#include "resolver/base/address.h"
#include "resolver/config/config.h"

struct listen_socket {
    int fd;                 /* −1 once a worker has taken it */
    int out_fd;             /* UDP: by which answers leave; likewise */
    struct address address; /* as configured */
    bool is_stream;
    bool is_v6; /* the socket's family */
    bool is_wildcard;
};

struct listeners {
    unsigned workers;
    size_t per_worker;           /* two for each address */
    struct listen_socket *items; /* worker by worker */
};

/* Opens all or none: 0, or a negative errno with a sentence that says what to do about it. */
int listeners_open(const struct config *config, struct listeners **out_listeners,
                   struct bl_error *error);
void listeners_close(struct listeners *listeners);

/* Whether a reload may keep these sockets: the same addresses, and number of workers. */
bool listeners_fit_addresses(const struct listeners *listeners, const struct config *config);
bool listeners_fit_workers(const struct listeners *listeners, const struct config *config);

#endif
