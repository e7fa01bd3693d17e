/* What happens when the lists in force turn out damaged: cut or written to on the disk, which only
 * somebody with root's rights can do. Nothing that the damaged lists would have to judge is let
 * through (blocklists/store.h, bl_store_is_damaged()), and the newest generation before that proves
 * whole takes their place: in the log, in the change log, and as a warning of `status` until other
 * lists are adopted. Where there is none, answers stay refused until lists are imported.
 *
 * A thread of its own: woken by the first missing page, and looking at the file every two seconds.
 */
#ifndef RESOLVER_CONTROL_MENDER_H
#define RESOLVER_CONTROL_MENDER_H

#include "blocklists/error.h"

struct daemon;
struct mender;

/* Before the first world is made: where the generation in force cannot be opened, puts the newest
 * whole one before it in its place. Where nothing can be done, making the world says what is wrong.
 */
void mender_prepare(struct daemon *daemon);

int mender_start(struct daemon *daemon, struct mender **out_mender, struct bl_error *error);
void mender_stop(struct mender *mender); /* NULL is fine */

#endif
