#include "resolver/net/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "resolver/net/limits.h"

enum { RECEIVE_BUFFER = 4 << 20, UNUSED_PORT = 1 }; /* tcpmux's: nothing asks from there */

static void option_set(int fd, int level, int name, int value)
{
    /* Each of these makes a good socket better; none is worth refusing to start. */
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

static void options_datagram(int fd, const struct listen_socket *socket)
{
    option_set(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER);
    /* Beyond net.core.rmem_max where the capability for it is there. */
    option_set(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER);
    option_set(fd, SOL_SOCKET, SO_SNDBUF, RECEIVE_BUFFER);
    /* A forged "fragmentation needed" must not make us send fragments, whose second halves could be
     * replaced: never believe path MTU messages; answers are at most 1232 octets. */
    option_set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
    if (socket->is_v6)
        option_set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT);
    if (socket->is_wildcard) {
        option_set(fd, IPPROTO_IP, IP_PKTINFO, 1);
        if (socket->is_v6)
            option_set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    }
}

/* The sentence names the address, the cause, and what to do next. */
static int bind_fault(const struct listen_socket *socket, int code, struct bl_error *error)
{
    char text[ADDRESS_TEXT_MAX];
    const char *kind = socket->is_stream ? "TCP" : "UDP";

    address_text_port(&socket->address, text);
    switch (code) {
    case EADDRINUSE:
        return bl_error_set(
            error, -code,
            "%s over %s is in use by another program; `ss -lpn 'sport = :%u'` shows "
            "which. Please stop it, or choose another address or port under `listen`",
            text, kind, socket->address.port);
    case EACCES:
        return bl_error_set(
            error, -code,
            "%s over %s needs permission: ports below 1024 are opened by root, or with "
            "the capability CAP_NET_BIND_SERVICE",
            text, kind);
    case EADDRNOTAVAIL:
        return bl_error_set(error, -code,
                            "%s is not an address of this machine; `ip address` shows those it has",
                            text);
    default:
        return bl_error_set(error, -code, "cannot listen on %s over %s: %s", text, kind,
                            strerror(code));
    }
}

static int socket_bind(const struct listen_socket *wanted, bool shared, bool dual, int *out_fd,
                       struct bl_error *error)
{
    struct sockaddr_storage sockaddr;
    int type = (wanted->is_stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
    int fd = socket(wanted->is_v6 ? AF_INET6 : AF_INET, type, 0), code;
    socklen_t len;

    if (fd < 0)
        return bind_fault(wanted, errno, error);
    if (wanted->is_v6)
        option_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !dual);
    if (wanted->is_stream)
        option_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (shared)
        option_set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    len = address_to_sockaddr(&wanted->address, wanted->is_v6, &sockaddr);
    if (bind(fd, (struct sockaddr *)&sockaddr, len) < 0 ||
        (wanted->is_stream && listen(fd, LISTEN_BACKLOG) < 0)) {
        code = errno;
        close(fd);
        return bind_fault(wanted, code, error);
    }
    *out_fd = fd;
    return 0;
}

/* The socket by which answers leave: never chosen for a datagram that comes in, as the kernel gives
 * a connected socket only what its peer sends. */
static int out_open(struct listen_socket *socket, bool dual, struct bl_error *error)
{
    struct address nobody = socket->address;
    char text[ADDRESS_TEXT_MAX];
    struct sockaddr_storage peer;
    socklen_t len;
    int fd, code = socket_bind(socket, true, dual, &fd, error);

    if (code < 0)
        return code;
    if (socket->is_wildcard && socket->is_v6)
        nobody.bytes[15] = 1; /* ::1 */
    else if (socket->is_wildcard)
        memcpy(nobody.bytes + 12, (const uint8_t[]){127, 0, 0, 1}, 4);
    nobody.port = UNUSED_PORT;
    len = address_to_sockaddr(&nobody, socket->is_v6, &peer);
    if (connect(fd, (struct sockaddr *)&peer, len) < 0) {
        code = -errno;
        close(fd);
        return bl_error_set(error, code,
                            "cannot prepare answers from %s: %s. Is the loopback interface up "
                            "(`ip link set lo up`)?",
                            address_text_port(&socket->address, text), strerror(-code));
    }
    options_datagram(fd, socket);
    option_set(fd, SOL_SOCKET, SO_RCVBUF, 0); /* the least there is: it is never read */
    socket->out_fd = fd;
    return 0;
}

