/* Servers and zones of the configuration in one table, and which of them a name is put to. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/upstream/exchange_inside.h"

static bool is_same(const struct exchanges *exchanges, const struct upstreams *before,
                    const struct zone *zones, size_t zone_count)
{
    if (zone_count != exchanges->zone_count || before->count != exchanges->upstreams.count)
        return false;
    for (size_t i = 0; i < before->count; i++)
        if (!upstream_is_same(&before->items[i], &exchanges->upstreams.items[i]))
            return false;
    for (size_t i = 0; i < zone_count; i++)
        if (zones[i].servers != exchanges->zones[i].servers ||
            !bl_name_equal(zones[i].name, exchanges->zones[i].name))
            return false;
    return true;
}

/* A row of servers as the table has it: one by host has CONFIG_HOST_SERVERS places. */
static uint32_t servers_add(struct config_upstream *table, size_t *at,
                            const struct config_upstream *servers, size_t count)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < count; i++)
        for (unsigned place = 0; place < (servers[i].host ? CONFIG_HOST_SERVERS : 1); place++)
            if (*at < UPSTREAMS_MAX) {
                table[*at] = servers[i];
                bits |= 1u << (*at)++;
            }
    return bits;
}

/* Bootstrap servers may be upstreams as well, and share their place. */
static uint32_t bootstrap_servers_add(struct config_upstream *table, size_t *at,
                                      const struct config *config)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < config->bootstrap_count; i++) {
        struct config_upstream server = {.address = config->bootstrap[i],
                                         .transport = TRANSPORT_UDP};
        size_t k = 0;
        while (k < *at && (table[k].host || table[k].transport != TRANSPORT_UDP ||
                           !address_equal(&table[k].address, &server.address)))
            k++;
        bits |= k < *at ? 1u << k : servers_add(table, at, &server, 1);
    }
    return bits;
}

static void bootstrap_fill(struct exchanges *exchanges, const struct config_upstream *table,
                           size_t count)
{
    struct bootstrap before;

    bootstrap_begin(&exchanges->bootstrap, &before);
    for (size_t i = 0; i < count; i += table[i].host ? CONFIG_HOST_SERVERS : 1)
        if (table[i].host)
            bootstrap_add(&exchanges->bootstrap, &before, &exchanges->upstreams, table[i].host_wire,
                          i);
}

int exchanges_set_upstreams(struct exchanges *exchanges, const struct config *config)
{
    const struct upstreams before = exchanges->upstreams;
    uint32_t default_servers = exchanges->default_servers;
    struct config_upstream *table = calloc(UPSTREAMS_MAX, sizeof *table);
    struct zone *zones = calloc(config->forward_zone_count + 1, sizeof *zones);
    bool has_hosts = false;
    size_t count = 0;

    if (!table || !zones) {
        free(table);
        free(zones);
        return -ENOMEM;
    }
    exchanges->default_servers =
        servers_add(table, &count, config->upstreams, config->upstream_count);
    for (size_t i = 0; i < config->forward_zone_count; i++) {
        const struct config_zone *zone = &config->forward_zones[i];
        memcpy(zones[i].name, zone->wire, sizeof zones[i].name);
        zones[i].servers = servers_add(table, &count, zone->upstreams, zone->upstream_count);
    }
    for (size_t i = 0; i < count; i++)
        has_hosts = has_hosts || table[i].host;
    exchanges->bootstrap_servers = has_hosts ? bootstrap_servers_add(table, &count, config) : 0;
    upstreams_set(&exchanges->upstreams, table, count);
    for (size_t i = 0; i < count; i++)
        exchanges->upstreams.items[i].is_bootstrap = exchanges->bootstrap_servers >> i & 1u;
    if (default_servers != exchanges->default_servers ||
        !is_same(exchanges, &before, zones, config->forward_zone_count)) {
        exchanges->epoch++;
        exchanges_forget_failures(exchanges);
        bootstrap_fill(exchanges, table, count);
    }
    free(table);
    free(exchanges->zones);
    exchanges->zones = zones;
    exchanges->zone_count = config->forward_zone_count;
    exchanges->patience_limit_ms = config->upstream_timeout_ms;
    return 0;
}

static const struct zone *zone_of(const struct exchanges *exchanges, const uint8_t *name)
{
    const struct zone *best = NULL;

    for (size_t i = 0; i < exchanges->zone_count; i++) {
        const struct zone *zone = &exchanges->zones[i];
        if (bl_name_is_below(name, zone->name) &&
            (!best || bl_name_is_below(zone->name, best->name)))
            best = zone;
    }
    return best;
}

uint32_t exchanges_servers_for(const struct exchanges *exchanges, const uint8_t *name)
{
    const struct zone *zone = zone_of(exchanges, name);

    return zone ? zone->servers : exchanges->default_servers;
}

bool exchange_has_zone(const struct exchanges *exchanges, const uint8_t *name)
{
    return zone_of(exchanges, name) != NULL;
}

bool exchanges_any_lives(const struct exchanges *exchanges, uint32_t servers)
{
    for (size_t i = 0; i < exchanges->upstreams.count; i++)
        if (servers & 1u << i && !upstream_is_dead(&exchanges->upstreams.items[i]))
            return true;
    return false;
}

bool exchanges_are_dead(const struct exchanges *exchanges, const uint8_t *name)
{
    return !exchanges_any_lives(exchanges, exchanges_servers_for(exchanges, name));
}

const struct upstreams *exchanges_upstreams(const struct exchanges *exchanges)
{
    return &exchanges->upstreams;
}
