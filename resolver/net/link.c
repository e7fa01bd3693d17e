#include "resolver/net/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/base/check.h"
#include "resolver/base/log.h"
#include "resolver/net/tls.h"

enum { MESSAGE_SIZE = 2 + DNS_MESSAGE_MAX };

enum link_state { LINK_CONNECTING, LINK_HANDSHAKE, LINK_OPEN, LINK_CLOSED };

struct link {
    struct channel channel; /* first */
    uv_tcp_t tcp;
    uv_connect_t connect;
    struct links *links;
    struct upstream_peer *peer; /* NULL once closed */
    struct link *next, **link;
    enum link_state state;
    bool served;      /* has answered a question of ours before */
    bool asked;       /* something was asked and nothing has been heard since */
    int64_t since_ms; /* began, or last heard or asked */
    int64_t asked_ms;
    struct tls *tls;
    uint8_t *partial; /* of a message */
    size_t partial_len;
    uint8_t *out; /* framed questions of this turn; plain */
    size_t out_len, out_room;
    size_t unsent;
    struct link *flush_next;
    bool to_flush;
};

/* One upstream, as connections know it. */
struct upstream_peer {
    struct address address;
    uint8_t transport;
    char *tls_name;
    struct tls_ticket *ticket;
    struct link *links;
    unsigned count;
    int64_t used_ms, hold_until_ms, logged_ms;
    uint64_t suppressed;
    struct upstream_peer *next;
};

struct links {
    struct worker *worker;
    struct upstream_peer *peers;
    struct tls_client *tls;
    struct link *flush;
    uint8_t in[2 * MESSAGE_SIZE];
    uint8_t raw[16 * 1024]; /* octets of one read; encrypted ones to be sent */
};

struct unsent {
    uv_write_t request; /* first */
    size_t len;
    uint8_t bytes[];
};

static void link_break(struct link *link, bool again);

static void on_closed(uv_handle_t *handle)
{
    struct link *link = handle->data;

    tls_destroy(link->tls);
    free(link->partial);
    free(link->out);
    if (link->to_flush)
        link->links = NULL; /* links_flush() frees it */
    else
        free(link);
}

/* Closes the connection; its tries have to be looked after by the caller. */
static void link_close(struct link *link)
{
    if (link->state == LINK_CLOSED)
        return;
    link->state = LINK_CLOSED;
    *link->link = link->next;
    if (link->next)
        link->next->link = link->link;
    link->peer->count--;
    link->peer = NULL;
    uv_close((uv_handle_t *)&link->tcp, on_closed);
}

static void link_break(struct link *link, bool again)
{
    struct worker *worker = link->links->worker;

    if (link->state == LINK_CLOSED)
        return;
    link_close(link);
    channel_break(worker, &link->channel, again);
}

static void link_idle(struct worker *worker, struct channel *channel)
{
    (void)worker; /* kept for the next question; links_sweep() closes it when there is none for a
                     while */
    (void)channel;
}

static void link_failed(struct link *link, const char *why)
{
    struct upstream_peer *peer = link->peer;
    int64_t now_ms = link->links->worker->now.mono_ms;
    char text[ADDRESS_TEXT_MAX];

    if (!peer)
        return;
    peer->hold_until_ms = now_ms + LINK_HOLD_MS;
    if (peer->transport == TRANSPORT_TLS &&
        log_limited(now_ms, LINK_LOG_MS, &peer->logged_ms, &peer->suppressed))
        log_warning("upstream %s (%s) over TLS: %s. It is not used until that is mended",
                    address_text_port(&peer->address, text), peer->tls_name, why);
    link_break(link, false);
}

static void on_written(uv_write_t *request, int status)
{
    struct unsent *unsent = (struct unsent *)request;
    struct link *link = request->handle->data;

    link->unsent -= unsent->len;
    free(unsent);
    if (status < 0 && link->state != LINK_CLOSED) {
        worker_wake(link->links->worker);
        link_break(link, link->served);
    }
}

