/* The names that groups asked most among allowed look-ups, over any span of days, from the counts
 * that `recording` keeps: for `questions` and for reports. No device is in them.
 */
#ifndef TOOLS_MOST_ASKED_H
#define TOOLS_MOST_ASKED_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "blocklists/error.h"

struct most_asked_name {
    char *group, *name; /* the name as text */
    uint64_t count;
};

struct most_asked { /* group by group, in each the most asked first */
    struct most_asked_name *items;
    size_t count;
    uint64_t days; /* that have counts */
};

/* At most `most` names of each group; `group` NULL: all. `warn` is told of days that cannot be
 * read. 0 or a negative errno. Free with most_asked_fini(). */
int most_asked_find(const char *state, int64_t since_ms, int64_t until_ms, const char *group,
                    size_t most, void (*warn)(void *user, const char *sentence), void *warn_user,
                    struct most_asked *out_asked, struct bl_error *error);
void most_asked_fini(struct most_asked *asked);

void most_asked_print(const struct most_asked *asked, FILE *out);
json_t *most_asked_json(const struct most_asked *asked); /* [{"group", "name", "times"}] */

#endif
