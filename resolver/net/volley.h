/* Questions that leave together by one connected UDP socket, for as few walks through the kernel as
 * they allow. Private to net/.
 *
 * In a flood they leave joined (joined.h), and one by one from when that was refused.
 *
 * Threads: of one worker. Nothing here allocates memory.
 */
#ifndef RESOLVER_NET_VOLLEY_H
#define RESOLVER_NET_VOLLEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "resolver/net/joined.h"
#include "resolver/net/limits.h"
#include "resolver/upstream/exchange.h"

enum volley_way {
    VOLLEY_UNTRIED, /* set it to this after a while: ways change */
    VOLLEY_JOINED,
    VOLLEY_ONE_BY_ONE, /* this kernel joins none, or what was joined has been refused */
};

struct volley {
    unsigned count; /* questions, at most BATCH */
    enum volley_way way;
    struct iovec vectors[BATCH];
    struct mmsghdr messages[BATCH];
    union {
        struct cmsghdr align;
        uint8_t bytes[JOINED_CONTROL];
    } controls[BATCH];
    uint8_t bytes[BATCH][EXCHANGE_PACKET_MAX];
};

/* One more: not when `count` is BATCH. `len` is at most EXCHANGE_PACKET_MAX. */
void volley_add(struct volley *volley, const uint8_t *packet, size_t len);

/* Sends all, or those that the kernel has room for: what is left is lost as in a full network.
 * `count` is 0 afterwards. 0, or a negative errno of the socket, perhaps of what it sent before:
 * −ECONNREFUSED from an earlier one is passed over once with `is_refusal_late`. */
int volley_send(struct volley *volley, int fd, bool is_refusal_late);

#endif
