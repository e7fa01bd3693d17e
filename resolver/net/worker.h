/* One worker: a thread with a loop, its sockets and its pipeline. Private to net/.
 *
 * A turn of the loop: the kernel says which sockets are ready; the callbacks of datagram.c,
 * stream.c, port.c and link.c read what is there, drive the pipeline and collect answers; before
 * the loop sleeps again, worker_settle() sends what was collected and sets the one timer to the
 * next deadline. The clock is read once a turn, by the first callback that calls worker_wake(), and
 * once more when answers were sent, for how long they took.
 *
 * Threads: everything here belongs to its worker's thread, but `counters` (read by others) and
 * `async`.
 */
#ifndef RESOLVER_NET_WORKER_H
#define RESOLVER_NET_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "resolver/net/channel.h"
#include "resolver/net/limits.h"
#include "resolver/net/listen.h"
#include "resolver/query/query.h"

struct server;
struct datagrams; /* datagram.c: one UDP socket that clients ask */
struct incoming;  /* datagram.c: receive buffers, shared by the worker's sockets */
struct streams;   /* stream.c: the TCP listeners and connections of a worker */
struct ports;     /* port.c: UDP sockets towards upstreams */
struct links;     /* link.c: TCP and TLS connections towards upstreams */

/* Something to be done on the worker's thread between two batches. */
struct visit {
    void (*run)(struct pipeline *pipeline, unsigned worker, void *user);
    void *user;
    struct visit *next;
};

struct worker {
    uv_loop_t loop;
    struct server *server;
    unsigned number;
    pthread_t thread;
    bool started;

    struct pipeline *pipeline;
    struct counters *counters; /* borrowed from the server */
    struct moment now;
    int64_t turn_us;            /* monotonic: when this turn began */
    uint64_t hits, own_answers; /* given in this turn: from the cache, or without it */
    bool awake;                 /* the clock was read in this turn */
    bool stopping;              /* no new questions; ends when none is in flight */
    int64_t stop_at_ms;
    uint64_t turns; /* of the sweep timer, every SWEEP_MS; read by others: atomic */

    uv_prepare_t prepare;
    uv_check_t check;
    uv_async_t async;
    uv_timer_t deadline_timer, sweep_timer;
    int64_t lookup_logged_ms;
    uint64_t lookup_suppressed;
    int64_t deadline_ms; /* what deadline_timer is set to; INT64_MAX when it is not */

    struct incoming *incoming;
    struct datagrams **datagrams;
    size_t datagram_count;
    struct streams *streams;
    struct ports *ports;
    struct links *links;

    /* From other threads, under `lock`. */
    pthread_mutex_t lock;
    struct world *next_world;
    struct visit *visits;
    bool stop_asked;
};

/* 0 or a negative errno; sockets of `listeners` for this worker are taken. On the starting thread.
 */
int worker_create(struct server *server, unsigned number, struct listeners *listeners,
                  const struct pipeline_options *options, struct worker **out_worker,
                  struct bl_error *error);
int worker_start(struct worker *worker, struct bl_error *error);
void worker_destroy(
    struct worker *worker); /* after its thread ended, or never began; NULL is fine */

/* This worker's share of the descriptors that the process may open and that lists, records, loops
 * and callers of the control socket leave: ports take half of it, connections of clients a quarter.
 */
size_t worker_descriptors(const struct worker *worker);

/* Reads the clock unless this turn has. Every callback that gets to the pipeline calls it first. */
void worker_wake(struct worker *worker);

/* Carries out what the pipeline decided about an exchange, until it waits or is answered and gone.
 */
void worker_follow(struct worker *worker, struct exchange *exchange, enum query_next next);

/* A question that came; its answer's room is set. ANSWER and DROP are left to the caller, who has
 * the query back; with WAIT it is in flight, or has been answered and released already. */
enum query_next worker_question(struct worker *worker, struct query *query);

#endif
