/* Which generation takes the place of one that turned out damaged.
 *
 * A damaged store must not stop a school, and must not loosen what is sealed. So it is the newest
 * kept one before it that proves whole and holds what the sealed categories held, but for what the
 * guard lets go at a time (guard.h). Where a sealed list has grown by more than that since, the
 * newest that lacks no more than BL_SHRINK_PERCENT of any: a list that was in force a short while
 * ago, and `lacks` says loudly what is missing. One with less is as good as none: then -EPERM, and
 * the caller goes on refusing.
 *
 * Any thread; reads the state folder and changes nothing. Reads each generation whole until one
 * fits.
 */
#ifndef BLOCKLISTS_FALLBACK_H
#define BLOCKLISTS_FALLBACK_H

#include <stdint.h>

#include "blocklists/guard.h"

struct bl_fallback {
    uint64_t generation;
    struct bl_error lacks; /* empty: nothing that is sealed */
};

/* `guard->held` is what the damaged store had; where nobody knows (NULL), all that is asked of a
 * sealed category is to be there. 0; -ENOENT where nothing before `damaged` is kept that is whole,
 * -EPERM where what is kept lacks sealed entries; or another negative errno. */
int bl_fallback_find(const char *state, uint64_t damaged, const struct bl_guard *guard,
                     struct bl_fallback *out_fallback, struct bl_error *error);

#endif
