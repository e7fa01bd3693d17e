#include "resolver/net/datagram.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/base/check.h"
#include "resolver/net/outbox.h"

enum {
    /* Room for one IPv4 and one IPv6 packet info: a dual-stack socket gets either. */
    CONTROL_SIZE = CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(struct in6_pktinfo)),
};

union control {
    struct cmsghdr align;
    uint8_t bytes[CONTROL_SIZE];
};

struct incoming {
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    struct sockaddr_in6 names[BATCH];
    union control controls[BATCH];
    uint8_t bytes[BATCH][DATAGRAM_SIZE];
};

struct datagrams {
    uv_poll_t questions, room; /* watch `fd` and, while it is blocked, `out_fd` */
    unsigned handles;          /* still open */
    struct worker *worker;
    int fd, out_fd;
    struct address local; /* of a socket on a specific address */
    bool is_v6, is_wildcard;
    bool stopped; /* no more questions are read */
    struct outbox out;
};

int incoming_create(struct incoming **out_incoming)
{
    struct incoming *incoming = calloc(1, sizeof *incoming);

    if (!incoming)
        return -ENOMEM;
    for (unsigned i = 0; i < BATCH; i++) {
        incoming->vectors[i] = (struct iovec){incoming->bytes[i], DATAGRAM_SIZE};
        incoming->messages[i].msg_hdr = (struct msghdr){.msg_name = &incoming->names[i],
                                                        .msg_namelen = sizeof incoming->names[i],
                                                        .msg_iov = &incoming->vectors[i],
                                                        .msg_iovlen = 1};
    }
    *out_incoming = incoming;
    return 0;
}

void incoming_destroy(struct incoming *incoming)
{
    free(incoming);
}

int datagrams_create(struct worker *worker, struct listen_socket *socket,
                     struct datagrams **out_datagrams)
{
    struct datagrams *d = calloc(1, sizeof *d);
    int code;

    if (!d)
        return -ENOMEM;
    code = uv_poll_init(&worker->loop, &d->questions, socket->fd);
    if (code < 0) {
        free(d);
        return code;
    }
    /* The second of two of a kind: what the first one did, this one does. */
    CHECK(uv_poll_init(&worker->loop, &d->room, socket->out_fd) == 0);
    d->questions.data = d->room.data = d;
    d->handles = 2;
    d->worker = worker;
    d->fd = socket->fd;
    d->out_fd = socket->out_fd;
    d->local = socket->address;
    d->is_v6 = socket->is_v6;
    d->is_wildcard = socket->is_wildcard;
    outbox_init(&d->out, d->out_fd, d->is_v6, d->is_wildcard);
    socket->fd = socket->out_fd = -1;
    *out_datagrams = d;
    return 0;
}

/* Which of our addresses a datagram was sent to (IP_PKTINFO, RFC 3542 section 6.1). */
static void local_read(const struct datagrams *d, struct msghdr *header, struct query *query)
{
    query->local = d->local;
    query->interface = 0;
    if (!d->is_wildcard)
        return;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = info.ipi_addr};
            address_from_sockaddr((struct sockaddr *)&from, &query->local);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(query->local.bytes, &info.ipi6_addr, sizeof query->local.bytes);
            query->interface = info.ipi6_ifindex;
        }
    }
    query->local.port = d->local.port;
}

/* An answer to such a sender could reach nobody, or would reach many, or another server in a loop:
 * port 0, multicast, broadcast, "this network" (RFC 1122 section 3.2.1.3). */
static bool sender_is_impossible(const struct address *client)
{
    static const uint8_t ZERO[16];

    if (client->port == 0)
        return true;
    if (address_is_v4(client))
        return client->bytes[12] == 0 || client->bytes[12] >= 224;
    return client->bytes[0] == 0xff || memcmp(client->bytes, ZERO, sizeof ZERO) == 0;
}

/* The question of a datagram, read; NULL when it is dropped. */
static struct query *datagram_read(struct datagrams *d, struct mmsghdr *message)
{
    struct worker *worker = d->worker;
    struct msghdr *header = &message->msg_hdr;
    struct query *query;

    if (header->msg_flags & MSG_TRUNC) {
        COUNT(worker->counters, malformed);
        return NULL;
    }
    query = query_take(worker->pipeline);
    if (!query) {
        COUNT(worker->counters, overload);
        return NULL;
    }
    address_from_sockaddr(header->msg_name, &query->client);
    if (sender_is_impossible(&query->client)) {
        COUNT(worker->counters, dropped);
        query_release(worker->pipeline, query);
        return NULL;
    }
    local_read(d, header, query);
    query->packet = header->msg_iov->iov_base;
    query->packet_len = message->msg_len;
    query->transport = OVER_UDP;
    query->channel = d;
    query_read(worker->pipeline, query);
    return query;
}

