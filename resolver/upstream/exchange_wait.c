/* Who waits for a question: queries, in the order in which they came. */
#include "resolver/upstream/exchange_inside.h"

void exchange_age_remove(struct exchanges *exchanges, struct exchange *exchange)
{
    if (!exchange->age_link)
        return;
    *exchange->age_link = exchange->age_next;
    if (exchange->age_next)
        exchange->age_next->age_link = exchange->age_link;
    else
        exchanges->oldest_end = exchange->age_link;
    exchange->age_link = NULL;
}

/* Those that somebody waits for, in the order in which somebody began to. */
static void age_add(struct exchanges *exchanges, struct exchange *exchange)
{
    exchange->age_next = NULL;
    exchange->age_link = exchanges->oldest_end;
    *exchange->age_link = exchange;
    exchanges->oldest_end = &exchange->age_next;
}

struct exchange *exchange_oldest(const struct exchanges *exchanges)
{
    return exchanges->oldest;
}

bool exchange_join(struct exchanges *exchanges, struct exchange *exchange,
                   struct exchange_wait *wait)
{
    if (exchange->waiter_count >= EXCHANGE_WAITERS_MAX)
        return false;
    if (!exchange->age_link)
        age_add(exchanges, exchange);
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
