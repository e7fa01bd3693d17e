#include "resolver/dns/cookie.h"

#include <string.h>

#include "resolver/dns/message.h"

enum {
    VERSION = 1,
    DAY_MS = 86400 * 1000,
    HASHED = COOKIE_CLIENT + 8, /* the client's half, version, reserved, time */
    RENEWED_S = 1800,
    ENDED_S = 3600,
    AHEAD_S = 300,
};

/* Secrets follow from the seed and the day, and tell nothing of either. */
static void secret_make(const struct cookies *cookies, int64_t day, uint8_t out[SIPHASH_KEY])
{
    for (uint8_t half = 0; half < 2; half++) {
        uint8_t text[9] = {[8] = half};
        uint64_t hash;
        memcpy(text, &day, sizeof day);
        hash = siphash(cookies->seed, text, sizeof text);
        memcpy(out + 8 * half, &hash, sizeof hash);
    }
}

static void secrets_make(struct cookies *cookies, int64_t day)
{
    cookies->day = day;
    secret_make(cookies, day, cookies->secrets[0]);
    secret_make(cookies, day - 1, cookies->secrets[1]);
}

void cookies_init(struct cookies *cookies, const uint8_t seed[SIPHASH_KEY], int64_t mono_ms)
{
    memcpy(cookies->seed, seed, SIPHASH_KEY);
    secrets_make(cookies, mono_ms / DAY_MS);
}

void cookies_wake(struct cookies *cookies, int64_t mono_ms)
{
    if (mono_ms / DAY_MS != cookies->day)
        secrets_make(cookies, mono_ms / DAY_MS);
}

/* RFC 9018 section 4.4: over the client's half, our half without the hash, and the address. */
static void hash_write(const uint8_t secret[SIPHASH_KEY], const struct address *client,
                       const uint8_t cookie[HASHED], uint8_t out[8])
{
    uint8_t text[HASHED + 16];
    size_t skip = address_is_v4(client) ? 12 : 0;
    uint64_t hash;

    memcpy(text, cookie, HASHED);
    memcpy(text + HASHED, client->bytes + skip, 16 - skip);
    hash = siphash(secret, text, HASHED + 16 - skip);
    for (unsigned i = 0; i < 8; i++)
        out[i] = (uint8_t)(hash >> 8 * i);
}

void cookie_write(const uint8_t secret[SIPHASH_KEY], const uint8_t client_half[COOKIE_CLIENT],
                  const struct address *client, uint32_t now_s, uint8_t out[COOKIE_WHOLE])
{
    memmove(out, client_half, COOKIE_CLIENT);
    dns_put_32(out + COOKIE_CLIENT, (uint32_t)VERSION << 24);
    dns_put_32(out + COOKIE_CLIENT + 4, now_s);
    hash_write(secret, client, out, out + HASHED);
}

/* Seconds since the cookie was made, in the arithmetic of RFC 1982: it goes on after 2106. */
static int32_t age_of(const uint8_t cookie[COOKIE_WHOLE], uint32_t now_s)
{
    return (int32_t)(now_s - dns_read_32(cookie + COOKIE_CLIENT + 4));
}

bool cookie_is_right(const uint8_t secret[SIPHASH_KEY], const uint8_t cookie[COOKIE_WHOLE],
                     const struct address *client, uint32_t now_s)
{
    int32_t age_s = age_of(cookie, now_s);
    uint8_t hash[8], differs = 0;

    if (cookie[COOKIE_CLIENT] != VERSION || age_s > ENDED_S || age_s < -AHEAD_S)
        return false;
    hash_write(secret, client, cookie, hash);
    for (unsigned i = 0; i < 8; i++) /* all of it, so that time does not tell where it differs */
        differs |= (uint8_t)(hash[i] ^ cookie[HASHED + i]);
    return differs == 0;
}

void cookies_answer(const struct cookies *cookies, const uint8_t *cookie, size_t len,
                    const struct address *client, uint32_t now_s, uint8_t out[COOKIE_WHOLE])
{
    if (len == COOKIE_WHOLE && age_of(cookie, now_s) < RENEWED_S)
        for (unsigned i = 0; i < 2; i++)
            if (cookie_is_right(cookies->secrets[i], cookie, client, now_s)) {
                memcpy(out, cookie, COOKIE_WHOLE);
                return;
            }
    cookie_write(cookies->secrets[0], cookie, client, now_s, out);
}
