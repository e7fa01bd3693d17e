/* Keeps what is known of devices up to date: listens to the kernel's neighbours, looks at lease
 * files, and lets the workers have a new world when an address of a device that matters is new or
 * another's.
 *
 * watch_open() takes a first look, so that a block is in force for every address from the first
 * answer on. Then one thread: it waits for the kernel, looks at lease files every two seconds, and
 * asks for all neighbours again every minute and whenever the kernel had to drop news. A new world
 * is made at most once a second.
 *
 * Failure modes: without netlink (no such address family for this process, too little memory), or
 * with a lease file that cannot be read, the filter goes on with the rest; the log says so once,
 * and watch_describe() as long as it lasts.
 *
 * Threads: open, start, stop and close by the main thread, in this order (stop before the daemon's
 * server and rules go, close after); describe from any.
 */
#ifndef RESOLVER_CONTROL_WATCH_H
#define RESOLVER_CONTROL_WATCH_H

#include <jansson.h>

#include "blocklists/error.h"
#include "resolver/config/config.h"
#include "resolver/denials/drain.h"

struct daemon;
struct watch;

/* Makes daemon->devices and daemon->watch. */
int watch_open(struct daemon *daemon, const struct config *config, struct bl_error *error);
int watch_start(struct watch *watch, struct bl_error *error);
void watch_stop(struct watch *watch);  /* NULL is fine, and one that was not started */
void watch_close(struct watch *watch); /* NULL is fine; daemon->devices goes, too */

/* Names devices for the record, by what is known of them now. */
struct denials_namer watch_namer(struct daemon *daemon);

/* {"neighbours", "leases", "dropped", "netlink": "" or what is wrong, "files": [{"path", "format",
 * "leases", "fault"}]}; what is wrong is added to `warnings`, too. */
json_t *watch_describe(struct watch *watch, json_t *warnings);

#endif
