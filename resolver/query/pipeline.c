#include <errno.h>
#include <stdlib.h>

#include "resolver/base/hash.h"
#include "resolver/query/allowed.h"
#include "resolver/query/forward.h"
#include "resolver/query/local.h"
#include "resolver/query/query.h"
#include "resolver/query/radar.h"
#include "resolver/query/reply.h"
#include "resolver/query/verdicts.h"

enum { PLACES_FREE_PART = 16 };

static bool has_record(void *user, const uint8_t *name, size_t len)
{
    return local_has_record(user, name, len);
}

void pipeline_forget_records(struct pipeline *pipeline)
{
    if (pipeline->world->config->record_count)
        cache_flush_fitting(pipeline->cache, has_record, pipeline->world->local);
}

static bool zone_is_same(const struct config_zone *a, const struct config_zone *b)
{
    if (!bl_name_equal(a->wire, b->wire) || a->upstream_count != b->upstream_count)
        return false;
    for (size_t i = 0; i < a->upstream_count; i++)
        if (!address_equal(&a->upstreams[i].address, &b->upstreams[i].address) ||
            !bl_name_equal(a->upstreams[i].host_wire, b->upstreams[i].host_wire))
            return false;
    return true;
}

static bool has_zone(const struct config *config, const struct config_zone *zone)
{
    for (size_t i = 0; i < config->forward_zone_count; i++)
        if (zone_is_same(&config->forward_zones[i], zone))
            return true;
    return false;
}

/* What the one configuration's zones know and the other's do not know the same way: it was told by
 * servers that have no say there any more. */
static void forget_zones(struct pipeline *pipeline, const struct config *one,
                         const struct config *other)
{
    for (size_t i = 0; i < one->forward_zone_count; i++)
        if (!has_zone(other, &one->forward_zones[i]))
            cache_flush(pipeline->cache, one->forward_zones[i].wire);
}

static int enter(struct pipeline *pipeline, struct world *world)
{
    const struct config *before = pipeline->world ? pipeline->world->config : NULL;
    struct policy_now now;

    if (policy_now_init(&now, world->policy) < 0)
        return -ENOMEM;
    if (exchanges_set_upstreams(pipeline->exchanges, world->config) < 0) {
        policy_now_fini(&now);
        return -ENOMEM;
    }
    policy_now_fini(&pipeline->now);
    pipeline->now = now;
    policy_now_update(&pipeline->now, pipeline->moment);
    if (before && before != world->config) {
        forget_zones(pipeline, before, world->config);
        forget_zones(pipeline, world->config, before);
    }
    if (pipeline->world)
        world_unref(pipeline->world);
    pipeline->world = world_ref(world);
    if (pipeline->journal)
        journal_legend(pipeline->journal, world->legend);
    allowed_enter(pipeline, before);
    if (world->config != before)
        verdicts_enter(pipeline);
    if (world->config != before) /* grants and lists change no records */
        pipeline_forget_records(pipeline);
    return 0;
}

int pipeline_enter(struct pipeline *pipeline, struct world *world)
{
    return enter(pipeline, world);
}

static void cookies_start(struct pipeline *pipeline, const uint8_t *seed)
{
    uint8_t own[SIPHASH_KEY];

    for (size_t i = 0; i < sizeof own; i += 2)
        dns_put_16(own + i, random_16(&pipeline->random));
    cookies_init(&pipeline->cookies, seed ? seed : own, pipeline->moment.mono_ms);
}

int pipeline_create(const struct pipeline_options *options, struct moment moment,
                    struct pipeline **out_pipeline, struct bl_error *error)
{
    size_t most = options->max_queries ? options->max_queries : PIPELINE_QUERIES;
    struct pipeline *pipeline = calloc(1, sizeof *pipeline);
    int code;