static void datagram_answer(struct datagrams *d, struct query *query)
{
    struct worker *worker = d->worker;

    query->answer = datagrams_room(d);
    query->answer_room = ANSWER_ROOM;
    if (!query->answer) {
        COUNT(worker->counters, overload);
        query_release(worker->pipeline, query);
        return;
    }
    switch (worker_question(worker, query)) {
    case QUERY_ANSWER:
        datagrams_answer(d, query);
        query_release(worker->pipeline, query);
        break;
    case QUERY_DROP:
        query_release(worker->pipeline, query);
        break;
    case QUERY_FORWARD:
    case QUERY_WAIT:
        break;
    }
}

/* In three passes, so that each question's memory is fetched while the others have their turn. */
static void batch_answer(struct datagrams *d, struct mmsghdr *messages, unsigned count)
{
    struct query *queries[BATCH];
    unsigned taken = 0;

    for (unsigned i = 0; i < count; i++) {
        queries[taken] = datagram_read(d, &messages[i]);
        taken += queries[taken] != NULL;
    }
    for (unsigned i = 0; i < taken; i++)
        query_fetch(d->worker->pipeline, queries[i]);
    for (unsigned i = 0; i < taken; i++)
        datagram_answer(d, queries[i]);
}

/* Returns whether there may be more to read. */
static bool batch_read(struct datagrams *d)
{
    struct incoming *in = d->worker->incoming;
    int count;

    for (unsigned i = 0; i < BATCH; i++) {
        struct msghdr *header = &in->messages[i].msg_hdr;
        header->msg_namelen = sizeof in->names[i];
        header->msg_control = d->is_wildcard ? &in->controls[i] : NULL;
        header->msg_controllen = d->is_wildcard ? sizeof in->controls[i] : 0;
    }
    count = recvmmsg(d->fd, in->messages, BATCH, MSG_DONTWAIT, NULL);
    if (count <= 0)
        return false;
    worker_wake(d->worker);
    batch_answer(d, in->messages, (unsigned)count);
    datagrams_flush(d);
    return count == BATCH;
}

static void on_questions(uv_poll_t *poll, int status, int events)
{
    struct datagrams *d = poll->data;

    /* Errors of a socket without a peer are read, and thereby cleared, by recvmmsg(). */
    (void)status;
    (void)events;
    for (unsigned i = 0; i < BATCHES_PER_WAKE && !d->stopped && !d->out.blocked; i++)
        if (!batch_read(d))
            break;
}

static void on_room(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    datagrams_flush(poll->data);
}

static void watch(struct datagrams *d)
{
    if (d->stopped || d->out.blocked)
        uv_poll_stop(&d->questions);
    else
        CHECK(uv_poll_start(&d->questions, UV_READABLE, on_questions) == 0);
    if (d->out.blocked)
        CHECK(uv_poll_start(&d->room, UV_WRITABLE, on_room) == 0);
    else
        uv_poll_stop(&d->room);
}

int datagrams_start(struct datagrams *d)
{
    return uv_poll_start(&d->questions, UV_READABLE, on_questions);
}

void datagrams_stop(struct datagrams *d)
{
    d->stopped = true;
    watch(d);
}

static void on_closed(uv_handle_t *handle)
{
    struct datagrams *d = handle->data;

    if (--d->handles)
        return;
    close(d->fd);
    close(d->out_fd);
    free(d);
}

void datagrams_close(struct datagrams *d)
{
    uv_close((uv_handle_t *)&d->questions, on_closed);
    uv_close((uv_handle_t *)&d->room, on_closed);
}

uint8_t *datagrams_room(struct datagrams *d)
{
    uint8_t *room = outbox_room(&d->out);

    if (room)
        return room;
    datagrams_flush(d);
    return outbox_room(&d->out);
}

void datagrams_answer(struct datagrams *d, const struct query *query)
{
    outbox_add(&d->out, query);
}

void datagrams_flush(struct datagrams *d)
{
    bool was_blocked = d->out.blocked;
    unsigned dropped;

    if (d->out.count == 0)
        return;
    dropped = outbox_send(&d->out, d->worker->now.mono_ms);
    if (dropped)
        COUNT_ADD(d->worker->counters, dropped, dropped);
    if (d->out.blocked != was_blocked)
        watch(d);
}
