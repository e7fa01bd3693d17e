#include "resolver/upstream/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/base/check.h"
#include "resolver/base/hash.h"

enum {
    TICK_MS = 8,
    WHEEL = 1024, /* ticks: 8 s, longer than any exchange lives */
    FAILURES = 4096,
    LATER_PATIENCE_MS = 800,
    PROBE_PATIENCE_MS = 30, /* for a dead server that is tried again, where others live */
    TCP_PATIENCE_MS = 2000,
    PLAIN_MS = 60000, /* how long a server that answered only without EDNS is asked without it */
};

struct failure {
    uint32_t key_hash;
    int64_t until_ms;
};

struct zone {
    uint8_t name[BL_NAME_MAX];
    uint32_t servers;
};

struct exchanges {
    struct exchange *pool;
    struct exchange *free;
    size_t used, most, count;
    struct exchange **by_key;
    struct exchange_try **by_match;
    uint32_t table_mask;
    uint64_t seed; /* so that nobody can choose which questions share a place */
    struct exchange *wheel[WHEEL];
    uint64_t wheel_bits[WHEEL / 64];
    int64_t wheel_tick; /* everything before it has been seen */
    struct failure failures[FAILURES];
    int64_t failures_until_ms; /* when the last of them is forgotten */
    struct upstreams upstreams;
    uint32_t default_servers; /* a bit each */
    uint32_t bootstrap_servers;
    struct bootstrap bootstrap;
    uint32_t epoch;     /* counts the changes of all these */
    struct zone *zones; /* forward-zones: names with servers of their own */
    size_t zone_count;
    int64_t patience_limit_ms;
};

int exchanges_create(size_t most, struct exchanges **out_exchanges, struct bl_error *error)
{
    struct exchanges *exchanges = calloc(1, sizeof *exchanges);
    struct random_pool random;
    size_t table = 1024;

    if (!exchanges)
        return bl_error_set(error, -ENOMEM, "no memory for questions in flight");
    /* Four to a place when all are in use; small enough to stay in the processor's own cache when
     * few are, as is usual. */
    while (table < most / 4)
        table *= 2;
    random_init(&random);
    exchanges->seed = random_64(&random);
    exchanges->most = most;
    exchanges->table_mask = (uint32_t)(table - 1);
    /* calloc of this size comes from fresh pages, so that only what was ever in flight is resident.
     */
    exchanges->pool = calloc(most, sizeof *exchanges->pool);
    exchanges->by_key = calloc(table, sizeof(struct exchange *));
    exchanges->by_match = calloc(table, sizeof(struct exchange_try *));
    exchanges->patience_limit_ms = 400;
    if (!exchanges->pool || !exchanges->by_key || !exchanges->by_match) {
        exchanges_destroy(exchanges);
        return bl_error_set(error, -ENOMEM, "no memory for %zu questions in flight", most);
    }
    *out_exchanges = exchanges;
    return 0;
}

void exchanges_destroy(struct exchanges *exchanges)
{
    if (!exchanges)
        return;
    free(exchanges->pool);
    free(exchanges->by_key);
    free(exchanges->by_match);
    free(exchanges->zones);
    free(exchanges);
}

static void failures_forget(struct exchanges *exchanges)
{
    exchanges->failures_until_ms = 0;
    memset(exchanges->failures, 0, sizeof exchanges->failures);
}

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
        failures_forget(exchanges);
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

static uint32_t servers_for(const struct exchanges *exchanges, const uint8_t *name)
{
    const struct zone *zone = zone_of(exchanges, name);

    return zone ? zone->servers : exchanges->default_servers;
}

bool exchange_has_zone(const struct exchanges *exchanges, const uint8_t *name)
{
    return zone_of(exchanges, name) != NULL;
}

static bool any_lives(const struct exchanges *exchanges, uint32_t servers)
{
    for (size_t i = 0; i < exchanges->upstreams.count; i++)
        if (servers & 1u << i && !upstream_is_dead(&exchanges->upstreams.items[i]))
            return true;
    return false;
}

bool exchanges_are_dead(const struct exchanges *exchanges, const uint8_t *name)
{
    return !any_lives(exchanges, servers_for(exchanges, name));
}

const struct upstreams *exchanges_upstreams(const struct exchanges *exchanges)
{
    return &exchanges->upstreams;
}

