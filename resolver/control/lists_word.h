/* Other lists in force, and where a second manager is wanted for what they loosen, whose word they
 * wait for (policy/acts_lists.h).
 *
 * Nobody's hand is behind a refresh of the subscriptions that chalkgated's own user, or root, asks
 * for without anybody having signed on: the configuration that names them was confirmed itself, and
 * published lists lose a few names each day. All else is a person's, by whatever account.
 *
 * Threads: with daemon->change held; lists_word_resume() while there is one thread only.
 */
#ifndef RESOLVER_CONTROL_LISTS_WORD_H
#define RESOLVER_CONTROL_LISTS_WORD_H

#include "resolver/control/control.h"
#include "resolver/control/daemon.h"

struct lists_wanted;

/* Puts these lists in force, or (1) has them wait, as "grant" in the reply tells. */
int lists_word_enter(struct daemon *daemon, const struct caller *caller,
                     const struct lists_wanted *wanted, const char *reason, json_t *reply,
                     struct bl_error *error);

/* The second manager's word, {"id", "reason"}, on the request that is "grant" in the reply: they
 * are in force afterwards. Where they cannot be, they wait again. */
int lists_word_approve(struct daemon *daemon, const struct caller *caller, const json_t *request,
                       json_t *reply, struct bl_error *error);

/* Before the world is made: goes on with what was confirmed when the process before was killed, and
 * removes what nobody waits for. Faults are logged. */
void lists_word_resume(struct daemon *daemon, const struct config *config);

/* Removes the files of what waits no more. */
void lists_word_sweep(struct daemon *daemon);

/* The generation in force, and how much is in it. */
void lists_word_tell(struct daemon *daemon, json_t *reply);

#endif
