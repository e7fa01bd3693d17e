/* DNS cookies in the form of RFC 9018: what a client's next questions show so that it is seen to be
 * where it says it is.
 *
 * Nobody is refused for want of one: a right cookie comes back as it is while it is fresh, any
 * other gets a new one (RFC 7873 section 5.2). Secrets change daily; the last one still counts, so
 * that nobody notices.
 *
 * Threads: a struct cookies belongs to one worker. Workers that are given the same seed and the
 * same clock have the same secrets.
 */
#ifndef RESOLVER_DNS_COOKIE_H
#define RESOLVER_DNS_COOKIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/base/address.h"
#include "resolver/base/siphash.h"

enum { COOKIE_CLIENT = 8, COOKIE_WHOLE = 24, COOKIE_MAX = 40 };

struct cookies {
    uint8_t seed[SIPHASH_KEY];
    uint8_t secrets[2][SIPHASH_KEY]; /* this day's and the last one's */
    int64_t day;
};

void cookies_init(struct cookies *cookies, const uint8_t seed[SIPHASH_KEY], int64_t mono_ms);

/* Once per wake. */
void cookies_wake(struct cookies *cookies, int64_t mono_ms);

/* The cookie to send back, whole: the client's half (the first COOKIE_CLIENT octets of `cookie`)
 * and ours. `now_s` is seconds since 1970. */
void cookies_answer(const struct cookies *cookies, const uint8_t *cookie, size_t len,
                    const struct address *client, uint32_t now_s, uint8_t out[COOKIE_WHOLE]);

/* RFC 9018 section 4.2, alone. */
void cookie_write(const uint8_t secret[SIPHASH_KEY], const uint8_t client_half[COOKIE_CLIENT],
                  const struct address *client, uint32_t now_s, uint8_t out[COOKIE_WHOLE]);

/* Whether a whole cookie is of this secret, this client and the last hour (or, for clocks that
 * differ, five minutes ahead): RFC 9018 section 4.3. */
bool cookie_is_right(const uint8_t secret[SIPHASH_KEY], const uint8_t cookie[COOKIE_WHOLE],
                     const struct address *client, uint32_t now_s);

#endif
