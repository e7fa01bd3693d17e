/* A question put to one server: which, over what, for how long, and the packet. */
#include <string.h>

#include "resolver/upstream/exchange_inside.h"

/* RFC 7873 section 5.1 and RFC 9018 section 3: over UDP, where replies could be forged. */
static void write_edns(struct dns_writer *writer, struct exchange *exchange,
                       const struct upstream *upstream)
{
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
    dns_write_opt(writer, exchange->dnssec & 1, 0, option, len);
}

static void write_packet(struct exchange *exchange, const struct upstream *upstream)
{
    struct dns_writer writer = {.message = exchange->packet, .room = sizeof exchange->packet};

    /* AD: we understand it in the reply, RFC 6840 section 5.7. */
    dns_write_head(&writer, exchange->id, DNS_RD | DNS_AD | (exchange->dnssec & 2 ? DNS_CD : 0u),
                   exchange->transport == TRANSPORT_UDP ? exchange->cased : exchange->name,
                   exchange->name_len, exchange->type, exchange->class);
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
                                 .transport = (uint8_t)transport,
                                 .without_edns = exchange->without_edns};
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
                                             : exchanges_servers_for(exchanges, exchange->name);
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
    if (upstream_is_dead(upstream) && exchanges_any_lives(exchanges, servers))
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

const struct exchange_try *exchange_newest_or_matched(const struct exchange *exchange)
{
    return exchange->matched ? exchange->matched : &exchange->tries[exchange->try_count - 1];
}

struct upstream *exchange_try_upstream(struct exchanges *exchanges, const struct exchange_try *try)
{
    return try->epoch == exchanges->epoch && try->server < exchanges->upstreams.count
               ? &exchanges->upstreams.items[try->server]
               : NULL;
}

/* Whether the same server may be asked once more, in another way: one that says now this and now
 * that has no claim to the try that is left for somebody else. */
static bool may_ask_again(const struct exchange *exchange)
{
    bool others = (exchange->servers & ~exchange->tried) != 0;

    return exchange->try_count <= (others ? EXCHANGE_TRIES - 2 : EXCHANGE_TRIES);
}

bool exchange_try_tcp(struct exchanges *exchanges, struct exchange *exchange, int64_t now_ms,
                      struct random_pool *random)
{
    const struct exchange_try *try = exchange_newest_or_matched(exchange);

    if (!may_ask_again(exchange) || !exchange_try_upstream(exchanges, try) ||
        exchange->tried_tcp & 1u << try->server)
        return false;
    start_try(exchanges, exchange, try->server, TRANSPORT_TCP, TCP_PATIENCE_MS, now_ms, random);
    return true;
}

bool exchange_try_plain(struct exchanges *exchanges, struct exchange *exchange, int64_t now_ms,
                        struct random_pool *random)
{
    const struct exchange_try *try = exchange_newest_or_matched(exchange);

    if (exchange->without_edns || !may_ask_again(exchange) ||
        !exchange_try_upstream(exchanges, try))
        return false;
    if (exchange->matched) /* it has had its reply */
        exchange_match_remove(exchanges, exchange->matched);
    exchange->without_edns = 1;
    start_try(exchanges, exchange, try->server, try->transport, exchanges->patience_limit_ms,
              now_ms, random);
    return true;
}
