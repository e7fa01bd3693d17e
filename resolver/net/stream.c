#include "resolver/net/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "resolver/base/check.h"
#include "resolver/dns/message.h"

enum { OUT_SIZE = 2 * (2 + DNS_MESSAGE_MAX), BUCKETS = 1024 };

struct listener {
    uv_tcp_t tcp; /* first: the loop hands it back */
    struct streams *streams;
    struct address local;
    struct listener *next;
};

struct stream {
    uv_tcp_t tcp; /* first */
    struct streams *streams;
    struct address client, local;
    struct stream *older, *newer;              /* by last_ms */
    struct stream *bucket_next, **bucket_link; /* by client */
    struct stream *review_next;
    int64_t last_ms;       /* when it began, or its last whole question came */
    struct query *queries; /* in flight */
    unsigned in_flight;
    uint8_t *pending; /* octets that are no whole question yet, or whose turn has not come */
    size_t pending_len;
    size_t unsent;                          /* octets of answers that the kernel has not taken */
    bool reading, ended, closing, reviewed; /* `ended`: the client has said all it will say */
};

struct streams {
    struct worker *worker;
    struct listener *listeners;
    struct stream *oldest, *newest;
    unsigned count, limit, client_limit;
    bool stopped;
    uint32_t seed;
    struct stream *buckets[BUCKETS];
    struct stream *review;     /* those for which something has changed in this turn */
    struct stream *collecting; /* whose answers are collected in `out` */
    size_t out_len;
    uint8_t out[OUT_SIZE];
    uint8_t in[2 + STREAM_QUESTION_MAX + STREAM_READ];
};

struct unsent {
    uv_write_t request; /* first */
    size_t len;
    uint8_t bytes[];
};

static void order_remove(struct stream *s)
{
    struct streams *streams = s->streams;

    *(s->older ? &s->older->newer : &streams->oldest) = s->newer;
    *(s->newer ? &s->newer->older : &streams->newest) = s->older;
    s->older = s->newer = NULL;
}

static void order_append(struct stream *s)
{
    struct streams *streams = s->streams;

    s->last_ms = streams->worker->now.mono_ms;
    s->older = streams->newest;
    *(s->older ? &s->older->newer : &streams->oldest) = s;
    streams->newest = s;
}

static struct stream **bucket_of(struct streams *streams, const struct address *client)
{
    uint32_t hash = streams->seed, word;

    for (unsigned i = 0; i < sizeof client->bytes; i += 4) {
        memcpy(&word, client->bytes + i, 4);
        hash = (hash ^ word) * 0x9e3779b1u;
        hash ^= hash >> 15;
    }
    return &streams->buckets[hash % BUCKETS];
}

static void bucket_add(struct stream *s)
{
    struct stream **bucket = bucket_of(s->streams, &s->client);

    s->bucket_next = *bucket;
    s->bucket_link = bucket;
    if (s->bucket_next)
        s->bucket_next->bucket_link = &s->bucket_next;
    *bucket = s;
}

static void bucket_remove(struct stream *s)
{
    *s->bucket_link = s->bucket_next;
    if (s->bucket_next)
        s->bucket_next->bucket_link = s->bucket_link;
}

/* Asks for a look at the connection before the loop sleeps. */
static void stream_review(struct stream *s)
{
    if (s->reviewed)
        return;
    s->reviewed = true;
    s->review_next = s->streams->review;
    s->streams->review = s;
}

static void stream_free(struct stream *s)
{
    free(s->pending);
    free(s);
}

static void on_closed(uv_handle_t *handle)
{
    struct stream *s = (struct stream *)handle;

    if (s->reviewed)
        s->streams = NULL; /* streams_settle() frees it */
    else
        stream_free(s);
}

static void stream_close(struct stream *s)
{
    struct streams *streams = s->streams;
    struct query *q;

    if (s->closing)
        return;
    s->closing = true;
    while ((q = s->queries)) {
        s->queries = q->channel_next;
        query_abandon(streams->worker->pipeline, q);
    }
    if (streams->collecting == s) {
        streams->collecting = NULL;
        streams->out_len = 0;
    }
    order_remove(s);
    bucket_remove(s);
    streams->count--;
    uv_close((uv_handle_t *)&s->tcp, on_closed);
}

static void on_written(uv_write_t *request, int status)
{
    struct unsent *unsent = (struct unsent *)request;
    struct stream *s = (struct stream *)request->handle;

    s->unsent -= unsent->len;
    free(unsent);
    if (s->closing)
        return;
    worker_wake(s->streams->worker);
    if (status < 0)
        stream_close(s);
    else
        stream_review(s);
}

