/* An upstream's reply, made fit to be kept and handed on.
 *
 * reply_read() takes what was asked and nothing else: the records of the question's chain of
 * aliases in order, and for a negative answer the SOA; with DO also signatures and proofs. Whatever
 * else a reply carries (records of other names, additional data) is left behind, so it can neither
 * be cached nor handed to a client (CVE-2021-25220 and its like). Names are written anew,
 * compressed only against what stands before them, so a strange pointer never travels on.
 *
 * Threads: a struct reply is a worker's scratch space; it holds until the next reply_read().
 */
#ifndef RESOLVER_QUERY_REPLY_H
#define RESOLVER_QUERY_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/store.h"
#include "resolver/cache/cache.h"
#include "resolver/dns/message.h"

enum {
    REPLY_RECORDS_MAX = 6000, /* more than 64 KiB can hold */
    REPLY_TARGETS_MAX = 128,  /* of aliases and services: each is judged for each who waits */
    REPLY_CHAIN_MAX = 16,     /* aliases followed; longer chains are an attack (CacheFlush) */
};

/* The facts of everything in a message of ours (a struct reply's or a cached one) that a list could
 * name: alias targets, SVCB and HTTPS targets with their address hints, addresses. */
struct reply_facts {
    struct cache_fact items[CACHE_FACTS_MAX];
    size_t count;
    size_t subjects; /* how many things were looked up */
    bool too_many;   /* more than fit: what cannot be judged whole is not handed out */
    /* What does not depend on the lists. */
    bool has_ech;     /* keys for encrypted client hello, RFC 9460 section 14.3.2 */
    bool has_private; /* an address that means something only inside: rebinding.h */
};

struct reply_limits {
    uint32_t min_ttl, max_ttl, negative_ttl; /* seconds */
};

struct reply {
    uint8_t message[DNS_MESSAGE_MAX];
    size_t len;
    uint16_t ttls[REPLY_RECORDS_MAX];
    size_t ttl_count;
    uint32_t ttl_s; /* how long it may be kept; 0: not at all */
    unsigned rcode;
    bool authentic;              /* AD was set */
    bool has_targets;            /* names beyond the question's */
    uint16_t cookie, cookie_len; /* where in the upstream's bytes; length 0: it sent none */
    int ede;                     /* the first extended error that came with it, or −1 */
    struct reply_facts facts;    /* written by reply_look_up() for the list generation at hand */

    /* reply_read()'s scratch. */
    struct dns_record records[REPLY_RECORDS_MAX];
    uint32_t owners[REPLY_RECORDS_MAX]; /* hashes */
    size_t record_count;
};

/* The name, type, class and DO of the question that `bytes` answers. */
struct reply_question {
    const uint8_t *name; /* lower-cased */
    uint8_t name_len;
    bool wants_dnssec;
    uint8_t dnssec; /* the cache key's bits */
    uint16_t type, class;
};

/* 0, or -EBADMSG: broken, or a chain that loops or never ends. */
int reply_read(struct reply *reply, const uint8_t *bytes, size_t len,
               const struct reply_question *question, const struct reply_limits *limits);

/* What the lists say of the names and addresses in it, for a question of this type. */
void reply_look_up(const struct bl_store *store, const uint8_t *message, size_t len, unsigned type,
                   struct reply_facts *out_facts);

#endif
