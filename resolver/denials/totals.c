#include "resolver/denials/totals.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "resolver/base/hash.h"
#include "resolver/denials/records.h"
#include "resolver/denials/segments.h"

/* A group or a category. */
struct total {
    char *name, *title;
    uint8_t severity;
    uint64_t denied, observed, counted, devices;
};

struct totals {
    struct total *items;
    size_t count;
};

struct day_totals {
    const struct day *day;
    uint64_t denied, observed, counted, hours[24];
    struct totals groups, categories;
    /* Which device was met in which group: hashes, none of them 0. */
    uint64_t *met;
    size_t met_size, met_count;
    /* The last sum's device: sums of one come one after another. */
    uint32_t last_client;
    char last_key[DENIAL_DEVICE_MAX];
};

void totals_path(const char *state, const char *day, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/denials/totals/%s.json", state, day);
}

/* There are few of either. NULL: no memory. */
static struct total *total_at(struct totals *totals, const char *name, const char *title,
                              uint8_t severity)
{
    for (size_t i = 0; i < totals->count; i++)
        if (strcmp(totals->items[i].name, name) == 0)
            return &totals->items[i];
    struct total *items = realloc(totals->items, (totals->count + 1) * sizeof(*items));
    if (items == NULL)
        return NULL;
    totals->items = items;
    struct total *total = &items[totals->count];
    *total = (struct total){.name = strdup(name), .title = strdup(title), .severity = severity};
    if (total->name == NULL || total->title == NULL) {
        free(total->name);
        free(total->title);
        return NULL;
    }
    totals->count++;
    return total;
}

static void total_add(struct total *total, const struct denial_sum *sum)
{
    *(!sum->itemised  ? &total->counted
      : sum->observed ? &total->observed
                      : &total->denied) += sum->count;
}

static uint64_t *met_slot(uint64_t *met, size_t size, uint64_t hash)
{
    size_t at = hash & (size - 1);

    while (met[at] != 0 && met[at] != hash)
        at = (at + 1) & (size - 1);
    return &met[at];
}

static int met_grow(struct day_totals *day)
{
    size_t size = day->met_size == 0 ? 1024 : day->met_size * 2;
    uint64_t *met = calloc(size, sizeof(*met));

    if (met == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < day->met_size; i++)
        if (day->met[i] != 0)
            *met_slot(met, size, day->met[i]) = day->met[i];
    free(day->met);
    day->met = met;
    day->met_size = size;
    return 0;
}

/* Counts the device in its group, once. */
static int device_meet(struct day_totals *day, const struct denial_sum *sum, struct total *group)
{
    if (sum->client_id == UINT32_MAX || sum->client_id != day->last_client) {
        denial_device_key(sum->device, sum->client, day->last_key);
        day->last_client = sum->client_id;
    }
    if (day->met_count * 2 >= day->met_size && met_grow(day) < 0)
        return -ENOMEM;
    size_t number = (size_t)(group - day->groups.items);
    uint64_t hash =
        hash_octets(number + 1, (const uint8_t *)day->last_key, strlen(day->last_key)) | 1;
    uint64_t *slot = met_slot(day->met, day->met_size, hash);
    if (*slot == 0) {
        *slot = hash;
        day->met_count++;
        group->devices++;
    }
    return 0;
}

static int sum_take(void *user, const struct denial_sum *sum)
{
    struct day_totals *day = user;
    const char *group_name = sum->group[0] != '\0' ? sum->group : "(unknown)";
    const char *category_name = sum->category[0] != '\0' ? sum->category : "(none)";
    const char *title = sum->title[0] != '\0' ? sum->title : category_name;

    if (strcmp(sum->day->text, day->day->text) != 0)
        return 0;
    struct total *group = total_at(&day->groups, group_name, "", 0);
    struct total *category = total_at(&day->categories, category_name, title, sum->severity);
    if (group == NULL || category == NULL)
        return -ENOMEM;
    total_add(group, sum);
    total_add(category, sum);
    if (!sum->itemised) {
        day->counted += sum->count;
        return 0;
    }
    *(sum->observed ? &day->observed : &day->denied) += sum->count;
    if (!sum->observed)
        day->hours[day_hour_shown(sum->day, sum->hour) % 24] += sum->count;
    return device_meet(day, sum, group);
}

