#include "resolver/net/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "resolver/base/check.h"
#include "resolver/base/log.h"
#include "resolver/base/thread.h"
#include "resolver/net/datagram.h"
#include "resolver/net/link.h"
#include "resolver/net/port.h"
#include "resolver/net/stream.h"
#include "resolver/query/verdicts.h"

enum {
    STACK_SIZE = 512 * 1024,
    DESCRIPTORS_OWN = 128, /* of the process: sockets that listen, loops, lists, records, callers */
    DESCRIPTORS_MOST = 1024 * 1024,
};

void worker_wake(struct worker *worker)
{
    if (worker->awake)
        return;
    worker->awake = true;
    worker->now = clock_read();
    worker->turn_us = clock_mono_us();
    pipeline_wake(worker->pipeline, worker->now);
}

/* Gives a waiting query its answer. */
static void query_deliver(struct worker *worker, struct query *query)
{
    if (query->transport == OVER_UDP) {
        struct datagrams *d = query->channel;
        query->answer = datagrams_room(d);
        query->answer_room = ANSWER_ROOM;
        if (!query->answer)
            COUNT(worker->counters, overload);
        else if (query_finish(worker->pipeline, query) == QUERY_ANSWER)
            datagrams_answer(d, query);
    } else if (EXPECT(query->channel != NULL)) {
        stream_deliver(worker, query);
    }
    query_release(worker->pipeline, query);
}

static int exchange_dispatch(struct worker *worker, struct exchange *exchange)
{
    if (exchange->transport == TRANSPORT_UDP)
        return ports_send(worker->ports, exchange);
    return links_send(worker->links, exchange);
}

void worker_follow(struct worker *worker, struct exchange *exchange, enum query_next next)
{
    struct query *query;

    while (next == QUERY_FORWARD) {
        if (exchange_dispatch(worker, exchange) == 0)
            return;
        next = query_fail(worker->pipeline, exchange);
    }
    if (next == QUERY_WAIT)
        return;
    while ((query = query_waiting(exchange)))
        query_deliver(worker, query);
    channels_leave(worker, exchange);
    exchange_end(worker->pipeline->exchanges, exchange);
}

enum query_next worker_question(struct worker *worker, struct query *query)
{
    uint64_t hits = worker->counters->cache_hits;
    enum query_next next = query_begin(worker->pipeline, query);

    if (next == QUERY_ANSWER)
        ++*(worker->counters->cache_hits != hits ? &worker->hits : &worker->own_answers);
    if (next != QUERY_FORWARD)
        return next;
    worker_follow(worker, query->exchange, QUERY_FORWARD);
    return QUERY_WAIT;
}

static void latencies_note(struct worker *worker)
{
    struct verdicts *verdicts = worker->pipeline->verdicts;
    int64_t took_us;

    if (!worker->hits && !worker->own_answers)
        return;
    took_us = clock_mono_us() - worker->turn_us;
    latency_note(verdicts, LATENCY_CACHE, took_us, worker->hits);
    latency_note(verdicts, LATENCY_OWN, took_us, worker->own_answers);
    worker->hits = worker->own_answers = 0;
}

/* Sends what this turn has collected, and sets the timer to the next deadline of an exchange. */
static void worker_settle(struct worker *worker)
{
    struct exchange *exchange;
    int64_t next, wait;

    while ((exchange = pipeline_next_refresh(worker->pipeline)))
        worker_follow(worker, exchange, QUERY_FORWARD);
    while ((exchange = pipeline_next_crowded(worker->pipeline)))
        worker_follow(worker, exchange, QUERY_ANSWER);
    /* What could not be sent upstream may be answered by that, so answers come last. */
    streams_settle(worker->streams);
    ports_flush(worker->ports);
    links_flush(worker->links);
    for (size_t i = 0; i < worker->datagram_count; i++)
        datagrams_flush(worker->datagrams[i]);
    streams_settle(worker->streams);
    latencies_note(worker);
    next = exchange_next_deadline(worker->pipeline->exchanges);
    if (next == worker->deadline_ms)
        return;
    worker->deadline_ms = next;
    if (next == INT64_MAX) {
        uv_timer_stop(&worker->deadline_timer);
        return;
    }
    wait = next > worker->now.mono_ms ? next - worker->now.mono_ms : 0;
    uv_timer_start(&worker->deadline_timer, worker->deadline_timer.timer_cb, (uint64_t)wait, 0);
}

static void on_deadline(uv_timer_t *timer)
{
    struct worker *worker = timer->data;
    struct exchange *exchange;

    worker_wake(worker);
    worker->deadline_ms = INT64_MAX;
    while ((exchange = exchange_overdue(worker->pipeline->exchanges, worker->now.mono_ms)))
        worker_follow(worker, exchange, query_expire(worker->pipeline, exchange));
}

