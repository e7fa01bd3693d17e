/* Answers that leave by one UDP socket in batches. Private to net/.
 *
 * Happy path: an answer is composed straight into outbox_room(), behind the one before it;
 * outbox_send() hands all to the kernel in one call. In a flood those for one client (a forwarder,
 * or somebody hostile) leave joined (joined.h); which of a client's answers comes first is as
 * little promised then as it is by UDP.
 *
 * Failure modes: when the kernel takes no more (EAGAIN), the rest stays, and `blocked` is set until
 * a later outbox_send() is through. Any other error is first taken for that of something sent
 * before, or of an ICMP message that somebody has forged (the kernel tells them with the next
 * message, which it then does not send): the same is tried once more. An answer the kernel refuses
 * again (no route, a firewall) is dropped alone, joined ones are taken apart first; where they were
 * refused for being joined, all leave one by one for a while.
 *
 * Threads: of one worker. Nothing here allocates memory.
 */
#ifndef RESOLVER_NET_OUTBOX_H
#define RESOLVER_NET_OUTBOX_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "resolver/net/joined.h"
#include "resolver/net/limits.h"

struct outbox {
    int fd;
    bool is_v6, is_wildcard;
    bool blocked;          /* the kernel had no room */
    int64_t join_after_ms; /* monotonic; INT64_MAX: this kernel joins none */
    unsigned answers;      /* in it, at most BATCH */
    unsigned count, sent;  /* the messages that they are, and how many of those have left */
    size_t used;           /* of `bytes` */
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH], sorted[BATCH]; /* by answer, and as joined messages have them */
    struct sockaddr_in6 names[BATCH];           /* by answer, as are `controls` */
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + JOINED_CONTROL];
    } controls[BATCH];
    uint8_t bytes[BATCH * 512 + ANSWER_ROOM]; /* most answers are short */
};

/* `fd` stays the caller's. A wildcard socket's answers name the address that they come from. */
void outbox_init(struct outbox *outbox, int fd, bool is_v6, bool is_wildcard);

/* Room of ANSWER_ROOM octets for one answer, or NULL when some have to leave first. */
uint8_t *outbox_room(struct outbox *outbox);

/* Takes query->answer, composed in that room, for query->client. */
void outbox_add(struct outbox *outbox, const struct query *query);

/* Sends what is there; `now_ms` is monotonic. How many answers had to be dropped. */
unsigned outbox_send(struct outbox *outbox, int64_t now_ms);

#endif
