#include "resolver/upstream/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/base/check.h"
#include "resolver/base/hash.h"
#include "resolver/upstream/exchange_inside.h"

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
    exchanges->oldest_end = &exchanges->oldest;
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

size_t exchange_count(const struct exchanges *exchanges)
{
    return exchanges->count;
}

/* DO and CD change what an upstream answers, RFC 6840 section 5.9. */
static uint8_t dnssec_bits(const struct dns_question *question)
{
    return (uint8_t)((question->wants_dnssec ? 1 : 0) | (question->flags & DNS_CD ? 2 : 0));
}

uint32_t exchanges_question_hash(const struct exchanges *exchanges,
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

/* All its tries went out before an outage ended: whoever asks after it is not to wait for them. */
static bool is_lost(const struct exchanges *exchanges, const struct exchange *exchange)
{
    return exchange->try_count >= EXCHANGE_TRIES &&
           exchange->tries[exchange->try_count - 1].sent_ms < exchanges->revived_ms;
}

struct exchange *exchange_find(struct exchanges *exchanges, const struct dns_question *question)
{
    uint32_t hash = exchanges_question_hash(exchanges, question);
    struct exchange *exchange = exchanges->by_key[hash & exchanges->table_mask];

    for (; exchange; exchange = exchange->key_next)
        if (exchange->key_hash == hash && exchange->type == question->type &&
            exchange->class == question->class && exchange->dnssec == dnssec_bits(question) &&
            exchange->name_len == question->asked_len && exchange_is_current(exchanges, exchange) &&
            !exchange->lookup && !is_lost(exchanges, exchange) &&
            memcmp(exchange->name, question->name, question->asked_len) == 0)
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
    exchange->key_hash = exchanges_question_hash(exchanges, question);
    exchange->key_next = exchanges->by_key[exchange->key_hash & exchanges->table_mask];
    exchanges->by_key[exchange->key_hash & exchanges->table_mask] = exchange;
    exchange->matched = NULL;
    exchange->channel = NULL;
    exchange->waiters = NULL;
    exchange->waiters_end = &exchange->waiters;
    exchange->waiter_count = 0;
    exchange->age_link = NULL;
    exchange->due_link = NULL;
    exchange->begun_ms = now_ms;
    exchange->epoch = exchanges->epoch;
    exchange->lookup = 0;
    exchange->tried = exchange->tried_tcp = 0;
    exchange->try_count = 0;
    exchange->state = EXCHANGE_WAITING;
    exchange->truncated = exchange->outdated = 0;
    exchange->without_edns = exchange->unreachable = 0;
    exchange->refused = exchange->gave_way = 0;
    exchange->refused_ede = -1;
    exchange->type = question->type;
    exchange->class = question->class;
    exchange->dnssec = dnssec_bits(question);
    exchange->name_len = question->asked_len;
    memcpy(exchange->name, question->name, question->asked_len);
    choose_case(exchange, random);
    exchange->servers = exchanges_servers_for(exchanges, exchange->name);
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
        exchanges_forget_failures(
            exchanges); /* what could not be answered for want of an address */
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
    return lack_addresses(exchanges, exchanges_servers_for(exchanges, name));
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

void exchange_match_remove(struct exchanges *exchanges, struct exchange_try *try)
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

    exchange_match_remove(exchanges, lost);
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
    if (memcmp(bytes, exchange->cased, exchange->name_len) == 0)
        return EXCHANGE_FITS;
    dns_lower(lowered, bytes, exchange->name_len);
    if (memcmp(lowered, exchange->name, exchange->name_len) != 0)
        return EXCHANGE_OTHER;
    return exchange->matched->transport == TRANSPORT_UDP ? EXCHANGE_OTHER_CASE : EXCHANGE_FITS;
}

enum exchange_fit exchange_check_cookie(struct exchanges *exchanges, struct exchange *exchange,
                                        const uint8_t *cookie, size_t len)
{
    const struct exchange_try *try = exchange->matched;
    struct upstream *upstream = exchange_try_upstream(exchanges, try);

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
        /* After a stop of seconds what was asked since may share a place with what is overdue. */
        while (exchange && exchange->deadline_ms / TICK_MS >= now_tick)
            exchange = exchange->due_next;
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
    exchange_age_remove(exchanges, exchange);
    while (*at && *at != exchange)
        at = &(*at)->key_next;
    if (*at)
        *at = exchange->key_next;
    for (unsigned i = 0; i < exchange->try_count; i++)
        exchange_match_remove(exchanges, &exchange->tries[i]);
}

void exchange_end(struct exchanges *exchanges, struct exchange *exchange)
{
    if (exchange->state == EXCHANGE_WAITING)
        exchange_close(exchanges, exchange, EXCHANGE_FAILED);
    exchange->key_next = exchanges->free;
    exchanges->free = exchange;
    exchanges->count--;
}
