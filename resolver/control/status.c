#include "resolver/control/status.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "resolver/base/check.h"
#include "resolver/base/clock.h"
#include "resolver/base/text.h"
#include "resolver/config/subscribed.h"
#include "resolver/control/advice.h"
#include "resolver/control/alert_runner.h"
#include "resolver/control/approval.h"
#include "resolver/control/daemon.h"
#include "resolver/control/mender.h"
#include "resolver/control/status_radar.h"
#include "resolver/control/watch.h"
#include "resolver/denials/alert.h"
#include "resolver/denials/writer.h"
#include "resolver/export/carrier.h"
#include "resolver/net/server.h"
#include "resolver/query/tally.h"

/* What the workers tell, each in its own place. */
struct worker_view {
    struct upstreams upstreams;
    struct cache_state cache;
    size_t in_flight;
    size_t sighting_count;
    struct radar_sighting sightings[RADAR_DEVICES];
};

static void view_take(struct pipeline *pipeline, unsigned worker, void *user)
{
    struct worker_view *view = (struct worker_view *)user + worker;

    view->upstreams = *exchanges_upstreams(pipeline->exchanges);
    view->cache = cache_state(pipeline->cache);
    view->in_flight = exchange_count(pipeline->exchanges);
    view->sighting_count = radar_read(pipeline, view->sightings);
    /* Where records hold no addresses, nobody is told them here either. */
    for (size_t i = 0; i < view->sighting_count; i++)
        view->sightings[i].client = pipeline_recorded(pipeline, &view->sightings[i].client);
}

