/* The answering side of the daemon: workers, their sockets, and what others may ask of them.
 *
 *   listeners_open()   while still privileged (listen.h)
 *   server_create()    pipelines and loops; nothing is answered yet
 *   server_start()     threads; from here on questions are answered
 *   server_announce()  a new world: each worker takes it between two batches
 *   server_visit()     runs a function on each worker's thread between two batches (flush, figures)
 *   server_stop()      no new questions, those in flight are answered, threads end
 *
 * Threads: create, start, stop and destroy by the main thread. Announce and visit by any thread but
 * a worker's; what they do is done one after the other by each worker, in the order it was asked
 * for.
 *
 * Failure modes: server_create() fails whole. A worker that cannot enter a new world for want of
 * memory keeps the old one and says so. After server_stop() visits return -ESHUTDOWN.
 */
#ifndef RESOLVER_NET_SERVER_H
#define RESOLVER_NET_SERVER_H

#include <stdint.h>

#include "blocklists/error.h"
#include "resolver/net/listen.h"
#include "resolver/query/query.h"
#include "resolver/query/tally.h"
#include "resolver/query/verdicts.h"

struct server;

/* Where workers put what they record: arrays of one for each worker, borrowed until
 * server_destroy(). */
struct server_records {
    struct journal *const *journals;      /* NULL: denials are counted only */
    struct asked *const *asked;           /* NULL: allowed questions are not counted */
    struct pseudonyms *const *pseudonyms; /* NULL: clients are recorded by their addresses */
    struct journal *const *questions; /* those of allowed questions, once they are needed; atomic */
};

/* Takes the sockets of `listeners` (free it with listeners_close() all the same). `world` is
 * referenced. */
int server_create(struct listeners *listeners, struct world *world,
                  const struct server_records *records, struct server **out_server,
                  struct bl_error *error);
int server_start(struct server *server, struct bl_error *error);

void server_announce(struct server *server, struct world *world); /* takes references of its own */

/* Runs `visit` on each worker and waits until all have. 0 or -ESHUTDOWN. `visit` must not wait or
 * call back. */
int server_visit(struct server *server,
                 void (*visit)(struct pipeline *pipeline, unsigned worker, void *user), void *user);

/* Within STOP_MS and a little; answers what is in flight. */
void server_stop(struct server *server);
void server_destroy(struct server *server); /* NULL is fine */

unsigned server_workers(const struct server *server);
/* A number that grows, every SWEEP_MS or so, while this worker's loop turns. Any thread. */
uint64_t server_turns(const struct server *server, unsigned worker);
/* The sum over the workers, each number read once. Any thread. */
void server_counters(const struct server *server, struct counters *out_sum);
void server_tallies(const struct server *server, struct tallies *out_sum);   /* likewise */
void server_verdicts(const struct server *server, struct verdicts *out_sum); /* likewise */

#endif
