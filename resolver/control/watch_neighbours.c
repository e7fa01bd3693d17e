/* The kernel's neighbours, over rtnetlink(7). */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/control/watch_internal.h"
#include "resolver/devices/netlink.h"

enum {
    RECEIVE_BYTES = 1024 * 1024, /* of news that wait */
    DATAGRAM_MAX = 64 * 1024,    /* more than the kernel ever sends at once */
    DATAGRAMS_AT_ONCE = 256,     /* then other things have their turn */
    ASK_MS = 60 * 1000,
    AGAIN_MS = 1000,
};

struct seeing {
    struct devices *devices;
    int64_t mono_ms;
};

static void see(void *user, const struct neighbour *neighbour)
{
    const struct seeing *seeing = user;

    devices_see(seeing->devices, neighbour, seeing->mono_ms);
}

void neighbours_open(struct watch *watch)
{
    struct neighbours *neighbours = &watch->neighbours;
    struct sockaddr_nl name = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_NEIGH};
    int bytes = RECEIVE_BYTES;
    char text[200];

    neighbours->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (neighbours->fd >= 0 && bind(neighbours->fd, (struct sockaddr *)&name, sizeof name) == 0) {
        (void)setsockopt(neighbours->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
        return;
    }
    snprintf(text, sizeof text,
             "the kernel's neighbours cannot be watched (%s), so devices are known by lease files "
             "and the configuration only",
             strerror(errno));
    if (neighbours->fd >= 0)
        close(neighbours->fd);
    neighbours->fd = -1;
    watch_fault(watch, neighbours->fault, text);
}

void neighbours_ask(struct watch *watch, int64_t mono_ms)
{
    struct neighbours *neighbours = &watch->neighbours;
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    uint8_t request[NETLINK_ASK_MAX];
    char text[200];
    size_t len;

    if (neighbours->fd < 0 || mono_ms < neighbours->due_ms)
        return;
    len = netlink_ask(request, AF_UNSPEC, ++neighbours->sequence);
    neighbours->waiting = sendto(neighbours->fd, request, len, 0, (struct sockaddr *)&kernel,
                                 sizeof kernel) == (ssize_t)len;
    neighbours->due_ms = mono_ms + (neighbours->waiting ? ASK_MS : AGAIN_MS);
    if (neighbours->waiting)
        return;
    snprintf(text, sizeof text, "the kernel cannot be asked for its neighbours: %s",
             strerror(errno));
    watch_fault(watch, neighbours->fault, text);
}

static void again(struct neighbours *neighbours, int64_t mono_ms)
{
    neighbours->waiting = false;
    if (neighbours->due_ms > mono_ms + AGAIN_MS)
        neighbours->due_ms = mono_ms + AGAIN_MS;
}

static void datagram_read(struct watch *watch, const uint8_t *bytes, size_t len, int64_t mono_ms)
{
    struct neighbours *neighbours = &watch->neighbours;
    struct seeing seeing = {watch->devices, mono_ms};
    char text[200];
    int code = 0;

    switch (netlink_read(bytes, len, neighbours->sequence, see, &seeing, &code)) {
    case NETLINK_MORE:
        break;
    case NETLINK_DONE:
        neighbours->waiting = false;
        watch_fault(watch, neighbours->fault, "");
        break;
    case NETLINK_AGAIN:
        again(neighbours, mono_ms);
        break;
    case NETLINK_FAULT:
        snprintf(text, sizeof text, "the kernel does not tell its neighbours: %s", strerror(code));
        neighbours->waiting = false;
        watch_fault(watch, neighbours->fault, text);
        break;
    }
}

void neighbours_read(struct watch *watch, int64_t mono_ms)
{
    static uint8_t bytes[DATAGRAM_MAX]; /* of the watch's only thread */

    for (int i = 0; i < DATAGRAMS_AT_ONCE; i++) {
        struct sockaddr_nl sender = {0};
        socklen_t sender_len = sizeof sender;
        ssize_t len = recvfrom(watch->neighbours.fd, bytes, sizeof bytes, 0,
                               (struct sockaddr *)&sender, &sender_len);
        /* The kernel had more to say than there was room for: what was lost is asked for. */
        if (len < 0 && errno == ENOBUFS)
            again(&watch->neighbours, mono_ms);
        else if (len < 0 && errno != EINTR)
            return;
        else if (len > 0 && sender.nl_pid == 0) /* any process may send to us; 0 is the kernel */
            datagram_read(watch, bytes, (size_t)len, mono_ms);
    }
}
