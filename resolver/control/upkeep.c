#include "resolver/control/upkeep.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "resolver/base/clock.h"
#include "resolver/base/log.h"
#include "resolver/control/daemon.h"
#include "resolver/denials/alert.h"
#include "resolver/denials/writer.h"

enum { LOOK_S = 2, FIRST_RETENTION_MS = 60000 };

struct upkeep {
    struct daemon *daemon;
    struct alerts *alerts;
    int64_t configured_ms;    /* when the configuration was read whose settings are in force */
    int64_t retention_due_ms; /* monotonic */
    char retention_day[DAY_TEXT_MAX];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
};

static void alerts_settle(struct upkeep *upkeep, const struct config *config, int64_t read_ms)
{
    const struct config_alerts *alerts = &config->alerts;
    struct alert_threshold *thresholds = calloc(alerts->threshold_count + 1, sizeof(*thresholds));

    if (thresholds == NULL)
        return; /* the next look tries again */
    for (size_t i = 0; i < alerts->threshold_count; i++)
        thresholds[i] = (struct alert_threshold){
            .category = config->categories[alerts->thresholds[i].category].name,
            .count = alerts->thresholds[i].count,
            .within_ms = (int64_t)alerts->thresholds[i].within_s * 1000};
    /* Without a command nobody would ever take an alert from the spool. */
    bool any = alerts->command_count > 0;
    const struct alert_settings settings = {.severity = any ? (uint8_t)alerts->severity : UINT8_MAX,
                                            .quiet_ms = (int64_t)alerts->quiet_s * 1000,
                                            .thresholds = thresholds,
                                            .threshold_count = any ? alerts->threshold_count : 0};
    if (alerts_configure(upkeep->alerts, &settings) == 0)
        upkeep->configured_ms = read_ms;
    free(thresholds);
}

static void receipt_tell(const struct retention_receipt *receipt)
{
    if (receipt->dropped + receipt->rewritten == 0)
        return;
    log_notice("records kept no longer were destroyed: %llu denials of %u days wholly and %u days "
               "in part, "
               "%s to %s",
               (unsigned long long)receipt->denials, receipt->dropped, receipt->rewritten,
               receipt->first, receipt->last);
}

static void retain(struct upkeep *upkeep, const struct config *config, int64_t wall_ms)
{
    struct retention_rule *rules = calloc(config->category_count + 1, sizeof(*rules));
    struct retention_receipt receipt = {0};
    struct bl_error error = {""};
    size_t count = 0;

    if (rules == NULL)
        return;
    for (size_t i = 0; i < config->category_count; i++)
        if (config->categories[i].keep_s > 0)
            rules[count++] = (struct retention_rule){config->categories[i].name,
                                                     (int64_t)config->categories[i].keep_s * 1000};
    const struct retention retention = {.keep_ms = (int64_t)config->retention.denials_s * 1000,
                                        .rules = rules,
                                        .rule_count = count};
    if (denials_writer_retain(upkeep->daemon->writer, &retention, wall_ms, &receipt, &error) < 0)
        log_warning("records that should be destroyed are still there: %s", error.text);
    receipt_tell(&receipt);
    free(rules);
}

static void look(struct upkeep *upkeep)
{
    struct moment now = clock_read();
    struct day today;

    pthread_mutex_lock(&upkeep->daemon->lock);
    int64_t read_ms = upkeep->daemon->reloaded_wall_ms;
    pthread_mutex_unlock(&upkeep->daemon->lock);
    /* The world of that configuration or of a later one: then the next look settles it again. */
    struct world *world = daemon_world(upkeep->daemon);
    if (upkeep->configured_ms != read_ms)
        alerts_settle(upkeep, world->config, read_ms);
    day_of(now.wall_ms, &today);
    /* Not in the first minute, when whoever restarted the filter waits for it. */
    if (now.mono_ms >= upkeep->retention_due_ms && strcmp(upkeep->retention_day, today.text) != 0) {
        strcpy(upkeep->retention_day, today.text);
        retain(upkeep, world->config, now.wall_ms);
    }
    world_unref(world);
}

static void *upkeep_run(void *user)
{
    struct upkeep *upkeep = user;

    pthread_mutex_lock(&upkeep->lock);
    while (!upkeep->stopping) {
        struct timespec until;
        pthread_mutex_unlock(&upkeep->lock);
        look(upkeep);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += LOOK_S;
        pthread_mutex_lock(&upkeep->lock);
        while (!upkeep->stopping &&
               pthread_cond_timedwait(&upkeep->wake, &upkeep->lock, &until) != ETIMEDOUT) {
        }
    }
    pthread_mutex_unlock(&upkeep->lock);
    return NULL;
}

int upkeep_start(struct daemon *daemon, struct alerts *alerts, struct upkeep **out_upkeep,
                 struct bl_error *error)
{
    struct upkeep *upkeep = calloc(1, sizeof(*upkeep));
    pthread_condattr_t attributes;

    if (upkeep == NULL)
        return bl_error_set(error, -ENOMEM, "out of memory");
    upkeep->daemon = daemon;
    upkeep->alerts = alerts;
    upkeep->retention_due_ms = clock_read().mono_ms + FIRST_RETENTION_MS;
    pthread_mutex_init(&upkeep->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&upkeep->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    int failure = pthread_create(&upkeep->thread, NULL, upkeep_run, upkeep);
    if (failure != 0) {
        pthread_cond_destroy(&upkeep->wake);
        pthread_mutex_destroy(&upkeep->lock);
        free(upkeep);
        return bl_error_set(error, -failure, "no thread for the upkeep: %s", strerror(failure));
    }
    *out_upkeep = upkeep;
    return 0;
}

void upkeep_stop(struct upkeep *upkeep)
{
    if (upkeep == NULL)
        return;
    pthread_mutex_lock(&upkeep->lock);
    upkeep->stopping = true;
    pthread_cond_broadcast(&upkeep->wake);
    pthread_mutex_unlock(&upkeep->lock);
    pthread_join(upkeep->thread, NULL);
    pthread_cond_destroy(&upkeep->wake);
    pthread_mutex_destroy(&upkeep->lock);
    free(upkeep);
}
