#include "resolver/query/forward.h"

#include <string.h>

#include "resolver/query/answer.h"
#include "resolver/query/radar.h"
#include "resolver/query/recall.h"
#include "resolver/query/reply.h"

enum {
    CLIENT_PATIENCE_MS = 1800,
    ADDRESSES_MOST = 16,  /* of one answer of a bootstrap server's */
    ADDRESS_WAIT_MS = 50, /* between two looks whether an address has come */
    CROWD_PART = 8,       /* of the places is kept free of those who wait … */
    CROWD_MS = 200,       /* … by giving up what has waited longer than servers usually take */
    UNSIGNED_TTL_S = 60,  /* how long what was asked without EDNS is kept for those who validate */
};

static void count_sent(struct pipeline *pipeline, const struct exchange *exchange)
{
    COUNT(pipeline->counters, forwarded);
    if (exchange->transport != TRANSPORT_UDP)
        COUNT(pipeline->counters, forwarded_tcp);
    if (exchange->try_count > 1)
        COUNT(pipeline->counters, retried);
}

static enum query_next answer_overload(struct pipeline *pipeline, struct query *query)
{
    COUNT(pipeline->counters, overload);
    return answer_error(pipeline, query, DNS_SERVFAIL, DNS_EDE_NOT_READY,
                        "Too many questions are waiting for an answer.");
}

static enum query_next failed(struct pipeline *pipeline, struct exchange *exchange)
{
    exchange_remember_failure(pipeline->exchanges, exchange, pipeline->moment.mono_ms);
    if (exchange->lookup)
        exchange_lookup_ended(pipeline->exchanges, exchange, NULL, 0, 0, pipeline->moment.mono_ms);
    exchange_close(pipeline->exchanges, exchange, EXCHANGE_FAILED);
    return QUERY_ANSWER;
}

static struct address address_read(const uint8_t *data, size_t len)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct address address = {0};

    memcpy(address.bytes, mapped, sizeof mapped);
    memcpy(address.bytes + sizeof address.bytes - len, data, len);
    return address;
}

/* The addresses of a bootstrap server's answer. */
static void take_addresses(struct pipeline *pipeline, const struct exchange *exchange)
{
    const struct reply *reply = pipeline->reply;
    struct address addresses[ADDRESSES_MOST];
    struct dns_record record;
    struct dns_walk walk;
    size_t count = 0;

    if (dns_walk_start(&walk, reply->message, reply->len) < 0)
        return;
    while (count < ADDRESSES_MOST && dns_walk_next(&walk, &record) > 0 && record.section == 1) {
        const uint8_t *data = reply->message + record.data;
        if (record.type != exchange->type)
            continue;
        if (record.type == DNS_A && record.data_len == 4)
            addresses[count++] = address_read(data, 4);
        else if (record.type == DNS_AAAA && record.data_len == 16)
            addresses[count++] = address_read(data, 16);
    }
    exchange_lookup_ended(pipeline->exchanges, exchange, addresses, count, reply->ttl_s,
                          pipeline->moment.mono_ms);
}

/* No server to ask has an address yet: the question waits a moment for what the look-up says. */
static bool wait_for_address(struct pipeline *pipeline, struct exchange *exchange)
{
    int64_t end_ms = exchange->begun_ms + EXCHANGE_LIFE_MS, now_ms = pipeline->moment.mono_ms;

    if (now_ms >= end_ms || !exchange_awaits_address(pipeline->exchanges, exchange))
        return false;
    exchange_set_deadline(pipeline->exchanges, exchange, now_ms + ADDRESS_WAIT_MS);
    return true;
}

/* Whether somebody waits who can have a stale answer. */
static bool has_stale(struct pipeline *pipeline, const struct exchange *exchange)
{
    return exchange->waiter_count && recall_has_stale(pipeline, exchange);
}

/* RFC 8767 section 5: a client is not kept waiting when there is a stale answer for it. */
static void limit_patience(struct pipeline *pipeline, struct exchange *exchange)
{
    int64_t stale_ms = exchange->begun_ms + CLIENT_PATIENCE_MS, now_ms = pipeline->moment.mono_ms;

    if (exchange->deadline_ms > stale_ms && has_stale(pipeline, exchange))
        exchange_set_deadline(pipeline->exchanges, exchange, stale_ms > now_ms ? stale_ms : now_ms);
}

enum query_next forward_begin(struct pipeline *pipeline, struct query *query)
{
    struct exchanges *exchanges = pipeline->exchanges;
    int64_t now_ms = pipeline->moment.mono_ms;
    struct exchange *exchange = exchange_find(exchanges, query->sought);
    bool joined = exchange != NULL, waits = joined;

