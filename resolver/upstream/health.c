#include "resolver/upstream/health.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
    FAILURES_BEFORE_ASIDE = 3,
    ASIDE_FIRST_MS = 1000,
    ASIDE_MOST_MS = 10000,
    PROBE_MS = 1000, /* how long the others keep away from a dead server that is tried */
    EXPLORE_ONE_IN = 32,
    UNKNOWN_LATENCY_US = 20000, /* a new server is tried before one known to be slow */
};

/* A server by address, as it was known before. */
static const struct upstream *known_find(const struct upstreams *old,
                                         const struct config_upstream *server)
{
    for (size_t i = 0; i < old->count; i++)
        if (!old->items[i].unknown && !old->items[i].host[0] &&
            address_equal(&old->items[i].address, &server->address) &&
            old->items[i].transport == server->transport)
            return &old->items[i];
    return NULL;
}

static bool is_place_of(const struct upstream *item, const struct config_upstream *server)
{
    return server->host && strcmp(item->host, server->host) == 0 &&
           item->transport == server->transport;
}

/* The place that servers[at] had before: the first of its host, the second … */
static const struct upstream *place_find(const struct upstreams *old,
                                         const struct config_upstream *servers, size_t at)
{
    unsigned earlier = 0;

    for (size_t i = 0; i < at; i++)
        earlier += servers[i].host && servers[i].transport == servers[at].transport &&
                   strcmp(servers[i].host, servers[at].host) == 0;
    for (size_t i = 0; i < old->count; i++)
        if (is_place_of(&old->items[i], &servers[at]) && earlier-- == 0)
            return &old->items[i];
    return NULL;
}

void upstreams_set(struct upstreams *upstreams, const struct config_upstream *servers, size_t count)
{
    struct upstreams old = *upstreams;

    upstreams->count = count < UPSTREAMS_MAX ? count : UPSTREAMS_MAX;
    for (size_t i = 0; i < upstreams->count; i++) {
        struct upstream *item = &upstreams->items[i];
        const struct upstream *known =
            servers[i].host ? place_find(&old, servers, i) : known_find(&old, &servers[i]);
        *item = known ? *known
                      : (struct upstream){.address = servers[i].address,
                                          .unknown = servers[i].host != NULL};
        item->transport = (uint8_t)servers[i].transport;
        snprintf(item->host, sizeof item->host, "%s", servers[i].host ? servers[i].host : "");
        snprintf(item->tls_name, sizeof item->tls_name, "%s",
                 servers[i].tls_name ? servers[i].tls_name : "");
    }
}

bool upstream_is_same(const struct upstream *a, const struct upstream *b)
{
    return a->transport == b->transport && strcmp(a->tls_name, b->tls_name) == 0 &&
           strcmp(a->host, b->host) == 0 && (a->host[0] || address_equal(&a->address, &b->address));
}

void upstream_set_address(struct upstream *upstream, const struct address *address)
{
    uint16_t port = upstream->address.port;

    upstream->address = address ? *address : (struct address){0};
    upstream->address.port = port;
    upstream->unknown = address == NULL;
    upstream->latency_us = upstream->failed_in_row = upstream->refused_in_row = 0;
    upstream->aside_until_ms = upstream->plain_until_ms = 0;
    upstream->heard_ms = 0;
    upstream->cookie_len = upstream->sends_cookie = 0;
}

static uint32_t latency_of(const struct upstream *upstream)
{
    return upstream->latency_us ? upstream->latency_us : UNKNOWN_LATENCY_US;
}

/* Whether `a` is to be asked rather than `b`: one in use before one aside, then the faster, or
 * among those aside the one whose time comes first. */
static bool is_better(const struct upstream *a, const struct upstream *b, int64_t now_ms)
{
    bool a_aside = a->aside_until_ms > now_ms, b_aside = b->aside_until_ms > now_ms;

    if (a_aside != b_aside)
        return b_aside;
    if (a_aside)
        return a->aside_until_ms < b->aside_until_ms;
    return latency_of(a) < latency_of(b);
}