static int write_raw(struct link *link, const uint8_t *bytes, size_t len)
{
    uv_buf_t buffer = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)len);
    int sent = link->unsent ? UV_EAGAIN : uv_try_write((uv_stream_t *)&link->tcp, &buffer, 1);
    struct unsent *unsent;

    if (sent < 0 && sent != UV_EAGAIN)
        return sent;
    bytes += sent < 0 ? 0 : sent;
    len -= (size_t)(sent < 0 ? 0 : sent);
    if (len == 0)
        return 0;
    if (link->unsent + len > LINK_UNSENT_MAX)
        return -ENOBUFS;
    unsent = malloc(sizeof *unsent + len);
    if (!unsent)
        return -ENOMEM;
    unsent->len = len;
    memcpy(unsent->bytes, bytes, len);
    buffer = uv_buf_init((char *)unsent->bytes, (unsigned)len);
    sent = uv_write(&unsent->request, (uv_stream_t *)&link->tcp, &buffer, 1, on_written);
    if (sent < 0) {
        free(unsent);
        return sent;
    }
    link->unsent += len;
    return 0;
}

static int write_encrypted(struct link *link)
{
    struct links *links = link->links;
    size_t len;
    int code = 0;

    while (code == 0 && (len = tls_take(link->tls, links->raw, sizeof links->raw)))
        code = write_raw(link, links->raw, len);
    return code;
}

static int link_write(struct link *link)
{
    size_t len = link->out_len;
    int code;

    if (link->state != LINK_OPEN || len == 0)
        return 0;
    link->out_len = 0;
    if (!link->tls)
        return write_raw(link, link->out, len);
    code = tls_write(link->tls, link->out, len);
    return code < 0 ? code : write_encrypted(link);
}

/* Puts a question behind its length, to leave with the others of this turn. */
static int question_add(struct link *link, const struct exchange *exchange)
{
    size_t need = link->out_len + 2 + exchange->packet_len;
    uint8_t *grown;

    if (need > link->out_room) {
        if (need > LINK_UNSENT_MAX)
            return -ENOBUFS;
        grown = realloc(link->out, 2 * need);
        if (!grown)
            return -ENOMEM;
        link->out = grown;
        link->out_room = 2 * need;
    }
    dns_put_16(link->out + link->out_len, exchange->packet_len);
    memcpy(link->out + link->out_len + 2, exchange->packet, exchange->packet_len);
    link->out_len = need;
    if (!link->to_flush) {
        link->to_flush = true;
        link->flush_next = link->links->flush;
        link->links->flush = link;
    }
    return 0;
}

void links_flush(struct links *links)
{
    struct link *link;

    while (links && (link = links->flush)) {
        links->flush = link->flush_next;
        link->to_flush = false;
        if (!link->links)
            free(link);
        else if (link->state != LINK_CLOSED && link_write(link) < 0)
            link_break(link, link->served);
    }
}

/* Takes the whole messages out of `in`; keeps what is left. False: it is no DNS. */
static bool messages_read(struct link *link, size_t len)
{
    struct links *links = link->links;
    struct worker *worker = links->worker;
    size_t at = 0;

    while (len - at >= 2) {
        size_t message_len = dns_read_16(links->in + at);
        const uint8_t *message = links->in + at + 2;
        struct exchange *exchange;
        if (message_len < DNS_HEADER)
            return false;
        if (len - at - 2 < message_len)
            break;
        at += 2 + message_len;
        exchange = exchange_match(worker->pipeline->exchanges, link, message, message_len);
        if (!exchange) {
            COUNT(worker->counters, replies_refused);
            continue;
        }
        link->served = true;
        worker_follow(worker, exchange,
                      query_resume(worker->pipeline, exchange, message, message_len));
    }
    free(link->partial);
    link->partial = NULL;
    link->partial_len = len - at;
    if (link->partial_len == 0)
        return true;
    link->partial = malloc(link->partial_len);
    if (!link->partial)
        return false;
    memcpy(link->partial, links->in + at, link->partial_len);
    return true;
}

/* Decrypts what came, a buffer at a time. */
static void encrypted_read(struct link *link)
{
    struct links *links = link->links;
    ssize_t len;

    for (;;) {
        if (link->partial_len)
            memcpy(links->in, link->partial, link->partial_len);
        len = tls_read(link->tls, links->in + link->partial_len,
                       sizeof links->in - link->partial_len);
        if (len <= 0)
            break;
        if (!messages_read(link, link->partial_len + (size_t)len)) {
            link_break(link, false);
            return;
        }
        if (link->state == LINK_CLOSED)
            return;
    }
    if (len < 0)
        link_break(link, len == -EPIPE && link->served && link->partial_len == 0);
    else if (write_encrypted(link) < 0) /* a key update may want an answer */
        link_break(link, link->served);
}

