/* TLS towards upstreams and collectors, without sockets: encrypted octets in, encrypted octets out.
 * The only place that sees OpenSSL's TLS. For net/ and export/.
 *
 * The certificate must be good by the machine's authorities (or those of SSL_CERT_FILE) and bear
 * the name, or the address, that the configuration gives; TLS 1.2 at least (RFC 8310's strict
 * profile: there is no opportunistic one). The last session of each upstream is kept, so that a new
 * connection is one round trip.
 *
 * Threads: a struct tls_client belongs to one worker.
 */
#ifndef RESOLVER_NET_TLS_H
#define RESOLVER_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "blocklists/error.h"

struct tls_client;
struct tls;
struct tls_ticket; /* the session kept for one upstream */

/* `for_dns`: says in the handshake that it will speak DNS (RFC 7858). */
int tls_client_create(bool for_dns, struct tls_client **out_client, struct bl_error *error);
void tls_client_destroy(struct tls_client *client);

int tls_ticket_create(struct tls_ticket **out_ticket);
void tls_ticket_destroy(struct tls_ticket *ticket);

/* A connection to the server that must prove to be `name`. `ticket` is borrowed until
 * tls_destroy(). */
int tls_create(struct tls_client *client, const char *name, struct tls_ticket *ticket,
               struct tls **out_tls);
void tls_destroy(struct tls *tls);

/* Goes on with the handshake: 1 done, 0 more octets are needed, or a negative errno and why. */
int tls_handshake(struct tls *tls, struct bl_error *error);

int tls_feed(struct tls *tls, const uint8_t *bytes,
             size_t len); /* encrypted octets came: 0 or -ENOMEM */

/* Decrypted octets: how many, 0 when there are none yet, −EPIPE when the other side ended properly,
 * −EPROTO. */
ssize_t tls_read(struct tls *tls, uint8_t *bytes, size_t room);

int tls_write(struct tls *tls, const uint8_t *bytes,
              size_t len); /* all of it, or a negative errno */

/* Encrypted octets to be sent: how many were put into `bytes`. */
size_t tls_take(struct tls *tls, uint8_t *bytes, size_t room);

bool tls_was_resumed(const struct tls *tls);

#endif
