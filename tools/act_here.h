/* What the daemon does with the policy, done here while none runs: the same code, under the state
 * folder's lock. Verbs call act_ask(), which asks the daemon first.
 */
#ifndef TOOLS_ACT_HERE_H
#define TOOLS_ACT_HERE_H

#include "resolver/policy/acts.h"
#include "tools/verb.h"

struct act_here {
    struct act
        act; /* `change` is NULL where nothing was ever recorded and nothing is to be written */
    struct state *state;
    struct bl_store *store;
    struct calendar *calendar;
    struct config *kept; /* what was last in force, where that is what counts; or NULL */
    int lock_fd;
};

/* Opens the state folder, begins a change (or, not `writing`, a reading) and finds lists and
 * calendar. Changes go by the configuration that was last in force, where that wants a second
 * manager's word for what loosens (policy/approved.h): an edited file has nobody's yet. */
int act_here_open(struct command *command, bool writing, struct act_here *out_here,
                  struct bl_error *error);

/* The same without the lists, which may be what is to be mended. */
int act_here_begin(struct command *command, bool writing, struct act_here *out_here,
                   struct bl_error *error);
void act_here_close(struct act_here *here); /* what was not committed is gone */

/* Who sits at this terminal, for the change log. */
struct actor act_actor(void);

/* Whether nobody signed on behind this process: a timer or a service began it. */
bool act_is_nobody(void);

/* Root may write anywhere, but what it leaves in the state folder the daemon must be able to go on
 * with: from enter to leave, files are made as the folder's owner. Not nested. */
void act_owner_enter(const char *folder);
void act_owner_leave(void);

typedef int act_function(struct act *act, const json_t *request, json_t *reply,
                         struct bl_error *error);

/* Has the daemon do `verb`, or does `function` here. `request` is taken. On EXIT_DONE the caller
 * frees *out_reply; otherwise the reason has been printed. */
enum exit_code act_ask(struct command *command, const char *verb, act_function *function,
                       bool writing, json_t *request, json_t **out_reply);

/* The same without a word: what went wrong is in *error. */
enum exit_code act_try(struct command *command, const char *verb, act_function *function,
                       bool writing, json_t *request, json_t **out_reply, struct bl_error *error);

/* Options that several verbs share: --for, --until, into the request. 0, or a sentence. */
int act_span(json_t *request, const char *length, const char *until, struct bl_error *error);

#endif