static void worker_end(struct worker *worker)
{
    for (size_t i = 0; i < worker->datagram_count; i++)
        datagrams_close(worker->datagrams[i]);
    worker->datagram_count = 0;
    streams_close(worker->streams);
    ports_close(worker->ports);
    links_close(worker->links);
    uv_close((uv_handle_t *)&worker->prepare, NULL);
    uv_close((uv_handle_t *)&worker->check, NULL);
    uv_close((uv_handle_t *)&worker->async, NULL);
    uv_close((uv_handle_t *)&worker->deadline_timer, NULL);
    uv_close((uv_handle_t *)&worker->sweep_timer, NULL);
}

static bool worker_is_done(const struct worker *worker)
{
    return worker->stopping && (exchange_count(worker->pipeline->exchanges) == 0 ||
                                worker->now.mono_ms >= worker->stop_at_ms);
}

static void on_check(uv_check_t *check)
{
    struct worker *worker = check->data;

    worker_settle(worker);
    if (worker_is_done(worker))
        worker_end(worker);
}

/* After the timers, before the loop sleeps. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct worker *worker = prepare->data;

    worker_settle(worker);
    worker->awake = false;
}

/* Once a minute, by one worker for all. */
static void lookup_trouble_log(struct worker *worker)
{
    const char *host = exchanges_lookup_trouble(worker->pipeline->exchanges);

    if (!host || worker->number ||
        !log_limited(worker->now.mono_ms, LOOKUP_LOG_MS, &worker->lookup_logged_ms,
                     &worker->lookup_suppressed))
        return;
    log_warning("the address of the upstream %s is not known: the servers under `bootstrap` do not "
                "tell it. It is not used until they do; please look at its name and at theirs",
                host);
}

static void on_sweep(uv_timer_t *timer)
{
    struct worker *worker = timer->data;

    worker_wake(worker);
    __atomic_fetch_add(&worker->turns, 1, __ATOMIC_RELAXED);
    lookup_trouble_log(worker);
    streams_sweep(worker->streams);
    ports_sweep(worker->ports);
    links_sweep(worker->links);
}

static void stop_begin(struct worker *worker)
{
    worker->stopping = true;
    worker->stop_at_ms = worker->now.mono_ms + STOP_MS;
    /* What the kernel had taken for us before we were asked to stop is still answered. */
    for (size_t i = 0; i < worker->datagram_count; i++)
        datagrams_stop(worker->datagrams[i]);
    streams_stop(worker->streams);
}

/* Between two batches: a new world, visitors, the end. */
static void on_async(uv_async_t *async)
{
    struct worker *worker = async->data;
    struct world *world;
    struct visit *visits;
    bool stop;

    worker_wake(worker);
    pthread_mutex_lock(&worker->lock);
    world = worker->next_world;
    visits = worker->visits;
    stop = worker->stop_asked;
    worker->next_world = NULL;
    worker->visits = NULL;
    pthread_mutex_unlock(&worker->lock);
    if (world && pipeline_enter(worker->pipeline, world) < 0)
        log_error("worker %u: out of memory, the old lists and rules stay in force",
                  worker->number);
    world_unref(world);
    while (visits) {
        struct visit *visit = visits;
        visits = visit->next; /* its owner may free it as soon as it ran */
        visit->run(worker->pipeline, worker->number, visit->user);
    }
    if (stop && !worker->stopping)
        stop_begin(worker);
}

static int loop_init(struct worker *worker)
{
    int code = uv_loop_init(&worker->loop);

    if (code < 0)
        return code;
    uv_prepare_init(&worker->loop, &worker->prepare);
    uv_check_init(&worker->loop, &worker->check);
    uv_timer_init(&worker->loop, &worker->deadline_timer);
    uv_timer_init(&worker->loop, &worker->sweep_timer);
    CHECK(uv_async_init(&worker->loop, &worker->async, on_async) == 0);
    worker->prepare.data = worker->check.data = worker->async.data = worker;
    worker->deadline_timer.data = worker->sweep_timer.data = worker;
    worker->deadline_timer.timer_cb = on_deadline;
    worker->deadline_ms = INT64_MAX;
    return 0;
}

static int sockets_take(struct worker *worker, struct listeners *listeners)
{
    struct listen_socket *sockets = listeners->items + worker->number * listeners->per_worker;
    int code = 0;

    worker->datagrams = calloc(listeners->per_worker, sizeof(struct datagrams *));
    if (!worker->datagrams)
        return -ENOMEM;
    for (size_t i = 0; i < listeners->per_worker && code == 0; i++) {
        if (sockets[i].is_stream) {
            code = streams_listen(worker->streams, &sockets[i]);
        } else {
            code =
                datagrams_create(worker, &sockets[i], &worker->datagrams[worker->datagram_count]);
            if (code == 0)
                worker->datagram_count++;
        }
    }
    return code;
}

