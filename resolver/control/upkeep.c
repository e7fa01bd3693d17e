#include "resolver/control/upkeep.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "resolver/base/clock.h"
#include "resolver/base/log.h"
#include "resolver/config/subscribed.h"
#include "resolver/control/allowed.h"
#include "resolver/control/daemon.h"
#include "resolver/control/keyring.h"
#include "resolver/control/rules.h"
#include "resolver/control/timekeeper.h"
#include "resolver/denials/alert.h"
#include "resolver/denials/daily.h"
#include "resolver/denials/totals.h"
#include "resolver/denials/writer.h"
#include "resolver/net/server.h"
#include "resolver/policy/incidents.h"

enum { LOOK_S = 2, FIRST_RETENTION_MS = 60000, FIRST_TOTALS_MS = 5000, HELD_MAX = 1000 };
enum { LISTS_LOOK_S = 3600 };
enum { TELL_MS = 10000 }; /* between two times that counts are written */
enum { LEAP_MS = 3600 * 1000, LEAP_GRACE_MS = 24 * 3600 * 1000 };

/* To nobody, to the log only as there is no command for alerts, or to that as well. */
enum lists_told { TOLD_NOBODY, TOLD_LOG, TOLD_ALERT };

struct upkeep {
    struct daemon *daemon;
    struct alerts *alerts;
    int64_t configured_ms;    /* when the configuration was read whose settings are in force */
    int64_t retention_due_ms; /* monotonic */
    int64_t clocks_apart_ms;  /* wall time less monotonic time, at the last look */
    int64_t totals_due_ms;    /* monotonic */
    char retention_day[DAY_TEXT_MAX], totals_day[DAY_TEXT_MAX];
    int64_t lists_looked_s, lists_due_s; /* wall time: when the lists' age was and will be judged */
    int64_t lists_configured_ms;         /* of which configuration */
    uint64_t lists_generation;           /* and of which lists */
    enum lists_told lists_told;          /* what was told of lists that are out of date */
    struct tallies tallies, told;        /* of the workers: now, and what the day's counts have */
    int64_t told_ms;                     /* monotonic */
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

/* A receipt of what was destroyed below STATE/`folder`: in the log, and in the change log's chain.
 * Until that has it, it stays on the disk for the next time. */
static void receipt_tell(struct upkeep *upkeep, const char *what, const char *folder,
                         const struct retention_receipt *receipt)
{
    struct actor actor = rules_actor_system(NULL);
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", upkeep->daemon->state, folder);
    /* A receipt that stands there nevertheless, as it could not be read, is for the next time. */
    if (receipt->dropped + receipt->rewritten + receipt->journals == 0)
        return;
    pthread_mutex_lock(&upkeep->daemon->change);
    json_t *after =
        json_pack("{sI,sI,sI,sI}", "records_destroyed", (json_int_t)receipt->denials, "days_wholly",
                  (json_int_t)receipt->dropped, "days_in_part", (json_int_t)receipt->rewritten,
                  "days_held", (json_int_t)receipt->held);
    if (receipt->first[0] != '\0') {
        json_object_set_new(after, "first", json_string(receipt->first));
        json_object_set_new(after, "last", json_string(receipt->last));
    }
    if (receipt->journals > 0)
        json_object_set_new(after, "damaged_journals", json_integer(receipt->journals));
    if (rules_note(upkeep->daemon, &actor, "retention", what, NULL, after,
                   "kept no longer, by `retention` and `keep` of the configuration") == 0)
        receipt_told(path);
    pthread_mutex_unlock(&upkeep->daemon->change);
    if (receipt->journals > 0)
        log_notice("%s kept no longer were destroyed: %u damaged journals", what,
                   receipt->journals);
    if (receipt->dropped + receipt->rewritten == 0)
        return;
    log_notice("%s kept no longer were destroyed: %llu records of %u days wholly and %u days in "
               "part, %s to %s",
               what, (unsigned long long)receipt->denials, receipt->dropped, receipt->rewritten,
               receipt->first, receipt->last);
}

/* What the workers counted since the last time goes to the day's counts. */
static void tallies_tell(struct upkeep *upkeep, bool now)
{
    struct moment moment = clock_read();
    struct tallies *sum = &upkeep->tallies, *told = &upkeep->told;
    struct bl_error error = {""};
    json_t *list;
    struct day day;

    if (!now && moment.mono_ms - upkeep->told_ms < TELL_MS)
        return;
    upkeep->told_ms = moment.mono_ms;
    server_tallies(upkeep->daemon->server, sum);
    list = json_array();
    for (unsigned i = 0; i < sum->count; i++) {
        uint64_t before = tally_get(told, sum->places[i].group, sum->places[i].what);
        if (sum->places[i].count > before)
            json_array_append_new(list, json_pack("{ss,ss,sI}", "group", sum->places[i].group,
                                                  "what", sum->places[i].what, "count",
                                                  (json_int_t)(sum->places[i].count - before)));
    }
    day_of(moment.wall_ms, &day);
    /* What a full disk refuses is told the next time. */
    if (json_array_size(list) > 0 && daily_add(upkeep->daemon->state, &day, list, &error) == 0)
        *told = *sum;
    json_decref(list);
}

/* Days of open incidents. */
struct held {
    struct day days[HELD_MAX];
    size_t count;
    bool all; /* more than we can remember, or not to be known: then nothing is destroyed */
};

static void held_add(void *user, int64_t wall_ms)
{
    struct held *held = user;
    struct day day;

    day_of(wall_ms, &day);
    for (size_t i = 0; i < held->count; i++)
        if (strcmp(held->days[i].text, day.text) == 0)
            return;
    if (held->count == HELD_MAX)
        held->all = true;
    else
        held->days[held->count++] = day;
}

static bool held_is(void *user, const struct day *day)
{
    const struct held *held = user;

    for (size_t i = 0; i < held->count; i++)
        if (strcmp(held->days[i].text, day->text) == 0)
            return true;
    return held->all;
}

static void held_read(struct upkeep *upkeep, int64_t wall_ms, struct held *held)
{
    struct change *change;

    held->count = 0;
    held->all = upkeep->daemon->rules == NULL ||
                change_begin(upkeep->daemon->rules, NULL, wall_ms, &change, NULL) < 0;
    if (held->all)
        return;
    held->all = incidents_held(change, held_add, held, NULL) < 0;
    change_abort(change);
}

static void retain(struct upkeep *upkeep, const struct config *config, int64_t wall_ms)
{
    struct retention_rule *rules = calloc(config->category_count + 1, sizeof(*rules));
    struct retention_receipt receipt = {0}, counts = {0}, questions = {0};
    struct held *held = calloc(1, sizeof(*held));
    struct bl_error error = {""};
    size_t count = 0;

    if (rules == NULL || held == NULL) {
        free(rules);
        free(held);
        return; /* tomorrow again */
    }
    held_read(upkeep, wall_ms, held);
    for (size_t i = 0; i < config->category_count; i++)
        if (config->categories[i].keep_s > 0)
            rules[count++] = (struct retention_rule){config->categories[i].name,
                                                     (int64_t)config->categories[i].keep_s * 1000};
    daily_drop(upkeep->daemon->state, wall_ms - (int64_t)config->retention.denials_s * 1000);
    const struct retention retention = {.keep_ms = (int64_t)config->retention.denials_s * 1000,
                                        .rules = rules,
                                        .rule_count = count,
                                        .held = held_is,
                                        .user = held};
    if (denials_writer_retain(upkeep->daemon->writer, &retention, wall_ms, &receipt, &error) < 0)
        log_warning("records that should be destroyed are still there: %s", error.text);
    receipt_tell(upkeep, "denials", "", &receipt);
    if (allowed_retain(upkeep->daemon->allowed, config, &retention, wall_ms, &counts, &questions,
                       &error) < 0)
        log_warning("allowed questions that should be destroyed are still there: %s", error.text);
    receipt_tell(upkeep, "counts", "counts", &counts);
    receipt_tell(upkeep, "questions", "allowed", &questions);
    free(rules);
    free(held);
}

/* Totals of days go on when their records are gone, whether or not anybody runs reports. */
static void totals_tend(struct upkeep *upkeep, const struct config *config, int64_t wall_ms)
{
    struct bl_error error = {""};

    if (totals_keep(upkeep->daemon->state, (int64_t)config->retention.totals_s * 1000, wall_ms,
                    true, &error) < 0)
        log_warning("the totals of a past day could not be kept: %s", error.text);
}

static void lists_alert(const struct upkeep *upkeep, const struct lists_state *state,
                        const char *text, int64_t now_s)
{
    time_t seconds = (time_t)now_s;
    struct tm local;
    char when[40];

    localtime_r(&seconds, &local);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S%z", &local);
    alerts_raise(upkeep->alerts,
                 json_pack("{ss,ss,ss,ss,sI}", "time", when, "kind", "lists-stale", "severity",
                           "medium", "text", text, "lists", (json_int_t)state->stale_count));
}

/* What was told is in a file, for the next start, and in memory, where the disk takes no file. */
static enum lists_told told_read(const char *path, enum lists_told known)
{
    char word[8] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0)
        return known;
    got = read(fd, word, sizeof(word) - 1);
    close(fd);
    enum lists_told told = got > 0 && word[0] == 'l' ? TOLD_LOG : TOLD_ALERT;
    return told > known ? told : known;
}

