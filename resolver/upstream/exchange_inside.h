/* What exchange.c (the life of a question), exchange_servers.c (whom it may be put to),
 * exchange_try.c (putting it to one of them), exchange_outcome.c (what became of that),
 * exchange_wait.c (who waits for it) and exchange_failures.c (what was asked in vain) share.
 * Private to upstream/.
 *
 * Threads: as in exchange.h, one worker's alone.
 */
#ifndef RESOLVER_UPSTREAM_EXCHANGE_INSIDE_H
#define RESOLVER_UPSTREAM_EXCHANGE_INSIDE_H

#include "resolver/upstream/exchange.h"

enum {
    TICK_MS = 8,
    WHEEL = 1024, /* ticks: 8 s, longer than any exchange lives */
    FAILURES = 4096,
    LATER_PATIENCE_MS = 800,
    PROBE_PATIENCE_MS = 30, /* for a dead server that is tried again, where others live */
    TCP_PATIENCE_MS = 2000,
    /* How long a server that answered only without EDNS is asked without it: at first not for long,
     * since perhaps it was an outage that ended just then. */
    PLAIN_FIRST_MS = 1000,
    PLAIN_MS = 60000,
};

struct failure {
    uint32_t key_hash;
    bool is_silence; /* nobody said anything at all */
    int64_t asked_ms, since_ms;
};

struct zone {
    uint8_t name[BL_NAME_MAX];
    uint32_t servers;
};

struct exchanges {
    struct exchange *pool;
    struct exchange *free;
    size_t used, most, count;
    struct exchange **by_key;
    struct exchange_try **by_match;
    uint32_t table_mask;
    uint64_t seed; /* so that nobody can choose which questions share a place */
    struct exchange *wheel[WHEEL];
    uint64_t wheel_bits[WHEEL / 64];
    int64_t wheel_tick; /* everything before it has been seen */
    struct failure failures[FAILURES];
    int64_t failures_until_ms; /* when the last of them is forgotten */
    int64_t recovered_ms;      /* when a server that had failed to answer last answered */
    int64_t revived_ms;        /* when one that had been put aside did: the end of an outage */
    struct exchange *oldest, **oldest_end; /* by age: those that queries wait for */
    struct upstreams upstreams;
    uint32_t default_servers; /* a bit each */
    uint32_t bootstrap_servers;
    struct bootstrap bootstrap;
    uint32_t epoch;     /* counts the changes of all these */
    struct zone *zones; /* forward-zones: names with servers of their own */
    size_t zone_count;
    int64_t patience_limit_ms;
};

void exchanges_forget_failures(struct exchanges *exchanges);
uint32_t exchanges_question_hash(const struct exchanges *exchanges,
                                 const struct dns_question *question);
void exchange_age_remove(struct exchanges *exchanges, struct exchange *exchange);

/* The servers for a name, a bit each: those of the zone it is in, or the ordinary ones. */
uint32_t exchanges_servers_for(const struct exchanges *exchanges, const uint8_t *name);
bool exchanges_any_lives(const struct exchanges *exchanges, uint32_t servers);

/* A try is listened to no longer. */
void exchange_match_remove(struct exchanges *exchanges, struct exchange_try *try);

/* The try that the bytes at hand answer, or the last one. */
const struct exchange_try *exchange_newest_or_matched(const struct exchange *exchange);

/* The server of a try; NULL when another configuration has put others in its place. */
struct upstream *exchange_try_upstream(struct exchanges *exchanges, const struct exchange_try *try);

#endif
