#include "resolver/net/outbox.h"

#include <errno.h>
#include <string.h>

#include "resolver/base/check.h"

enum {
    FLOOD = 16,                /* answers at once; with fewer there is nothing to be gained */
    JOIN_AGAIN_MS = 60 * 1000, /* ways change */
};

_Static_assert(sizeof((struct outbox *)0)->bytes <= JOINED_OCTETS, "a message may be too long");

void outbox_init(struct outbox *outbox, int fd, bool is_v6, bool is_wildcard)
{
    outbox->fd = fd;
    outbox->is_v6 = is_v6;
    outbox->is_wildcard = is_wildcard;
    outbox->join_after_ms = joined_is_known(fd) ? 0 : INT64_MAX;
}

uint8_t *outbox_room(struct outbox *outbox)
{
    if (outbox->answers == BATCH || outbox->used + ANSWER_ROOM > sizeof outbox->bytes)
        return NULL;
    return outbox->bytes + outbox->used;
}

/* Which of our addresses the answer comes from (IP_PKTINFO, RFC 3542 section 6.1). */
static void source_write(struct msghdr *header, const struct query *query)
{
    struct cmsghdr *c = header->msg_control;

    if (address_is_v4(&query->local)) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, query->local.bytes + 12, 4);
        header->msg_controllen = CMSG_SPACE(sizeof info);
        *c = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof info), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO};
        memcpy(CMSG_DATA(c), &info, sizeof info);
    } else {
        struct in6_pktinfo info = {.ipi6_ifindex = query->interface};
        memcpy(&info.ipi6_addr, query->local.bytes, sizeof query->local.bytes);
        header->msg_controllen = CMSG_SPACE(sizeof info);
        *c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof info),
                              .cmsg_level = IPPROTO_IPV6,
                              .cmsg_type = IPV6_PKTINFO};
        memcpy(CMSG_DATA(c), &info, sizeof info);
    }
}

void outbox_add(struct outbox *outbox, const struct query *query)
{
    unsigned answer = outbox->answers;
    struct sockaddr_storage name;
    struct msghdr *header;

    if (!EXPECT(answer < BATCH) || !EXPECT(query->answer == outbox->bytes + outbox->used) ||
        !EXPECT(query->answer_len <= ANSWER_ROOM))
        return;
    outbox->vectors[answer] = (struct iovec){query->answer, query->answer_len};
    header = &outbox->messages[outbox->count].msg_hdr;
    *header = (struct msghdr){
        .msg_name = &outbox->names[answer],
        .msg_namelen = address_to_sockaddr(&query->client, outbox->is_v6, &name),
        .msg_iov = &outbox->vectors[answer],
        .msg_iovlen = 1,
        .msg_control = &outbox->controls[answer],
    };
    memcpy(&outbox->names[answer], &name, header->msg_namelen);
    if (outbox->is_wildcard)
        source_write(header, query);
    outbox->answers++;
    outbox->count++;
    outbox->used += (query->answer_len + 63) & ~(size_t)63;
}

static bool is_same_way(const struct msghdr *a, const struct msghdr *b)
{
    return a->msg_namelen == b->msg_namelen && a->msg_controllen == b->msg_controllen &&
           memcmp(a->msg_name, b->msg_name, a->msg_namelen) == 0 &&
           memcmp(a->msg_control, b->msg_control, a->msg_controllen) == 0;
}

/* A number by which the answers of each client stand together, the longest first. Two clients with
 * one number are told apart later. */
static uint64_t place_of(const struct outbox *outbox, unsigned answer)
{
    const struct sockaddr_in6 *name = &outbox->names[answer];
    const struct sockaddr_in *name4 = (const struct sockaddr_in *)(const void *)name;
    uint32_t client;

    if (outbox->is_v6)
        memcpy(&client, name->sin6_addr.s6_addr + 12, sizeof client);
    else
        client = name4->sin_addr.s_addr;
    client ^= (uint32_t)name->sin6_port << 8; /* at the same place in both */
    return (uint64_t)client << 32 | (UINT16_MAX - outbox->vectors[answer].iov_len) << 16 | answer;
}

/* Puts the places of all answers in order. They are few. */
static void places_sort(const struct outbox *outbox, uint64_t *places)
{
    for (unsigned i = 0; i < outbox->answers; i++) {
        uint64_t place = place_of(outbox, i);
        unsigned at = i;

        for (; at > 0 && places[at - 1] > place; at--)
            places[at] = places[at - 1];
        places[at] = place;
    }
}

/* Makes one message of several where they go the same way. Until then message i is answer i. */
static void answers_join(struct outbox *outbox)
{
    struct mmsghdr single[BATCH];
    uint64_t places[BATCH];
    unsigned answers = outbox->answers, end, run;

    memcpy(single, outbox->messages, answers * sizeof *single);
    places_sort(outbox, places);
    for (unsigned i = 0; i < answers; i++)
        outbox->sorted[i] = outbox->vectors[(uint16_t)places[i]];
    outbox->count = 0;
    for (unsigned at = 0; at < answers; at += run) {
        struct msghdr header = single[(uint16_t)places[at]].msg_hdr;

        for (end = at + 1; end < answers; end++)
            if (!is_same_way(&header, &single[(uint16_t)places[end]].msg_hdr))
                break;
        run = joined_run(outbox->sorted + at, end - at);
        joined_write(&header, outbox->sorted + at, run);
        outbox->messages[outbox->count++].msg_hdr = header;
    }
}

/* The first message was refused twice: takes it apart, or drops it. How many answers were dropped.
 */
static unsigned first_refused(struct outbox *outbox, int error, int64_t now_ms)
{
    struct mmsghdr *first = outbox->messages + outbox->sent;

    if (first->msg_hdr.msg_iovlen == 1) {
        outbox->sent++;
        return 1;
    }
    if (joined_is_refused(error))
        outbox->join_after_ms = now_ms + JOIN_AGAIN_MS;
    outbox->count = outbox->sent + joined_part(first, outbox->count - outbox->sent);
    return 0;
}

unsigned outbox_send(struct outbox *outbox, int64_t now_ms)
{
    unsigned refused = BATCH; /* the message that was, and may have been for another's sake */
    unsigned dropped = 0;

    if (outbox->answers >= FLOOD && !outbox->blocked && now_ms >= outbox->join_after_ms)
        answers_join(outbox);
    outbox->blocked = false;
    while (outbox->sent < outbox->count) {
        int sent = sendmmsg(outbox->fd, outbox->messages + outbox->sent,
                            outbox->count - outbox->sent, MSG_DONTWAIT);

        if (sent > 0) {
            outbox->sent += (unsigned)sent;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            outbox->blocked = true;
            return dropped;
        } else if (errno != EINTR && refused != outbox->sent) {
            refused = outbox->sent;
        } else if (errno != EINTR) {
            dropped += first_refused(outbox, errno, now_ms);
            refused = BATCH;
        }
    }
    outbox->answers = outbox->count = outbox->sent = 0;
    outbox->used = 0;
    return dropped;
}