size_t exchange_count(const struct exchanges *exchanges)
{
    return exchanges->count;
}

/* DO and CD change what an upstream answers, RFC 6840 section 5.9. */
static uint8_t dnssec_bits(const struct dns_question *question)
{
    return (uint8_t)((question->wants_dnssec ? 1 : 0) | (question->flags & DNS_CD ? 2 : 0));
}

static uint32_t question_hash(const struct exchanges *exchanges,
                              const struct dns_question *question)
{
    uint64_t kind =
        (uint64_t)question->type << 32 | (uint64_t)question->class << 8 | dnssec_bits(question);

    return (uint32_t)hash_octets(exchanges->seed ^ kind, question->name, question->asked_len);
}

static uint32_t match_hash(const void *channel, uint16_t id)
{
    uint64_t bits = (uint64_t)(uintptr_t)channel ^ (uint64_t)id << 40;

    return (uint32_t)(bits * 0x9e3779b97f4a7c15u >> 32);
}

bool exchange_is_current(const struct exchanges *exchanges, const struct exchange *exchange)
{
    return exchange->epoch == exchanges->epoch && !exchange->outdated;
}

struct exchange *exchange_find(struct exchanges *exchanges, const struct dns_question *question)
{
    uint32_t hash = question_hash(exchanges, question);
    struct exchange *exchange = exchanges->by_key[hash & exchanges->table_mask];

    for (; exchange; exchange = exchange->key_next)
        if (exchange->key_hash == hash && exchange->type == question->type &&
            exchange->class == question->class && exchange->dnssec == dnssec_bits(question) &&
            exchange->name_len == question->asked_len && exchange_is_current(exchanges, exchange) &&
            !exchange->lookup && memcmp(exchange->name, question->name, question->asked_len) == 0)
            return exchange;
    return NULL;
}

static void due_remove(struct exchanges *exchanges, struct exchange *exchange)
{
    if (!exchange->due_link)
        return;
    *exchange->due_link = exchange->due_next;
    if (exchange->due_next)
        exchange->due_next->due_link = exchange->due_link;
    exchange->due_link = NULL;
    size_t slot = (size_t)(exchange->deadline_ms / TICK_MS) % WHEEL;
    if (!exchanges->wheel[slot])
        exchanges->wheel_bits[slot / 64] &= ~(1ull << slot % 64);
}

void exchange_set_deadline(struct exchanges *exchanges, struct exchange *exchange,
                           int64_t deadline_ms)
{
    size_t slot = (size_t)(deadline_ms / TICK_MS) % WHEEL;

    due_remove(exchanges, exchange);
    exchange->deadline_ms = deadline_ms;
    exchange->due_next = exchanges->wheel[slot];
    if (exchange->due_next)
        exchange->due_next->due_link = &exchange->due_next;
    exchange->due_link = &exchanges->wheel[slot];
    exchanges->wheel[slot] = exchange;
    exchanges->wheel_bits[slot / 64] |= 1ull << slot % 64;
}

/* Eight octets with the case of each letter as a bit of `bits` says: 1 for a capital. */
static uint64_t case_eight(uint64_t octets, uint8_t bits)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t low_bits = octets & 0x7f * ones;
    uint64_t from_a = low_bits + (0x80 - 'a') * ones, above_z = low_bits + (0x7f - 'z') * ones;
    uint64_t is_letter = ~octets & 0x80 * ones & (from_a ^ above_z);
    /* Of a copy of `bits` in each octet the octet's own bit is left, and made its highest. */
    uint64_t chosen = (bits * ones & 0x8040201008040201u) + 0x7f * ones;

    return octets ^ (is_letter & chosen) >> 2;
}

/* The name goes out in random case, so that a forger over UDP has more to guess than id and port.
 */
static void choose_case(struct exchange *exchange, struct random_pool *random)
{
    uint64_t bits = 0, octets;

    for (size_t at = 0; at < exchange->name_len; at += sizeof octets) {
        size_t len =
            exchange->name_len - at < sizeof octets ? exchange->name_len - at : sizeof octets;
        if (at % 64 == 0)
            bits = random_64(random);
        octets = 0;
        memcpy(&octets, exchange->name + at, len);
        octets = case_eight(octets, (uint8_t)(bits >> at % 64));
        memcpy(exchange->cased + at, &octets, len);
    }
}

