/* STATE/lock: one owner of the state folder at a time, the daemon or a command that changes it
 * while no daemon runs. The kernel lets go of it when its holder ends, however that ends. */
#ifndef RESOLVER_CONTROL_LOCK_H
#define RESOLVER_CONTROL_LOCK_H

#include "blocklists/error.h"

/* Makes the folder when it is not there. 0 and a descriptor to keep open, or a negative errno and a
 * sentence; −EBUSY: somebody else has it. */
int state_lock(const char *state, int *out_fd, struct bl_error *error);

#endif