/* Keeps what the kernel does not take; a client that lets too much pile up is left. */
static void write_later(struct stream *s, const uint8_t *bytes, size_t len)
{
    struct unsent *unsent = NULL;
    uv_buf_t buffer;

    if (s->unsent + len <= STREAM_UNSENT_LIMIT)
        unsent = malloc(sizeof *unsent + len);
    if (!unsent) {
        stream_close(s);
        return;
    }
    unsent->len = len;
    memcpy(unsent->bytes, bytes, len);
    buffer = uv_buf_init((char *)unsent->bytes, (unsigned)len);
    if (uv_write(&unsent->request, (uv_stream_t *)&s->tcp, &buffer, 1, on_written) < 0) {
        free(unsent);
        stream_close(s);
        return;
    }
    s->unsent += len;
}

/* Writes what was collected. */
static void out_flush(struct streams *streams)
{
    struct stream *s = streams->collecting;
    size_t len = streams->out_len;
    uv_buf_t buffer = uv_buf_init((char *)streams->out, (unsigned)len);
    int sent;

    streams->collecting = NULL;
    streams->out_len = 0;
    if (!s || len == 0)
        return;
    sent = s->unsent ? UV_EAGAIN : uv_try_write((uv_stream_t *)&s->tcp, &buffer, 1);
    if (sent < 0 && sent != UV_EAGAIN)
        stream_close(s);
    else if (sent < (int)len)
        write_later(s, streams->out + (sent < 0 ? 0 : sent), len - (size_t)(sent < 0 ? 0 : sent));
}

/* Where the next answer of a connection is composed, behind its length. Answers of one connection
 * that come together leave together. */
static uint8_t *out_room(struct streams *streams, struct stream *s)
{
    if (streams->collecting != s || streams->out_len + 2 + DNS_MESSAGE_MAX > sizeof streams->out)
        out_flush(streams);
    return streams->out + streams->out_len + 2;
}

static void out_add(struct streams *streams, struct stream *s, size_t len)
{
    if (s->closing || !EXPECT(len <= DNS_MESSAGE_MAX))
        return;
    dns_put_16(streams->out + streams->out_len, (unsigned)len); /* RFC 1035 section 4.2.2 */
    streams->out_len += 2 + len;
    streams->collecting = s;
}

static void query_link(struct stream *s, struct query *q)
{
    q->channel_next = s->queries;
    q->channel_link = &s->queries;
    if (q->channel_next)
        q->channel_next->channel_link = &q->channel_next;
    s->queries = q;
    s->in_flight++;
}

static void query_unlink(struct stream *s, struct query *q)
{
    *q->channel_link = q->channel_next;
    if (q->channel_next)
        q->channel_next->channel_link = q->channel_link;
    q->channel_next = NULL;
    q->channel_link = NULL;
    s->in_flight--;
}

void stream_deliver(struct worker *worker, struct query *q)
{
    struct stream *s = q->channel;

    query_unlink(s, q);
    stream_review(s);
    q->answer = out_room(worker->streams, s);
    q->answer_room = DNS_MESSAGE_MAX;
    if (query_finish(worker->pipeline, q) == QUERY_ANSWER)
        out_add(worker->streams, s, q->answer_len);
}

static void question_read(struct stream *s, const uint8_t *bytes, size_t len)
{
    struct streams *streams = s->streams;
    struct worker *worker = streams->worker;
    struct query *q = query_take(worker->pipeline);
    enum query_next next;

    order_remove(s);
    order_append(s);
    if (!q) {
        COUNT(worker->counters, overload);
        return;
    }
    q->packet = bytes;
    q->packet_len = len;
    q->client = s->client;
    q->local = s->local;
    q->interface = 0;
    q->transport = OVER_TCP;
    q->channel = s;
    q->answer = out_room(streams, s);
    q->answer_room = DNS_MESSAGE_MAX;
    if (s->closing) { /* while what was collected before was written */
        query_release(worker->pipeline, q);
        return;
    }
    /* Linked before it is begun: it may be forwarded, fail and be answered before this returns. */
    query_link(s, q);
    next = worker_question(worker, q);
    if (next == QUERY_WAIT)
        return;
    query_unlink(s, q);
    if (next == QUERY_ANSWER)
        out_add(streams, s, q->answer_len);
    query_release(worker->pipeline, q);
}

static bool may_ask(const struct stream *s)
{
    return !s->closing && !s->streams->stopped && s->in_flight < STREAM_QUERIES_MAX &&
           s->unsent <= STREAM_UNSENT_MAX;
}

