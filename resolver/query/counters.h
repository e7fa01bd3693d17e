/* What a worker counts. Written by its worker with plain relaxed stores, read by status and
 * metrics; each worker's struct stands on cache lines of its own. Names are those shown by
 * `chalkgate status`.
 */
#ifndef RESOLVER_QUERY_COUNTERS_H
#define RESOLVER_QUERY_COUNTERS_H

#include <stdint.h>

#define COUNTERS(X)                                                                                \
    X(queries, "questions received")                                                               \
    X(queries_tcp, "of them over TCP")                                                             \
    X(malformed, "datagrams that were no question")                                                \
    X(not_implemented, "opcodes and EDNS versions not served")                                     \
    X(refused_clients, "questions from addresses in no group")                                     \
    X(denied, "questions denied")                                                                  \
    X(denied_answers, "of them for something in the answer")                                       \
    X(observed, "questions that would have been denied")                                           \
    X(rewritten, "questions answered with a rewrite")                                              \
    X(local, "questions answered from our own data")                                               \
    X(cache_hits, "answers from the cache")                                                        \
    X(cache_stale, "stale answers while no upstream answered")                                     \
    X(cache_misses, "questions that had to be forwarded")                                          \
    X(refreshed, "answers fetched again before they ended, or while stale")                        \
    X(joined, "questions joined to one already in flight")                                         \
    X(forwarded, "questions sent to upstreams")                                                    \
    X(forwarded_tcp, "of them over TCP")                                                           \
    X(retried, "questions sent again to another upstream")                                         \
    X(replies, "replies from upstreams")                                                           \
    X(replies_refused, "bytes from upstreams that answered nothing asked")                         \
    X(replies_failed, "replies with SERVFAIL, REFUSED and the like")                               \
    X(timeouts, "tries that no upstream answered in time")                                         \
    X(servfail, "SERVFAIL answers")                                                                \
    X(truncated, "answers that did not fit the datagram")                                          \
    X(limited, "questions beyond a network's rate: sent to TCP, or dropped")                       \
    X(dropped, "questions dropped")                                                                \
    X(overload, "questions dropped or given up for want of room")                                  \
    X(expectations, "odd things met and survived")

struct counters {
#define COUNTER_FIELD(name, meaning) uint64_t name;
    COUNTERS(COUNTER_FIELD)
#undef COUNTER_FIELD
} __attribute__((aligned(128)));

/* One writer: a load and a store, no locked instruction. */
#define COUNT(counters, name) COUNT_ADD(counters, name, 1)
#define COUNT_ADD(counters, name, by)                                                              \
    __atomic_store_n(&(counters)->name,                                                            \
                     __atomic_load_n(&(counters)->name, __ATOMIC_RELAXED) + (by),                  \
                     __ATOMIC_RELAXED)

#endif
