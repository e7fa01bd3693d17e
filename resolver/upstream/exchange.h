/* Questions in flight to upstreams. No sockets here: net/ sends and receives, this matches and
 * decides.
 *
 * An exchange is one question for all the queries that wait for it (the same name, type, class, DO
 * and CD are joined). It makes up to EXCHANGE_TRIES tries, each to the server that does best among
 * those not yet asked, each under a random id on a channel (net's socket, whose port is random).
 * When a try's patience ends the next one starts, but the earlier ones are still listened to: the
 * first good reply wins, and the exchange as a whole ends EXCHANGE_LIFE_MS after it began at the
 * latest.
 *
 *     begun ──try──▶ waiting ──good reply──▶ answered
 *                    │  ▲ │ └──last deadline──▶ failed
 *                    └──┘ └──truncated: the same over TCP──▶ waiting
 *              patience ended
 *
 * Against forgery: id (16 bits), port (net), 0x20 case of the name over UDP, the question compared
 * octet for octet. A reply that does not fit is counted and the wait goes on (TuDoor); it never
 * marks a server as failed (CVE-2023-26437).
 *
 * Memory: everything is allocated at creation, touched on first use. Threads: a struct exchanges
 * belongs to one worker.
 */
#ifndef RESOLVER_UPSTREAM_EXCHANGE_H
#define RESOLVER_UPSTREAM_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/error.h"
#include "resolver/base/random.h"
#include "resolver/config/config.h"
#include "resolver/dns/message.h"
#include "resolver/upstream/bootstrap.h"
#include "resolver/upstream/health.h"

enum {
    EXCHANGE_PACKET_MAX = DNS_HEADER + BL_NAME_MAX + 4 + 11 + 4 + COOKIE_MAX,
    EXCHANGE_TRIES = 3,
    EXCHANGE_LIFE_MS = 4500,    /* an answer or SERVFAIL within 5 s, whatever upstreams do */
    EXCHANGE_WAITERS_MAX = 512, /* queries that share one question */
};

struct exchanges;
struct exchange;

/* What waits for an exchange: the first member of struct query. */
struct exchange_wait {
    struct exchange_wait *next;
};

struct exchange_try {
    struct exchange *exchange;
    struct exchange_try *match_next;
    void *channel; /* NULL: not sent, or no longer listened to */
    int64_t sent_ms;
    uint32_t epoch; /* of the servers among which `server` is */
    uint16_t id;
    uint8_t server;
    uint8_t transport;
    uint8_t refused; /* the server said that it cannot tell */
    uint8_t without_edns;
    uint8_t has_cookie;
    uint8_t cookie[COOKIE_CLIENT]; /* our half, as it went out */

    /* Set by net: how often its connection broke and it was sent on another one; and what it went
     * out on, until the exchange ends. */
    uint8_t sent_again;
    void *carrier;
    struct exchange_try *carrier_next, **carrier_link;
};

enum exchange_state { EXCHANGE_WAITING, EXCHANGE_ANSWERED, EXCHANGE_FAILED };

struct exchange {
    /* The current try, for net to send. */
    uint8_t
        packet[EXCHANGE_PACKET_MAX]; /* the question as it goes out, without TCP's length prefix */
    uint16_t packet_len;
    uint16_t id;
    uint8_t server;    /* index into the exchanges' upstreams */
    uint8_t transport; /* enum config_transport of this try */
    struct address server_address;
    const char *tls_name; /* what its certificate must bear; "": none */
    int64_t deadline_ms;  /* of this try's patience, monotonic */

    /* Set by net. */
    void *channel; /* the socket or connection the current try went out on: exchange_sent() */

