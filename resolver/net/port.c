#include "resolver/net/port.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "resolver/base/check.h"
#include "resolver/net/volley.h"

struct port {
    struct channel channel; /* first: exchange_try->channel is this */
    int fd;                 /* −1 once closed */
    bool watched;           /* in the epoll set: while replies may come */
    int uses_left;
    int64_t opened_ms;
    struct pool *pool;
    struct port **slot; /* NULL once retired: closed when its last try has left */
    struct port *retired_next, **retired_link;
};

/* The ports towards one upstream, and the questions of this turn that are still to be sent. */
struct pool {
    struct address server;
    int64_t used_ms;
    size_t open;
    struct port *slots[PORTS_PER_UPSTREAM];
    struct port *current; /* by which the batch leaves */
    struct pool *unsent_next;
    bool is_unsent;
    unsigned asked;   /* questions of this turn */
    unsigned crowded; /* how much of late: PORTS_CROWDED and more is a flood */
    struct volley volley;
};

struct ports {
    struct worker *worker;
    int epoll_fd;
    uv_poll_t poll;
    size_t open, limit;
    struct port *retired;
    struct port *closed; /* in this turn: others may still point to them */
    struct pool *unsent;
    size_t pool_count;
    struct pool *pools[POOLS_MAX];
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    uint8_t bytes[BATCH][UPSTREAM_SIZE];
};

static void port_close(struct ports *ports, struct port *port)
{
    close(port->fd); /* leaves the epoll set by itself */
    port->fd = -1;
    ports->open--;
    if (port->slot) {
        *port->slot = NULL;
        port->pool->open--;
        if (port->pool->current == port)
            port->pool->current = NULL;
    } else {
        *port->retired_link = port->retired_next;
        if (port->retired_next)
            port->retired_next->retired_link = port->retired_link;
    }
    port->retired_next = ports->closed;
    ports->closed = port;
}

static void closed_free(struct ports *ports)
{
    struct port *port;

    while ((port = ports->closed)) {
        ports->closed = port->retired_next;
        free(port);
    }
}

/* Out of its slot; it stays open for as long as a reply may come. */
static void port_retire(struct ports *ports, struct port *port)
{
    if (!port->slot)
        return;
    if (port->channel.in_flight == 0) {
        port_close(ports, port);
        return;
    }
    *port->slot = NULL;
    port->slot = NULL;
    port->pool->open--;
    port->retired_next = ports->retired;
    port->retired_link = &ports->retired;
    if (port->retired_next)
        port->retired_next->retired_link = &port->retired_next;
    ports->retired = port;
}

/* Each question has a port of its own. Only where crowded turns have followed each other for long
 * do the questions of one turn share a port, and with it system calls: a forger still has to guess
 * the port, the id and the case of the one name that it wants. */
static bool is_flooded(const struct pool *pool)
{
    return pool->crowded >= PORTS_CROWDED;
}

/* At the end of a turn. */
static void crowd_note(struct pool *pool)
{
    if (pool->asked > PORTS_ALONE)
        pool->crowded += pool->crowded < 2 * PORTS_CROWDED;
    else
        pool->crowded -= pool->crowded > 0;
    pool->asked = 0;
}

/* A socket is watched from when a question has left by it; in a flood until it waits for nothing:
 * the kernel tells those who watch a socket of each datagram that leaves it too, which is a
 * twentieth of what a question costs then. 0 or a negative errno. */
static int port_watch(struct ports *ports, struct port *port)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = port};

    if (port->watched)
        return 0;
    if (epoll_ctl(ports->epoll_fd, EPOLL_CTL_ADD, port->fd, &event) < 0)
        return -errno;
    port->watched = true;
    return 0;
}

static void port_idle(struct worker *worker, struct channel *channel)
{
    struct port *port = (struct port *)channel;

    if (!port->slot) {
        port_close(worker->ports, port);
    } else if (port->watched && is_flooded(port->pool)) {
        CHECK(epoll_ctl(worker->ports->epoll_fd, EPOLL_CTL_DEL, port->fd, NULL) == 0);
        port->watched = false;
    }
}

/* Binds to a port from the whole range, drawn from the kernel's generator: the kernel's own choice
 * is narrower (net.ipv4.ip_local_port_range) and has been predictable (CVE-2020-25705). */
static int bind_random(struct ports *ports, int fd, bool is_v6)
{
    struct address any = {.bytes = {[10] = 0xff, [11] = 0xff}};
    struct sockaddr_storage sockaddr;
    socklen_t len;

    if (is_v6)
        memset(any.bytes, 0, sizeof any.bytes);
    for (unsigned i = 0; i < PORT_TRIES; i++) {
        any.port = (uint16_t)(1024 + random_below(&ports->worker->pipeline->random, 65536 - 1024));
        len = address_to_sockaddr(&any, is_v6, &sockaddr);
        if (bind(fd, (struct sockaddr *)&sockaddr, len) == 0)
            return 0;
        if (errno != EADDRINUSE && errno != EACCES)
            return -errno;
    }
    return -EADDRINUSE;
}