struct exchange *exchange_begin(struct exchanges *exchanges, const struct dns_question *question,
                                int64_t now_ms, struct random_pool *random)
{
    struct exchange *exchange = exchanges->free;

    if (exchange)
        exchanges->free = exchange->key_next;
    else if (exchanges->used < exchanges->most)
        exchange = &exchanges->pool[exchanges->used++];
    else
        return NULL;
    if (exchanges->count++ == 0)
        exchanges->wheel_tick = now_ms / TICK_MS;
    exchange->key_hash = question_hash(exchanges, question);
    exchange->key_next = exchanges->by_key[exchange->key_hash & exchanges->table_mask];
    exchanges->by_key[exchange->key_hash & exchanges->table_mask] = exchange;
    exchange->matched = NULL;
    exchange->channel = NULL;
    exchange->waiters = NULL;
    exchange->waiters_end = &exchange->waiters;
    exchange->waiter_count = 0;
    exchange->due_link = NULL;
    exchange->begun_ms = now_ms;
    exchange->epoch = exchanges->epoch;
    exchange->lookup = 0;
    exchange->tried = exchange->tried_tcp = 0;
    exchange->try_count = 0;
    exchange->state = EXCHANGE_WAITING;
    exchange->truncated = exchange->outdated = 0;
    exchange->without_edns = exchange->unreachable = 0;
    exchange->type = question->type;
    exchange->class = question->class;
    exchange->dnssec = dnssec_bits(question);
    exchange->name_len = question->asked_len;
    memcpy(exchange->name, question->name, question->asked_len);
    choose_case(exchange, random);
    exchange->servers = servers_for(exchanges, exchange->name);
    return exchange;
}

struct exchange *exchange_lookup_begin(struct exchanges *exchanges, int64_t now_ms,
                                       struct random_pool *random)
{
    struct bootstrap_question next;
    struct exchange *exchange;

    if (now_ms < exchanges->bootstrap.due_ms || exchanges->bootstrap.count == 0 ||
        !bootstrap_next(&exchanges->bootstrap, now_ms, &next))
        return NULL;
    exchange = exchange_begin(exchanges, &next.question, now_ms, random);
    if (exchange) {
        exchange->lookup = next.lookup;
        exchange->servers = exchanges->bootstrap_servers;
        if (exchange_try_next(exchanges, exchange, false, now_ms, random))
            return exchange;
        exchange_end(exchanges, exchange);
    }
    bootstrap_failed(&exchanges->bootstrap, next.lookup, now_ms);
    return NULL;
}

void exchange_lookup_ended(struct exchanges *exchanges, const struct exchange *exchange,
                           const struct address *addresses, size_t count, uint32_t ttl_s,
                           int64_t now_ms)
{
    if (!exchange_is_current(exchanges, exchange))
        return; /* another configuration, which has begun its own */
    if (!addresses) {
        bootstrap_failed(&exchanges->bootstrap, exchange->lookup, now_ms);
        return;
    }
    bootstrap_answered(&exchanges->bootstrap, &exchanges->upstreams, exchange->lookup, addresses,
                       count, ttl_s, now_ms);
    if (count)
        failures_forget(exchanges); /* what could not be answered for want of an address */
}

static bool lack_addresses(const struct exchanges *exchanges, uint32_t servers)
{
    for (size_t i = 0; i < exchanges->upstreams.count; i++)
        if (servers & 1u << i && !exchanges->upstreams.items[i].unknown)
            return false;
    return true;
}

bool exchange_awaits_address(const struct exchanges *exchanges, const struct exchange *exchange)
{
    return lack_addresses(exchanges, exchange->servers) &&
           bootstrap_is_hopeful(&exchanges->bootstrap, exchange->servers);
}

bool exchanges_lack_addresses(const struct exchanges *exchanges, const uint8_t *name)
{
    return lack_addresses(exchanges, servers_for(exchanges, name));
}

const char *exchanges_lookup_trouble(const struct exchanges *exchanges)
{
    for (size_t i = 0; i < exchanges->bootstrap.count; i++) {
        const struct bootstrap_host *host = &exchanges->bootstrap.hosts[i];
        uint32_t places = ((1u << CONFIG_HOST_SERVERS) - 1) << host->first;
        if (host->families[0].failures && host->families[1].failures &&
            lack_addresses(exchanges, places))
            return exchanges->upstreams.items[host->first].host;
    }
    return NULL;
}

