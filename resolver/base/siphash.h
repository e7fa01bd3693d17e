/* SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash of short inputs, for what a stranger
 * must not be able to foretell: DNS cookies (RFC 9018 section 4.4). Also a checksum, with a key of
 * zeros, where only accidents are feared. For places in tables there is hash.h. Any thread; no
 * state. */
#ifndef RESOLVER_BASE_SIPHASH_H
#define RESOLVER_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

enum { SIPHASH_KEY = 16 };

uint64_t siphash(const uint8_t key[SIPHASH_KEY], const void *bytes, size_t len);

#endif
