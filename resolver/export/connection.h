/* A way to a collector: octets go out, and each step has a time after which it is given up.
 *
 * Kinds: a Unix socket (datagrams or a stream), UDP, TCP, TLS, a program's standard input. A
 * program's output goes nowhere; it is ended with its process group.
 *
 * What a stream took counts as handed over only when connection_settle() said so: until then it may
 * stand in a buffer of this machine, and would be lost with the connection.
 *
 * Threads: one; it blocks for at most `timeout` of the configuration a step. Never in the daemon's
 * own process.
 */
#ifndef RESOLVER_EXPORT_CONNECTION_H
#define RESOLVER_EXPORT_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/error.h"
#include "resolver/config/config.h"

struct connection;

/* 0, or a negative errno with a sentence that names the collector. */
int connection_open(const struct config_export *to, struct connection **out_connection,
                    struct bl_error *error);
void connection_close(struct connection *connection); /* NULL is fine */

/* All of it, or a negative errno; a datagram when the kind has them. */
int connection_send(struct connection *connection, const void *bytes, size_t len,
                    struct bl_error *error);

/* Exactly `len` octets of a stream. */
int connection_receive(struct connection *connection, void *bytes, size_t len,
                       struct bl_error *error);

/* Waits until the other side's kernel (or the program) has all that was sent. */
int connection_settle(struct connection *connection, struct bl_error *error);

/* False: the other side went while nothing was sent, as collectors do with idle connections. */
bool connection_is_alive(struct connection *connection);

/* Whether it has datagrams, which need no frames and no settling. */
bool connection_has_datagrams(const struct config_export *to);

#endif
