/* What a try of an exchange went out on: a UDP socket with a random port, or a connection; the
 * first member of both. An exchange may listen to several tries at once, each on a channel of its
 * own. Private to net/.
 */
#ifndef RESOLVER_NET_CHANNEL_H
#define RESOLVER_NET_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "resolver/upstream/exchange.h"

struct worker;

struct channel {
    struct exchange_try *tries; /* those that went out on it, whose exchanges are still there */
    uint32_t in_flight;         /* how many */
    /* The last try has left: the channel may close itself. */
    void (*idle)(struct worker *worker, struct channel *channel);
};

/* The exchange's current try is on the channel. */
void channel_attach(struct worker *worker, struct channel *channel, struct exchange *exchange);

/* An exchange ends: its tries leave their channels. */
void channels_leave(struct worker *worker, struct exchange *exchange);

/* The channel broke: none of its tries will be answered. Those that their exchanges wait for go on:
 * to another server, or with `again` the same way (a kept connection that the server closed,
 * perhaps with all the others: LINKS_PER_UPSTREAM times for each try at most). The channel must not
 * be chosen any more; it may be gone afterwards. */
void channel_break(struct worker *worker, struct channel *channel, bool again);

#endif