/* RFC 7873 section 5.1 and RFC 9018 section 3: over UDP, where replies could be forged. */
static void write_edns(struct dns_writer *writer, struct exchange *exchange,
                       const struct upstream *upstream)
{
    struct dns_question edns = {.wants_dnssec = exchange->dnssec & 1};
    struct exchange_try *try = &exchange->tries[exchange->try_count - 1];
    uint8_t option[4 + COOKIE_MAX];
    size_t len = 0;

    if (exchange->transport == TRANSPORT_UDP && upstream->cookie_len) {
        dns_put_16(option, DNS_OPTION_COOKIE);
        dns_put_16(option + 2, upstream->cookie_len);
        memcpy(option + 4, upstream->cookie, upstream->cookie_len);
        len = 4u + upstream->cookie_len;
        memcpy(try->cookie, upstream->cookie, COOKIE_CLIENT);
        try->has_cookie = 1;
    }
    dns_write_opt(writer, &edns, 0, option, len);
}

static void write_packet(struct exchange *exchange, const struct upstream *upstream)
{
    struct dns_writer writer = {.message = exchange->packet, .room = sizeof exchange->packet};
    uint8_t head[DNS_HEADER] = {[5] = 1};

    dns_put_16(head, exchange->id);
    /* AD: we understand it in the reply, RFC 6840 section 5.7. */
    dns_put_16(head + 2, DNS_RD | DNS_AD | (exchange->dnssec & 2 ? DNS_CD : 0u));
    dns_write_bytes(&writer, head, sizeof head);
    dns_write_bytes(&writer,
                    exchange->transport == TRANSPORT_UDP ? exchange->cased : exchange->name,
                    exchange->name_len);
    dns_write_16(&writer, exchange->type);
    dns_write_16(&writer, exchange->class);
    if (!exchange->without_edns)
        write_edns(&writer, exchange, upstream);
    exchange->packet_len = (uint16_t)writer.len;
}

static void choose_cookie(struct upstream *upstream, struct random_pool *random)
{
    uint64_t cookie = random_64(random);

    memcpy(upstream->cookie, &cookie, COOKIE_CLIENT);
    upstream->cookie_len = COOKIE_CLIENT;
}

static void start_try(struct exchanges *exchanges, struct exchange *exchange, unsigned server,
                      unsigned transport, int64_t patience_ms, int64_t now_ms,
                      struct random_pool *random)
{
    struct exchange_try *try = &exchange->tries[exchange->try_count++];
    struct upstream *upstream = &exchanges->upstreams.items[server];
    int64_t end_ms = exchange->begun_ms + EXCHANGE_LIFE_MS;

    exchange->id = random_16(random);
    exchange->server = (uint8_t)server;
    exchange->transport = (uint8_t)transport;
    exchange->server_address = upstream->address;
    exchange->tls_name = upstream->tls_name;
    exchange->channel = NULL;
    exchange->tried |= 1u << server;
    if (transport == TRANSPORT_TCP)
        exchange->tried_tcp |= 1u << server;
    *try = (struct exchange_try){.exchange = exchange,
                                 .sent_ms = now_ms,
                                 .epoch = exchange->epoch,
                                 .id = exchange->id,
                                 .server = (uint8_t)server,
                                 .transport = (uint8_t)transport};
    upstream_asked(upstream, now_ms);
    if (!upstream->cookie_len)
        choose_cookie(upstream, random);
    write_packet(exchange, upstream);
    exchange_set_deadline(exchanges, exchange,
                          now_ms + patience_ms < end_ms ? now_ms + patience_ms : end_ms);
}