static int best_of(const struct upstreams *upstreams, uint32_t among, int64_t now_ms)
{
    int best = -1;

    for (size_t i = 0; i < upstreams->count; i++)
        if (among & 1u << i && !upstreams->items[i].unknown &&
            (best < 0 || is_better(&upstreams->items[i], &upstreams->items[best], now_ms)))
            best = (int)i;
    return best;
}

int upstream_choose(const struct upstreams *upstreams, uint32_t among, uint32_t tried,
                    int64_t now_ms, struct random_pool *random)
{
    int best = best_of(upstreams, among & ~tried, now_ms);

    if (upstreams->count > 1 && !tried && random_below(random, EXPLORE_ONE_IN) == 0) {
        uint32_t other = random_below(random, (uint32_t)upstreams->count - 1);
        other += best >= 0 && other >= (uint32_t)best; /* any but the best */
        if (among & 1u << other && !upstreams->items[other].unknown &&
            upstreams->items[other].aside_until_ms <= now_ms)
            return (int)other;
    }
    return best >= 0 ? best : best_of(upstreams, among, now_ms);
}

bool upstream_is_dead(const struct upstream *upstream)
{
    return upstream->unknown || upstream->failed_in_row >= FAILURES_BEFORE_ASIDE;
}

bool upstream_is_refusing(const struct upstream *upstream)
{
    return upstream->refused_in_row >= FAILURES_BEFORE_ASIDE;
}

void upstream_asked(struct upstream *upstream, int64_t now_ms)
{
    upstream->sent++;
    if (upstream_is_dead(upstream) && upstream->aside_until_ms <= now_ms)
        upstream->aside_until_ms = now_ms + PROBE_MS;
}

static void latency_add(struct upstream *upstream, int64_t took_ms)
{
    uint32_t took_us = (uint32_t)(took_ms < 1 ? 500 : took_ms > 10000 ? 10000000 : took_ms * 1000);

    /* RFC 6298's smoothing, an eighth of the new value; but half of a better one, since a server
     * that was slow once is asked seldom, and would be thought slow for long. */
    if (!upstream->latency_us)
        upstream->latency_us = took_us;
    else if (took_us < upstream->latency_us)
        upstream->latency_us = (upstream->latency_us + took_us) / 2;
    else
        upstream->latency_us = (upstream->latency_us * 7 + took_us) / 8;
}

void upstream_answered(struct upstream *upstream, int64_t took_ms)
{
    upstream->answered++;
    upstream->failed_in_row = upstream->refused_in_row = 0;
    upstream->aside_until_ms = 0;
    latency_add(upstream, took_ms);
}

void upstream_is_late(struct upstream *upstream, int64_t took_ms)
{
    upstream->failed++;
    latency_add(upstream, took_ms);
}

void upstream_cannot_tell(struct upstream *upstream)
{
    upstream->failed++;
    upstream->refused_in_row++;
}

void upstream_failed(struct upstream *upstream, int64_t now_ms)
{
    upstream->failed++;
    upstream_is_blamed(upstream, now_ms);
}

void upstream_is_blamed(struct upstream *upstream, int64_t now_ms)
{
    uint32_t beyond;
    int64_t aside_ms = ASIDE_FIRST_MS;

    upstream->failed_in_row++;
    if (upstream->failed_in_row < FAILURES_BEFORE_ASIDE)
        return;
    beyond = upstream->failed_in_row - FAILURES_BEFORE_ASIDE;
    aside_ms = beyond >= 4 ? ASIDE_MOST_MS : aside_ms << beyond;
    /* Failures of tries that were under way together count as one step, and so does that of the one
     * which tried it again. */
    if (upstream->aside_until_ms <= now_ms + PROBE_MS)
        upstream->aside_until_ms = now_ms + aside_ms;
    else
        upstream->failed_in_row--;
}

int64_t upstream_patience_ms(const struct upstream *upstream, int64_t limit_ms)
{
    int64_t patience_ms = (int64_t)upstream->latency_us * 4 / 1000;

    if (!upstream->latency_us || patience_ms > limit_ms)
        return limit_ms;
    return patience_ms < 200 ? (limit_ms < 200 ? limit_ms : 200) : patience_ms;
}
