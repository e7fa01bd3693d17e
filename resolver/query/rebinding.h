/* Rebinding: a public name that answers with an address of the school's own network lets a web page
 * reach printers and routers as if it were theirs. Such answers are refused, but for names under
 * forward-zones, which the school's own servers know, and those that `private-answers-allowed`
 * names. Documentation ranges are ordinary addresses here.
 *
 * What counts is the name that was asked: it is what a browser takes for the page's origin.
 */
#ifndef RESOLVER_QUERY_REBINDING_H
#define RESOLVER_QUERY_REBINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config;
struct judged_message;
struct pipeline;
struct query;

/* Whether 4 or 16 octets are an address that is only of use inside: unspecified, loopback, private,
 * link-local and unique local ones, also inside an IPv6 address that stands for an IPv4 one. */
bool address_is_private(const uint8_t *bytes, size_t size);

/* Whether the message, which has such an address, may not be handed to this query. On true
 * *out_address is the address in 16 octets. */
bool rebinding_refuses(const struct pipeline *pipeline, const struct query *query,
                       const uint8_t *message, size_t len, uint8_t out_address[16]);

/* Whether `private-answers-allowed` covers the name (lower-cased wire form). */
bool rebinding_is_allowed(const struct config *config, const uint8_t *name);

#endif
