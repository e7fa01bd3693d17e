/* Upstreams that the configuration names by host: whose addresses are asked for at the bootstrap
 * servers, and at nobody else, so that they are found before anything else works.
 *
 * Each host has CONFIG_HOST_SERVERS places in the table of servers, half of them for IPv4 addresses
 * and half for IPv6; a place without an address is not asked. A look-up is an exchange without a
 * client; it is due at start, again when its answer's TTL has ended, and after a failure a second
 * later, then two, up to BOOTSTRAP_LATER_MS. Addresses that are known stay until others are,
 * whatever happens: a bootstrap server that fails costs nothing but news. Whoever forges an answer
 * sends us to a server that over TLS cannot show the name's certificate.
 *
 * Threads: belongs to a worker, with its exchanges.
 */
#ifndef RESOLVER_UPSTREAM_BOOTSTRAP_H
#define RESOLVER_UPSTREAM_BOOTSTRAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/dns/message.h"
#include "resolver/upstream/health.h"

enum {
    BOOTSTRAP_HOSTS_MAX = UPSTREAMS_MAX / CONFIG_HOST_SERVERS,
    BOOTSTRAP_LEAST_S = 60,
    BOOTSTRAP_MOST_S = 86400,
    BOOTSTRAP_LATER_MS = 30000,
};

struct bootstrap_family { /* of a host: A, then AAAA */
    int64_t due_ms;       /* monotonic; INT64_MAX: under way */
    unsigned failures;    /* in a row; an answer without addresses counts as none */
};

struct bootstrap_host {
    uint8_t name[BL_NAME_MAX];
    uint8_t name_len;
    uint8_t first; /* its places among the servers */
    struct bootstrap_family families[2];
};

struct bootstrap {
    struct bootstrap_host hosts[BOOTSTRAP_HOSTS_MAX];
    size_t count;
    int64_t due_ms; /* the earliest of all */
};

/* What is asked next: the host's index and the type, under `lookup`. */
struct bootstrap_question {
    struct dns_question question;
    uint8_t lookup; /* for the calls below; not 0 */
};

/* Begins anew; hosts that were there keep what is known of them, unless these places of theirs have
 * no address: the host is asked another way, or at one more place. */
void bootstrap_begin(struct bootstrap *bootstrap, struct bootstrap *out_before);
void bootstrap_add(struct bootstrap *bootstrap, const struct bootstrap *before,
                   const struct upstreams *upstreams, const uint8_t *host_wire, size_t first);

/* The next look-up that is due, which then is under way; false: none. */
bool bootstrap_next(struct bootstrap *bootstrap, int64_t now_ms,
                    struct bootstrap_question *out_question);

/* It ended with these addresses, perhaps none, or in vain. */
void bootstrap_answered(struct bootstrap *bootstrap, struct upstreams *upstreams, uint8_t lookup,
                        const struct address *addresses, size_t count, uint32_t ttl_s,
                        int64_t now_ms);
void bootstrap_failed(struct bootstrap *bootstrap, uint8_t lookup, int64_t now_ms);

/* Whether addresses may come at any moment for one of these servers: nobody has failed yet. */
bool bootstrap_is_hopeful(const struct bootstrap *bootstrap, uint32_t servers);

#endif
