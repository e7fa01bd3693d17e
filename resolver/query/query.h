/* The query's way. It does no I/O: net/ hands it bytes, does what it returns, and hands it bytes
 * again. Tests, fuzzers, `why` and the self-test call the same functions with a clock, upstreams
 * and random numbers of their own.
 *
 *   query_begin()   a question came                        ANSWER, FORWARD, WAIT or DROP
 *   query_resume()  an upstream's bytes came               ANSWER (finish its waiters), FORWARD,
 * WAIT query_expire()  an exchange's patience ended           ANSWER, FORWARD, WAIT query_fail() an
 * exchange's channel broke            ANSWER, FORWARD, WAIT query_finish()  a waiting query's turn
 * to be answered  ANSWER or DROP
 *
 * How net/ drives it, for a batch of datagrams:
 *
 *     pipeline_wake(p, clock_read());
 *     for each datagram:
 *         q = query_take(p);                      NULL when all are in flight: drop the datagram
 *         fill in q->packet … q->channel;         "set by net" below
 *         query_read(p, q);
 *     for each:
 *         query_fetch(p, q);
 *     for each:
 *         fill in q->answer, q->answer_room;
 *         switch (query_begin(p, q)):
 *             ANSWER:  send q->answer[0 .. q->answer_len) to q->client;  query_release(p, q);
 *             FORWARD: send q->exchange->packet to q->exchange->server_address, exchange_sent();
 *                      q stays in flight
 *             WAIT:    nothing; q stays in flight, joined to a question already asked
 *             DROP:    query_release(p, q);
 *     send the batch
 *     while ((e = pipeline_next_refresh(p))) the same as FORWARD, without a query
 *
 * For bytes from an upstream's socket: e = exchange_match(p->exchanges, channel, bytes, len); when
 * e is not NULL: query_resume(). On ANSWER: while ((q = query_waiting(e))) { give q->answer a
 * buffer; query_finish(p, q) and send as above; query_release(p, q); } exchange_end(p->exchanges,
 * e); before any other call. On FORWARD: e->server_address and e->transport say where the bytes of
 * e->packet go now (perhaps over TCP). When a timer fires: while ((e =
 * exchange_overdue(p->exchanges, now_ms))) the same with query_expire(). When a channel breaks,
 * query_fail() for each exchange whose current try was on it. When a connection of a client closes:
 * query_abandon() for each query that came by it.
 *
 * Threads: a pipeline and everything reached from it belong to one worker. Worlds are shared,
 * read-only. Deny and cache-hit make no heap call, take no lock and make no system call.
 */
#ifndef RESOLVER_QUERY_QUERY_H
#define RESOLVER_QUERY_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/name.h"
#include "blocklists/store.h"
#include "resolver/base/address.h"
#include "resolver/base/clock.h"
#include "resolver/base/random.h"
#include "resolver/cache/cache.h"
#include "resolver/denials/asked.h"
#include "resolver/denials/journal.h"
#include "resolver/denials/pseudonym.h"
#include "resolver/dns/cookie.h"
#include "resolver/dns/message.h"
#include "resolver/policy/policy.h"
#include "resolver/query/counters.h"
#include "resolver/query/world.h"
#include "resolver/upstream/exchange.h"

enum query_next { QUERY_ANSWER, QUERY_FORWARD, QUERY_WAIT, QUERY_DROP };

struct query {
    /* Written by stage forward; first, so that a waiter is its query. */
    struct exchange_wait wait;
    struct exchange *exchange; /* what it waits for, or NULL */
    int64_t arrived_ms;        /* monotonic */

    /* Set by net. */
    const uint8_t *packet; /* the datagram or TCP message; borrowed until query_begin() returns */
    size_t packet_len;
    struct address client; /* with port */
    struct address local;  /* the address asked, from which the reply must come */
    uint32_t interface;    /* IP_PKTINFO's, or 0 */
    uint8_t transport;     /* enum denial_transport */
    void *channel;         /* net's own: the listening socket or the TCP connection */
    struct query *channel_next, **channel_link; /* net's own: the queries of a connection */
    uint8_t *answer;                            /* where to compose; borrowed for the call */
    size_t answer_room;                         /* octets there: at least 4096, 65535 for TCP */

