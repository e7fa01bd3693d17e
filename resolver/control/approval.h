/* Starts, where a second manager is wanted for what loosens the policy. Ports, workers, user and
 * state folder are those of the file in any case: they are settled before, and are no part of the
 * policy.
 *
 * A restart takes what config.yaml says, and nobody was asked: where what was in force before wants
 * it (policy/approved.h), a file that loosens waits like a reload, and what was in force before is
 * so again. The filter is never off for it.
 *
 * Threads: approval_begin() while there is one thread only; approval_keep() with daemon->change
 * held; approval_describe() any.
 */
#ifndef RESOLVER_CONTROL_APPROVAL_H
#define RESOLVER_CONTROL_APPROVAL_H

#include <jansson.h>

#include "resolver/control/daemon.h"

struct config;

/* Takes what config.yaml says and gives what may be in force; that the file waits is logged, on
 * record, and in `status`. After rules_open(). */
struct config *approval_begin(struct daemon *daemon, struct config *config);

/* Keeps what is in force for the next start. A failure is logged: then that start may ask for what
 * has been approved already. */
void approval_keep(const struct daemon *daemon, const struct config *config);

/* A sentence for `status` where requests wait; that a configuration does, it says itself. */
void approval_describe(struct daemon *daemon, const struct config *config, json_t *warnings);

#endif
