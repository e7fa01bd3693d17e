#include "resolver/query/refresh.h"

enum { IN_FLIGHT_MOST = 256 }; /* clients' questions come first */

void refresh_begin(struct pipeline *pipeline, const struct dns_question *sought)
{
    struct exchanges *exchanges = pipeline->exchanges;
    int64_t now_ms = pipeline->moment.mono_ms;
    struct exchange *exchange;

    if (pipeline->refresh_count == PIPELINE_REFRESHES ||
        exchange_count(exchanges) > IN_FLIGHT_MOST || exchange_find(exchanges, sought) ||
        exchange_failed_lately(exchanges, sought, now_ms))
        return;
    exchange = exchange_begin(exchanges, sought, now_ms, &pipeline->random);
    if (!exchange)
        return;
    if (!exchange_try_next(exchanges, exchange, false, now_ms, &pipeline->random)) {
        exchange_end(exchanges, exchange);
        return;
    }
    COUNT(pipeline->counters, refreshed);
    COUNT(pipeline->counters, forwarded);
    pipeline->refreshes[pipeline->refresh_count++] = exchange;
}

struct exchange *pipeline_next_refresh(struct pipeline *pipeline)
{
    while (pipeline->refresh_count) {
        struct exchange *exchange = pipeline->refreshes[--pipeline->refresh_count];
        if (exchange->state == EXCHANGE_WAITING && !exchange->channel)
            return exchange;
    }
    return exchange_lookup_begin(pipeline->exchanges, pipeline->moment.mono_ms, &pipeline->random);
}