bool exchange_try_next(struct exchanges *exchanges, struct exchange *exchange, bool another,
                       int64_t now_ms, struct random_pool *random)
{
    struct upstream *upstream;
    int64_t patience_ms;
    unsigned transport;
    uint32_t servers;
    int server;

    if (exchange->epoch != exchanges->epoch) { /* other servers since the last try */
        exchange->epoch = exchanges->epoch;
        exchange->outdated = 1;
        exchange->tried = exchange->tried_tcp = 0;
        exchange->servers = exchange->lookup ? exchanges->bootstrap_servers
                                             : servers_for(exchanges, exchange->name);
    }
    servers = exchange->servers;
    if (exchange->try_count >= EXCHANGE_TRIES || now_ms - exchange->begun_ms >= EXCHANGE_LIFE_MS)
        return false;
    if (another && (exchange->servers & ~exchange->tried) == 0)
        return false;
    if (exchange->truncated) /* a server that has not said it all over TCP either */
        servers &= ~exchange->tried_tcp;
    server = upstream_choose(&exchanges->upstreams, servers, exchange->tried, now_ms, random);
    if (server < 0)
        return false;
    upstream = &exchanges->upstreams.items[server];
    /* A server, or a box before it, may drop what it does not know instead of saying so (DNS flag
     * day 2019): the last try is the plainest. */
    exchange->without_edns =
        upstream->plain_until_ms > now_ms || exchange->try_count == EXCHANGE_TRIES - 1;
    patience_ms = upstream_patience_ms(upstream, exchanges->patience_limit_ms);
    if (upstream_is_dead(upstream) && any_lives(exchanges, servers))
        patience_ms = PROBE_PATIENCE_MS;
    else if (exchange->try_count == 1)
        patience_ms = LATER_PATIENCE_MS;
    transport = upstream->transport;
    if (exchange->truncated && transport == TRANSPORT_UDP) {
        transport = TRANSPORT_TCP;
        patience_ms = TCP_PATIENCE_MS;
    }
    if (exchange->try_count == EXCHANGE_TRIES - 1)
        patience_ms = EXCHANGE_LIFE_MS;
    start_try(exchanges, exchange, (unsigned)server, transport, patience_ms, now_ms, random);
    return true;
}

/* The try that the bytes at hand answer, or the last one. */
static const struct exchange_try *newest_or_matched(const struct exchange *exchange)
{
    return exchange->matched ? exchange->matched : &exchange->tries[exchange->try_count - 1];
}

/* The server of a try; NULL when another configuration has put others in its place. */
static struct upstream *try_upstream(struct exchanges *exchanges, const struct exchange_try *try)
{
    return try->epoch == exchanges->epoch && try->server < exchanges->upstreams.count
               ? &exchanges->upstreams.items[try->server]
               : NULL;
}

bool exchange_try_tcp(struct exchanges *exchanges, struct exchange *exchange, int64_t now_ms,
                      struct random_pool *random)
{
    const struct exchange_try *try = newest_or_matched(exchange);

    if (exchange->try_count > EXCHANGE_TRIES || !try_upstream(exchanges, try) ||
        exchange->tried_tcp & 1u << try->server)
        return false;
    start_try(exchanges, exchange, try->server, TRANSPORT_TCP, TCP_PATIENCE_MS, now_ms, random);
    return true;
}

bool exchange_try_plain(struct exchanges *exchanges, struct exchange *exchange, int64_t now_ms,
                        struct random_pool *random)
{
    const struct exchange_try *try = newest_or_matched(exchange);

    if (exchange->without_edns || exchange->try_count > EXCHANGE_TRIES ||
        !try_upstream(exchanges, try))
        return false;
    exchange->without_edns = 1;
    start_try(exchanges, exchange, try->server, try->transport, exchanges->patience_limit_ms,
              now_ms, random);
    return true;
}

bool exchange_join(struct exchange *exchange, struct exchange_wait *wait)
{
    if (exchange->waiter_count >= EXCHANGE_WAITERS_MAX)
        return false;
    wait->next = NULL;
    *exchange->waiters_end = wait;
    exchange->waiters_end = &wait->next;
    exchange->waiter_count++;
    return true;
}

void exchange_leave(struct exchange *exchange, struct exchange_wait *wait)
{
    for (struct exchange_wait **at = &exchange->waiters; *at; at = &(*at)->next) {
        if (*at != wait)
            continue;
        *at = wait->next;
        if (!wait->next)
            exchange->waiters_end = at;
        exchange->waiter_count--;
        return;
    }
}

struct exchange_wait *exchange_next_waiter(struct exchange *exchange)
{
    struct exchange_wait *wait = exchange->waiters;

    if (!wait)
        return NULL;
    exchange->waiters = wait->next;
    if (!exchange->waiters)
        exchange->waiters_end = &exchange->waiters;
    exchange->waiter_count--;
    return wait;
}

