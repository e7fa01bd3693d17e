/* The rules and lists of a moment of the past, for `why --at`: read from the record (moments.h,
 * grants.h), then made into a world of their own to tell a story by.
 *
 * What cannot be had is told in a note, and today's takes its place: the lists alone, or all of
 * it. Which device had an address is not on record: today's devices are taken.
 *
 * Threads: any; a struct then belongs to its caller.
 */
#ifndef RESOLVER_POLICY_THEN_H
#define RESOLVER_POLICY_THEN_H

#include "resolver/policy/moments.h"
#include "resolver/policy/story.h"

struct then {
    int64_t at_ms;
    struct moment_found moment;
    bool is_read; /* `moment` is what the record says */
    char *text;   /* the configuration; NULL: not to be had, and `fault` says why */
    size_t len;
    char fault[BL_ERROR_MAX];
    struct policy_rules *rules;
    struct config *config; /* from here on by then_build(); each NULL where today's is taken */
    struct policy *policy;
    struct bl_store *store;
    struct story_world world; /* to tell by */
    bool is_of_then;          /* that world has the rules of then */
    json_t *notes;            /* sentences: what was not to be had */
};

/* Reads what the record has of the moment. Never fails: what goes wrong is kept for the notes. */
void then_read(struct change *change, int64_t at_ms, struct then *out_then);

/* The same where there is no record to read, because of `fault`. */
void then_read_nothing(const char *fault, int64_t at_ms, struct then *out_then);

/* Makes the world; `state` is the folder of the lists. What is of today is borrowed until
 * then_fini(). 0 or -ENOMEM. */
int then_build(struct then *then, const struct story_world *today, const char *state,
               struct bl_error *error);

/* Adds to each story "then": {"policy_version", "generation" (what was in force; null: not on
 * record), "rules" ("then" or "today": which of them judged), "lists" (the same)}, and "notes". */
void then_tell(const struct then *then, json_t *stories);

void then_fini(struct then *then); /* also one that is all zeroes */

#endif
