/* What the daemon does for its records beside answering: hands the settings of alerts to the writer
 * when the configuration changes, and once a day keeps the totals of days past and destroys what is
 * kept no longer, with a receipt in the log.
 *
 * A thread of its own; it looks every two seconds and works for moments.
 */
#ifndef RESOLVER_CONTROL_UPKEEP_H
#define RESOLVER_CONTROL_UPKEEP_H

#include "blocklists/error.h"

struct alerts;
struct daemon;
struct upkeep;

/* The settings of the configuration in force, at once and from then on whenever it changes.
 * `alerts` is borrowed until upkeep_stop(). */
int upkeep_start(struct daemon *daemon, struct alerts *alerts, struct upkeep **out_upkeep,
                 struct bl_error *error);
void upkeep_stop(struct upkeep *upkeep); /* NULL is fine */

#endif
