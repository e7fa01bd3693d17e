/* Local days: where one begins and ends, also when the clocks change (23 and 25 hours).
 *
 * The zone is the process's (TZ, /etc/localtime). Any thread; no allocation of ours.
 */
#ifndef RESOLVER_DENIALS_DAY_H
#define RESOLVER_DENIALS_DAY_H

#include <stdint.h>

enum { DAY_TEXT_MAX = 11, DAY_HOURS_MAX = 26 };

struct day {
    int64_t start_ms;        /* wall time of local midnight, or of the day's first moment */
    int64_t end_ms;          /* where the next day starts */
    char text[DAY_TEXT_MAX]; /* "2026-11-23" */
};

/* The day of a moment; moments before 1970 and after 9999 count as the first and the last day. */
void day_of(int64_t wall_ms, struct day *out_day);

/* "2026-11-23": 0, or -EINVAL when the calendar has no such day. */
int day_parse(const char *text, struct day *out_day);

/* Hours since the day's start, 0 to 24 (25 on a long day); and what the clock showed then, 0 to 23.
 */
unsigned day_hour(const struct day *day, int64_t wall_ms);
unsigned day_hour_shown(const struct day *day, unsigned hour);

#endif
