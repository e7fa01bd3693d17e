/* A machine whose clock is wrong when it starts: the time last known goes on instead, by the
 * monotonic clock, so that grants hold, records find their day and nothing is destroyed by age,
 * until the clock is believable: near that time, or synchronised, or a week has passed in which
 * nobody minded. In the log and as a warning of `status`.
 *
 * Threads: timekeeper_begin() by the main thread before others are there, timekeeper_look() by the
 * upkeep's.
 */
#ifndef RESOLVER_CONTROL_TIMEKEEPER_H
#define RESOLVER_CONTROL_TIMEKEEPER_H

#include <stdbool.h>

struct daemon;

void timekeeper_begin(struct daemon *daemon);

/* Every few seconds. Whether what is done for good by the time of day (destroying records) may be
 * done. */
bool timekeeper_look(struct daemon *daemon);

#endif
