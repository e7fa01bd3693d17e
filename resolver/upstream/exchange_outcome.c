/* What became of a try, and what that says of its server. */
#include "resolver/upstream/exchange_inside.h"

/* The matched try's server could tell what others could not. */
static void others_are_blamed(struct exchanges *exchanges, struct exchange *exchange,
                              int64_t now_ms)
{
    for (unsigned i = 0; i < exchange->try_count; i++) {
        struct exchange_try *try = &exchange->tries[i];
        struct upstream *upstream = exchange_try_upstream(exchanges, try);
        if (try->refused && upstream && try->server != exchange->matched->server)
            upstream_is_blamed(upstream, now_ms);
        try->refused = 0;
    }
}

/* What an answer says of whether the server knows EDNS. One to a try that went out without it
 * because that was known already says nothing new: a minute would never end. */
static void edns_note(struct upstream *upstream, const struct exchange_try *try, int64_t now_ms)
{
    if (!try->without_edns)
        upstream->plain_until_ms = 0;
    else if (upstream->plain_until_ms <= try->sent_ms)
        upstream->plain_until_ms = now_ms + (upstream->plain_until_ms ? PLAIN_MS : PLAIN_FIRST_MS);
}

void exchange_served(struct exchanges *exchanges, struct exchange *exchange, bool well,
                     int64_t now_ms)
{
    struct exchange_try *try = exchange->matched;
    struct upstream *upstream = exchange_try_upstream(exchanges, try);

    if (!well)
        exchange->refused = try->refused = 1;
    else if (exchange->refused)
        others_are_blamed(exchanges, exchange, now_ms);
    if (upstream) {
        if (well)
            edns_note(upstream, try, now_ms);
        if (well && upstream->failed_in_row)
            exchanges->recovered_ms = now_ms;
        if (well && upstream_is_dead(upstream))
            exchanges->revived_ms = now_ms;
        if (well) {
            upstream_answered(upstream, now_ms - try->sent_ms);
            upstream->heard_ms = now_ms;
        } else {
            upstream_cannot_tell(upstream);
        }
    }
    exchange_match_remove(exchanges, try);
}

static struct upstream *newest_upstream(struct exchanges *exchanges,
                                        const struct exchange *exchange)
{
    return exchange->try_count
               ? exchange_try_upstream(exchanges, &exchange->tries[exchange->try_count - 1])
               : NULL;
}

void exchange_missed(struct exchanges *exchanges, struct exchange *exchange, int64_t now_ms)
{
    struct upstream *upstream = newest_upstream(exchanges, exchange);
    const struct exchange_try *newest;
    int64_t sent_ms;

    if (!upstream)
        return;
    newest = &exchange->tries[exchange->try_count - 1];
    /* Its server has spoken, and it was an earlier one that was waited for, whose silence was
     * counted when its own patience ended. */
    if (!newest->channel)
        return;
    sent_ms = newest->sent_ms;
    if (upstream->heard_ms > sent_ms)
        upstream_is_late(upstream, now_ms - sent_ms);
    else
        upstream_failed(upstream, now_ms);
}

void exchange_broke(struct exchanges *exchanges, struct exchange *exchange, int64_t now_ms)
{
    struct upstream *upstream = newest_upstream(exchanges, exchange);

    if (upstream)
        upstream_failed(upstream, now_ms);
}

void exchange_truncated(struct exchanges *exchanges, struct exchange *exchange, int64_t now_ms)
{
    exchange->truncated = 1;
    exchange_served(exchanges, exchange, true, now_ms);
}
