/* How many entries each sealed category has in the lists in force, on record in
 * STATE/lists/sealed.json: {"generation": 2, "entries": {"illegal": 100}}. Should those lists be
 * damaged at the next start, what takes their place (blocklists/fallback.h) is measured by it.
 * Written by the mender once a generation is in force; lists that were imported and damaged while
 * no resolver ran have none, and one that cannot be written or read is as one that is not there:
 * then whatever has the sealed category at all will do.
 */
#ifndef RESOLVER_CONTROL_HELD_H
#define RESOLVER_CONTROL_HELD_H

#include <stdint.h>

#include "blocklists/guard.h"

/* What `guard` has as held, of `generation`. 0, or a negative errno with a sentence and the file as
 * before. */
int held_write(const char *state, uint64_t generation, const struct bl_guard *guard,
               struct bl_error *error);

/* Sets guard->held to what is on record of `generation`; leaves it NULL where nothing is. */
void held_read(const char *state, uint64_t generation, struct bl_guard *guard);

#endif
