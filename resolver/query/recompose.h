/* A message of ours written anew, record by record, for answers that differ from what is kept: an
 * alias put before it (safe search), `ech` taken out of it. The message stays as it is.
 *
 * Signatures and proofs go, since nothing that is written here could be proved by them. Any thread;
 * no state, no allocation.
 */
#ifndef RESOLVER_QUERY_RECOMPOSE_H
#define RESOLVER_QUERY_RECOMPOSE_H

#include "resolver/dns/message.h"

struct recompose {
    const uint8_t *message; /* as reply_read() writes them: a chain in order, the SOA of its end */
    size_t len;
    const uint8_t *alias; /* wire name: the question becomes an alias of it; NULL: no alias */
    uint8_t alias_len;
    uint32_t alias_ttl_s;
    uint32_t age_s;   /* taken off every TTL … */
    uint32_t limit_s; /* … which then is at most this */
    uint32_t stale_s; /* unless not 0: then every TTL is this, or the limit */
    bool without_ech;
};

/* Writes the records after the writer's question. 0, or -EBADMSG: something in it is broken. */
int recompose_records(struct dns_writer *writer, const struct recompose *how);

/* An SVCB or HTTPS record's data without its `ech` (RFC 9460 section 14.3.2), the list of mandatory
 * keys adjusted. Returns the octets written to `out`, which has room for `len`, or -EBADMSG. */
int recompose_service(const uint8_t *data, size_t len, uint8_t *out);

#endif
