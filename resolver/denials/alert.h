/* Alerts: which denials somebody must be told of at once.
 *
 * A denial in a category as severe as the settings say alerts; a less severe one does when a device
 * asks a category too often within a time. After an alert the same device and category are quiet
 * for a while, so that one evening is one message. An alert is one JSON object in a file of the
 * spool, STATE/alerts; whoever runs the school's command (control/hooks.h) takes it from there, so
 * that an alert outlives a command that hangs, a restart and a full disk (then it waits in memory,
 * ALERTS_WAITING_MAX of them).
 *
 * Threads: alerts_meet() by the writer, as an observer of drain.h; the others from any.
 */
#ifndef RESOLVER_DENIALS_ALERT_H
#define RESOLVER_DENIALS_ALERT_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "blocklists/error.h"
#include "resolver/denials/drain.h"

enum { ALERTS_WAITING_MAX = 256, ALERTS_DEVICES_MAX = 4096, ALERTS_OLD_MS = 86400000 };

struct alert_threshold {
    const char *category;
    unsigned count;
    int64_t within_ms;
};

struct alert_settings {
    uint8_t severity; /* above the highest: none alerts by severity */
    int64_t quiet_ms;
    const struct alert_threshold *thresholds; /* copied */
    size_t threshold_count;
};

struct alerts;

int alerts_create(const char *state, struct alerts **out_alerts, struct bl_error *error);
void alerts_free(struct alerts *alerts);
int alerts_configure(struct alerts *alerts,
                     const struct alert_settings *settings); /* 0 or -ENOMEM */

/* An alert that is none of a denial: `object` (taken) goes to the spool as it is, or waits. */
void alerts_raise(struct alerts *alerts, json_t *object);

/* Of struct denials_observer. */
void alerts_meet(void *alerts, const struct journal_item *item, const struct legend_names *legend);

struct alerts_status {
    uint64_t raised;  /* written to the spool since start */
    uint64_t waiting; /* in memory: the spool could not be written */
    uint64_t lost;    /* more than could wait */
};

void alerts_status(struct alerts *alerts, struct alerts_status *out_status);

#endif
