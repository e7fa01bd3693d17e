/* The processes that bring denials and changes to collectors (export/carrier.h), one for each, and
 * the one that keeps them running.
 *
 * The daemon may start no process once it is confined, so it forks the keeper before, as with
 * alert_runner.h: the same user, and nothing of the daemon's in it but the path of the
 * configuration. The keeper reads `export` from there, again whenever the file changes, forks a
 * carrier for each collector, and another when one ends before its time. A carrier that needs no
 * program is confined as the daemon is. All end with the daemon.
 */
#ifndef RESOLVER_CONTROL_EXPORT_RUNNER_H
#define RESOLVER_CONTROL_EXPORT_RUNNER_H

#include "blocklists/error.h"

/* Main thread, before other threads and before privileges_confine(). The descriptor ends the
 * processes when it is closed; −1 and a sentence when they cannot be started. */
int export_runner_start(const char *state, const char *config_path, struct bl_error *error);

#endif
