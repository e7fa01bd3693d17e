/* The segments of a state folder: which days there are. Any thread. */
#ifndef RESOLVER_DENIALS_SEGMENTS_H
#define RESOLVER_DENIALS_SEGMENTS_H

#include <stddef.h>
#include <stdint.h>

#include "blocklists/error.h"
#include "resolver/denials/day.h"

struct segment_list {
    struct day *days; /* by date */
    size_t count;
};

/* Segments whose day touches [*since_ms, *until_ms); NULL: no bound. An absent folder has none. */
int segments_list(const char *state, const int64_t *since_ms, const int64_t *until_ms,
                  struct segment_list *out_list, struct bl_error *error);
/* The same for files of that form, DAY.mdb, in any folder. */
int segments_list_in(const char *folder, const int64_t *since_ms, const int64_t *until_ms,
                     struct segment_list *out_list, struct bl_error *error);
void segments_list_free(struct segment_list *list);

#endif
