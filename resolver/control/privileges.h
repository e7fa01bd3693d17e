/* Giving up what the daemon does not need once its ports are bound.
 *
 * Happy path, started by root: the ports are bound, privileges_drop() becomes `user` for good, no
 * capability is left, no program that is executed could regain any; privileges_confine() then lets
 * the process make only the system calls that it has use for. Started by an ordinary user (or by
 * systemd with User=): the same without the change of user.
 *
 * Main thread, before any other thread is there: credentials are a thread's own in the kernel.
 */
#ifndef RESOLVER_CONTROL_PRIVILEGES_H
#define RESOLVER_CONTROL_PRIVILEGES_H

#include "blocklists/error.h"

/* Makes the state folder, and what is in it, `user`'s, so that it can be written after the change.
 * Does nothing unless root runs this and `user` is somebody else. Symbolic links are not followed.
 */
int privileges_own(const char *state, const char *user, struct bl_error *error);

/* Becomes `user` when root runs this, and drops all capabilities in any case. With `user` NULL or
 * "root" the process stays root in name (and says so for NULL), but without any power over what is
 * not root's own. */
int privileges_drop(const char *user, struct bl_error *error);

/* Lets the system calls through that the daemon makes: others fail with EPERM, and those that only
 * an intruder would want end the process. Starting threads stays possible, starting programs does
 * not. Not under sanitizers, which make calls of their own. */
int privileges_confine(struct bl_error *error);

#endif
