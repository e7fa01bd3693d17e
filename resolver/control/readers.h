/* The records of denials for those who may read them: `denials`, `report` and `case` read the files
 * themselves, so a role is of use only where the files let it in.
 *
 * The folders of records get an access control list (POSIX.1e, as setfacl(1) writes) that lets the
 * groups under `roles` read, now and in files to come; nobody else gains, nobody may write. The
 * state folder itself they may pass through.
 *
 * Threads: with daemon->change held, or before threads start. A group that is not on this machine,
 * and a file system without such lists, are warnings: what is missing is comfort, not protection.
 */
#ifndef RESOLVER_CONTROL_READERS_H
#define RESOLVER_CONTROL_READERS_H

#include "resolver/config/config.h"

/* To be called when the folders are there, and again when `roles` has changed. */
void readers_admit(const char *state, const struct config *config);

/* Whether two configurations admit the same groups. */
bool readers_same(const struct config *a, const struct config *b);

#endif