static void match_remove(struct exchanges *exchanges, struct exchange_try *try)
{
    struct exchange_try **at;

    if (!try->channel)
        return;
    at = &exchanges->by_match[match_hash(try->channel, try->id) & exchanges->table_mask];
    while (*at && *at != try)
        at = &(*at)->match_next;
    if (EXPECT(*at != NULL))
        *at = try->match_next;
    try->channel = NULL;
}

void exchange_sent(struct exchanges *exchanges, struct exchange *exchange, void *channel)
{
    struct exchange_try *try = &exchange->tries[exchange->try_count - 1];
    struct exchange_try **head;

    exchange->channel = try->channel = channel;
    head = &exchanges->by_match[match_hash(channel, try->id) & exchanges->table_mask];
    try->match_next = *head;
    *head = try;
}

bool exchange_id_is_taken(const struct exchanges *exchanges, const void *channel, uint16_t id)
{
    const struct exchange_try *try =
        exchanges->by_match[match_hash(channel, id) & exchanges->table_mask];

    while (try && (try->channel != channel || try->id != id))
        try = try->match_next;
    return try != NULL;
}

bool exchange_lost(struct exchanges *exchanges, struct exchange_try *lost)
{
    const struct exchange *exchange = lost->exchange;
    bool was_listening = lost->channel != NULL;

    match_remove(exchanges, lost);
    return was_listening && lost == &exchange->tries[exchange->try_count - 1];
}

struct exchange *exchange_match(struct exchanges *exchanges, const void *channel,
                                const uint8_t *bytes, size_t len)
{
    struct exchange_try *try;
    uint16_t id;

    if (len < 2)
        return NULL;
    id = dns_read_16(bytes);
    try = exchanges->by_match[match_hash(channel, id) & exchanges->table_mask];
    for (; try; try = try->match_next)
        if (try->channel == channel && try->id == id) {
            try->exchange->matched = try;
            return try->exchange;
        }
    return NULL;
}

enum exchange_fit exchange_compare(const struct exchange *exchange, const uint8_t *bytes,
                                   size_t len)
{
    uint8_t expected[4], lowered[BL_NAME_MAX];

    if (len < DNS_HEADER + exchange->name_len + 4u || !(bytes[2] & 0x80) ||
        dns_read_16(bytes + 4) != 1)
        return EXCHANGE_OTHER;
    if (dns_read_16(bytes + 2) & DNS_OPCODE)
        return EXCHANGE_OTHER;
    bytes += DNS_HEADER;
    dns_put_16(expected, exchange->type);
    dns_put_16(expected + 2, exchange->class);
    if (memcmp(bytes + exchange->name_len, expected, sizeof expected) != 0)
        return EXCHANGE_OTHER;
    dns_lower(lowered, bytes, exchange->name_len);
    if (memcmp(lowered, exchange->name, exchange->name_len) != 0)
        return EXCHANGE_OTHER;
    if (exchange->matched->transport == TRANSPORT_UDP &&
        memcmp(bytes, exchange->cased, exchange->name_len) != 0)
        return EXCHANGE_OTHER_CASE;
    return EXCHANGE_FITS;
}

enum exchange_fit exchange_check_cookie(struct exchanges *exchanges, struct exchange *exchange,
                                        const uint8_t *cookie, size_t len)
{
    const struct exchange_try *try = exchange->matched;
    struct upstream *upstream = try_upstream(exchanges, try);

    if (!try->has_cookie)
        return EXCHANGE_FITS;
    /* Its history may have ended with a configuration without it: nothing is known of it now. */
    if (upstream && memcmp(upstream->cookie, try->cookie, COOKIE_CLIENT) != 0)
        upstream = NULL;
    if (len == 0) {
        if (!upstream || !upstream->sends_cookie)
            return EXCHANGE_FITS;
        upstream->sends_cookie = 0; /* perhaps it no longer does: this once it is asked over TCP */
        return EXCHANGE_OTHER_CASE;
    }
    if (len < COOKIE_CLIENT || memcmp(cookie, try->cookie, COOKIE_CLIENT) != 0)
        return EXCHANGE_OTHER;
    /* A server's half has 8 to 32 octets; one that sends ours back alone knows nothing of cookies.
     */
    if (upstream && len >= COOKIE_CLIENT + 8 && len <= COOKIE_MAX) {
        memcpy(upstream->cookie, cookie, len);
        upstream->cookie_len = (uint8_t)len;
        upstream->sends_cookie = 1;
    }
    return EXCHANGE_FITS;
}

