/* Figures for a monitoring system, as a file in Prometheus' text form that node_exporter's textfile
 * collector (or anything else) reads. A file rather than a listening socket: there is no request to
 * parse, no port to guard and no secret to keep, and whoever may read the folder may read the
 * figures.
 *
 * A thread of its own writes the file anew every `metrics: every` seconds, whole (rename), and says
 * so in the log once when it cannot. Nothing in it is about any client; labels are group, category
 * and upstream.
 */
#ifndef RESOLVER_CONTROL_METRICS_H
#define RESOLVER_CONTROL_METRICS_H

#include <jansson.h>

#include "blocklists/error.h"

struct daemon;
struct metrics;

/* Writes nothing while the configuration names no file. 0 or a negative errno with a sentence. */
int metrics_start(struct daemon *daemon, struct metrics **out_metrics, struct bl_error *error);
void metrics_stop(struct metrics *metrics); /* NULL is fine */

/* The text for what status_describe() says; the caller frees it. NULL when out of memory. */
char *metrics_text(const json_t *status);

#endif
