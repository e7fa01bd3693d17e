/* What the kernel tells of its neighbours (rtnetlink(7)), as bytes: which MAC address is behind an
 * address on the networks that we are on ourselves.
 *
 * Pure: bytes in, facts out; the socket is control/watch.c's. Messages are the kernel's, but
 * nothing is believed of their lengths. Only what a device can have is told: no multicast, no
 * entries without a MAC address, none that stand for somebody else (proxies). Any thread; no
 * allocation.
 */
#ifndef RESOLVER_DEVICES_NETLINK_H
#define RESOLVER_DEVICES_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/base/address.h"
#include "resolver/base/mac.h"

struct neighbour {
    struct address address; /* with the interface as scope where it is link-local */
    uint8_t mac[MAC_LEN];
    int64_t ago_ms; /* how long ago the kernel last had a word from it */
};

enum { NETLINK_ASK_MAX = 64 };

/* The request for all neighbours of AF_INET or AF_INET6, or with AF_UNSPEC of both; gives its
 * length. */
size_t netlink_ask(uint8_t request[NETLINK_ASK_MAX], int family, uint32_t sequence);

enum netlink_end {
    NETLINK_MORE,  /* these were news, or a part of the answer */
    NETLINK_DONE,  /* the answer to request `sequence` is whole */
    NETLINK_AGAIN, /* that answer may have gaps (neighbours changed meanwhile): ask again */
    NETLINK_FAULT, /* the request was refused; *out_errno says why */
};

/* Reads one datagram. `each` is told of every neighbour in it. */
enum netlink_end netlink_read(const uint8_t *bytes, size_t len, uint32_t sequence,
                              void (*each)(void *user, const struct neighbour *neighbour),
                              void *user, int *out_errno);

#endif