static void handshake_step(struct link *link)
{
    struct bl_error error = {0};
    int code = tls_handshake(link->tls, &error);

    if (write_encrypted(link) < 0 && code >= 0)
        code = bl_error_set(&error, -EPIPE, "the connection broke during the TLS handshake");
    if (code < 0) {
        link_failed(link, error.text);
        return;
    }
    if (code == 0)
        return;
    link->state = LINK_OPEN;
    link->since_ms = link->links->worker->now.mono_ms;
    if (link_write(link) < 0)
        link_break(link, false);
    else
        encrypted_read(link);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out_buffer)
{
    struct link *link = handle->data;
    struct links *links = link->links;

    (void)suggested;
    if (link->tls) {
        *out_buffer = uv_buf_init((char *)links->raw, sizeof links->raw);
        return;
    }
    if (link->partial_len)
        memcpy(links->in, link->partial, link->partial_len);
    *out_buffer = uv_buf_init((char *)links->in + link->partial_len,
                              (unsigned)(sizeof links->in - link->partial_len));
}

static void on_read(uv_stream_t *tcp, ssize_t len, const uv_buf_t *buffer)
{
    struct link *link = tcp->data;

    if (len == 0 || link->state == LINK_CLOSED)
        return;
    worker_wake(link->links->worker);
    if (len < 0) {
        if (link->state == LINK_HANDSHAKE)
            link_failed(link, "the connection was closed during the TLS handshake");
        else /* RFC 7858 section 3.4 wants a proper end: without it nothing was lost but the
                connection */
            link_break(link, link->served && link->partial_len == 0);
        return;
    }
    link->asked = false;
    if (link->state == LINK_OPEN) /* a handshake has an end, however slowly it drips */
        link->since_ms = link->links->worker->now.mono_ms;
    if (!link->tls) {
        if (!messages_read(link, link->partial_len + (size_t)len))
            link_break(link, false);
    } else if (tls_feed(link->tls, (const uint8_t *)buffer->base, (size_t)len) < 0) {
        link_break(link, false);
    } else if (link->state == LINK_HANDSHAKE) {
        handshake_step(link);
    } else {
        encrypted_read(link);
    }
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct link *link = connect->handle->data;

    if (link->state == LINK_CLOSED)
        return;
    worker_wake(link->links->worker);
    if (status == 0)
        status = uv_read_start((uv_stream_t *)&link->tcp, on_room, on_read);
    if (status < 0) {
        link_failed(link, uv_strerror(status));
        return;
    }
    if (link->tls) {
        link->state = LINK_HANDSHAKE;
        handshake_step(link);
        return;
    }
    link->state = LINK_OPEN;
    if (link_write(link) < 0)
        link_break(link, false);
}

static int link_tls(struct link *link, struct upstream_peer *peer)
{
    struct links *links = link->links;
    int code;

    if (!peer->tls_name[0])
        return -EPROTO; /* nobody to check the certificate against: never without a check */
    if (!links->tls && (code = tls_client_create(true, &links->tls, NULL)) < 0)
        return code;
    if (!peer->ticket && (code = tls_ticket_create(&peer->ticket)) < 0)
        return code;
    return tls_create(links->tls, peer->tls_name, peer->ticket, &link->tls);
}

static int link_open(struct links *links, struct upstream_peer *peer, struct link **out_link)
{
    struct link *link = calloc(1, sizeof *link);
    struct sockaddr_storage name;
    int code;

    if (!link)
        return -ENOMEM;
    link->links = links;
    link->channel.idle = link_idle;
    code = peer->transport == TRANSPORT_TLS ? link_tls(link, peer) : 0;
    if (code == 0) {
        code = uv_tcp_init(&links->worker->loop, &link->tcp);
        if (code < 0)
            tls_destroy(link->tls);
    }
    if (code < 0) {
        free(link);
        return code;
    }
    link->tcp.data = link;
    link->since_ms = links->worker->now.mono_ms;
    link->peer = peer;
    link->next = peer->links;
    link->link = &peer->links;
    if (link->next)
        link->next->link = &link->next;
    peer->links = link;
    peer->count++;
    address_to_sockaddr(&peer->address, !address_is_v4(&peer->address), &name);
    code = uv_tcp_connect(&link->connect, &link->tcp, (struct sockaddr *)&name, on_connected);
    if (code < 0) {
        link_close(link);
        return code;
    }
    uv_tcp_nodelay(&link->tcp, 1);
    *out_link = link;
    return 0;
}

