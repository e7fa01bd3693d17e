/* Who is at the other end of the control socket: what the kernel says, and the role that follows.
 */
#ifndef RESOLVER_CONTROL_CALLER_H
#define RESOLVER_CONTROL_CALLER_H

#include "blocklists/error.h"
#include "resolver/config/config.h"
#include "resolver/control/control.h"

/* The peer of a connected Unix socket: 0, or a negative errno and a sentence. Managers are root,
 * the user that the daemon runs as (it owns every file anyway), and the members of `roles.manager`.
 */
int caller_read(int fd, const struct config *config, struct caller *out_caller,
                struct bl_error *error);

#endif
