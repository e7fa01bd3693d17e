/* Any bytes as the kernel's answer: no crash, and only devices are told. */
#include <stdlib.h>

#include "resolver/devices/netlink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void each(void *user, const struct neighbour *neighbour)
{
    size_t *count = user;

    if (!mac_is_device(neighbour->mac) || neighbour->ago_ms < 0)
        abort();
    ++*count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t count = 0;
    int fault = 0;
    enum netlink_end end = netlink_read(data, size, 1, each, &count, &fault);

    /* A header and a body are the least that tells of one. */
    if (count > size / 28 || (end == NETLINK_FAULT) != (fault > 0))
        abort();
    return 0;
}