static struct upstream_peer *peer_find(struct links *links, const struct exchange *exchange)
{
    struct upstream_peer *peer = links->peers;

    for (; peer; peer = peer->next)
        if (peer->transport == exchange->transport &&
            address_equal(&peer->address, &exchange->server_address) &&
            strcmp(peer->tls_name, exchange->tls_name) == 0)
            return peer;
    peer = calloc(1, sizeof *peer);
    if (!peer || !(peer->tls_name = strdup(exchange->tls_name))) {
        free(peer);
        return NULL;
    }
    peer->address = exchange->server_address;
    peer->transport = exchange->transport;
    peer->next = links->peers;
    links->peers = peer;
    return peer;
}

static struct link *link_least(struct links *links, struct upstream_peer *peer, uint16_t id)
{
    struct link *found = NULL;

    for (struct link *link = peer->links; link; link = link->next)
        if (link->channel.in_flight < LINK_QUERIES_MAX &&
            (!found || link->channel.in_flight < found->channel.in_flight) &&
            !exchange_id_is_taken(links->worker->pipeline->exchanges, &link->channel, id))
            found = link;
    return found;
}

int links_send(struct links *links, struct exchange *exchange)
{
    int64_t now_ms = links->worker->now.mono_ms;
    struct upstream_peer *peer = peer_find(links, exchange);
    struct link *link;
    int code;

    if (!peer)
        return -ENOMEM;
    if (now_ms < peer->hold_until_ms && peer->count == 0)
        return -EHOSTDOWN;
    peer->used_ms = now_ms;
    link = link_least(links, peer, exchange->id);
    if (!link || (link->channel.in_flight >= LINK_QUERIES_SPREAD && link->state == LINK_OPEN &&
                  peer->count < LINKS_PER_UPSTREAM)) {
        struct link *fresh = NULL;
        code = peer->count < LINKS_PER_UPSTREAM ? link_open(links, peer, &fresh) : -EBUSY;
        if (!link && code < 0)
            return code;
        link = fresh ? fresh : link;
    }
    code = question_add(link, exchange);
    if (code < 0)
        return code;
    if (!link->asked) {
        link->asked = true;
        link->asked_ms = now_ms;
    }
    if (link->state == LINK_OPEN)
        link->since_ms = now_ms;
    channel_attach(links->worker, &link->channel, exchange);
    return 0;
}

int links_create(struct worker *worker, struct links **out_links)
{
    struct links *links = calloc(1, sizeof *links);

    if (!links)
        return -ENOMEM;
    links->worker = worker;
    *out_links = links;
    return 0;
}

void links_close(struct links *links)
{
    if (!links)
        return;
    for (struct upstream_peer *peer = links->peers; peer; peer = peer->next)
        while (peer->links)
            link_close(peer->links);
}

static void peer_free(struct upstream_peer *peer)
{
    tls_ticket_destroy(peer->ticket);
    free(peer->tls_name);
    free(peer);
}

void links_destroy(struct links *links)
{
    struct upstream_peer *peer;
    struct link *link;

    if (!links)
        return;
    while ((link = links->flush)) {
        links->flush = link->flush_next;
        free(link);
    }
    while ((peer = links->peers)) {
        links->peers = peer->next;
        peer_free(peer);
    }
    tls_client_destroy(links->tls);
    free(links);
}

static void link_sweep(struct link *link, int64_t now_ms)
{
    if (link->state != LINK_OPEN) {
        if (now_ms - link->since_ms >= LINK_CONNECT_MS)
            link_failed(link, "no connection within three seconds");
    } else if (link->asked && now_ms - link->asked_ms >= LINK_SILENT_MS) {
        link_break(link, false);
    } else if (link->channel.in_flight == 0 && now_ms - link->since_ms >= LINK_IDLE_MS) {
        link_close(link);
    }
}

void links_sweep(struct links *links)
{
    int64_t now_ms = links->worker->now.mono_ms;
    struct upstream_peer **at = &links->peers, *peer;
    struct link *link, *next;

    while ((peer = *at)) {
        for (link = peer->links; link; link = next) {
            next = link->next;
            link_sweep(link, now_ms);
        }
        if (peer->count == 0 && now_ms - peer->used_ms >= POOL_IDLE_MS) {
            *at = peer->next;
            peer_free(peer);
        } else {
            at = &peer->next;
        }
    }
}