    /* The module's own. */
    struct exchange_try tries[EXCHANGE_TRIES + 1]; /* and one over TCP after a truncated reply */
    struct exchange_try *matched;                  /* the try that the bytes at hand answer */
    struct exchange_wait *waiters, **waiters_end;
    struct exchange *key_next, *due_next, **due_link, *age_next, **age_link;
    int64_t begun_ms;
    uint32_t key_hash;
    uint32_t epoch;                     /* of the servers that `servers` and `tried` speak of */
    uint32_t tried, tried_tcp, servers; /* bits: asked so far; over TCP; that may be asked */
    uint16_t waiter_count, type, class;
    uint8_t try_count, state, name_len, dnssec, truncated, outdated, without_edns, unreachable;
    uint8_t refused;            /* a server said that it cannot tell: SERVFAIL, REFUSED … */
    int refused_ede;            /* and why, RFC 8914: the last one's; −1: it did not say */
    uint8_t gave_way;           /* given up before its time: too many wait */
    uint8_t lookup;             /* of a host's address, bootstrap.h; 0: a question of a client's */
    uint8_t name[BL_NAME_MAX];  /* lower-cased */
    uint8_t cased[BL_NAME_MAX]; /* as it goes out over UDP: each letter's case by chance (0x20) */
};

/* How bytes from a matched channel and id compare with the question. */
enum exchange_fit {
    EXCHANGE_FITS,
    EXCHANGE_OTHER_CASE, /* all but the letters' case: a server that does not keep it, or a forgery
                          */
    EXCHANGE_OTHER,      /* not an answer to this question */
};

int exchanges_create(size_t most, struct exchanges **out_exchanges, struct bl_error *error);
void exchanges_destroy(struct exchanges *exchanges);

/* The servers of a new configuration. What exchanges under way have sent is still listened to;
 * their next tries go to the new ones. Where something differs, nobody joins them any more and
 * failures are forgotten. 0, or -ENOMEM and the old ones stay. */
int exchanges_set_upstreams(struct exchanges *exchanges, const struct config *config);
const struct upstreams *exchanges_upstreams(const struct exchanges *exchanges);

/* The exchange under way that this question can join, or NULL: none whose tries were lost in an
 * outage that has ended since. */
struct exchange *exchange_find(struct exchanges *exchanges, const struct dns_question *question);

/* Whether the servers are still those that the exchange began with: else what they say is an
 * answer, and not one to keep. */
bool exchange_is_current(const struct exchanges *exchanges, const struct exchange *exchange);

/* A new one, without a try yet; NULL when all are in use. */
struct exchange *exchange_begin(struct exchanges *exchanges, const struct dns_question *question,
                                int64_t now_ms, struct random_pool *random);

/* Whether a forward-zone of the configuration covers the name. */
bool exchange_has_zone(const struct exchanges *exchanges, const uint8_t *name);

/* Whether every server that may be asked for the name has been failing for some time. */
bool exchanges_are_dead(const struct exchanges *exchanges, const uint8_t *name);

/* The next look-up of a host's address that is due, to be sent like any exchange; NULL: none.
 * Nobody joins it, and what becomes of it goes to exchange_lookup_ended(): the addresses, or NULL
 * when nobody answered. */
struct exchange *exchange_lookup_begin(struct exchanges *exchanges, int64_t now_ms,
                                       struct random_pool *random);
void exchange_lookup_ended(struct exchanges *exchanges, const struct exchange *exchange,
                           const struct address *addresses, size_t count, uint32_t ttl_s,
                           int64_t now_ms);

/* Whether its servers have no address yet, but may have one at any moment. */
bool exchange_awaits_address(const struct exchanges *exchanges, const struct exchange *exchange);

/* Whether none of the servers that may be asked for the name has an address. */
bool exchanges_lack_addresses(const struct exchanges *exchanges, const uint8_t *name);

/* A host whose address cannot be found, for the log: none is known and nobody tells one. NULL: all
 * is well. */
const char *exchanges_lookup_trouble(const struct exchanges *exchanges);

/* Makes ready the next try: chooses the server, writes e->packet. False when none is left. With
 * `another` only a server that was not asked yet will do. */
bool exchange_try_next(struct exchanges *exchanges, struct exchange *exchange, bool another,
                       int64_t now_ms, struct random_pool *random);

/* The same question to the same server over TCP. False when already done. */
bool exchange_try_tcp(struct exchanges *exchanges, struct exchange *exchange, int64_t now_ms,
                      struct random_pool *random);

/* The matched try's reply was cut off: it is done with, and from now on the question goes over TCP,
 * to this server or another. */