/* Keeps the octets that are left for later; they may be the tail of what is kept already. */
static void pending_keep(struct stream *s, const uint8_t *bytes, size_t len)
{
    uint8_t *kept = NULL;

    if (len == s->pending_len && bytes == s->pending)
        return;
    if (len) {
        kept = malloc(len);
        if (!kept) {
            stream_close(s);
            return;
        }
        memcpy(kept, bytes, len);
    }
    free(s->pending);
    s->pending = kept;
    s->pending_len = len;
}

/* Takes the whole questions out of the octets, as far as the limits allow. */
static void stream_process(struct stream *s, const uint8_t *bytes, size_t len)
{
    size_t at = 0;

    while (may_ask(s) && len - at >= 2) {
        size_t question_len = dns_read_16(bytes + at);
        if (question_len == 0 || question_len > STREAM_QUESTION_MAX) {
            COUNT(s->streams->worker->counters, malformed);
            stream_close(s);
            return;
        }
        if (len - at - 2 < question_len)
            break;
        question_read(s, bytes + at + 2, question_len);
        at += 2 + question_len;
    }
    if (!s->closing)
        pending_keep(s, bytes + at, len - at);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out_buffer)
{
    struct stream *s = (struct stream *)handle;
    struct streams *streams = s->streams;

    (void)suggested;
    if (s->pending_len)
        memcpy(streams->in, s->pending, s->pending_len);
    *out_buffer = uv_buf_init((char *)streams->in + s->pending_len, STREAM_READ);
}

static void on_read(uv_stream_t *tcp, ssize_t len, const uv_buf_t *buffer);

/* Octets of whole questions may wait for their turn in `pending`: then there is no room for more.
 */
static bool wants_more(const struct stream *s)
{
    return may_ask(s) && !s->ended && s->pending_len < 2 + STREAM_QUESTION_MAX;
}

static void reading_set(struct stream *s, bool reading)
{
    if (s->reading == reading)
        return;
    s->reading = reading;
    if (!reading)
        uv_read_stop((uv_stream_t *)&s->tcp);
    else if (uv_read_start((uv_stream_t *)&s->tcp, on_room, on_read) < 0)
        stream_close(s);
}

static void on_read(uv_stream_t *tcp, ssize_t len, const uv_buf_t *buffer)
{
    struct stream *s = (struct stream *)tcp;

    (void)buffer;
    if (len == 0 || s->closing)
        return;
    worker_wake(s->streams->worker);
    stream_review(s);
    if (len == UV_EOF)
        s->ended = true; /* perhaps of its half only: what is in flight is still answered */
    else if (len < 0)
        stream_close(s);
    else
        stream_process(s, s->streams->in, s->pending_len + (size_t)len);
    /* At once: the loop reads on, with room for one more question only, until it is told to stop.
     */
    if (!s->closing)
        reading_set(s, wants_more(s));
}

/* Something has changed: goes on where a limit had stopped it, or ends. */
static void stream_settle(struct stream *s)
{
    struct streams *streams = s->streams;

    if (s->pending_len)
        stream_process(s, s->pending, s->pending_len);
    if (s->closing)
        return;
    if (s->in_flight == 0 && (s->ended || streams->stopped)) {
        out_flush(streams);
        if (!s->closing && s->unsent == 0)
            stream_close(s);
        return;
    }
    /* Octets of a whole question may wait for their turn in `pending`: then there is no more room.
     */
    reading_set(s, may_ask(s) && !s->ended && s->pending_len < 2 + STREAM_QUESTION_MAX);
}

void streams_settle(struct streams *streams)
{
    struct stream *s;

    if (!streams)
        return;
    while ((s = streams->review)) {
        streams->review = s->review_next;
        s->reviewed = false;
        if (!s->streams)
            stream_free(s);
        else if (!s->closing)
            stream_settle(s);
    }
    out_flush(streams);
}

/* The connection that has been idle for longest among those of a list makes room. */
static struct stream *idle_of_client(struct streams *streams, const struct address *client,
                                     unsigned *out_count)
{
    struct stream *found = NULL;

    *out_count = 0;
    for (struct stream *s = *bucket_of(streams, client); s; s = s->bucket_next) {
        if (!address_equal_host(&s->client, client))
            continue;
        ++*out_count;
        if (s->in_flight == 0 && (!found || s->last_ms <= found->last_ms))
            found = s;
    }
    return found;
}

static bool room_make(struct streams *streams, const struct address *client)
{
    unsigned count;
    struct stream *idle = idle_of_client(streams, client, &count);

    if (count >= streams->client_limit) {
        if (!idle)
            return false;
        stream_close(idle);
    }
    if (streams->count < streams->limit)
        return true;
    for (idle = streams->oldest; idle && idle->in_flight; idle = idle->newer)
        ;
    if (idle)
        stream_close(idle);
    return idle != NULL;
}

