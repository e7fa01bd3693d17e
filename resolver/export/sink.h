/* Where events go: a file of JSON lines, or a form over a connection (connection.h).
 *
 * Happy path: sink_put() for each event, sink_flush(): what was put is with the other side. When
 * either fails, what was put since the last flush must be put again after sink_close() and
 * sink_open(): a collector may then have some of it twice (case codes and numbers tell), never not
 * at all.
 *
 * A file is opened for appending with mode 0640. What a crash left of a line is cut off, a full
 * disk leaves the file as it was before. When it grows beyond its size, or a day is over, it is
 * renamed to FILE.1, FILE.1 to FILE.2 and so on.
 *
 * Threads: one. Never in the daemon's own process.
 */
#ifndef RESOLVER_EXPORT_SINK_H
#define RESOLVER_EXPORT_SINK_H

#include "blocklists/error.h"
#include "resolver/config/config.h"
#include "resolver/export/event.h"

struct sink;

/* `config` and `to` are borrowed until sink_close(). */
int sink_open(const struct config *config, const struct config_export *to, struct sink **out_sink,
              struct bl_error *error);
void sink_close(struct sink *sink); /* NULL is fine */

/* False: what it was connected to is gone, and nothing was put since the last flush that got lost.
 */
bool sink_is_alive(struct sink *sink);

int sink_put(struct sink *sink, const struct event *event, struct bl_error *error);
int sink_flush(struct sink *sink, struct bl_error *error);

#endif
