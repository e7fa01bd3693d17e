#include "resolver/denials/alert.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "blocklists/name.h"
#include "resolver/base/text.h"
#include "resolver/denials/dictionary.h"
#include "resolver/denials/journal.h"
#include "resolver/denials/words.h"

enum { WORD_MAX = 64, TABLE_SIZE = 2 * ALERTS_DEVICES_MAX, PROBES = 16 };

struct threshold {
    char category[WORD_MAX];
    unsigned count;
    int64_t within_ms;
};

/* A device and a category: when it last alerted, and when it last asked. */
struct watched {
    uint64_t hash; /* 0: empty */
    int64_t alerted_ms, met_ms;
    int64_t *times; /* ring of the last look-ups, as many as the threshold counts */
    unsigned next, room;
};

struct alerts {
    char folder[PATH_MAX];
    pthread_mutex_t lock;
    uint8_t severity;
    int64_t quiet_ms;
    struct threshold *thresholds;
    size_t threshold_count;
    struct watched *table;
    char *waiting[ALERTS_WAITING_MAX];
    size_t waiting_count;
    uint64_t number; /* of spool files, so that their names come in order */
    struct alerts_status status;
};

int alerts_create(const char *state, struct alerts **out_alerts, struct bl_error *error)
{
    struct alerts *alerts = calloc(1, sizeof(*alerts));

    if (alerts != NULL)
        alerts->table = calloc(TABLE_SIZE, sizeof(*alerts->table));
    if (alerts == NULL || alerts->table == NULL) {
        free(alerts);
        return bl_error_set(error, -ENOMEM, "out of memory for alerts");
    }
    pthread_mutex_init(&alerts->lock, NULL);
    alerts->severity = UINT8_MAX;
    snprintf(alerts->folder, sizeof(alerts->folder), "%s/alerts", state);
    if (mkdir(alerts->folder, 0750) < 0 && errno != EEXIST) {
        int code = bl_error_set(error, -errno, "%s: %s", alerts->folder, strerror(errno));
        alerts_free(alerts);
        return code;
    }
    *out_alerts = alerts;
    return 0;
}

void alerts_free(struct alerts *alerts)
{
    if (alerts == NULL)
        return;
    for (size_t i = 0; i < TABLE_SIZE; i++)
        free(alerts->table[i].times);
    for (size_t i = 0; i < alerts->waiting_count; i++)
        free(alerts->waiting[i]);
    pthread_mutex_destroy(&alerts->lock);
    free(alerts->thresholds);
    free(alerts->table);
    free(alerts);
}

int alerts_configure(struct alerts *alerts, const struct alert_settings *settings)
{
    struct threshold *thresholds = calloc(settings->threshold_count + 1, sizeof(*thresholds));

    if (thresholds == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < settings->threshold_count; i++) {
        snprintf(thresholds[i].category, WORD_MAX, "%s", settings->thresholds[i].category);
        thresholds[i].count = settings->thresholds[i].count;
        thresholds[i].within_ms = settings->thresholds[i].within_ms;
    }
    pthread_mutex_lock(&alerts->lock);
    free(alerts->thresholds);
    alerts->thresholds = thresholds;
    alerts->threshold_count = settings->threshold_count;
    alerts->severity = settings->severity;
    alerts->quiet_ms = settings->quiet_ms;
    pthread_mutex_unlock(&alerts->lock);
    return 0;
}

/* The place of a device and a category; when all around are taken, that which asked longest ago
 * goes. */
static struct watched *watched_at(struct alerts *alerts, const struct journal_item *item,
                                  const char *category)
{
    char key[DENIAL_DEVICE_MAX];
    denial_device_key(&item->device, &item->denial.client, key);
    uint64_t hash = dictionary_hash(0x5eed, key, strlen(key));
    hash = dictionary_hash(hash, category, strlen(category)) | 1;
    struct watched *oldest = NULL;

    for (unsigned i = 0; i < PROBES; i++) {
        struct watched *at = &alerts->table[((hash >> 8) + i) & (TABLE_SIZE - 1)];
        if (at->hash == hash)
            return at;
        if (at->hash == 0) {
            at->hash = hash;
            return at;
        }
        if (oldest == NULL || at->met_ms < oldest->met_ms)
            oldest = at;
    }
    free(oldest->times);
    *oldest = (struct watched){.hash = hash};
    return oldest;
}

/* Notes a look-up; true when it is the threshold's last within its time. */
static bool threshold_reached(struct watched *watched, const struct threshold *threshold,
                              int64_t wall_ms)
{
    if (watched->room != threshold->count) {
        int64_t *times = calloc(threshold->count, sizeof(*times));
        if (times == NULL)
            return false;
        free(watched->times);
        watched->times = times;
        watched->room = threshold->count;
        watched->next = 0;
    }
    watched->times[watched->next % watched->room] = wall_ms;
    watched->next++;
    if (watched->next < watched->room)
        return false;
    int64_t first = watched->times[watched->next % watched->room];
    return wall_ms - first <= threshold->within_ms;
}

static const struct threshold *threshold_of(const struct alerts *alerts, const char *category)
{
    for (size_t i = 0; i < alerts->threshold_count; i++)
        if (strcmp(alerts->thresholds[i].category, category) == 0)
            return &alerts->thresholds[i];
    return NULL;
}

static char *moment_text(int64_t wall_ms, char out[40])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm local = {0};
    char zone[8];

    localtime_r(&seconds, &local);
    strftime(zone, sizeof(zone), "%z", &local);
    size_t len = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &local);
    snprintf(out + len, 40 - len, "%.3s:%s", zone, zone + 3);
    return out;
}