void exchange_served(struct exchanges *exchanges, struct exchange *exchange, bool well,
                     int64_t now_ms)
{
    struct exchange_try *try = exchange->matched;
    struct upstream *upstream = try_upstream(exchanges, try);

    if (upstream) {
        if (well && exchange->without_edns)
            upstream->plain_until_ms = now_ms + PLAIN_MS;
        if (well)
            upstream_answered(upstream, now_ms - try->sent_ms);
        else
            upstream_failed(upstream, now_ms);
    }
    match_remove(exchanges, try);
}

void exchange_missed(struct exchanges *exchanges, struct exchange *exchange, int64_t now_ms)
{
    struct upstream *upstream = NULL;

    if (exchange->try_count)
        upstream = try_upstream(exchanges, &exchange->tries[exchange->try_count - 1]);
    if (upstream)
        upstream_failed(upstream, now_ms);
}

void exchange_truncated(struct exchanges *exchanges, struct exchange *exchange, int64_t now_ms)
{
    exchange->truncated = 1;
    exchange_served(exchanges, exchange, true, now_ms);
}

bool exchange_is_listening(const struct exchange *exchange)
{
    for (unsigned i = 0; i < exchange->try_count; i++)
        if (exchange->tries[i].channel)
            return true;
    return false;
}

struct exchange *exchange_overdue(struct exchanges *exchanges, int64_t now_ms)
{
    int64_t now_tick = now_ms / TICK_MS;

    if (!exchanges->count) {
        exchanges->wheel_tick = now_tick;
        return NULL;
    }
    if (now_tick - exchanges->wheel_tick > WHEEL)
        exchanges->wheel_tick = now_tick - WHEEL;
    for (; exchanges->wheel_tick < now_tick; exchanges->wheel_tick++) {
        struct exchange *exchange = exchanges->wheel[exchanges->wheel_tick % WHEEL];
        if (!exchange)
            continue;
        due_remove(exchanges, exchange);
        return exchange;
    }
    return NULL;
}

int64_t exchange_next_deadline(const struct exchanges *exchanges)
{
    if (!exchanges->count)
        return INT64_MAX;
    for (int64_t tick = exchanges->wheel_tick; tick < exchanges->wheel_tick + WHEEL;) {
        size_t slot = (size_t)tick % WHEEL;
        uint64_t word = exchanges->wheel_bits[slot / 64] >> slot % 64;
        if (word)
            return (tick + __builtin_ctzll(word) + 1) * TICK_MS;
        tick += 64 - (int64_t)(slot % 64);
    }
    return INT64_MAX;
}

void exchange_close(struct exchanges *exchanges, struct exchange *exchange,
                    enum exchange_state state)
{
    struct exchange **at = &exchanges->by_key[exchange->key_hash & exchanges->table_mask];

    exchange->state = (uint8_t)state;
    due_remove(exchanges, exchange);
    while (*at && *at != exchange)
        at = &(*at)->key_next;
    if (*at)
        *at = exchange->key_next;
    for (unsigned i = 0; i < exchange->try_count; i++)
        match_remove(exchanges, &exchange->tries[i]);
}

void exchange_end(struct exchanges *exchanges, struct exchange *exchange)
{
    if (exchange->state == EXCHANGE_WAITING)
        exchange_close(exchanges, exchange, EXCHANGE_FAILED);
    exchange->key_next = exchanges->free;
    exchanges->free = exchange;
    exchanges->count--;
}

void exchange_remember_failure(struct exchanges *exchanges, const struct exchange *exchange,
                               int64_t until_ms)
{
    if (exchange->lookup) /* bootstrap.h has its own times */
        return;
    exchanges->failures[exchange->key_hash % FAILURES] =
        (struct failure){exchange->key_hash, until_ms};
    if (until_ms > exchanges->failures_until_ms)
        exchanges->failures_until_ms = until_ms;
}

bool exchange_failed_lately(const struct exchanges *exchanges, const struct dns_question *question,
                            int64_t now_ms)
{
    uint32_t hash;
    const struct failure *failure;

    if (now_ms >= exchanges->failures_until_ms)
        return false; /* all is well, as usual: nothing to look for */
    hash = question_hash(exchanges, question);
    failure = &exchanges->failures[hash % FAILURES];
    return failure->key_hash == hash && failure->until_ms > now_ms;
}
