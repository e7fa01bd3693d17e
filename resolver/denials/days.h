/* The days of a reading: segments and waiting journals brought together. Shared by search.c and
 * sums.c. */
#ifndef RESOLVER_DENIALS_DAYS_H
#define RESOLVER_DENIALS_DAYS_H

#include "resolver/denials/pending.h"
#include "resolver/denials/records.h"
#include "resolver/denials/segment_read.h"

/* One day's reading. `reader` is NULL where the day has no segment, or a damaged one. */
struct days_now {
    const struct denials_filter *filter;
    const struct pending *pending;
    const struct day *day;
    struct segment_reader *reader;
};

/* Opens each day that touches the filter's span, in order, and calls `each` inside a guard, until
 * it returns non-zero; returns that, or a negative errno. */
int days_read(const char *state, const struct denials_filter *filter,
              int (*each)(void *user, const struct days_now *now), void *user,
              struct bl_error *error);

/* Whether a waiting record is of this day and not yet in its segment. */
bool days_is_waiting(const struct days_now *now, const struct pending_item *item);

/* What a legend says; "" where it does not. */
const char *days_group(const struct legend_names *legend, uint16_t group);
const char *days_category(const struct legend_names *legend, uint16_t category,
                          const char **out_title, uint8_t *out_severity);

#endif
