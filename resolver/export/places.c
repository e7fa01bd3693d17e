#include "resolver/export/places.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t number(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));

    return value > 0 ? (uint64_t)value : 0;
}

static void days_load(struct places *places, const json_t *days)
{
    const char *text;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)days, text, value)
    {
        struct day day;
        struct day_place *at = day_parse(text, &day) == 0 ? places_day(places, text) : NULL;
        if (at == NULL)
            continue;
        at->place =
            (struct feed_place){.block = (uint32_t)json_integer_value(json_array_get(value, 0)),
                                .record = (uint32_t)json_integer_value(json_array_get(value, 1)),
                                .read = (uint64_t)json_integer_value(json_array_get(value, 2))};
        json_decref(at->counted);
        at->counted =
            json_is_object(json_array_get(value, 3)) ? json_incref(json_array_get(value, 3)) : NULL;
    }
}

void places_name(struct places *places, const char *state, const char *name)
{
    char folder[PATH_MAX];

    *places = (struct places){.change_known = false};
    snprintf(folder, sizeof(folder), "%s/export", state);
    (void)mkdir(folder, 0750);
    snprintf(places->path, sizeof(places->path), "%s/%s.json", folder, name);
}

int places_load(struct places *places)
{
    json_t *object = json_load_file(places->path, 0, NULL);

    if (!json_is_object(object)) {
        json_decref(object);
        if (access(places->path, F_OK) < 0 && errno == ENOENT)
            return -ENOENT;
        places->change_known = true;
        return -EBADMSG;
    }
    days_load(places, json_object_get(object, "days"));
    places->change_known = json_is_integer(json_object_get(object, "change"));
    places->change = number(object, "change");
    places->sent = number(object, "sent");
    places->changes = number(object, "changes");
    places->skipped = number(object, "skipped");
    places->failures = number(object, "failures");
    places->counted = number(object, "counted");
    places->last_sent_s = (int64_t)number(object, "last_sent");
    json_decref(object);
    return 0;
}

void places_free(struct places *places)
{
    for (size_t i = 0; i < places->count; i++)
        json_decref(places->days[i].counted);
    free(places->days);
    free(places->saved);
}

static json_t *places_json(const struct places *places)
{
    json_t *days = json_object();
    json_t *object =
        json_pack("{so,sI,sI,sI,sI,sI,sI,sI,ss}", "days", days, "sent", (json_int_t)places->sent,
                  "counted", (json_int_t)places->counted, "changes", (json_int_t)places->changes,
                  "skipped", (json_int_t)places->skipped, "failures", (json_int_t)places->failures,
                  "waiting", (json_int_t)places_waiting(places), "last_sent",
                  (json_int_t)places->last_sent_s, "last_error", places->trouble.text);

    for (size_t i = 0; object != NULL && i < places->count; i++) {
        const struct day_place *at = &places->days[i];
        json_t *row = json_pack("[III]", (json_int_t)at->place.block, (json_int_t)at->place.record,
                                (json_int_t)at->place.read);
        if (at->counted != NULL)
            json_array_append(row, at->counted);
        json_object_set_new(days, at->day, row);
    }
    if (object != NULL && places->change_known)
        json_object_set_new(object, "change", json_integer((json_int_t)places->change));
    return object;
}

/* Whole and on the disk before it takes the old one's place. */
static int file_write(const char *path, const char *text)
{
    char hidden[PATH_MAX + 8];
    size_t len = strlen(text);

    snprintf(hidden, sizeof(hidden), "%s.new", path);
    int fd = open(hidden, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return -errno;
    ssize_t put = write(fd, text, len);
    int code = put == (ssize_t)len ? 0 : put < 0 ? -errno : -ENOSPC;
    if (code == 0 && fdatasync(fd) < 0)
        code = -errno;
    close(fd);
    if (code == 0 && rename(hidden, path) < 0)
        code = -errno;
    return code;
}

int places_save(struct places *places, struct bl_error *error)
{
    json_t *object = places_json(places);
    char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);

    json_decref(object);
    if (text == NULL)
        return bl_error_set(error, -ENOMEM, "out of memory");
    if (places->saved != NULL && strcmp(text, places->saved) == 0) {
        free(text);
        return 0;
    }
    int code = file_write(places->path, text);
    if (code < 0) {
        free(text);
        return bl_error_set(error, code, "%s: %s", places->path, strerror(-code));
    }
    free(places->saved);
    places->saved = text;
    return 0;
}

void places_prune(struct places *places, const struct segment_list *list)
{
    size_t kept = 0;

    for (size_t i = 0; i < places->count; i++) {
        bool found = false;
        for (size_t j = 0; j < list->count && !found; j++)
            found = strcmp(list->days[j].text, places->days[i].day) == 0;
        if (found)
            places->days[kept++] = places->days[i];
        else
            json_decref(places->days[i].counted);
    }
    places->count = kept;
}

struct day_place *places_day(struct places *places, const char *day)
{
    size_t at = places->count;

    while (at > 0 && strcmp(places->days[at - 1].day, day) > 0)
        at--;
    if (at > 0 && strcmp(places->days[at - 1].day, day) == 0)
        return &places->days[at - 1];
    struct day_place *more = realloc(places->days, (places->count + 1) * sizeof(*more));
    if (more == NULL)
        return NULL;
    places->days = more;
    memmove(more + at + 1, more + at, (places->count - at) * sizeof(*more));
    places->count++;
    more[at] = (struct day_place){.left = 0};
    snprintf(more[at].day, sizeof(more[at].day), "%s", day);
    return &more[at];
}

uint64_t places_waiting(const struct places *places)
{
    uint64_t waiting = 0;

    for (size_t i = 0; i < places->count; i++)
        waiting += places->days[i].left;
    return waiting;
}