static json_t *totals_json(const struct totals *totals, bool categories)
{
    json_t *list = json_array();

    for (size_t i = 0; i < totals->count; i++) {
        const struct total *total = &totals->items[i];
        json_t *one = json_pack("{ss,sI,sI,sI}", "name", total->name, "refused",
                                (json_int_t)total->denied, "observed", (json_int_t)total->observed,
                                "counted", (json_int_t)total->counted);
        if (categories) {
            json_object_set_new(one, "title", json_string(total->title));
            json_object_set_new(one, "severity", json_integer(total->severity));
        } else {
            json_object_set_new(one, "devices", json_integer((json_int_t)total->devices));
        }
        json_array_append_new(list, one);
    }
    return list;
}

static int day_write(const char *path, const struct day_totals *day)
{
    char hidden[PATH_MAX + 8];
    json_t *hours = json_array();

    for (int i = 0; i < 24; i++)
        json_array_append_new(hours, json_integer((json_int_t)day->hours[i]));
    json_t *totals = json_pack("{si,ss,sI,sI,sI,so,so,so}", "format", TOTALS_FORMAT, "day",
                               day->day->text, "refused", (json_int_t)day->denied, "observed",
                               (json_int_t)day->observed, "counted", (json_int_t)day->counted,
                               "hours", hours, "groups", totals_json(&day->groups, false),
                               "categories", totals_json(&day->categories, true));
    snprintf(hidden, sizeof(hidden), "%s.new", path);
    int code = totals == NULL                                      ? -ENOMEM
               : json_dump_file(totals, hidden, JSON_COMPACT) != 0 ? -EIO
               : rename(hidden, path) < 0                          ? -errno
                                                                   : 0;
    if (code < 0)
        unlink(hidden);
    json_decref(totals);
    return code;
}

static void totals_free(struct totals *totals)
{
    for (size_t i = 0; i < totals->count; i++) {
        free(totals->items[i].name);
        free(totals->items[i].title);
    }
    free(totals->items);
}

static int day_keep(const char *state, const struct day *day, bool copy, struct bl_error *error)
{
    struct denials_filter filter = {
        .since_ms = day->start_ms, .until_ms = day->end_ms, .copy = copy};
    struct day_totals totals = {.day = day, .last_client = UINT32_MAX};
    char path[PATH_MAX];

    totals_path(state, day->text, path);
    if (access(path, F_OK) == 0)
        return 0;
    int code = denials_sums(state, &filter, sum_take, &totals, error);
    if (code == 0) {
        code = day_write(path, &totals);
        if (code < 0)
            bl_error_set(error, code, "%s: %s", path, strerror(-code));
    }
    totals_free(&totals.groups);
    totals_free(&totals.categories);
    free(totals.met);
    return code;
}

/* Whether a file's name is that of a day's totals. */
static bool file_day(const char *name, struct day *out_day)
{
    char text[DAY_TEXT_MAX];

    if (strlen(name) != DAY_TEXT_MAX - 1 + 5 || strcmp(name + DAY_TEXT_MAX - 1, ".json") != 0)
        return false;
    memcpy(text, name, DAY_TEXT_MAX - 1);
    text[DAY_TEXT_MAX - 1] = '\0';
    return day_parse(text, out_day) == 0;
}

static void totals_drop(const char *state, int64_t before_ms)
{
    struct dirent *entry;
    char path[PATH_MAX];
    struct day day;

    snprintf(path, sizeof(path), "%s/denials/totals", state);
    DIR *folder = opendir(path);
    while (folder != NULL && (entry = readdir(folder)) != NULL)
        if (file_day(entry->d_name, &day) && day.end_ms < before_ms) {
            totals_path(state, day.text, path);
            unlink(path);
        }
    if (folder != NULL)
        closedir(folder);
}

int totals_keep(const char *state, int64_t keep_ms, int64_t now_ms, bool copy,
                struct bl_error *error)
{
    int64_t since_ms = now_ms - keep_ms, until_ms = now_ms - TOTALS_SETTLE_MS;
    struct segment_list list;
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/denials", state);
    if (access(path, F_OK) < 0)
        return 0; /* nothing was refused yet */
    snprintf(path, sizeof(path), "%s/denials/totals", state);
    if (mkdir(path, 0750) < 0 && errno != EEXIST)
        return bl_error_set(error, -errno, "%s: %s", path, strerror(errno));
    int first = segments_list(state, &since_ms, &until_ms, &list, error);
    if (first < 0)
        return first;
    for (size_t i = 0; i < list.count; i++) {
        struct bl_error why = {""};
        if (list.days[i].end_ms > until_ms)
            continue;
        int code = day_keep(state, &list.days[i], copy, &why);
        if (code < 0 && first == 0)
            first = bl_error_set(error, code, "%s", why.text);
    }
    segments_list_free(&list);
    totals_drop(state, since_ms);
    return first;
}
