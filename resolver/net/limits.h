/* What strangers may make grow, and by how much. One place, so that the sum is easy to see.
 *
 * For each worker: receive and send buffers about 400 KiB, of which only what batches really use is
 * touched; a connection of a client is below 1 KiB while idle and at most about 90 KiB while it is
 * abused.
 */
#ifndef RESOLVER_NET_LIMITS_H
#define RESOLVER_NET_LIMITS_H

#include "resolver/query/query.h"

enum {
    /* Datagrams. */
    BATCH = 64,           /* of one recvmmsg or sendmmsg */
    BATCHES_PER_WAKE = 8, /* then the other sockets have their turn */
    DATAGRAM_SIZE = 1600, /* a longer question is none that we know of; not a power of two, so that
                             the first lines of a batch do not compete for the same cache set */
    ANSWER_ROOM = 4096,

    /* Connections of clients (RFC 7766 section 6.2). Counts are for the whole daemon. */
    STREAMS_MAX = 4096,
    STREAMS_PER_CLIENT = 100,
    STREAM_IDLE_MS = QUERY_STREAM_IDLE_MS, /* since the last whole question, so that trickled octets
                                              win nothing */
    STREAM_QUERIES_MAX = 100, /* in flight on one connection; then we stop reading from it */
    STREAM_QUESTION_MAX = 4096,
    STREAM_UNSENT_MAX = 64 * 1024, /* answers that the client does not take; then we stop reading */
    STREAM_UNSENT_LIMIT = 512 * 1024, /* then the connection is closed */
    LISTEN_BACKLOG = 1024,
    STREAM_READ = 16 * 1024, /* octets of one read */

    /* Upstream UDP: sockets, each with a random port of its own, for each upstream and worker. */
    PORTS_PER_UPSTREAM = 512,
    PORTS_ALONE = 16,   /* more new questions than these make a turn crowded … */
    PORTS_CROWDED = 16, /* … so many crowded turns are a flood, whose questions share ports … */
    PORTS_CALM_MS = 50, /* … until there was none for so long */
    PORT_USES_MIN = 64, /* a port is given back after so many questions, or up to twice that … */
    PORT_AGE_MS = 60 * 1000, /* … or after this time */
    PORT_TRIES = 32,         /* binds to random ports until one is free */
    POOLS_MAX = 64,
    POOL_IDLE_MS = 120 * 1000,

    /* Upstream TCP and TLS, for each upstream and worker. */
    LINKS_PER_UPSTREAM = 8,
    LINK_QUERIES_SPREAD = 64, /* in flight on one before another one is opened */
    LINK_QUERIES_MAX = 1024,
    LINK_CONNECT_MS = 3 * 1000,
    LINK_SILENT_MS = 4 * 1000,
    LINK_HOLD_MS = 1000,
    LINK_LOG_MS = 60 * 1000,
    LOOKUP_LOG_MS = 60 * 1000,
    LINK_IDLE_MS = 20 * 1000,
    LINK_UNSENT_MAX = 256 * 1024,

    UPSTREAM_EVENTS = 64, /* sockets read in one turn */
    UPSTREAM_SIZE = 2112, /* octets of a reply; we ask for at most 1232 */
    SWEEP_MS = 1000,      /* how often deadlines of connections are looked at */
    STOP_MS = 4000,       /* how long questions in flight may take to be answered at the end */
};

#endif