static int socket_open(struct listen_socket *socket, bool shared, bool dual, struct bl_error *error)
{
    int code = socket_bind(socket, shared, dual, &socket->fd, error);

    if (code < 0)
        return code;
    if (socket->is_stream) {
        option_set(socket->fd, IPPROTO_TCP, TCP_NODELAY, 1);
        return 0;
    }
    options_datagram(socket->fd, socket);
    /* Right behind its fellow: where the kernel's choice among several workers falls on this one it
     * goes on to the next, and each worker gets its share. */
    return out_open(socket, dual, error);
}

/* "::" alone is meant for everybody; beside 0.0.0.0 it must leave IPv4 to that socket. */
static bool wants_dual(const struct config *config, const struct address *address)
{
    if (!address_is_wildcard(address) || address_is_v4(address))
        return false;
    for (size_t i = 0; i < config->listen_count; i++)
        if (address_is_v4(&config->listen[i]) && config->listen[i].port == address->port)
            return false;
    return true;
}

static int address_open(struct listeners *listeners, const struct config *config, size_t index,
                        bool is_stream, struct bl_error *error)
{
    const struct address *address = &config->listen[index];
    bool dual = wants_dual(config, address), shared = !is_stream || listeners->workers > 1;
    struct listen_socket wanted = {.fd = -1,
                                   .out_fd = -1,
                                   .address = *address,
                                   .is_stream = is_stream,
                                   .is_v6 = !address_is_v4(address),
                                   .is_wildcard = address_is_wildcard(address)};
    int code = 0, probe;

    if (shared) {
        code = socket_bind(&wanted, false, dual, &probe, error);
        if (code < 0)
            return code;
        close(probe);
    }
    for (unsigned worker = 0; worker < listeners->workers && code == 0; worker++) {
        struct listen_socket *item =
            &listeners->items[worker * listeners->per_worker + 2 * index + is_stream];
        *item = wanted;
        code = socket_open(item, shared, dual, error);
    }
    return code;
}

int listeners_open(const struct config *config, struct listeners **out_listeners,
                   struct bl_error *error)
{
    struct listeners *listeners = calloc(1, sizeof *listeners);
    size_t count = 2 * config->listen_count * config->workers;
    int code = 0;

    if (listeners)
        listeners->items = calloc(count, sizeof *listeners->items);
    if (!listeners || !listeners->items) {
        free(listeners);
        return bl_error_set(error, -ENOMEM, "out of memory for %zu sockets", count);
    }
    listeners->workers = config->workers;
    listeners->per_worker = 2 * config->listen_count;
    for (size_t i = 0; i < count; i++)
        listeners->items[i].fd = listeners->items[i].out_fd = -1;
    for (size_t i = 0; i < config->listen_count && code == 0; i++) {
        code = address_open(listeners, config, i, false, error);
        if (code == 0)
            code = address_open(listeners, config, i, true, error);
    }
    if (code < 0) {
        listeners_close(listeners);
        return code;
    }
    *out_listeners = listeners;
    return 0;
}

void listeners_close(struct listeners *listeners)
{
    if (!listeners)
        return;
    for (size_t i = 0; i < listeners->per_worker * listeners->workers; i++) {
        if (listeners->items[i].fd >= 0)
            close(listeners->items[i].fd);
        if (listeners->items[i].out_fd >= 0)
            close(listeners->items[i].out_fd);
    }
    free(listeners->items);
    free(listeners);
}

bool listeners_fit_workers(const struct listeners *listeners, const struct config *config)
{
    return listeners->workers == config->workers;
}

bool listeners_fit_addresses(const struct listeners *listeners, const struct config *config)
{
    if (listeners->per_worker != 2 * config->listen_count)
        return false;
    for (size_t i = 0; i < config->listen_count; i++)
        if (!address_equal(&listeners->items[2 * i].address, &config->listen[i]))
            return false;
    return true;
}
