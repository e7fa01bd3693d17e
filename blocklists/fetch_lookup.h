/* Looking a host up at given name servers, so that fetching lists does not need the machine's
 * resolver. For fetch.c only. Blocks for a few seconds at most. */
#ifndef BLOCKLISTS_FETCH_LOOKUP_H
#define BLOCKLISTS_FETCH_LOOKUP_H

#include <stddef.h>

/* The host's addresses as "192.0.2.1,[2001:db8::1]". 0, or -ENOENT when no server had any.
 * `servers` are addresses with an optional port, NULL last. */
int host_lookup(const char *const *servers, const char *host, char *out_addresses, size_t size);

#endif