static void told_write(const char *path, enum lists_told told)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

    if (fd < 0)
        return;
    (void)!write(fd, told == TOLD_LOG ? "log\n" : "alert\n", told == TOLD_LOG ? 4 : 6);
    close(fd);
}

/* Tells once that lists are out of date, until all are fresh again: over restarts, however full the
 * disk, and again only where the command for alerts came later. */
static void lists_tell(struct upkeep *upkeep, const struct config *config,
                       const struct lists_state *state, int64_t now_s)
{
    enum lists_told told = config->alerts.command_count > 0 ? TOLD_ALERT : TOLD_LOG;
    char path[4096], text[LISTS_STALE_TEXT_MAX];

    snprintf(path, sizeof(path), "%s/alerts/.lists-stale", upkeep->daemon->state);
    if (state->stale_count == 0) {
        (void)unlink(path);
        upkeep->lists_told = TOLD_NOBODY;
        return;
    }
    enum lists_told before = told_read(path, upkeep->lists_told);
    upkeep->lists_told = before;
    if (before >= told)
        return;
    upkeep->lists_told = told;
    told_write(path, told);
    lists_stale_text(state, text);
    if (before == TOLD_NOBODY)
        log_warning("%s; `chalkgate lists update` or `lists import` brings newer ones", text);
    if (told == TOLD_ALERT)
        lists_alert(upkeep, state, text, now_s);
}

