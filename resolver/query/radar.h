/* The radar: which devices look as if they try to go round the filter.
 *
 * It looks at denials and at questions that had to be forwarded, at cached answers only of devices
 * that it knows by these, and keeps a few numbers for each of the last RADAR_DEVICES or so devices
 * that had any, over a window of ten minutes: names of `circumvention` categories, names with long
 * or many random labels, large text records. What it tells are signs, not proofs; a device is told
 * of when there are several.
 *
 * Known weakness: a device that asks nobody here at all (its own mobile connection) is not seen,
 * and one that goes home looks like one that fell silent.
 *
 * Threads: the pipeline's worker; radar_read() in a visit.
 */
#ifndef RESOLVER_QUERY_RADAR_H
#define RESOLVER_QUERY_RADAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/base/address.h"

struct pipeline;
struct query;
struct ruling;
struct radar;

enum {
    RADAR_BYPASS = 1,    /* asked for proxies, VPNs and the like again and again */
    RADAR_TUNNEL = 2,    /* asks what a tunnel through DNS asks */
    RADAR_BOOTSTRAP = 4, /* asks for such names and for nothing else, for a minute or more */
    RADAR_SILENT = 8,    /* asked for such names, and has asked nothing since */
};

struct radar_sighting {
    struct address client;
    uint16_t group;
    unsigned signs;              /* RADAR_…; written by radar_merge() */
    uint32_t bypass, odd, other; /* questions in the window */
    int64_t since_ms;            /* when the first of these came; monotonic, as the following */
    int64_t bypass_ms, last_ms;  /* when the last of the first kind, and of any kind */
};

enum { RADAR_DEVICES = 1024 };

int radar_create(struct radar **out_radar); /* 0 or -ENOMEM */
void radar_destroy(struct radar *radar);    /* NULL is fine */

/* A question of the query's device was denied, or is forwarded. */
void radar_denied(struct pipeline *pipeline, const struct query *query, struct ruling ruling);
void radar_forwarded(struct pipeline *pipeline, struct query *query);

/* One was answered from the cache: it has not fallen silent, and does not ask for proxies alone. */
void radar_answered(struct pipeline *pipeline, const struct query *query);

/* What this worker knows of the last hour; returns how many were written. */
size_t radar_read(const struct pipeline *pipeline,
                  struct radar_sighting out_sightings[RADAR_DEVICES]);

/* Puts together what several workers know of the same devices, in place, and keeps those with
 * signs; returns how many are left. */
size_t radar_merge(struct radar_sighting *sightings, size_t count, int64_t now_ms);

const char *radar_sign_text(unsigned sign); /* of a single one */

#endif
