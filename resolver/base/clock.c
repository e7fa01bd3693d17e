#include "resolver/base/clock.h"

#include <stdlib.h>
#include <time.h>

static int64_t correction_ms; /* atomic */

static int64_t read_ms(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct moment clock_read(void)
{
    return (struct moment){.mono_ms = read_ms(CLOCK_MONOTONIC),
                           .wall_ms = read_ms(CLOCK_REALTIME) +
                                      __atomic_load_n(&correction_ms, __ATOMIC_RELAXED)};
}

bool clock_leapt(int64_t *apart_ms, struct moment now, int64_t most_ms)
{
    int64_t apart = now.wall_ms - now.mono_ms, before = *apart_ms;

    *apart_ms = apart;
    return before != 0 && llabs((long long)(apart - before)) > most_ms;
}

int64_t clock_mono_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void clock_correct(int64_t wall_ms)
{
    __atomic_store_n(&correction_ms, wall_ms, __ATOMIC_RELAXED);
}

int64_t clock_real_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}
