/* How many entries each sealed category has in the lists in force, on record in
 * STATE/lists/sealed.json: {"generation": 2, "entries": {"illegal": 100}}. Should those lists be
 * damaged at the next start, what takes their place (blocklists/fallback.h) is measured by it.
 * Written once a generation is in force, by the mender or, where no resolver runs, by the command
 * that put it there. One that cannot be written or read is as one that is not there: then whatever
 * has the sealed category at all will do.
 */
#ifndef RESOLVER_POLICY_HELD_H
#define RESOLVER_POLICY_HELD_H

#include <stdint.h>

#include "blocklists/guard.h"

/* What `guard` has as held, of `generation`. 0, or a negative errno with a sentence and the file as
 * before. */
int held_write(const char *state, uint64_t generation, const struct bl_guard *guard,
               struct bl_error *error);

/* Sets guard->held to what is on record of `generation` (0: of whichever was noted last); leaves it
 * NULL where nothing is. */
void held_read(const char *state, uint64_t generation, struct bl_guard *guard);

#endif
