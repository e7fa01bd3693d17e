#include "resolver/query/limit.h"

#include <string.h>

#include "resolver/query/answer.h"

enum {
    SECOND_US = 1000 * 1000,
    SLIP = 2,
    OLD_MS = 2000,
    WAITING_MOST = 200, /* more than any device has, fewer than a bomb needs */
};

static int64_t *place_of(struct pipeline *pipeline, const struct address *client)
{
    uint64_t network = 0;

    if (address_is_v4(client))
        memcpy(&network, client->bytes + 12, 3);
    else
        memcpy(&network, client->bytes, 7);
    network ^= pipeline->client_salt;
    network = (network ^ network >> 32) * 0x9e3779b97f4a7c15u; /* all octets count below */
    return &pipeline->network_due_us[network >> 32 & (PIPELINE_NETWORKS - 1)];
}

bool limit_exceeded(struct pipeline *pipeline, const struct query *query)
{
    unsigned rate = pipeline->world->config->limits.rate;
    int64_t now_us = pipeline->moment.mono_ms * 1000, *due_us;

    if (!rate || query->transport != OVER_UDP)
        return false;
    due_us = place_of(pipeline, &query->client);
    if (*due_us > now_us + SECOND_US)
        return true;
    *due_us = (*due_us > now_us ? *due_us : now_us) + SECOND_US / rate;
    return false;
}

bool limit_hoards(struct pipeline *pipeline, const struct query *query)
{
    return query->transport == OVER_UDP && pipeline->world->config->limits.in_flight_share &&
           pipeline->moment.mono_ms - query->arrived_ms > OLD_MS &&
           pipeline_client_waiting(pipeline, query) > WAITING_MOST;
}

enum query_next limit_answer(struct pipeline *pipeline, struct query *query)
{
    struct dns_writer writer;
    enum query_next next;

    COUNT(pipeline->counters, limited);
    if (++pipeline->limited % SLIP)
        return QUERY_DROP;
    answer_start(query, &writer, DNS_NOERROR);
    next = answer_end(pipeline, query, &writer, DNS_NOERROR, NULL, 0);
    if (next == QUERY_ANSWER)
        query->answer[2] |= DNS_TC >> 8;
    return next;
}
