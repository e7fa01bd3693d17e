/* What happens when the lists in force turn out damaged: cut or written to on the disk, which only
 * somebody with root's rights can do. Nothing that the damaged lists would have to judge is let
 * through (blocklists/store.h, bl_store_is_damaged()), and the newest generation before that proves
 * whole takes their place: in the log, in the change log, as an alert, and as a warning of `status`
 * until other lists are adopted. What is sealed comes first: blocklists/fallback.h says which
 * generation will do, and what one lacks is told with all else. Where there is none, answers stay
 * refused until lists are imported.
 *
 * The file is compared with its checksum once after it came into force, and again whenever it was
 * touched. One that is whole is opened anew then, as look-ups in between may have been of something
 * else. Where it was taken away, or another one that cannot be used stands in its place, what is
 * mapped is whole and goes on (query/world.h); that is told in the same ways, and tried again until
 * there is a file.
 *
 * A thread of its own, which gives way to those that answer: woken by the first missing page, and
 * looking at the file every two seconds.
 */
#ifndef RESOLVER_CONTROL_MENDER_H
#define RESOLVER_CONTROL_MENDER_H

#include "blocklists/error.h"

struct config;
struct daemon;
struct mender;

/* What there is to say of a world's lists_trouble, which is its %s. */
#define MENDER_TROUBLE                                                                             \
    "the lists in force go on as they were read before, but only until a restart, as their file "  \
    "cannot be used (%s). Please put it back, or go back to other ones with `chalkgate lists "     \
    "rollback`"

/* Before the first world is made: where the generation in force cannot be opened, puts another in
 * its place, in which every category is listed that is sealed. Where nothing can be done, making
 * the world says what is wrong. */
void mender_prepare(struct daemon *daemon, const struct config *config);

int mender_start(struct daemon *daemon, struct mender **out_mender, struct bl_error *error);
void mender_stop(struct mender *mender); /* NULL is fine */

#endif