static int socket_open(struct ports *ports, const struct address *server, int *out_fd)
{
    bool is_v6 = !address_is_v4(server);
    struct sockaddr_storage sockaddr;
    socklen_t len = address_to_sockaddr(server, is_v6, &sockaddr);
    int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int code, omit = IP_PMTUDISC_OMIT;

    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &omit, sizeof omit);
    code = bind_random(ports, fd, is_v6);
    if (code == 0 && connect(fd, (struct sockaddr *)&sockaddr, len) < 0)
        code = -errno;
    if (code < 0) {
        close(fd);
        return code;
    }
    *out_fd = fd;
    return 0;
}

static int port_open(struct ports *ports, struct pool *pool, struct port **slot)
{
    struct port *port;
    int fd = -1, code;

    if (ports->open >= ports->limit)
        return -EMFILE;
    code = socket_open(ports, &pool->server, &fd);
    if (code < 0)
        return code;
    port = calloc(1, sizeof *port);
    if (!port) {
        close(fd);
        return -ENOMEM;
    }
    port->fd = fd;
    port->channel.idle = port_idle;
    port->uses_left =
        PORT_USES_MIN + (int)random_below(&ports->worker->pipeline->random, PORT_USES_MIN);
    port->opened_ms = ports->worker->now.mono_ms;
    port->pool = pool;
    port->slot = slot;
    *slot = port;
    pool->open++;
    ports->open++;
    return 0;
}

static struct pool *pool_find(struct ports *ports, const struct address *server)
{
    struct pool *pool;

    for (size_t i = 0; i < ports->pool_count; i++)
        if (address_equal(&ports->pools[i]->server, server))
            return ports->pools[i];
    if (ports->pool_count == POOLS_MAX)
        return NULL;
    pool = calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    pool->server = *server;
    ports->pools[ports->pool_count++] = pool;
    return pool;
}

/* For want of descriptors: the next open one after the slot that was drawn. */
static struct port *port_any(struct pool *pool, size_t from)
{
    for (size_t i = 0; pool->open && i < PORTS_PER_UPSTREAM; i++) {
        struct port *port = pool->slots[(from + i) % PORTS_PER_UPSTREAM];
        if (port)
            return port;
    }
    return NULL;
}

/* Sends the batch by the port that was drawn for it. */
static void pool_flush(struct ports *ports, struct pool *pool)
{
    struct port *port = pool->current;
    unsigned count = pool->volley.count;
    bool broken;

    if (!port) { /* nothing collected, or closed in this turn and those who asked have left */
        pool->volley.count = 0;
        return;
    }
    pool->current = NULL;
    /* By a port that was not watched a refusal is told too late: of an earlier batch, which has
     * been given up. Else it may be that of an earlier question, and the port is broken. */
    broken = volley_send(&pool->volley, port->fd, !port->watched) < 0;
    broken |= port_watch(ports, port) < 0;
    port->uses_left -= (int)count;
    if (broken || port->uses_left <= 0)
        port_retire(ports, port);
    if (broken && port->fd >= 0)
        channel_break(ports->worker, &port->channel, false);
}

void ports_flush(struct ports *ports)
{
    struct pool *pool;

    while (ports && (pool = ports->unsent)) {
        ports->unsent = pool->unsent_next;
        pool->is_unsent = false;
        crowd_note(pool);
        pool_flush(ports, pool);
    }
    if (ports)
        closed_free(ports);
}

static struct port *port_draw(struct ports *ports, struct pool *pool, int *out_code)
{
    size_t index = random_below(&ports->worker->pipeline->random, PORTS_PER_UPSTREAM);

    if (pool->slots[index])
        return pool->slots[index];
    *out_code = port_open(ports, pool, &pool->slots[index]);
    return *out_code == 0 ? pool->slots[index] : port_any(pool, index);
}

/* The port of this turn's batch, on which the id is free, and in which there is room. */
static struct port *port_choose(struct ports *ports, struct pool *pool, uint16_t id, int *out_code)
{
    const struct exchanges *exchanges = ports->worker->pipeline->exchanges;

    for (unsigned i = 0; i < PORT_TRIES; i++) {
        if (!pool->current)
            pool->current = port_draw(ports, pool, out_code);
        if (!pool->current)
            return NULL;
        if (pool->volley.count < BATCH &&
            !exchange_id_is_taken(exchanges, &pool->current->channel, id))
            return pool->current;
        pool_flush(ports, pool);
    }
    *out_code = -EBUSY;
    return NULL;
}

