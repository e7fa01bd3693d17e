/* The sign of life for the service manager's watchdog (WatchdogSec= of the unit): sent only when
 * every worker's loop and both threads of the denials' writer had a turn since the last one. A
 * daemon whose one worker hangs looks alive and leaves a part of the devices without answers; this
 * way it is restarted.
 *
 * A thread of its own, so that a long reload or import on another one is not taken for a hang. It
 * looks four times in the time that the manager waits, which should be 5 s or more: a worker that
 * has nothing to do turns once a second.
 */
#ifndef RESOLVER_CONTROL_PULSE_H
#define RESOLVER_CONTROL_PULSE_H

#include "blocklists/error.h"

struct daemon;
struct pulse;

/* *out_pulse is NULL where nobody watches. `daemon`, its server and its writer are borrowed. */
int pulse_start(struct daemon *daemon, struct pulse **out_pulse, struct bl_error *error);
void pulse_stop(struct pulse *pulse); /* NULL is fine */

#endif
