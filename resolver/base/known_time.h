/* The time that was last known, kept in STATE/clock, against a machine that starts with a clock of
 * 1970 or of years ahead: what is far from it is not believed unless the kernel says that its clock
 * is synchronised.
 *
 * The daemon writes the file once a minute; the command reads it.
 */
#ifndef RESOLVER_BASE_KNOWN_TIME_H
#define RESOLVER_BASE_KNOWN_TIME_H

#include <stdbool.h>
#include <stdint.h>

/* 0: none is known. */
int64_t known_time_read(const char *state);
int known_time_write(const char *state, int64_t wall_ms); /* 0 or a negative errno */

/* Whether `wall_ms`, as the machine's clock has it, can be: within KNOWN_TIME_DAYS of the time last
 * known (a school is closed for weeks), not before `floor_ms`, or synchronised. */
enum { KNOWN_TIME_DAYS = 60 };
bool known_time_allows(int64_t known_ms, int64_t floor_ms, int64_t wall_ms);
bool known_time_is_synchronised(int64_t wall_ms);

#endif