    if (!pipeline)
        return bl_error_set(error, -ENOMEM, "no memory for a worker");
    pipeline->moment = moment;
    pipeline->journal = options->journal;
    pipeline->asked_given = options->asked;
    pipeline->pseudonyms = options->pseudonyms;
    pipeline->questions_given = options->questions;
    pipeline->counters = options->counters;
    pipeline->tallies = options->tallies;
    pipeline->verdicts = options->verdicts;
    pipeline->pool_size = most;
    random_init(&pipeline->random);
    pipeline->client_salt = random_64(&pipeline->random);
    cookies_start(pipeline, options->cookie_seed);
    /* Fresh pages: only what was ever in use is resident. */
    pipeline->pool = calloc(most, sizeof *pipeline->pool);
    pipeline->reply = malloc(sizeof *pipeline->reply);
    code = bl_error_set(error, -ENOMEM, "no memory for a worker of %zu questions in flight", most);
    if (!pipeline->pool || !pipeline->reply ||
        (options->has_radar && radar_create(&pipeline->radar) < 0))
        goto fail;
    code = cache_create(options->world->config->cache.size, &pipeline->cache, error);
    if (code < 0)
        goto fail;
    code = exchanges_create(most, &pipeline->exchanges, error);
    if (code < 0)
        goto fail;
    code = enter(pipeline, options->world);
    if (code < 0) {
        bl_error_set(error, code, "no memory for a worker's view of the policy");
        goto fail;
    }
    *out_pipeline = pipeline;
    return 0;
fail:
    pipeline_destroy(pipeline);
    return code;
}

void pipeline_destroy(struct pipeline *pipeline)
{
    if (!pipeline)
        return;
    policy_now_fini(&pipeline->now);
    if (pipeline->world)
        world_unref(pipeline->world);
    exchanges_destroy(pipeline->exchanges);
    cache_destroy(pipeline->cache);
    radar_destroy(pipeline->radar);
    verdicts_leave(pipeline);
    free(pipeline->reply);
    free(pipeline->pool);
    free(pipeline);
}

void pipeline_wake(struct pipeline *pipeline, struct moment moment)
{
    pipeline->moment = moment;
    cookies_wake(&pipeline->cookies, moment.mono_ms);
    if (moment.wall_ms >= pipeline->now.until_wall_ms ||
        moment.wall_ms < pipeline->now.since_wall_ms)
        policy_now_update(&pipeline->now, moment);
}

struct query *query_take(struct pipeline *pipeline)
{
    struct query *query = pipeline->free;

    if (query)
        pipeline->free = (struct query *)query->wait.next;
    else if (pipeline->pool_used < pipeline->pool_size)
        query = &pipeline->pool[pipeline->pool_used++];
    else
        return NULL;
    query->exchange = NULL;
    query->interface = 0;
    query->channel_next = NULL;
    query->channel_link = NULL;
    query->answer_len = 0;
    query->is_read = 0;
    query->is_searched = 0;
    query->found_in = WORLD_NO_EPOCH;
    return query;
}

/* Clients share counters by a keyed hash: nobody can choose whose counter to fill. */
static uint16_t *client_count(struct pipeline *pipeline, const struct query *query)
{
    uint64_t hash =
        hash_octets(pipeline->client_salt, query->client.bytes, sizeof query->client.bytes);

    return &pipeline->client_waiting[hash % PIPELINE_CLIENT_COUNTERS];
}

unsigned pipeline_client_waiting(struct pipeline *pipeline, const struct query *query)
{
    return *client_count(pipeline, query);
}

/* A part of the places is for those who need not wait: without one a question is not even read. */
static bool places_are_left(const struct pipeline *pipeline)
{
    return pipeline->waiting < pipeline->pool_size - pipeline->pool_size / PLACES_FREE_PART;
}

bool pipeline_client_may_wait(struct pipeline *pipeline, const struct query *query)
{
    unsigned share = pipeline->world->config->limits.in_flight_share;

    if (!places_are_left(pipeline))
        return false;
    return !share || *client_count(pipeline, query) < pipeline->pool_size * share / 100;
}

void pipeline_client_waits(struct pipeline *pipeline, const struct query *query)
{
    ++*client_count(pipeline, query);
    pipeline->waiting++;
}

void query_release(struct pipeline *pipeline, struct query *query)
{
    if (query->exchange) {
        --*client_count(pipeline, query);
        pipeline->waiting--;
    }
    query->exchange = NULL;
    query->wait.next = (struct exchange_wait *)pipeline->free;
    pipeline->free = query;
}

struct query *query_waiting(struct exchange *exchange)
{
    return (struct query *)exchange_next_waiter(exchange);
}

void query_abandon(struct pipeline *pipeline, struct query *query)
{
    if (query->exchange)
        exchange_leave(query->exchange, &query->wait);
    query_release(pipeline, query);
}
