/* What a person should know of a configuration that is good: what waits for a restart,
 * periods that may be written the wrong way round, and exceptions that change nothing
 * (policy/idle.h). Said by `chalkgated --check`, at a start and a
 * reload, and in `status`; no reason to refuse anything.
 *
 * Threads: any, that may wait for a disk.
 */
#ifndef RESOLVER_CONTROL_ADVICE_H
#define RESOLVER_CONTROL_ADVICE_H

#include <jansson.h>

#include "resolver/query/world.h"

/* A few sentences, and how many more there are: a new array of strings. */
struct daemon;
json_t *advice_of(struct daemon *daemon, const struct world *world);
void advice_log(const json_t *advice);

/* For --check: all sentences on standard error, with the lists in force under config->state. Where
 * nothing has been imported yet there is nothing to say of exceptions. */
void advice_check(const struct config *config);

#endif
