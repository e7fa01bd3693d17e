/* One collector's carrier: brings denials and changes from the records to it, for as long as it
 * runs.
 *
 * The records themselves are the spool. What a carrier keeps is the place up to which its collector
 * has everything (STATE/export/NAME.json): the place moves on only when the other side has what was
 * before it, so that a collector that is away, hangs or fails costs nothing but time, and neither
 * the resolver nor the writer ever wait. A crash between sending and noting the place has the
 * collector get some of it twice; each denial has its case code, each change its number.
 *
 * Happy path, once a second: read what is new in the day segments, put it, flush it, note the
 * place; the same with the numbers of denials that were counted but not itemised, every five
 * seconds as they grow with each while the disk is full, and with the change log, which the daemon
 * tells over its control socket. A failure closes the collector and begins again after 1, 2, 5, 10
 * and then every 30 seconds, and stands in the status until something was sent. What lies further
 * back than `backlog` is passed over and counted as skipped. A collector that is new gets what
 * comes from then on.
 *
 * Threads: a process of its own, forked by control/export_runner.c.
 */
#ifndef RESOLVER_EXPORT_CARRIER_H
#define RESOLVER_EXPORT_CARRIER_H

#include <jansson.h>

#include "resolver/config/config.h"

/* Runs until the descriptor `ends_with` is closed at its other end, or SIGTERM comes. */
void carrier_run(const char *state, const struct config *config, const struct config_export *to,
                 int ends_with);

/* {"sent", "counted", "changes", "skipped", "failures", "waiting", "last_sent", "last_error"} and
 * the places; NULL where nothing is known yet. Any thread. */
json_t *carrier_status(const char *state, const char *name);

#endif
