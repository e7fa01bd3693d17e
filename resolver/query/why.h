/* A whole request of `why`, of now or of the past: the story by the world in force, or by the one
 * that was (policy/then.h). The same for the daemon and for the command where none runs.
 *
 * Threads: any.
 */
#ifndef RESOLVER_QUERY_WHY_H
#define RESOLVER_QUERY_WHY_H

#include "resolver/policy/then.h"
#include "resolver/query/way.h"

struct why {                  /* all borrowed */
    struct story_world today; /* without `beyond` */
    struct way way;
    const char *state; /* the folder */
};

/* Whether the request is about the past; then *out_at_ms is the moment to read of the record. */
bool why_is_past(const json_t *request, int64_t now_s, int64_t *out_at_ms);

/* As story_answer(). `then` is what was read of the record, or NULL for a request about now or what
 * is to come; taken, also on failure. */
int why_answer(const struct why *why, struct then *then, const json_t *request, int64_t now_s,
               json_t *reply, struct bl_error *error);

#endif
