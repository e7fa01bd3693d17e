/* Datagrams for one receiver that walk through the kernel as one message. Private to net/.
 *
 * With UDP_SEGMENT (Linux 4.18, udp(7)) the kernel goes through its routing, its filters and its
 * queues once and makes the datagrams at the end of that way, so that on the wire each is as if it
 * had been sent by itself. Its rule is that all of a message are of one length but the last, which
 * may be shorter; so they are handed over sorted, the longest first. Where the way to the receiver
 * has no such thing (IPsec, a driver, a rule of a packet filter), the kernel refuses the message.
 *
 * Nothing here allocates memory or keeps anything.
 */
#ifndef RESOLVER_NET_JOINED_H
#define RESOLVER_NET_JOINED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    JOINED_CONTROL = CMSG_SPACE(sizeof(uint16_t)), /* octets that joining adds to control data */
    JOINED_OCTETS = 60000, /* of a message: with all headers it has to be below 65,536 */
};

/* Whether this kernel joins at all. One that does not would not refuse either, but send all of a
 * message as one datagram. A system call. */
bool joined_is_known(int fd);

/* Whether a message may have been refused for being joined, so that each of it may yet be taken. */
bool joined_is_refused(int error);

/* How many of these, for one receiver and the longest first, from the first on may leave as one.
 * All of them together have at most JOINED_OCTETS. */
unsigned joined_run(const struct iovec *vectors, unsigned count);

/* Gives the message those vectors; of several it tells the kernel, in JOINED_CONTROL octets behind
 * the control data that are in it. */
void joined_write(struct msghdr *header, struct iovec *vectors, unsigned run);

/* Takes `count` messages apart again, in place, where the array has room for all of their vectors:
 * how many they are then. */
unsigned joined_part(struct mmsghdr *messages, unsigned count);

#endif
