/* How many entries each sealed category has in the lists in force, and the most that it ever had,
 * on record in STATE/lists/sealed.json:
 *
 *     {"generation": 2, "entries": {"illegal": 100}, "most": {"illegal": 104},
 *      "whole": {"illegal": 97}, "most-whole": {"illegal": 98}}
 *
 * Should those lists be damaged at the next start, what takes their place (blocklists/fallback.h)
 * is measured by the entries; other lists that come into force, by the most as well (guard.h).
 * Written once a generation is in force, by the mender or, where no resolver runs, by the command
 * that put it there. Where there is none, whatever has the sealed category at all takes the place
 * of damaged lists. One that is there and cannot be read is not taken for none: no other lists come
 * into force by hand until it is put back or removed.
 *
 * A backup has it, and a restore keeps the larger number for each category: of what was there, and
 * of the backup.
 */
#ifndef RESOLVER_POLICY_HELD_H
#define RESOLVER_POLICY_HELD_H

#include <stdint.h>

#include "blocklists/guard.h"

/* What `guard` has as held, of `generation`; the most on record only grows. 0, or a negative errno
 * with a sentence and the file as before. */
int held_write(const char *state, uint64_t generation, const struct bl_guard *guard,
               struct bl_error *error);

/* Sets guard->held to what is on record of `generation` (0: of whichever was noted last), and for
 * categories of which nothing is, to the most that they ever had. Leaves it NULL where there is no
 * record, or none that can be read. */
void held_read(const char *state, uint64_t generation, struct bl_guard *guard);

/* Sets guard->most to what is on record, zeros where there is no record yet. 0, or a negative errno
 * with a sentence: a record that cannot be read is not taken for none. */
int held_most_read(const char *state, struct bl_guard *guard, struct bl_error *error);

/* The most that is on record goes along to another state folder: for each category the larger of
 * the two numbers stands there then, and of no generation what it holds. 0, also where there is no
 * record; or a negative errno with a sentence. */
int held_carry(const char *from_state, const char *to_state, struct bl_error *error);

/* Whether the record can be read: 0, also where there is none; or a negative errno and why not, in
 * a few words. */
int held_check(const char *state, struct bl_error *why);

#endif