static int parts_create(struct worker *worker, const struct pipeline_options *options,
                        struct bl_error *error)
{
    int code = pipeline_create(options, clock_read(), &worker->pipeline, error);

    if (code < 0)
        return code;
    code = incoming_create(&worker->incoming);
    if (code == 0)
        code = streams_create(worker, &worker->streams);
    if (code == 0)
        code = ports_create(worker, &worker->ports);
    if (code == 0)
        code = links_create(worker, &worker->links);
    if (code < 0)
        return bl_error_set(error, code, "cannot set up worker %u: %s", worker->number,
                            strerror(-code));
    return 0;
}

size_t worker_descriptors(const struct worker *worker)
{
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY};
    unsigned workers = worker->pipeline->world->config->workers;
    size_t all = DESCRIPTORS_MOST, own;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < all)
        all = (size_t)limit.rlim_cur;
    own = all / 2 < DESCRIPTORS_OWN ? all / 2 : DESCRIPTORS_OWN;
    return (all - own) / (workers ? workers : 1);
}

static void cache_begin(struct worker *worker)
{
    struct bl_error error;
    size_t count;

    if (pipeline_adopt_cache(worker->pipeline, worker->number, &count, &error) < 0)
        log_notice("worker %u begins with an empty cache: %s", worker->number, error.text);
    else if (count)
        log_info("worker %u: %zu answers of before are in its cache", worker->number, count);
}

static void cache_end(const struct worker *worker)
{
    struct bl_error error;

    if (pipeline_keep_cache(worker->pipeline, worker->number, &error) < 0)
        log_warning("worker %u: %s", worker->number, error.text);
}

int worker_create(struct server *server, unsigned number, struct listeners *listeners,
                  const struct pipeline_options *options, struct worker **out_worker,
                  struct bl_error *error)
{
    struct worker *worker = calloc(1, sizeof *worker);
    int code;

    if (!worker)
        return bl_error_set(error, -ENOMEM, "out of memory for worker %u", number);
    worker->server = server;
    worker->number = number;
    worker->counters = options->counters;
    pthread_mutex_init(&worker->lock, NULL);
    code = loop_init(worker);
    if (code < 0) {
        free(worker);
        return bl_error_set(error, code, "cannot set up an event loop: %s", uv_strerror(code));
    }
    code = parts_create(worker, options, error);
    if (code == 0) {
        code = sockets_take(worker, listeners);
        if (code < 0)
            bl_error_set(error, code, "cannot watch the sockets of worker %u: %s", number,
                         strerror(-code));
    }
    if (code < 0) {
        worker_destroy(worker);
        return code;
    }
    cache_begin(worker);
    *out_worker = worker;
    return 0;
}

static void *worker_run(void *user)
{
    struct worker *worker = user;

    worker_wake(worker); /* the first turn may have something to send: addresses of upstreams */
    for (size_t i = 0; i < worker->datagram_count; i++)
        CHECK(datagrams_start(worker->datagrams[i]) == 0);
    uv_prepare_start(&worker->prepare, on_prepare);
    uv_check_start(&worker->check, on_check);
    uv_timer_start(&worker->sweep_timer, on_sweep, SWEEP_MS, SWEEP_MS);
    uv_run(&worker->loop, UV_RUN_DEFAULT);
    return NULL;
}

int worker_start(struct worker *worker, struct bl_error *error)
{
    pthread_attr_t attributes;
    char name[16];
    int code;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    code = thread_begin(&worker->thread, &attributes, worker_run, worker);
    pthread_attr_destroy(&attributes);
    if (code < 0)
        return bl_error_set(error, code, "cannot start worker %u: %s", worker->number,
                            strerror(-code));
    worker->started = true;
    snprintf(name, sizeof name, "worker %u", worker->number);
    pthread_setname_np(worker->thread, name);
    return 0;
}

void worker_destroy(struct worker *worker)
{
    if (!worker)
        return;
    if (!worker->started) {
        worker_end(worker);
        uv_run(&worker->loop, UV_RUN_DEFAULT);
    }
    CHECK(uv_loop_close(&worker->loop) == 0);
    if (worker->started)
        cache_end(worker);
    streams_destroy(worker->streams);
    ports_destroy(worker->ports);
    links_destroy(worker->links);
    incoming_destroy(worker->incoming);
    pipeline_destroy(worker->pipeline);
    world_unref(worker->next_world);
    free(worker->datagrams);
    pthread_mutex_destroy(&worker->lock);
    free(worker);
}