static char *alert_text(const struct journal_item *item, const struct legend_names *legend,
                        const struct threshold *threshold)
{
    static const char *const severities[] = {"low", "medium", "high", "urgent"};
    const struct denial *denial = &item->denial;
    char name[BL_NAME_TEXT_MAX], client[ADDRESS_TEXT_MAX], code[CASE_TEXT_MAX], time[40];
    char sentence[1024], device[DENIAL_DEVICE_MAX];

    const char *group = denial->group < legend->group_count ? legend->groups[denial->group] : "";
    const char *category = legend->categories[denial->category];
    const char *title = legend->titles[denial->category];
    bl_name_text(denial->qname, name);
    address_text(&denial->client, client);
    denial_device_text(&item->device, &denial->client, device);
    if (threshold != NULL)
        snprintf(sentence, sizeof(sentence),
                 "%s (%.60s) was refused %u look-ups of %.120s within %" PRId64
                 " minutes, the last of %.255s",
                 device, group, threshold->count, title, (threshold->within_ms + 59999) / 60000,
                 name);
    else
        snprintf(sentence, sizeof(sentence), "%s (%.60s) looked up %.255s, which %s as %.120s",
                 device, group, name, denial->observed ? "would have been refused" : "was refused",
                 title);
    json_t *object = json_pack(
        "{ss,ss,so,so,so,so,ss,ss,sb,ss,sI,sI}", "time", moment_text(denial->wall_ms, time),
        "device", client, "group", denial_word_json(group), "category", denial_word_json(category),
        "title", denial_word_json(title), "text", json_string(text_clean(sentence)), "name", name,
        "severity", severities[legend->severities[denial->category] & 3], "observed",
        (int)denial->observed, "case", denials_case_text(item->case_number, code), "policy-version",
        (json_int_t)denial->policy_version, "generation", (json_int_t)denial->generation);
    denial_device_tell(&item->device, object);
    if (object != NULL && threshold != NULL)
        json_object_set_new(object, "threshold",
                            json_pack("{sI,sI}", "count", (json_int_t)threshold->count, "seconds",
                                      (json_int_t)(threshold->within_ms / 1000)));
    char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(object);
    return text;
}

/* Under another name first: the reader of the spool meets whole files. */
static int spool_write(struct alerts *alerts, const char *text)
{
    char path[PATH_MAX + 64], hidden[PATH_MAX + 64];
    struct timespec now;
    size_t len = strlen(text);

    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(path, sizeof(path), "%s/%013lld-%06" PRIu64 ".json", alerts->folder,
             (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000, alerts->number % 1000000);
    snprintf(hidden, sizeof(hidden), "%s/.writing", alerts->folder);
    int fd = open(hidden, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    int code = 0;
    ssize_t put = write(fd, text, len);
    if (put != (ssize_t)len)
        code = put < 0 ? -errno : -ENOSPC;
    if (code == 0 && fdatasync(fd) < 0)
        code = -errno;
    close(fd);
    if (code == 0 && rename(hidden, path) < 0)
        code = -errno;
    if (code < 0)
        unlink(hidden);
    alerts->number += code == 0;
    return code;
}

static void waiting_write(struct alerts *alerts)
{
    size_t done = 0;

    while (done < alerts->waiting_count && spool_write(alerts, alerts->waiting[done]) == 0) {
        free(alerts->waiting[done++]);
        alerts->status.raised++;
    }
    alerts->waiting_count -= done;
    memmove(alerts->waiting, alerts->waiting + done, alerts->waiting_count * sizeof(char *));
}

/* Takes the text, which may be NULL. */
static void text_queue(struct alerts *alerts, char *text)
{
    if (text == NULL || alerts->waiting_count == ALERTS_WAITING_MAX) {
        alerts->status.lost++;
        free(text);
        return;
    }
    alerts->waiting[alerts->waiting_count++] = text;
}

void alerts_raise(struct alerts *alerts, json_t *object)
{
    char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);

    json_decref(object);
    pthread_mutex_lock(&alerts->lock);
    text_queue(alerts, text);
    waiting_write(alerts);
    pthread_mutex_unlock(&alerts->lock);
}

/* Journals of a machine that was off for days hold what nobody can act on at once any more. */
static bool is_old(const struct denial *denial)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 - denial->wall_ms > ALERTS_OLD_MS;
}

void alerts_meet(void *user, const struct journal_item *item, const struct legend_names *legend)
{
    struct alerts *alerts = user;
    const struct denial *denial = &item->denial;

    if (legend == NULL || denial->category >= legend->category_count)
        return;
    pthread_mutex_lock(&alerts->lock);
    const char *category = legend->categories[denial->category];
    const struct threshold *threshold = threshold_of(alerts, category);
    bool severe = legend->severities[denial->category] >= alerts->severity;
    if ((severe || threshold != NULL) && !is_old(denial)) {
        struct watched *watched = watched_at(alerts, item, category);
        bool reached = threshold != NULL && threshold_reached(watched, threshold, denial->wall_ms);
        bool quiet = watched->alerted_ms != 0 && denial->wall_ms >= watched->alerted_ms &&
                     denial->wall_ms - watched->alerted_ms < alerts->quiet_ms;
        watched->met_ms = denial->wall_ms;
        if ((severe || reached) && !quiet) {
            text_queue(alerts, alert_text(item, legend, severe ? NULL : threshold));
            watched->alerted_ms = denial->wall_ms;
        }
    }
    if (alerts->waiting_count > 0)
        waiting_write(alerts);
    pthread_mutex_unlock(&alerts->lock);
}

void alerts_status(struct alerts *alerts, struct alerts_status *out_status)
{
    pthread_mutex_lock(&alerts->lock);
    *out_status = alerts->status;
    out_status->waiting = alerts->waiting_count;
    pthread_mutex_unlock(&alerts->lock);
}