/* Judges the lists' age, once an hour and whenever it may have changed. */
static void lists_watch(struct upkeep *upkeep, const struct world *world, int64_t configured_ms,
                        int64_t now_s)
{
    uint64_t generation = bl_store_generation(world->store);
    struct lists_state state;

    if (now_s < upkeep->lists_due_s && now_s >= upkeep->lists_looked_s &&
        generation == upkeep->lists_generation && configured_ms == upkeep->lists_configured_ms)
        return;
    lists_state_find(world->config, world->store, now_s, &state);
    upkeep->lists_looked_s = now_s;
    upkeep->lists_due_s = now_s + LISTS_LOOK_S;
    if (state.next_s > 0 && state.next_s < upkeep->lists_due_s)
        upkeep->lists_due_s = state.next_s;
    upkeep->lists_generation = generation;
    upkeep->lists_configured_ms = configured_ms;
    lists_tell(upkeep, world->config, &state, now_s);
}

/* Once a day: a new key where it is time for one, and an end to those that no record needs. */
static void keys_tend(struct upkeep *upkeep, const struct config *config, int64_t now_s)
{
    struct daemon *daemon = upkeep->daemon;
    struct actor actor = rules_actor_system(NULL);
    struct bl_error error = {""};
    struct denials_status writer;
    unsigned destroyed = 0;

    pthread_mutex_lock(&daemon->change);
    if (keyring_settle(daemon->keyring, daemon->server, config, now_s, &error) < 0)
        log_warning("pseudonyms go on under the key of before: %s", error.text);
    /* While records wait in journals, nobody knows which days they are of. */
    denials_writer_status(daemon->writer, &writer);
    if (writer.trouble.text[0] == '\0')
        destroyed = keyring_destroy_old(daemon->keyring, config, now_s);
    if (destroyed) {
        rules_note(daemon, &actor, "retention", "pseudonym keys", NULL,
                   json_pack("{sI}", "keys_destroyed", (json_int_t)destroyed),
                   "no record needs them any more");
        log_notice("%u keys of pseudonyms that no record needs any more were destroyed", destroyed);
    }
    pthread_mutex_unlock(&daemon->change);
}