static int addresses_read(struct stream *s, uint16_t port)
{
    struct sockaddr_storage name = {0};
    int len = sizeof name, code;

    code = uv_tcp_getpeername(&s->tcp, (struct sockaddr *)&name, &len);
    if (code < 0)
        return code;
    address_from_sockaddr((struct sockaddr *)&name, &s->client);
    len = sizeof name;
    code = uv_tcp_getsockname(&s->tcp, (struct sockaddr *)&name, &len);
    if (code < 0)
        return code;
    address_from_sockaddr((struct sockaddr *)&name, &s->local);
    s->local.port = port;
    return 0;
}

static void on_refused(uv_handle_t *handle)
{
    free(handle);
}

/* libuv tries to accept again until it may: without a descriptor to do it with, the worker would
 * do nothing else ever after. */
static void descriptor_free(struct streams *streams)
{
    struct stream *s = streams->oldest;

    while (s && s->in_flight)
        s = s->newer;
    if (!s)
        s = streams->oldest;
    if (s)
        stream_close(s);
}

static void on_connection(uv_stream_t *tcp, int status)
{
    struct listener *listener = (struct listener *)tcp;
    struct streams *streams = listener->streams;
    struct stream *s;

    if (status == UV_EMFILE || status == UV_ENFILE) {
        descriptor_free(streams);
        return;
    }
    if (status < 0 || !(s = calloc(1, sizeof *s)))
        return;
    worker_wake(streams->worker);
    s->streams = streams;
    uv_tcp_init(&streams->worker->loop, &s->tcp);
    if (uv_accept(tcp, (uv_stream_t *)&s->tcp) < 0 || addresses_read(s, listener->local.port) < 0 ||
        !room_make(streams, &s->client)) {
        uv_close((uv_handle_t *)&s->tcp, on_refused);
        return;
    }
    uv_tcp_nodelay(&s->tcp, 1);
    streams->count++;
    order_append(s);
    bucket_add(s);
    reading_set(s, true);
}

int streams_create(struct worker *worker, struct streams **out_streams)
{
    struct streams *streams = calloc(1, sizeof *streams);
    unsigned workers = worker->pipeline->world->config->workers;

    if (!streams)
        return -ENOMEM;
    streams->worker = worker;
    streams->seed = random_32(&worker->pipeline->random);
    streams->limit = (STREAMS_MAX + workers - 1) / workers;
    if (streams->limit > worker_descriptors(worker) / 4)
        streams->limit = (unsigned)(worker_descriptors(worker) / 4);
    if (streams->limit == 0)
        streams->limit = 1;
    streams->client_limit = (STREAMS_PER_CLIENT + workers - 1) / workers;
    *out_streams = streams;
    return 0;
}

int streams_listen(struct streams *streams, struct listen_socket *socket)
{
    struct listener *listener = calloc(1, sizeof *listener);
    int code;

    if (!listener)
        return -ENOMEM;
    uv_tcp_init(&streams->worker->loop, &listener->tcp);
    listener->streams = streams;
    listener->local = socket->address;
    listener->next = streams->listeners;
    streams->listeners = listener;
    code = uv_tcp_open(&listener->tcp, socket->fd);
    if (code < 0)
        return code;
    socket->fd = -1;
    return uv_listen((uv_stream_t *)&listener->tcp, LISTEN_BACKLOG, on_connection);
}

static void on_listener_closed(uv_handle_t *handle)
{
    free(handle);
}

static void listeners_stop(struct streams *streams)
{
    struct listener *listener;

    while ((listener = streams->listeners)) {
        streams->listeners = listener->next;
        uv_close((uv_handle_t *)&listener->tcp, on_listener_closed);
    }
}

void streams_stop(struct streams *streams)
{
    streams->stopped = true;
    listeners_stop(streams);
    for (struct stream *s = streams->oldest; s; s = s->newer)
        stream_review(s);
}

void streams_close(struct streams *streams)
{
    if (!streams)
        return;
    listeners_stop(streams);
    out_flush(streams);
    while (streams->oldest)
        stream_close(streams->oldest);
}

void streams_destroy(struct streams *streams)
{
    struct stream *s;

    if (!streams)
        return;
    while ((s = streams->review)) {
        streams->review = s->review_next;
        stream_free(s);
    }
    free(streams);
}

void streams_sweep(struct streams *streams)
{
    int64_t now_ms = streams->worker->now.mono_ms;
    struct stream *s = streams->oldest, *newer;

    for (; s && now_ms - s->last_ms >= STREAM_IDLE_MS; s = newer) {
        newer = s->newer;
        if (s->in_flight == 0)
            stream_close(s);
    }
}
