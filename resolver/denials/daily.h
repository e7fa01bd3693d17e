/* What was counted by group and day beside denials (query/tally.h), without clients or names:
 * STATE/denials/YYYY-MM-DD.json, a list of {"group", "what", "count"}.
 *
 * One thread writes; any thread of any process reads, and meets a file whole.
 */
#ifndef RESOLVER_DENIALS_DAILY_H
#define RESOLVER_DENIALS_DAILY_H

#include <jansson.h>

#include "blocklists/error.h"
#include "resolver/denials/day.h"

/* Adds a list of the same form to the day's. 0 or a negative errno. */
int daily_add(const char *state, const struct day *day, const json_t *list, struct bl_error *error);

/* The sum of the days that touch [since, until), most first; NULL: no memory. What cannot be read
 * is left out. */
json_t *daily_sum(const char *state, int64_t since_ms, int64_t until_ms);

/* Removes days that ended before then. */
void daily_drop(const char *state, int64_t before_ms);

#endif
