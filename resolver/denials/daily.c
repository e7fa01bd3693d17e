#include "resolver/denials/daily.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *text_of(const json_t *item, const char *key)
{
    const char *text = json_string_value(json_object_get(item, key));

    return text != NULL ? text : "";
}

/* Adds each entry of `more` to that of the same words in `list`. */
static int list_add(json_t *list, const json_t *more)
{
    json_t *item, *known = NULL;
    size_t i, j;

    json_array_foreach(more, i, item)
    {
        json_int_t count = json_integer_value(json_object_get(item, "count"));
        json_array_foreach(list, j, known)
        {
            if (strcmp(text_of(known, "group"), text_of(item, "group")) == 0 &&
                strcmp(text_of(known, "what"), text_of(item, "what")) == 0)
                break;
        }
        if (j < json_array_size(list))
            count += json_integer_value(json_object_get(known, "count"));
        else if ((known = json_pack("{ss,ss}", "group", text_of(item, "group"), "what",
                                    text_of(item, "what"))) == NULL ||
                 json_array_append_new(list, known) < 0)
            return -ENOMEM;
        json_object_set_new(known, "count", json_integer(count));
    }
    return 0;
}

int daily_add(const char *state, const struct day *day, const json_t *list, struct bl_error *error)
{
    char path[PATH_MAX], hidden[PATH_MAX + 8];

    snprintf(path, sizeof(path), "%s/denials", state);
    (void)mkdir(path, 0750);
    snprintf(path, sizeof(path), "%s/denials/%s.json", state, day->text);
    snprintf(hidden, sizeof(hidden), "%s.new", path);
    json_t *sum = json_load_file(path, 0, NULL);
    if (!json_is_array(sum)) {
        json_decref(sum);
        sum = json_array();
    }
    int code = sum == NULL ? -ENOMEM : list_add(sum, list);
    if (code == 0 && json_dump_file(sum, hidden, JSON_COMPACT | JSON_ENSURE_ASCII) < 0)
        code = errno != 0 ? -errno : -EIO;
    if (code == 0 && rename(hidden, path) < 0)
        code = -errno;
    json_decref(sum);
    return code < 0 ? bl_error_set(error, code, "%s: %s", path, strerror(-code)) : 0;
}

static bool day_of_name(const char *name, struct day *out_day)
{
    char text[DAY_TEXT_MAX];

    if (strlen(name) != 15 || strcmp(name + 10, ".json") != 0)
        return false;
    memcpy(text, name, 10);
    text[10] = '\0';
    return day_parse(text, out_day) == 0;
}

typedef void day_take(void *user, const char *path, const struct day *day);

static void days_each(const char *state, day_take *take, void *user)
{
    char folder[PATH_MAX], path[PATH_MAX + NAME_MAX + 2];
    struct dirent *entry;
    struct day day;

    snprintf(folder, sizeof(folder), "%s/denials", state);
    DIR *dir = opendir(folder);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (day_of_name(entry->d_name, &day))
            take(user, path, &day);
    }
    if (dir != NULL)
        closedir(dir);
}

struct summing {
    int64_t since_ms, until_ms;
    json_t *list;
};

static void day_sum(void *user, const char *path, const struct day *day)
{
    struct summing *summing = user;

    if (day->end_ms <= summing->since_ms || day->start_ms >= summing->until_ms)
        return;
    json_t *list = json_load_file(path, 0, NULL);
    (void)list_add(summing->list, list);
    json_decref(list);
}

static int count_compare(const void *a, const void *b)
{
    json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "count"));
    json_int_t y = json_integer_value(json_object_get(*(json_t *const *)b, "count"));

    return x > y ? -1 : x < y;
}

static json_t *sorted(const json_t *list)
{
    size_t count = json_array_size(list), index;
    json_t **items = calloc(count + 1, sizeof(json_t *)), *item, *out = json_array();

    if (items == NULL || out == NULL) {
        free(items);
        json_decref(out);
        return NULL;
    }
    json_array_foreach(list, index, item) items[index] = item;
    qsort(items, count, sizeof(json_t *), count_compare);
    for (size_t i = 0; i < count; i++)
        json_array_append(out, items[i]);
    free(items);
    return out;
}

json_t *daily_sum(const char *state, int64_t since_ms, int64_t until_ms)
{
    struct summing summing = {.since_ms = since_ms, .until_ms = until_ms, .list = json_array()};

    if (summing.list == NULL)
        return NULL;
    days_each(state, day_sum, &summing);
    json_t *list = sorted(summing.list);
    json_decref(summing.list);
    return list;
}

static void day_drop(void *user, const char *path, const struct day *day)
{
    if (day->end_ms < *(const int64_t *)user)
        unlink(path);
}

void daily_drop(const char *state, int64_t before_ms)
{
    days_each(state, day_drop, &before_ms);
}