void exchange_truncated(struct exchanges *exchanges, struct exchange *exchange, int64_t now_ms);

/* The same to the same server without EDNS: after FORMERR. False when already done. */
bool exchange_try_plain(struct exchanges *exchanges, struct exchange *exchange, int64_t now_ms,
                        struct random_pool *random);

/* Lets a query wait; false when too many do already. */
bool exchange_join(struct exchanges *exchanges, struct exchange *exchange,
                   struct exchange_wait *wait);

/* The one for which queries have been waiting longest; NULL: none. */
struct exchange *exchange_oldest(const struct exchanges *exchanges);

/* A query whose client has gone is taken off. */
void exchange_leave(struct exchange *exchange, struct exchange_wait *wait);

/* Takes the next waiter off, or NULL. */
struct exchange_wait *exchange_next_waiter(struct exchange *exchange);

/* Net tells where the current try went out. */
void exchange_sent(struct exchanges *exchanges, struct exchange *exchange, void *channel);

/* Whether a try on this channel is listened to under this id: another one could not be told apart.
 */
bool exchange_id_is_taken(const struct exchanges *exchanges, const void *channel, uint16_t id);

/* Net tells that a try's channel broke: it is listened to no longer. Returns whether it was the
 * current one, which query_fail() then goes on from. */
bool exchange_lost(struct exchanges *exchanges, struct exchange_try *lost);

/* The exchange one of whose tries waits on this channel for a message with the id of `bytes`, or
 * NULL. */
struct exchange *exchange_match(struct exchanges *exchanges, const void *channel,
                                const uint8_t *bytes, size_t len);

/* Whether the bytes answer the question of the matched try: QR, one question, name (to the letter
 * over UDP), type and class. */
enum exchange_fit exchange_compare(const struct exchange *exchange, const uint8_t *bytes,
                                   size_t len);

/* What a reply's COOKIE option says of it (`len` 0: it has none). A right one's other half is kept
 * for the next question. EXCHANGE_OTHER: a forgery. EXCHANGE_OTHER_CASE: it lacks what this server
 * used to send; over TCP it will do without. */
enum exchange_fit exchange_check_cookie(struct exchanges *exchanges, struct exchange *exchange,
                                        const uint8_t *cookie, size_t len);

/* The matched try's server did well, or not (SERVFAIL, REFUSED …); then its try is over. Whether
 * not is its fault or the name's is known when another server does well. */
void exchange_served(struct exchanges *exchanges, struct exchange *exchange, bool well,
                     int64_t now_ms);

/* The current try ran out of patience; or it could not be sent, or its channel broke. */
void exchange_missed(struct exchanges *exchanges, struct exchange *exchange, int64_t now_ms);
void exchange_broke(struct exchanges *exchanges, struct exchange *exchange, int64_t now_ms);

/* Whether any try is still listened to. */
bool exchange_is_listening(const struct exchange *exchange);

/* Sets when exchange_overdue() brings it back: for the last wait, when no try is left. */
void exchange_set_deadline(struct exchanges *exchanges, struct exchange *exchange,
                           int64_t deadline_ms);

/* The next exchange whose deadline has passed, or NULL; and when the next one will be (INT64_MAX:
 * none). */
struct exchange *exchange_overdue(struct exchanges *exchanges, int64_t now_ms);
int64_t exchange_next_deadline(const struct exchanges *exchanges);

/* No query can join it any more: its answer is being given out. */
void exchange_close(struct exchanges *exchanges, struct exchange *exchange,
                    enum exchange_state state);

/* Forgets an exchange whose waiters have been taken. */
void exchange_end(struct exchanges *exchanges, struct exchange *exchange);

/* Failures remembered for five seconds, so that a broken name costs its upstreams little, RFC 9520:
 * for one second where no server spoke at all and one has done so since, after an outage. */
void exchange_remember_failure(struct exchanges *exchanges, const struct exchange *exchange,
                               int64_t now_ms);
bool exchange_failed_lately(const struct exchanges *exchanges, const struct dns_question *question,
                            int64_t now_ms);

size_t exchange_count(const struct exchanges *exchanges);

#endif
