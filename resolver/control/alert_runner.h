/* The process that calls the school's command for each alert of the spool (STATE/alerts,
 * denials/alert.h).
 *
 * The daemon may start no program once it is confined, so it forks this runner before: the same
 * user, no more than that, and nothing of the daemon's in it but the path of the configuration. It
 * ends with the daemon. What to call is read from the configuration, again whenever that file
 * changes.
 *
 * Happy path: a file appears in the spool, the command is called with it as standard input, ends
 * with 0, and the file is removed. A command that fails, hangs or is not there is tried again after
 * 5 s, 15 s, 1 min, 5 min, and then every 15 minutes; after a week the alert goes to
 * STATE/alerts/failed, as do the oldest of more than 2000. New alerts are tried at once, whatever
 * became of older ones. How it goes stands in STATE/alerts/status.json.
 */
#ifndef RESOLVER_CONTROL_ALERT_RUNNER_H
#define RESOLVER_CONTROL_ALERT_RUNNER_H

#include <jansson.h>

#include "blocklists/error.h"

/* Forks the runner: main thread, before other threads and before privileges_confine(). The
 * descriptor ends the runner when it is closed; −1 and a sentence when it cannot be started. */
int alert_runner_start(const char *state, const char *config_path, struct bl_error *error);

/* {"delivered", "failed_tries", "set_aside", "waiting", "last_error", "last_delivered",
 * "next_try"}; NULL when nothing is known. */
json_t *alert_runner_status(const char *state);

#endif
