#include "resolver/net/server.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/base/check.h"
#include "resolver/net/worker.h"

struct server {
    unsigned count, running;
    struct worker **workers;
    struct counters *counters; /* one for each worker */
    struct tallies *tallies;   /* likewise */
    struct verdicts *verdicts; /* likewise */
    pthread_mutex_t lock;      /* guards `stopped`; held while something is handed to all workers */
    bool stopped;
};

/* One server_visit() under way. */
struct tour {
    void (*visit)(struct pipeline *pipeline, unsigned worker, void *user);
    void *user;
    pthread_mutex_t lock;
    pthread_cond_t done;
    unsigned left;
};

/* Workers share the secret of cookies: a client's next question may come to another one. */
static void seed_fill(uint8_t seed[SIPHASH_KEY])
{
    struct random_pool random;

    random_init(&random);
    for (size_t i = 0; i < SIPHASH_KEY; i += 2)
        dns_put_16(seed + i, random_16(&random));
}

int server_create(struct listeners *listeners, struct world *world,
                  const struct server_records *records, struct server **out_server,
                  struct bl_error *error)
{
    struct server *server = calloc(1, sizeof *server);
    unsigned workers = listeners->workers;
    uint8_t seed[SIPHASH_KEY];
    int code = -ENOMEM;

    seed_fill(seed);
    if (server) {
        pthread_mutex_init(&server->lock, NULL);
        server->workers = calloc(workers, sizeof(struct worker *));
        server->counters =
            aligned_alloc(_Alignof(struct counters), workers * sizeof(struct counters));
        server->tallies = aligned_alloc(_Alignof(struct tallies), workers * sizeof(struct tallies));
        server->verdicts =
            aligned_alloc(_Alignof(struct verdicts), workers * sizeof(struct verdicts));
    }
    if (!server || !server->workers || !server->counters || !server->tallies || !server->verdicts) {
        bl_error_set(error, code, "out of memory for %u workers", workers);
    } else {
        memset(server->counters, 0, workers * sizeof(struct counters));
        memset(server->tallies, 0, workers * sizeof(struct tallies));
        memset(server->verdicts, 0, workers * sizeof(struct verdicts));
        code = 0;
        for (unsigned i = 0; i < workers && code == 0; i++) {
            struct pipeline_options options = {
                .world = world,
                .journal = records->journals ? records->journals[i] : NULL,
                .asked = records->asked ? records->asked[i] : NULL,
                .pseudonyms = records->pseudonyms ? records->pseudonyms[i] : NULL,
                .questions = records->questions ? &records->questions[i] : NULL,
                .counters = &server->counters[i],
                .tallies = &server->tallies[i],
                .verdicts = &server->verdicts[i],
                .has_radar = true,
                .cookie_seed = seed};
            code = worker_create(server, i, listeners, &options, &server->workers[i], error);
            server->count += code == 0;
        }
    }
    if (code < 0) {
        server_destroy(server);
        return code;
    }
    *out_server = server;
    return 0;
}

int server_start(struct server *server, struct bl_error *error)
{
    for (; server->running < server->count; server->running++) {
        int code = worker_start(server->workers[server->running], error);
        if (code < 0)
            return code;
    }
    return 0;
}

void server_announce(struct server *server, struct world *world)
{
    pthread_mutex_lock(&server->lock);
    for (unsigned i = 0; i < server->count && !server->stopped; i++) {
        struct worker *worker = server->workers[i];
        struct world *unseen;
        pthread_mutex_lock(&worker->lock);
        unseen = worker->next_world;
        worker->next_world = world_ref(world);
        pthread_mutex_unlock(&worker->lock);
        world_unref(unseen);
        uv_async_send(&worker->async);
    }
    pthread_mutex_unlock(&server->lock);
}

static void tour_run(struct pipeline *pipeline, unsigned worker, void *user)
{
    struct tour *tour = user;

    tour->visit(pipeline, worker, tour->user);
    pthread_mutex_lock(&tour->lock);
    if (--tour->left == 0)
        pthread_cond_signal(&tour->done);
    pthread_mutex_unlock(&tour->lock);
}

int server_visit(struct server *server,
                 void (*visit)(struct pipeline *pipeline, unsigned worker, void *user), void *user)
{
    struct tour tour = {.visit = visit, .user = user, .left = server->count};
    struct visit *visits = calloc(server->count, sizeof *visits);
    bool stopped;

    if (!visits)
        return -ENOMEM;
    pthread_mutex_init(&tour.lock, NULL);
    pthread_cond_init(&tour.done, NULL);
    pthread_mutex_lock(&server->lock);
    stopped = server->stopped;
    for (unsigned i = 0; i < server->count && !stopped; i++) {
        struct worker *worker = server->workers[i];
        struct visit **end;
        visits[i] = (struct visit){tour_run, &tour, NULL};
        pthread_mutex_lock(&worker->lock);
        for (end = &worker->visits; *end; end = &(*end)->next)
            ;
        *end = &visits[i];
        pthread_mutex_unlock(&worker->lock);
        uv_async_send(&worker->async);
    }
    pthread_mutex_unlock(&server->lock);
    pthread_mutex_lock(&tour.lock);
    while (tour.left && !stopped)
        pthread_cond_wait(&tour.done, &tour.lock);
    pthread_mutex_unlock(&tour.lock);
    pthread_cond_destroy(&tour.done);
    pthread_mutex_destroy(&tour.lock);
    free(visits);
    return stopped ? -ESHUTDOWN : 0;
}

void server_stop(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    server->stopped = true;
    for (unsigned i = 0; i < server->running; i++) {
        struct worker *worker = server->workers[i];
        pthread_mutex_lock(&worker->lock);
        worker->stop_asked = true;
        pthread_mutex_unlock(&worker->lock);
        uv_async_send(&worker->async);
    }
    pthread_mutex_unlock(&server->lock);
    /* Visits asked for before are still run: the loop takes them together with the request to stop.
     */
    for (unsigned i = 0; i < server->running; i++)
        CHECK(pthread_join(server->workers[i]->thread, NULL) == 0);
    server->running = 0;
}

void server_destroy(struct server *server)
{
    if (!server)
        return;
    if (server->running)
        server_stop(server);
    for (unsigned i = 0; i < server->count; i++)
        worker_destroy(server->workers[i]);
    free(server->workers);
    free(server->counters);
    free(server->tallies);
    free(server->verdicts);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

unsigned server_workers(const struct server *server)
{
    return server->count;
}

uint64_t server_turns(const struct server *server, unsigned worker)
{
    return __atomic_load_n(&server->workers[worker]->turns, __ATOMIC_RELAXED);
}

void server_counters(const struct server *server, struct counters *out_sum)
{
    struct counters sum = {0};

    for (unsigned i = 0; i < server->count; i++) {
#define COUNTER_ADD(name, meaning)                                                                 \
    sum.name += __atomic_load_n(&server->counters[i].name, __ATOMIC_RELAXED);
        COUNTERS(COUNTER_ADD)
#undef COUNTER_ADD
    }
    *out_sum = sum;
}

void server_tallies(const struct server *server, struct tallies *out_sum)
{
    memset(out_sum, 0, sizeof *out_sum);
    for (unsigned i = 0; i < server->count; i++)
        tallies_sum(out_sum, &server->tallies[i]);
}

void server_verdicts(const struct server *server, struct verdicts *out_sum)
{
    memset(out_sum, 0, sizeof *out_sum);
    for (unsigned i = 0; i < server->count; i++)
        verdicts_sum(out_sum, &server->verdicts[i]);
}