    if (!joined && exchange_failed_lately(exchanges, query->sought, now_ms))
        return forward_failed(pipeline, query, false);
    if (exchanges_are_dead(exchanges, query->sought->name)) {
        enum query_next next = recall_stale(pipeline, query);
        if (next != QUERY_WAIT)
            return next; /* and the servers are probed by its refresh */
    }
    if (!pipeline_client_may_wait(pipeline, query))
        return answer_overload(pipeline, query);
    if (!joined) {
        COUNT(pipeline->counters, cache_misses);
        radar_forwarded(pipeline, query);
        exchange = exchange_begin(exchanges, query->sought, now_ms, &pipeline->random);
        if (!exchange)
            return answer_overload(pipeline, query);
        if (exchange_try_next(exchanges, exchange, false, now_ms, &pipeline->random)) {
            count_sent(pipeline, exchange);
        } else if (wait_for_address(pipeline, exchange)) {
            waits = true; /* and goes out later */
        } else {
            exchange_end(exchanges, exchange);
            return forward_failed(pipeline, query, true);
        }
    }
    if (!exchange_join(exchanges, exchange, &query->wait))
        return answer_overload(pipeline, query);
    if (joined) {
        COUNT(pipeline->counters, joined);
        limit_patience(pipeline, exchange); /* nobody waited for a refresh so far */
    }
    query->exchange = exchange;
    query->arrived_ms = now_ms;
    pipeline_client_waits(pipeline, query);
    return waits ? QUERY_WAIT : QUERY_FORWARD;
}

struct exchange *pipeline_next_crowded(struct pipeline *pipeline)
{
    struct exchange *oldest = exchange_oldest(pipeline->exchanges);

    if (pipeline->waiting < pipeline->pool_size - pipeline->pool_size / CROWD_PART || !oldest ||
        pipeline->moment.mono_ms - oldest->begun_ms < CROWD_MS)
        return NULL;
    oldest->gave_way = 1;
    exchange_close(pipeline->exchanges, oldest, EXCHANGE_FAILED);
    return oldest;
}

enum query_next forward_late(struct pipeline *pipeline, struct exchange *exchange)
{
    int64_t stale_ms = exchange->begun_ms + CLIENT_PATIENCE_MS;

    if ((exchanges_are_dead(pipeline->exchanges, exchange->name) ||
         pipeline->moment.mono_ms >= stale_ms) &&
        has_stale(pipeline, exchange))
        return failed(pipeline, exchange);
    return forward_again(pipeline, exchange, false);
}

enum query_next forward_over_tcp(struct pipeline *pipeline, struct exchange *exchange)
{
    if (!exchange_try_tcp(pipeline->exchanges, exchange, pipeline->moment.mono_ms,
                          &pipeline->random))
        return QUERY_WAIT;
    count_sent(pipeline, exchange);
    return QUERY_FORWARD;
}

enum query_next forward_truncated(struct pipeline *pipeline, struct exchange *exchange)
{
    int64_t now_ms = pipeline->moment.mono_ms;

    if (exchange->matched->transport != TRANSPORT_UDP) { /* where nothing needs to be cut off */
        COUNT(pipeline->counters, replies_failed);
        exchange_served(pipeline->exchanges, exchange, false, now_ms);
        return forward_again(pipeline, exchange, true);
    }
    exchange_truncated(pipeline->exchanges, exchange, now_ms);
    if (exchange_try_tcp(pipeline->exchanges, exchange, now_ms, &pipeline->random)) {
        count_sent(pipeline, exchange);
        return QUERY_FORWARD;
    }
    return forward_again(pipeline, exchange, true);
}

static enum query_next next_or_wait(struct pipeline *pipeline, struct exchange *exchange,
                                    bool another)
{
    int64_t now_ms = pipeline->moment.mono_ms, end_ms = exchange->begun_ms + EXCHANGE_LIFE_MS;

    if (exchange_try_next(pipeline->exchanges, exchange, another, now_ms, &pipeline->random)) {
        count_sent(pipeline, exchange);
        return QUERY_FORWARD;
    }
    if (exchange->try_count == 0 && wait_for_address(pipeline, exchange))
        return QUERY_WAIT;
    if (!exchange_is_listening(exchange) || now_ms >= end_ms)
        return failed(pipeline, exchange);
    exchange_set_deadline(pipeline->exchanges, exchange, end_ms);
    return QUERY_WAIT;
}

enum query_next forward_again(struct pipeline *pipeline, struct exchange *exchange, bool another)
{
    enum query_next next = next_or_wait(pipeline, exchange, another);

    if (next != QUERY_ANSWER)
        limit_patience(pipeline, exchange);
    return next;
}

/* Whether the way to this server vouches for AD: RFC 6840 section 5.7 wants a secured channel. */
static bool is_trusted(const struct exchange *exchange)
{
    return exchange->matched->transport == TRANSPORT_TLS ||
           address_is_loopback(&exchange->server_address);
}