    /* Written by stage parse. */
    struct dns_question question; /* id, flags, the name as asked and lower-cased, type, EDNS */
    uint8_t is_read;              /* the question is, and `parsed` is what it was found to be */
    uint8_t parsed;               /* enum dns_question_verdict */
    uint32_t cache_hash;          /* where the cache has its place */
    uint8_t is_searched; /* the cache has nothing, and where the lists have theirs is in … */
    struct bl_search search;

    /* Written by stage rewrite. */
    const struct dns_question *sought; /* what upstreams and cache are asked: the question, or what
                                          stands for it; holds for the call */

    /* Written by stage client. */
    uint16_t group;

    /* Written by stage lookup. */
    struct bl_found found;
    uint64_t found_in; /* the epoch of lists that told it, or WORLD_NO_EPOCH */

    /* Written by stage judge. */
    struct ruling ruling;

    /* Written by stage answer. */
    size_t answer_len;
};

/* How long a client may leave its connection idle: told to those who ask, RFC 7828. */
enum { QUERY_STREAM_IDLE_MS = 10 * 1000 };

enum {
    PIPELINE_QUERIES = 16384,
    PIPELINE_CLIENT_COUNTERS = 4096,
    PIPELINE_NETWORKS = 4096,
    PIPELINE_REFRESHES = 32
};

struct radar;
struct reply;
struct tallies;
struct verdicts;

struct pipeline {
    struct world *world;   /* the one this batch is judged by */
    struct policy_now now; /* what holds at this wake */
    struct moment moment;  /* the wake's only clock reading */
    struct cache *cache;
    struct exchanges *exchanges;
    struct journal *journal;       /* NULL: denials are counted only (self-test, `why`) */
    struct pseudonyms *pseudonyms; /* what clients are recorded as; NULL: by their addresses */
    struct asked *asked; /* NULL: allowed questions are not counted (`recording`, self-test) */
    struct journal *questions; /* NULL: allowed questions are not recorded one by one */
    struct counters *counters;
    struct tallies *tallies;    /* NULL: off (self-test, `why`) */
    struct verdicts *verdicts;  /* likewise */
    uint16_t *verdict_places;   /* verdicts.c's own: by group and category; may be NULL */
    struct dns_question sought; /* scratch: stage rewrite's */
    struct reply *reply;        /* scratch: the reply at hand, until its waiters are finished */
    struct exchange *refreshes[PIPELINE_REFRESHES]; /* begun, not sent yet */
    unsigned refresh_count;
    struct asked *asked_given; /* the options' */
    struct journal *const *questions_given;
    struct radar *radar; /* NULL: off (self-test, `why`) */
    struct random_pool random;
    struct cookies cookies; /* for clients */
    struct query *pool, *free;
    size_t pool_used, pool_size, waiting; /* `waiting`: for upstreams */
    uint64_t client_salt;
    int64_t network_due_us[PIPELINE_NETWORKS]; /* stage limit: when each has used up its answers */
    unsigned limited;
    uint16_t
        client_waiting[PIPELINE_CLIENT_COUNTERS]; /* queries in flight, by a hash of the client */
};

struct pipeline_options {
    struct world *world;              /* a reference is taken */
    struct journal *journal;          /* borrowed; may be NULL */
    struct asked *asked;              /* borrowed; may be NULL */
    struct pseudonyms *pseudonyms;    /* borrowed; may be NULL */
    struct journal *const *questions; /* borrowed: where the journal of allowed questions is found
                                         when a world wants it; atomic; may be NULL */
    struct counters *counters; /* borrowed: shared with status, written by this worker only */
    struct tallies *tallies;   /* borrowed, likewise; may be NULL */
    struct verdicts *verdicts; /* borrowed, likewise; may be NULL */
    size_t max_queries;        /* in flight; 0 for PIPELINE_QUERIES */
    bool has_radar;
    const uint8_t *cookie_seed; /* SIPHASH_KEY octets, the same for all workers; NULL: one's own */
};

