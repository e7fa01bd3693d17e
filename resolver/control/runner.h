/* A process of the daemon's own making that may do what the daemon may not once it is confined:
 * start programs, wait for collectors. The same user and no more; nothing of the daemon's in it but
 * the paths of state and configuration. It ends with the daemon.
 */
#ifndef RESOLVER_CONTROL_RUNNER_H
#define RESOLVER_CONTROL_RUNNER_H

#include <stdbool.h>
#include <time.h>

#include "blocklists/error.h"
#include "resolver/config/config.h"

/* The only descriptor, beside the standard ones, that a runner has: readable when it is to end. */
enum { RUNNER_ENDS_WITH = 3 };

/* Forks and calls run(state, config_path), which never returns. Main thread, before other threads
 * and before privileges_confine(). The descriptor ends the process when it is closed; −1 and a
 * sentence, which begins with `what`, when it cannot be started. */
int runner_start(const char *what, const char *state, const char *config_path,
                 void (*run)(const char *state, const char *config_path), struct bl_error *error);

/* The configuration, when the file is another than at *changed, which is set; NULL: it is not, or
 * it has faults, so that what held holds on. */
struct config *runner_config(const char *path, struct timespec *changed);

#endif