enum query_next forward_accept(struct pipeline *pipeline, struct exchange *exchange,
                               const uint8_t *bytes, size_t len)
{
    const struct config_cache *cache = &pipeline->world->config->cache;
    struct reply_limits limits = {cache->min_ttl, cache->max_ttl, cache->negative_ttl};
    struct reply_question question = {.name = exchange->name,
                                      .name_len = exchange->name_len,
                                      .wants_dnssec = exchange->dnssec & 1,
                                      .dnssec = exchange->dnssec,
                                      .type = exchange->type,
                                      .class = exchange->class};
    struct reply *reply = pipeline->reply;
    int64_t now_ms = pipeline->moment.mono_ms;
    uint32_t place = recall_expect(pipeline, &question);
    int code = reply_read(reply, bytes, len, &question, &limits);
    enum exchange_fit fit = code < 0
                                ? EXCHANGE_FITS
                                : exchange_check_cookie(pipeline->exchanges, exchange,
                                                        bytes + reply->cookie, reply->cookie_len);

    if (fit != EXCHANGE_FITS) {
        COUNT(pipeline->counters, replies_refused);
        return fit == EXCHANGE_OTHER ? QUERY_WAIT : forward_over_tcp(pipeline, exchange);
    }
    /* RFC 7873 section 5.3: it gave a cookie that counts from now on; TCP needs none. */
    if (code == 0 && reply->rcode == DNS_BADCOOKIE)
        return forward_over_tcp(pipeline, exchange);
    if (code == 0 && (reply->rcode == DNS_NOERROR || reply->rcode == DNS_NXDOMAIN)) {
        exchange_served(pipeline->exchanges, exchange, true, now_ms);
        if (exchange->lookup) {
            take_addresses(pipeline, exchange);
            exchange_close(pipeline->exchanges, exchange, EXCHANGE_ANSWERED);
            return QUERY_ANSWER;
        }
        reply->authentic = reply->authentic && is_trusted(exchange);
        if (reply->authentic)
            reply->message[3] |= DNS_AD;
        reply_look_up(pipeline->world->store, reply->message, reply->len, question.type,
                      &reply->facts);
        /* Without EDNS nothing is signed: whoever validates is not to live with it for long. */
        if (question.wants_dnssec && exchange->matched->without_edns &&
            reply->ttl_s > UNSIGNED_TTL_S)
            reply->ttl_s = UNSIGNED_TTL_S;
        if (exchange_is_current(pipeline->exchanges, exchange))
            recall_store(pipeline, &question, place);
        exchange_close(pipeline->exchanges, exchange, EXCHANGE_ANSWERED);
        return QUERY_ANSWER;
    }
    COUNT(pipeline->counters, replies_failed);
    /* DNS flag day 2019: a server that does not know EDNS says FORMERR or NOTIMP, and is asked
     * without. */
    if (code == 0 && (reply->rcode == DNS_FORMERR || reply->rcode == DNS_NOTIMP) &&
        exchange_try_plain(pipeline->exchanges, exchange, now_ms, &pipeline->random)) {
        count_sent(pipeline, exchange);
        return QUERY_FORWARD;
    }
    if (code == 0 && reply->ede >= 0)
        exchange->refused_ede = reply->ede;
    exchange_served(pipeline->exchanges, exchange, false, now_ms);
    return forward_again(pipeline, exchange, true);
}

/* Why there is no answer, RFC 8914; what a server said of it goes on to the client. */
static enum query_next answer_failure(struct pipeline *pipeline, struct query *query,
                                      bool unreachable)
{
    int nobody = unreachable ? DNS_EDE_NETWORK_ERROR : DNS_EDE_NO_REACHABLE_AUTHORITY;
    const struct exchange *exchange = query->exchange;

    if (exchanges_lack_addresses(pipeline->exchanges, query->sought->name))
        return answer_error(pipeline, query, DNS_SERVFAIL, nobody,
                            "The address of the upstream server is not known yet.");
    if (exchange && exchange->refused_ede >= 0)
        return answer_error(pipeline, query, DNS_SERVFAIL, exchange->refused_ede,
                            "The upstream server says so.");
    if (exchange && exchange->refused)
        return answer_error(pipeline, query, DNS_SERVFAIL, nobody,
                            "The upstream servers say that they cannot tell.");
    if (!exchange && !unreachable)
        return answer_error(pipeline, query, DNS_SERVFAIL, DNS_EDE_CACHED_ERROR,
                            "There was no answer a moment ago.");
    return answer_error(pipeline, query, DNS_SERVFAIL, nobody, "No upstream server answered.");
}

enum query_next forward_failed(struct pipeline *pipeline, struct query *query, bool unreachable)
{
    enum query_next next = recall_stale(pipeline, query);

    if (next != QUERY_WAIT)
        return next;
    if (query->exchange && query->exchange->gave_way)
        return answer_overload(pipeline, query);
    COUNT(pipeline->counters, servfail);
    return answer_failure(pipeline, query, unreachable);
}
