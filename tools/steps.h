/* Verbs that have steps: `incident open`, `fault close 3`. The step stands where other verbs have
 * their first argument, and each is an act of the daemon's (act_here.h).
 */
#ifndef TOOLS_STEPS_H
#define TOOLS_STEPS_H

#include <jansson.h>

#include "tools/act_here.h"

struct step {
    const char *word;       /* "open"; NULL ends a table */
    const char *verb;       /* what the daemon calls it */
    act_function *function; /* what is done where no daemon runs */
    bool writing;
};

/* Finds the step and parses what stands behind it. 0 and *out_step, a place in `steps`; or, as
 * verb_parse(), the exit code to return + 1, told. */
int steps_parse(const struct step *steps, const struct argp *argp, int argc, char **argv,
                void *options, unsigned *out_step);

/* Sets "id" of the request to the number of a thing ("incident") that `chalkgate THING list` shows;
 * and `key` to a text, where there is one (NULL: there is not). False with a sentence told where it
 * is no number, or no UTF-8. */
bool step_id_set(json_t *request, const char *thing, const char *word);
bool step_text_set(json_t *request, const char *key, const char *text);

/* False with a sentence told where a word stands behind the step that has no place there: what it
 * is about goes behind `option` ("--reason"), if any. NULL: there is no such word. */
bool step_is_whole(const char *surplus, const char *option);

/* act_ask() of a step; `request` is taken. */
enum exit_code step_ask(struct command *command, const struct step *step, json_t *request,
                        json_t **out_reply);

#endif