static void look(struct upkeep *upkeep)
{
    bool believed = timekeeper_look(upkeep->daemon);
    struct moment now = clock_read();
    struct day today, settled;

    pthread_mutex_lock(&upkeep->daemon->lock);
    int64_t read_ms = upkeep->daemon->reloaded_wall_ms;
    pthread_mutex_unlock(&upkeep->daemon->lock);
    /* The world of that configuration or of a later one: then the next look settles it again. */
    struct world *world = daemon_world(upkeep->daemon);
    if (upkeep->configured_ms != read_ms)
        alerts_settle(upkeep, world->config, read_ms);
    lists_watch(upkeep, world, read_ms, now.wall_ms / 1000);
    allowed_tend(upkeep->daemon->allowed, upkeep->daemon->server, world->config);
    day_of(now.wall_ms, &today);
    day_of(now.wall_ms - TOTALS_SETTLE_MS, &settled);
    /* A clock that leaps may be wrong, and what it would have destroyed is gone for good: a day's
     * grace lets somebody notice and set it right. */
    if (clock_leapt(&upkeep->clocks_apart_ms, now, LEAP_MS)) {
        upkeep->retention_due_ms = upkeep->totals_due_ms = now.mono_ms + LEAP_GRACE_MS;
        log_warning("the clock leapt; records that are due are destroyed tomorrow at the earliest");
    }
    if (believed && now.mono_ms >= upkeep->totals_due_ms &&
        strcmp(upkeep->totals_day, settled.text) != 0) {
        strcpy(upkeep->totals_day, settled.text);
        totals_tend(upkeep, world->config, now.wall_ms);
    }
    /* Not in the first minute, when whoever restarted the filter waits for it. */
    if (believed && now.mono_ms >= upkeep->retention_due_ms &&
        strcmp(upkeep->retention_day, today.text) != 0) {
        strcpy(upkeep->retention_day, today.text);
        totals_tend(upkeep, world->config, now.wall_ms); /* first: from what goes now, too */
        retain(upkeep, world->config, now.wall_ms);
        keys_tend(upkeep, world->config, now.wall_ms / 1000);
    }
    world_unref(world);
    tallies_tell(upkeep, false);
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
    tallies_tell(upkeep, true);
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
    upkeep->totals_due_ms = clock_read().mono_ms + FIRST_TOTALS_MS;
    /* From here on, so that a leap before the first look is seen as well. */
    (void)clock_leapt(&upkeep->clocks_apart_ms, clock_read(), LEAP_MS);
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
