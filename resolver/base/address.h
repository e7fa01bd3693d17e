/* Addresses of clients, servers and upstreams in one form.
 *
 * IPv4 is kept as IPv4-mapped IPv6 (::ffff:a.b.c.d), so that a client that arrives through a
 * wildcard IPv6 socket is the same client, in the same group, as over IPv4. Any thread; no
 * allocation.
 */
#ifndef RESOLVER_BASE_ADDRESS_H
#define RESOLVER_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct address {
    uint8_t bytes[16]; /* network order */
    uint16_t port;     /* host order; 0 where it does not matter */
    uint32_t scope;    /* interface of a link-local address, else 0 */
};

enum { ADDRESS_TEXT_MAX = 64 }; /* "[fe80::1%4294967295]:65535" and the NUL */

bool address_is_v4(const struct address *address);
bool address_equal(const struct address *a, const struct address *b);      /* port and scope too */
bool address_equal_host(const struct address *a, const struct address *b); /* without the port */
bool address_is_loopback(const struct address *address);
bool address_is_wildcard(const struct address *address); /* 0.0.0.0 or :: */

/* Whether this stands for a device without being its address (denials/pseudonym.h); as text, here
 * and below, "device-7Q3K-M2F9". */
bool address_is_pseudonym(const struct address *address);

/* "192.0.2.1", "2001:db8::1", "fe80::1%eth0", with a port: "192.0.2.1:53", "[2001:db8::1]:53",
 * "192.0.2.1@53". 0 or -EINVAL. `port` is what it gets where the text names none. */
int address_parse(const char *text, uint16_t port, struct address *out_address);

/* Without the port, and with it. Both return `text`. */
char *address_text(const struct address *address, char text[ADDRESS_TEXT_MAX]);
char *address_text_port(const struct address *address, char text[ADDRESS_TEXT_MAX]);

/* To and from the kernel's form. IPv4-mapped addresses become AF_INET unless `as_v6`. */
socklen_t address_to_sockaddr(const struct address *address, bool as_v6,
                              struct sockaddr_storage *out);
void address_from_sockaddr(const struct sockaddr *sockaddr, struct address *out_address);

/* A prefix over the mapped form: IPv4's /8 is 104 bits here. */
struct address_prefix {
    uint8_t bytes[16]; /* host bits are zero */
    uint8_t length;    /* 0 to 128 */
};

int address_prefix_parse(
    const char *text,
    struct address_prefix *out_prefix); /* "10.0.0.0/8"; a bare address is its own prefix */
char *address_prefix_text(const struct address_prefix *prefix, char text[ADDRESS_TEXT_MAX]);
bool address_in_prefix(const struct address *address, const struct address_prefix *prefix);

#endif
