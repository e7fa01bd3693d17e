/* Running a program of the school's (a mail program, a pager) so that it can do no harm by failing:
 * it gets a time, after which it and everything it started is killed; of what it prints, a kilobyte
 * of standard error is kept and the rest thrown away; it inherits no descriptor but those three.
 *
 * Not for threads that answer; not in the daemon once its system calls are confined.
 */
#ifndef RESOLVER_BASE_HOOK_H
#define RESOLVER_BASE_HOOK_H

#include <stddef.h>

#include "blocklists/error.h"

/* Runs argv[0] (found in PATH) with `input` (a descriptor, −1: nothing) as standard input. 0 when
 * it ended with exit code 0; -ETIMEDOUT, -ECHILD (another exit code, or a signal), or why it could
 * not be started. */
int hook_run(const char *const *argv, int input, unsigned timeout_ms, struct bl_error *error);

#endif
