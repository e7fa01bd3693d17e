/* The part of status.h that tells which devices look as if they go round the filter, by the names
 * under which reports and records have them. Threads: any. */
#ifndef RESOLVER_CONTROL_STATUS_RADAR_H
#define RESOLVER_CONTROL_STATUS_RADAR_H

#include <jansson.h>

#include "resolver/control/daemon.h"
#include "resolver/query/radar.h"

struct status_radar {
    struct daemon *daemon;
    const struct world *world;
    bool tells_devices; /* the caller may know who they are; else only how many */
};

/* "radar": [{"client", "device": as reports name it, "group", "signs": […], "circumvention", "odd",
 * "other", "last_s_ago"}]. `all` is of all workers, and is put together in place. Where records
 * hold pseudonyms, the device's is told in both places, and no name. */
void status_radar_describe(const struct status_radar *radar, struct radar_sighting *all,
                           size_t count, json_t *out, json_t *warnings);

#endif
