#include "resolver/base/random.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "resolver/base/check.h"

static void fill_from_kernel(void *bytes, size_t len)
{
    uint8_t *at = bytes;

    while (len) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        CHECK(got >
              0); /* getrandom fails only when it is not there: an id must never be guessable */
        at += got;
        len -= (size_t)got;
    }
}

static void take(struct random_pool *pool, void *out, size_t len)
{
    if (pool->used + len > sizeof pool->bytes) {
        if (pool->fill)
            pool->fill(pool->user, pool->bytes, sizeof pool->bytes);
        else
            fill_from_kernel(pool->bytes, sizeof pool->bytes);
        pool->used = 0;
    }
    memcpy(out, pool->bytes + pool->used, len);
    pool->used += len;
}

void random_init(struct random_pool *pool)
{
    *pool = (struct random_pool){.used = sizeof pool->bytes};
}

uint16_t random_16(struct random_pool *pool)
{
    uint16_t value;

    take(pool, &value, sizeof value);
    return value;
}

uint32_t random_32(struct random_pool *pool)
{
    uint32_t value;

    take(pool, &value, sizeof value);
    return value;
}

uint64_t random_64(struct random_pool *pool)
{
    uint64_t value;

    take(pool, &value, sizeof value);
    return value;
}

uint32_t random_below(struct random_pool *pool, uint32_t bound)
{
    uint32_t floor = -bound % bound; /* values below it would favour small results */
    uint32_t value;

    do
        value = random_32(pool);
    while (value < floor);
    return value % bound;
}