static void set_number(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void warn(json_t *warnings, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void warn(json_t *warnings, const char *format, ...)
{
    char text[BL_ERROR_MAX + 256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    text_clean(text); /* a text cut within a character would be no JSON, and the warning lost */
    json_array_append_new(warnings, json_string(text));
}

static json_t *describe_categories(const struct world *world)
{
    json_t *list = json_array();

    for (size_t i = 0; i < world->config->category_count; i++) {
        const struct config_category *category = &world->config->categories[i];
        int index = bl_store_category_find(world->store, category->name);
        const struct bl_category *stored =
            index < 0 ? NULL : bl_store_category(world->store, (unsigned)index);
        json_t *item = json_object();
        json_object_set_new(item, "name", json_string(category->name));
        json_object_set_new(item, "title", json_string(category->title));
        set_number(item, "names", stored ? stored->names : 0);
        set_number(item, "addresses", stored ? stored->addresses : 0);
        json_object_set_new(item, "sealed", json_boolean(category->sealed));
        json_array_append_new(list, item);
    }
    return list;
}

static json_t *describe_groups(const struct config *config)
{
    json_t *list = json_array();

    for (size_t i = 0; i < config->group_count; i++) {
        json_t *item = json_object();
        json_object_set_new(item, "name", json_string(config->groups[i].name));
        set_number(item, "subnets", config->groups[i].subnet_count);
        json_array_append_new(list, item);
    }
    return list;
}

static const char *transport_text(unsigned transport)
{
    return transport == TRANSPORT_TLS ? "tls" : transport == TRANSPORT_TCP ? "tcp" : "udp";
}

/* Workers judge upstreams by themselves: latency is their mean, and one is in trouble when all say
 * so. */
static json_t *describe_upstream(const struct worker_view *views, unsigned workers, size_t index,
                                 int64_t now_ms, json_t *warnings)
{
    const struct upstream *first = &views[0].upstreams.items[index];
    uint64_t sent = 0, answered = 0, failed = 0, latency_us = 0, measured = 0;
    unsigned aside = 0, refusing = 0;
    char text[ADDRESS_TEXT_MAX];
    json_t *item = json_object();

    for (unsigned i = 0; i < workers; i++) {
        const struct upstream *upstream = &views[i].upstreams.items[index];
        sent += upstream->sent;
        answered += upstream->answered;
        failed += upstream->failed;
        latency_us += upstream->latency_us;
        measured += upstream->latency_us != 0;
        aside += upstream->aside_until_ms > now_ms;
        refusing += upstream_is_refusing(upstream);
    }
    if (first->unknown)
        snprintf(text, sizeof text, "%.60s", first->host);
    else
        address_text_port(&first->address, text);
    if (aside == workers)
        warn(warnings, "upstream %s does not answer", text);
    else if (refusing == workers)
        warn(warnings, "upstream %s says of all names that it cannot tell (SERVFAIL, REFUSED)",
             text);
    json_object_set_new(item, "address", json_string(text));
    if (first->host[0])
        json_object_set_new(item, "host", json_string(first->host));
    if (first->is_bootstrap)
        json_object_set_new(item, "bootstrap", json_true());
    json_object_set_new(item, "transport", json_string(transport_text(first->transport)));
    if (first->tls_name[0])
        json_object_set_new(item, "tls-name", json_string(first->tls_name));
    json_object_set_new(item, "state",
                        json_string(first->unknown                            ? "no address"
                                    : aside == workers || refusing == workers ? "failing"
                                    : answered                                ? "answering"
                                                                              : "unused"));
    set_number(item, "latency_us", measured ? latency_us / measured : 0);
    set_number(item, "sent", sent);
    set_number(item, "answered", answered);
    set_number(item, "failed", failed);
    return item;
}

/* Whether this is the first place of a host none of whose places has an address. */
static bool host_is_lost(const struct upstreams *upstreams, size_t first)
{
    const char *host = upstreams->items[first].host;

    for (size_t i = 0; i < upstreams->count; i++)
        if (strcmp(upstreams->items[i].host, host) == 0 &&
            (i < first || !upstreams->items[i].unknown))
            return false;
    return true;
}

static json_t *describe_upstreams(const struct worker_view *views, unsigned workers,
                                  json_t *warnings)
{
    int64_t now_ms = clock_read().mono_ms;
    json_t *list = json_array();

    for (size_t i = 0; i < views[0].upstreams.count; i++) {
        const struct upstream *upstream = &views[0].upstreams.items[i];
        bool is_lost = upstream->unknown && host_is_lost(&views[0].upstreams, i);
        if (is_lost)
            warn(warnings,
                 "the address of upstream %s is not known; the servers under `bootstrap` do not "
                 "tell it",
                 upstream->host);
        if (!upstream->unknown || is_lost)
            json_array_append_new(list, describe_upstream(views, workers, i, now_ms, warnings));
    }
    return list;
}

static json_t *describe_cache(const struct worker_view *views, unsigned workers)
{
    struct cache_state sum = {0};
    json_t *item = json_object();

    for (unsigned i = 0; i < workers; i++) {
        sum.entries += views[i].cache.entries;
        sum.bytes_used += views[i].cache.bytes_used;
        sum.bytes += views[i].cache.bytes;
        sum.inserted += views[i].cache.inserted;
        sum.evicted += views[i].cache.evicted;
    }
    set_number(item, "entries", sum.entries);
    set_number(item, "bytes_used", sum.bytes_used);
    set_number(item, "bytes", sum.bytes);
    set_number(item, "inserted", sum.inserted);
    set_number(item, "evicted", sum.evicted);
    return item;
}

static json_t *describe_queries(const struct counters *counters, const struct worker_view *views,
                                unsigned workers)
{
    json_t *item = json_object();
    size_t in_flight = 0;

    for (unsigned i = 0; i < workers; i++)
        in_flight += views[i].in_flight;
    set_number(item, "in_flight", in_flight);
#define COUNTER_SET(name, meaning) set_number(item, #name, counters->name);
    COUNTERS(COUNTER_SET)
#undef COUNTER_SET
    return item;
}

static json_t *describe_tallies(const struct daemon *daemon)
{
    struct tallies *sum = calloc(1, sizeof *sum);
    json_t *list = json_array();

    if (sum)
        server_tallies(daemon->server, sum);
    for (unsigned i = 0; sum && i < sum->count; i++)
        json_array_append_new(list, json_pack("{ss,ss,sI}", "group", sum->places[i].group, "what",
                                              sum->places[i].what, "count",
                                              (json_int_t)sum->places[i].count));
    free(sum);
    return list;
}

static json_t *verdict_json(const char *group, const char *category,
                            const uint64_t counts[VERDICT_KINDS])
{
    return json_pack("{ss,ss,sI,sI,sI}", "group", group, "category", category, "denied",
                     (json_int_t)counts[VERDICT_COUNT_DENIED], "observed",
                     (json_int_t)counts[VERDICT_COUNT_OBSERVED], "allowed",
                     (json_int_t)counts[VERDICT_COUNT_ALLOWED]);
}

static json_t *latency_json(const struct latency *latency)
{
    json_t *bounds = json_array(), *counts = json_array();

    for (unsigned i = 0; i <= LATENCY_BOUNDS; i++) {
        if (i < LATENCY_BOUNDS)
            json_array_append_new(bounds, json_integer(LATENCY_BOUNDS_US[i]));
        json_array_append_new(counts, json_integer((json_int_t)latency->buckets[i]));
    }
    return json_pack("{so,so,sI}", "bounds_us", bounds, "counts", counts, "sum_us",
                     (json_int_t)latency->sum_us);
}

/* By group and category, and how long answers took. */
static void describe_verdicts(const struct daemon *daemon, json_t *out)
{
    static const char *const froms[] = {"cache", "own", "upstream"};
    struct verdicts *sum = aligned_alloc(_Alignof(struct verdicts), sizeof *sum);
    json_t *list = json_array(), *latencies = json_object();

    if (sum)
        server_verdicts(daemon->server, sum);
    for (unsigned i = 0; sum && i < sum->count; i++)
        json_array_append_new(list, verdict_json(sum->places[i].group, sum->places[i].category,
                                                 sum->places[i].counts));
    if (sum && sum->other[0] + sum->other[1] + sum->other[2] > 0)
        json_array_append_new(list, verdict_json("(others)", "", sum->other));
    for (unsigned i = 0; sum && i < LATENCY_FROMS; i++)
        json_object_set_new(latencies, froms[i], latency_json(&sum->latencies[i]));
    json_object_set_new(out, "verdicts", list);
    json_object_set_new(out, "latencies", latencies);
    free(sum);
}

static json_t *describe_denials(struct daemon *daemon, json_t *warnings)
{
    struct denials_status status;
    json_t *item = json_object();

    denials_writer_status(daemon->writer, &status);
    set_number(item, "recorded", status.recorded);
    set_number(item, "pending", status.pending);
    set_number(item, "counted", status.counted);
    set_number(item, "damaged", status.damaged);
    set_number(item, "files", status.files);
    if (status.trouble.text[0])
        warn(warnings, "denials wait to be recorded: %s", status.trouble.text);
    if (status.counted)
        warn(warnings,
             "%" PRIu64
             " denials could only be counted, not recorded one by one; is the disk full?",
             status.counted);
    return item;
}

static json_t *describe_alerts(const struct daemon *daemon, const struct config *config,
                               json_t *warnings)
{
    json_t *item = alert_runner_status(daemon->state);
    struct alerts_status state;

    if (item == NULL)
        item = json_object();
    json_object_set_new(item, "command", json_boolean(config->alerts.command_count > 0));
    alerts_status(daemon->alerts, &state);
    set_number(item, "raised", state.raised);
    set_number(item, "held", state.waiting);
    set_number(item, "lost", state.lost);
    if (state.waiting > 0)
        warn(warnings,
             "%" PRIu64
             " alerts are held in memory, because the state folder took none; is the disk full?",
             state.waiting);
    if (state.lost > 0)
        warn(warnings,
             "%" PRIu64 " alerts were lost for want of room; their denials are on record, and "
             "`chalkgate denials` shows them",
             state.lost);
    const char *trouble = json_string_value(json_object_get(item, "last_error"));
    if (trouble != NULL && trouble[0] != '\0')
        warn(warnings, "%lld alerts wait to be handed over: %s",
             (long long)json_integer_value(json_object_get(item, "waiting")), trouble);
    return item;
}

static json_t *describe_exports(const struct daemon *daemon, const struct config *config,
                                json_t *warnings)
{
    json_t *list = json_array();

    for (size_t i = 0; i < config->export_count; i++) {
        const char *name = config->exports[i].name;
        json_t *item = carrier_status(daemon->state, name);
        if (item == NULL)
            item = json_object();
        json_object_del(item, "days");
        json_object_set_new(item, "name", json_string(name));
        const char *trouble = json_string_value(json_object_get(item, "last_error"));
        if (trouble != NULL && trouble[0] != '\0')
            warn(warnings, "export \"%s\": %s; %lld denials wait for it", name, trouble,
                 (long long)json_integer_value(json_object_get(item, "waiting")));
        json_array_append_new(list, item);
    }
    return list;
}

/* Devices that look as if they go round the filter, as all workers know them. */
static int describe_radar(const struct worker_view *views, unsigned workers,
                          const struct status_radar *radar, json_t *out, json_t *warnings)
{
    struct radar_sighting *all = calloc((size_t)workers * RADAR_DEVICES, sizeof *all);
    size_t count = 0;

    if (!all) {
        json_object_set_new(out, "radar", json_array());
        return -ENOMEM;
    }
    for (unsigned i = 0; i < workers; i++) {
        memcpy(all + count, views[i].sightings, views[i].sighting_count * sizeof *all);
        count += views[i].sighting_count;
    }
    status_radar_describe(radar, all, count, out, warnings);
    free(all);
    return 0;
}

json_t *status_removed(const struct world *world)
{
    int64_t now_s = clock_read().wall_ms / 1000;
    json_t *list = json_array();

    for (unsigned i = 0; i < bl_store_source_count(world->store); i++) {
        struct list_state state;

        list_state_find(world->config, world->store, i, now_s, &state);
        if (state.removed)
            json_array_append_new(list, json_pack("{s:s, s:s}", "location", state.source->location,
                                                  "category", state.category));
    }
    return list;
}

static void describe_lists(const struct world *world, json_t *out, json_t *warnings)
{
    char text[LISTS_STALE_TEXT_MAX];
    struct lists_state state;

    lists_state_find(world->config, world->store, clock_read().wall_ms / 1000, &state);
    set_number(out, "generation", bl_store_generation(world->store));
    set_number(out, "names", bl_store_name_count(world->store));
    set_number(out, "imported", (uint64_t)state.newest_s);
    set_number(out, "oldest_imported", (uint64_t)state.oldest_s);
    set_number(out, "sources", state.count);
    set_number(out, "stale", state.stale_count);
    json_object_set_new(out, "removed", status_removed(world));
    if (state.stale_count > 0) {
        warn(warnings,
             "%s; `chalkgate lists update` or `lists import` brings newer ones, and `lists show` "
             "names them",
             lists_stale_text(&state, text));
        json_object_set_new(out, "stale_text", json_string(text));
    }
    if (state.removed_count > 0)
        warn(warnings,
             "%u list%s in force, but no longer in the configuration: the next `chalkgate lists "
             "update` takes %s out",
             state.removed_count, state.removed_count == 1 ? " is" : "s are",
             state.removed_count == 1 ? "it" : "them");
}

static void describe_process(struct daemon *daemon, json_t *out, json_t *warnings)
{
    struct moment now = clock_read();
    uint64_t odd = expect_failures();

    json_object_set_new(out, "version", json_string(CHALKGATE_VERSION));
    set_number(out, "pid", (uint64_t)getpid());
    set_number(out, "started", (uint64_t)(daemon->started_wall_ms / 1000));
    set_number(out, "uptime_s", (uint64_t)((now.mono_ms - daemon->started_mono_ms) / 1000));
    set_number(out, "workers", server_workers(daemon->server));
    pthread_mutex_lock(&daemon->lock);
    set_number(out, "reloaded", (uint64_t)(daemon->reloaded_wall_ms / 1000));
    if (daemon->reload_fault[0])
        warn(warnings, "the last change was refused: %s", daemon->reload_fault);
    if (daemon->reload_waits)
        warn(warnings,
             "%s would loosen the policy and waits for a second manager, so what was in force "
             "before it is in force; `chalkgate grants` shows what waits",
             daemon->config_path);
    if (daemon->lists_fault[0])
        warn(warnings, "%s", daemon->lists_fault);
    if (daemon->world->lists_trouble.text[0])
        warn(warnings, MENDER_TROUBLE, daemon->world->lists_trouble.text);
    if (daemon->clock_fault[0])
        warn(warnings, "%s", daemon->clock_fault);
    pthread_mutex_unlock(&daemon->lock);
    if (!daemon->rules) /* for as long as the process runs */
        warn(warnings, "exceptions and blocks are not in force, and changes are refused: %s",
             daemon->rules_fault);
    if (odd)
        warn(warnings,
             "%llu odd things were met and survived; the log has them, and the authors "
             "would like to know",
             (unsigned long long)odd);
}

int status_describe(struct daemon *daemon, bool tells_devices, json_t *out, struct bl_error *error)
{
    unsigned workers = server_workers(daemon->server);
    struct worker_view *views = calloc(workers, sizeof *views);
    struct counters counters;
    json_t *warnings = json_array(), *advice;
    struct world *world;
    int code;

    if (!views || !warnings)
        code = bl_error_set(error, -ENOMEM, "out of memory");
    else if ((code = server_visit(daemon->server, view_take, views)) < 0)
        bl_error_set(error, code, "chalkgated is stopping");
    if (code < 0) {
        free(views);
        json_decref(warnings);
        return code;
    }
    world = daemon_world(daemon);
    server_counters(daemon->server, &counters);
    describe_process(daemon, out, warnings);
    approval_describe(daemon, world->config, warnings);
    describe_lists(world, out, warnings);
    json_object_set_new(out, "policy", json_integer(policy_version(world->policy)));
    json_object_set_new(out, "categories", describe_categories(world));
    json_object_set_new(out, "groups", describe_groups(world->config));
    json_object_set_new(out, "upstreams", describe_upstreams(views, workers, warnings));
    json_object_set_new(out, "cache", describe_cache(views, workers));
    json_object_set_new(out, "queries", describe_queries(&counters, views, workers));
    json_object_set_new(out, "tallies", describe_tallies(daemon));
    describe_verdicts(daemon, out);
    json_object_set_new(out, "denials", describe_denials(daemon, warnings));
    json_object_set_new(out, "devices", watch_describe(daemon->watch, warnings));
    json_object_set_new(out, "alerts", describe_alerts(daemon, world->config, warnings));
    json_object_set_new(out, "exports", describe_exports(daemon, world->config, warnings));
    if (describe_radar(views, workers, &(struct status_radar){daemon, world, tells_devices}, out,
                       warnings) < 0)
        warn(warnings, "out of memory: devices could not be looked at");
    advice = advice_of(daemon, world);
    json_array_extend(warnings, advice);
    json_decref(advice);
    json_object_set_new(out, "warnings", warnings);
    world_unref(world);
    free(views);
    return 0;
}