int ports_send(struct ports *ports, struct exchange *exchange)
{
    struct pool *pool = pool_find(ports, &exchange->server_address);
    struct port *port;
    int code = -ENOMEM;

    if (!pool)
        return code;
    if (ports->worker->now.mono_ms - pool->used_ms >= PORTS_CALM_MS) {
        pool->crowded = 0;
        pool->volley.way = VOLLEY_UNTRIED;
    }
    pool->used_ms = ports->worker->now.mono_ms;
    pool->asked++;
    if (!is_flooded(pool))
        pool_flush(ports, pool);
    port = port_choose(ports, pool, exchange->id, &code);
    if (!port)
        return code;
    volley_add(&pool->volley, exchange->packet, exchange->packet_len);
    if (!pool->is_unsent) {
        pool->is_unsent = true;
        pool->unsent_next = ports->unsent;
        ports->unsent = pool;
    }
    channel_attach(ports->worker, &port->channel, exchange);
    return 0;
}

static void reply_read(struct ports *ports, struct port *port, const struct mmsghdr *message)
{
    struct worker *worker = ports->worker;
    const uint8_t *bytes = message->msg_hdr.msg_iov->iov_base;
    struct exchange *exchange = NULL;

    /* Longer than anything we ask for: not to be had whole, so not at all. */
    if (!(message->msg_hdr.msg_flags & MSG_TRUNC))
        exchange =
            exchange_match(worker->pipeline->exchanges, &port->channel, bytes, message->msg_len);
    if (!exchange) {
        COUNT(worker->counters, replies_refused);
        return;
    }
    worker_follow(worker, exchange,
                  query_resume(worker->pipeline, exchange, bytes, message->msg_len));
}

static void port_read(struct ports *ports, struct port *port)
{
    int count;

    if (port->fd < 0)
        return; /* closed in this turn */
    count = recvmmsg(port->fd, ports->messages, BATCH, MSG_DONTWAIT, NULL);
    if (count < 0) {
        if (errno != EAGAIN && errno != EINTR)
            channel_break(ports->worker, &port->channel, false);
        return;
    }
    /* The port may be closed by the last reply that it waited for; its memory stays for this turn.
     */
    for (int i = 0; i < count; i++)
        reply_read(ports, port, &ports->messages[i]);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct ports *ports = poll->data;
    struct epoll_event ready[UPSTREAM_EVENTS];
    int count;

    (void)status;
    (void)events;
    worker_wake(ports->worker);
    count = epoll_wait(ports->epoll_fd, ready, UPSTREAM_EVENTS, 0);
    for (int i = 0; i < count; i++)
        port_read(ports, ready[i].data.ptr);
}

int ports_create(struct worker *worker, struct ports **out_ports)
{
    struct ports *ports = calloc(1, sizeof *ports);
    int code;

    if (!ports)
        return -ENOMEM;
    ports->worker = worker;
    ports->limit = worker_descriptors(worker) / 2;
    if (ports->limit == 0)
        ports->limit = 1;
    ports->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (ports->epoll_fd < 0) {
        code = -errno;
        free(ports);
        return code;
    }
    code = uv_poll_init(&worker->loop, &ports->poll, ports->epoll_fd);
    if (code < 0) {
        close(ports->epoll_fd);
        free(ports);
        return code;
    }
    for (unsigned i = 0; i < BATCH; i++) {
        ports->vectors[i] = (struct iovec){ports->bytes[i], UPSTREAM_SIZE};
        ports->messages[i].msg_hdr =
            (struct msghdr){.msg_iov = &ports->vectors[i], .msg_iovlen = 1};
    }
    ports->poll.data = ports;
    CHECK(uv_poll_start(&ports->poll, UV_READABLE, on_ready) == 0);
    *out_ports = ports;
    return 0;
}

static bool port_is_old(const struct port *port, int64_t now_ms)
{
    return now_ms - port->opened_ms >= PORT_AGE_MS;
}

void ports_sweep(struct ports *ports)
{
    int64_t now_ms = ports->worker->now.mono_ms;

    for (size_t i = 0; i < ports->pool_count;) {
        struct pool *pool = ports->pools[i];
        for (size_t j = 0; pool->open && j < PORTS_PER_UPSTREAM; j++)
            /* One by which a batch is to leave in this turn has its turn next time. */
            if (pool->slots[j] && pool->slots[j] != pool->current &&
                port_is_old(pool->slots[j], now_ms))
                port_retire(ports, pool->slots[j]);
        if (pool->open == 0 && !pool->is_unsent && now_ms - pool->used_ms >= POOL_IDLE_MS) {
            ports->pools[i] = ports->pools[--ports->pool_count];
            free(pool);
        } else {
            i++;
        }
    }
}

void ports_close(struct ports *ports)
{
    if (ports)
        uv_close((uv_handle_t *)&ports->poll, NULL);
}

void ports_destroy(struct ports *ports)
{
    if (!ports)
        return;
    while (ports->retired)
        port_close(ports, ports->retired);
    for (size_t i = 0; i < ports->pool_count; i++) {
        for (size_t j = 0; j < PORTS_PER_UPSTREAM; j++)
            if (ports->pools[i]->slots[j])
                port_close(ports, ports->pools[i]->slots[j]);
        free(ports->pools[i]);
    }
    closed_free(ports);
    close(ports->epoll_fd);
    free(ports);
}