int pipeline_create(const struct pipeline_options *options, struct moment moment,
                    struct pipeline **out_pipeline, struct bl_error *error);
void pipeline_destroy(struct pipeline *pipeline);

/* `cache: keep` (keep.h): what is cached goes to a file of the state folder when a worker has
 * ended, and comes from there before it begins. Without that key nothing is done. 0, or a negative
 * errno with a sentence, and all that is lost is the cache. */
int pipeline_keep_cache(const struct pipeline *pipeline, unsigned worker, struct bl_error *error);
int pipeline_adopt_cache(struct pipeline *pipeline, unsigned worker, size_t *out_count,
                         struct bl_error *error);

/* Records that are answered here must not be answered from what upstreams said before: the cache
 * forgets them, in one walk however many they are. */
void pipeline_forget_records(struct pipeline *pipeline);

/* Between two batches: the new world. Takes a reference, drops the old one's; cached replies stay
 * and get new facts when they are next used. 0, or -ENOMEM and everything stays as it was. */
int pipeline_enter(struct pipeline *pipeline, struct world *world);

/* Once per wake, before any query. */
void pipeline_wake(struct pipeline *pipeline, struct moment moment);

/* An exchange that nobody waits for and that is to be sent now, as after FORWARD, or NULL. Net asks
 * until there is none, after each batch. */
struct exchange *pipeline_next_refresh(struct pipeline *pipeline);

/* When most places are taken by queries that wait for upstreams, the exchange that has been waited
 * for longest gives way, so that there is a place for every question that can be answered at once:
 * its waiters are to be finished, as after ANSWER. NULL: none. Net asks until there is none. */
struct exchange *pipeline_next_crowded(struct pipeline *pipeline);

/* Whether this client may have one more query in flight, and that it has: stage forward. */
unsigned pipeline_client_waiting(struct pipeline *pipeline, const struct query *query);
bool pipeline_client_may_wait(struct pipeline *pipeline, const struct query *query);
void pipeline_client_waits(struct pipeline *pipeline, const struct query *query);

/* The client as records are to have it. */
static inline struct address pipeline_recorded(struct pipeline *pipeline,
                                               const struct address *client)
{
    return pipeline->pseudonyms ? pseudonym_of(pipeline->pseudonyms, client) : *client;
}

struct query *query_take(struct pipeline *pipeline);
void query_release(struct pipeline *pipeline, struct query *query);

/* Memory is slow and a batch is long: query_read() reads the question and has the index of the
 * cache fetched, query_fetch() the entry that it points to or, without one, what the lists say,
 * each while the rest of the batch has its turn. A single question may go without; query_begin()
 * then reads it. */
void query_read(struct pipeline *pipeline, struct query *query);
void query_fetch(const struct pipeline *pipeline, struct query *query);

enum query_next query_begin(struct pipeline *pipeline, struct query *query);
enum query_next query_resume(struct pipeline *pipeline, struct exchange *exchange,
                             const uint8_t *bytes, size_t len);
enum query_next query_expire(struct pipeline *pipeline, struct exchange *exchange);
enum query_next query_fail(struct pipeline *pipeline, struct exchange *exchange);
enum query_next query_finish(struct pipeline *pipeline, struct query *query);

/* Takes the next waiting query off a finished exchange, or NULL. */
struct query *query_waiting(struct exchange *exchange);

/* The client of a query in flight has gone: takes it off its exchange and releases it. */
void query_abandon(struct pipeline *pipeline, struct query *query);

/* What may be passed on: Internet class, and types that name data; ANY is answered here. */
bool query_is_forwardable(const struct dns_question *question);

#endif
