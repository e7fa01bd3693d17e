/* Lists adopted, or put back in force, while no daemon runs: by the same code, under the state
 * folder's lock, and with an entry in the change log that says who and why.
 */
#ifndef TOOLS_LISTS_HERE_H
#define TOOLS_LISTS_HERE_H

#include <stdint.h>

#include "tools/verb.h"

struct bl_guard;

/* 0 and the generation now in force, or what bl_lists_adopt() and bl_lists_rollback_guarded()
 * return. An entry that cannot be written is told on standard error. `reason` may be NULL. */
int lists_adopt_here(struct command *command, int staged_fd, const char *reason,
                     uint64_t *out_generation, struct bl_error *error);
int lists_rollback_here(struct command *command, uint64_t wanted, const struct bl_guard *guard,
                        const char *reason, uint64_t *out_generation, struct bl_error *error);

#endif
