#include "resolver/net/channel.h"

#include <stddef.h>

#include "resolver/net/worker.h"

static void try_link(struct exchange_try *try, struct exchange_try **list)
{
    try->carrier_next = *list;
    try->carrier_link = list;
    if (try->carrier_next)
        try->carrier_next->carrier_link = &try->carrier_next;
    *list = try;
}

void channel_attach(struct worker *worker, struct channel *channel, struct exchange *exchange)
{
    struct exchange_try *try = &exchange->tries[exchange->try_count - 1];

    try->carrier = channel;
    try_link(try, &channel->tries);
    channel->in_flight++;
    exchange_sent(worker->pipeline->exchanges, exchange, channel);
}

static void try_leave(struct worker *worker, struct exchange_try *try)
{
    struct channel *channel = try->carrier;

    if (!channel)
        return;
    *try->carrier_link = try->carrier_next;
    if (try->carrier_next)
        try->carrier_next->carrier_link = try->carrier_link;
    try->carrier = NULL;
    if (--channel->in_flight == 0)
        channel->idle(worker, channel);
}

void channels_leave(struct worker *worker, struct exchange *exchange)
{
    for (unsigned i = 0; i < exchange->try_count; i++)
        try_leave(worker, &exchange->tries[i]);
}

void channel_break(struct worker *worker, struct channel *channel, bool again)
{
    struct exchanges *exchanges = worker->pipeline->exchanges;
    struct exchange_try *list = channel->tries, *try;

    worker_wake(worker);
    /* The list becomes ours: what is sent anew below may be put on the same channel again. */
    channel->tries = NULL;
    if (list)
        list->carrier_link = &list;
    while ((try = list)) {
        struct exchange *exchange = try->exchange;
        bool is_awaited = exchange_lost(exchanges, try);
        bool once_more = again && try->sent_again < LINKS_PER_UPSTREAM;
        try_leave(worker, try);
        try->sent_again += once_more;
        if (is_awaited)
            worker_follow(worker, exchange,
                          once_more ? QUERY_FORWARD : query_fail(worker->pipeline, exchange));
    }
}
