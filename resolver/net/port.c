#include "resolver/net/port.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "resolver/base/check.h"

struct port {
    struct channel channel; /* first: exchange->channel is this */
    int fd;
    unsigned uses_left;
    int64_t opened_ms;
    struct pool *pool;
    struct port **slot; /* NULL once retired: closed when its last exchange has left */
    struct port *retired_next, **retired_link;
};

struct pool {
    struct address server;
    int64_t used_ms;
    size_t open;
    struct port *slots[PORTS_PER_UPSTREAM];
};

struct ports {
    struct worker *worker;
    int epoll_fd;
    uv_poll_t poll;
    size_t open, limit;
    struct port *retired;
    size_t pool_count;
    struct pool *pools[POOLS_MAX];
};

static void port_close(struct ports *ports, struct port *port)
{
    close(port->fd); /* leaves the epoll set by itself */
    ports->open--;
    if (port->slot) {
        *port->slot = NULL;
        port->pool->open--;
    } else {
        *port->retired_link = port->retired_next;
        if (port->retired_next)
            port->retired_next->retired_link = port->retired_link;
    }
    free(port);
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
    port->pool = NULL;
    port->retired_next = ports->retired;
    port->retired_link = &ports->retired;
    if (port->retired_next)
        port->retired_next->retired_link = &port->retired_next;
    ports->retired = port;
}

static void port_idle(struct worker *worker, struct channel *channel)
{
    struct port *port = (struct port *)channel;

    if (!port->slot || port->uses_left == 0)
        port_close(worker->ports, port);
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
    int fd, code;

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
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = port};
    if (epoll_ctl(ports->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        code = -errno;
        close(fd);
        free(port);
        return code;
    }
    port->fd = fd;
    port->channel.idle = port_idle;
    port->uses_left = PORT_USES_MIN + random_below(&ports->worker->pipeline->random, PORT_USES_MIN);
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

static struct port *port_choose(struct ports *ports, struct pool *pool, uint16_t id, int *out_code)
{
    for (unsigned i = 0; i < PORT_TRIES; i++) {
        size_t index = random_below(&ports->worker->pipeline->random, PORTS_PER_UPSTREAM);
        struct port *port = pool->slots[index];
        if (!port) {
            *out_code = port_open(ports, pool, &pool->slots[index]);
            port = *out_code == 0 ? pool->slots[index] : port_any(pool, index);
            if (!port)
                return NULL;
        }
        if (!channel_has_id(&port->channel, id))
            return port;
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
    pool->used_ms = ports->worker->now.mono_ms;
    port = port_choose(ports, pool, exchange->id, &code);
    if (!port)
        return code;
    if (send(port->fd, exchange->packet, exchange->packet_len, MSG_NOSIGNAL) < 0) {
        /* A refusal of an earlier question is told to the next one: this one was not sent. */
        if (errno != ECONNREFUSED ||
            send(port->fd, exchange->packet, exchange->packet_len, MSG_NOSIGNAL) < 0)
            return -errno;
    }
    channel_attach(ports->worker, &port->channel, exchange);
    if (port->uses_left > 0 && --port->uses_left == 0)
        port_retire(ports, port);
    return 0;
}

static void port_read(struct ports *ports, struct port *port)
{
    struct worker *worker = ports->worker;
    ssize_t len = recv(port->fd, worker->scratch, sizeof worker->scratch, 0);
    struct exchange *exchange;

    if (len < 0) {
        if (errno != EAGAIN && errno != EINTR)
            channel_break(worker, &port->channel, false);
        return;
    }
    exchange =
        exchange_match(worker->pipeline->exchanges, &port->channel, worker->scratch, (size_t)len);
    if (!exchange) {
        COUNT(worker->counters, replies_refused);
        return;
    }
    worker_follow(worker, exchange,
                  query_resume(worker->pipeline, exchange, worker->scratch, (size_t)len));
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct ports *ports = poll->data;
    struct epoll_event ready[UPSTREAM_EVENTS];
    int count;

    (void)status;
    (void)events;
    worker_wake(ports->worker);
    for (unsigned turn = 0; turn < UPSTREAM_TURNS; turn++) {
        count = epoll_wait(ports->epoll_fd, ready, UPSTREAM_EVENTS, 0);
        /* A port in this list is closed by its own reply only, so the pointers after it hold. */
        for (int i = 0; i < count; i++)
            port_read(ports, ready[i].data.ptr);
        if (count < UPSTREAM_EVENTS)
            break;
    }
}

/* A share of the process's descriptors that leaves room for clients' connections, lists and
 * records. */
static size_t descriptors_allowed(const struct worker *worker)
{
    struct rlimit limit;
    unsigned workers = worker->pipeline->world->config->workers;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return 4 * PORTS_PER_UPSTREAM;
    return (size_t)limit.rlim_cur / 2 / (workers ? workers : 1);
}

int ports_create(struct worker *worker, struct ports **out_ports)
{
    struct ports *ports = calloc(1, sizeof *ports);
    int code;

    if (!ports)
        return -ENOMEM;
    ports->worker = worker;
    ports->limit = descriptors_allowed(worker);
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
            if (pool->slots[j] && port_is_old(pool->slots[j], now_ms))
                port_retire(ports, pool->slots[j]);
        if (pool->open == 0 && now_ms - pool->used_ms >= POOL_IDLE_MS) {
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
    close(ports->epoll_fd);
    free(ports);
}
