/* The time, read once per wake and handed down: nothing below net/ reads a clock by itself, so
 * tests and `why` run at any time they like.
 */
#ifndef RESOLVER_BASE_CLOCK_H
#define RESOLVER_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct moment {
    int64_t mono_ms; /* CLOCK_MONOTONIC: TTLs, deadlines, latencies */
    int64_t wall_ms; /* CLOCK_REALTIME since 1970: schedules, grants, records */
};

struct moment clock_read(void);
/* Whether wall time went another way than monotonic time since `*apart_ms` was noted, by more than
 * `most_ms`; notes it anew. 0 at the beginning, which is no leap. */
bool clock_leapt(int64_t *apart_ms, struct moment now, int64_t most_ms);

int64_t clock_mono_us(void); /* CLOCK_MONOTONIC: how long a turn took */

/* What is added to the wall time from now on, where the machine's clock cannot be believed
 * (known_time.h). Any thread. */
void clock_correct(int64_t wall_ms);
int64_t clock_real_ms(void); /* the machine's own wall time */

#endif
