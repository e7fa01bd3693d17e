/* Totals of days in reports: what governors and trends need when the records are long gone. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/denials/totals.h"
#include "tools/report.h"
#include "tools/tally.h"

/* The day in a file's name: 0, or -EINVAL. */
static int file_day(const char *name, struct day *out_day)
{
    char text[DAY_TEXT_MAX];

    if (strlen(name) != DAY_TEXT_MAX - 1 + 5 || strcmp(name + DAY_TEXT_MAX - 1, ".json") != 0)
        return -EINVAL;
    memcpy(text, name, DAY_TEXT_MAX - 1);
    text[DAY_TEXT_MAX - 1] = '\0';
    return day_parse(text, out_day);
}

static int day_compare(const void *a, const void *b)
{
    return strcmp(((const struct day *)a)->text, ((const struct day *)b)->text);
}

/* The days that have totals, in order. */
static struct day *days_list(const char *state, size_t *out_count)
{
    struct day *days = NULL, day;
    struct dirent *entry;
    char path[PATH_MAX];
    size_t count = 0;

    snprintf(path, sizeof(path), "%s/denials/totals", state);
    DIR *folder = opendir(path);
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (file_day(entry->d_name, &day) < 0)
            continue;
        days = tally_must(realloc(days, (count + 1) * sizeof(*days)));
        days[count++] = day;
    }
    if (folder != NULL)
        closedir(folder);
    if (count > 0)
        qsort(days, count, sizeof(*days), day_compare);
    *out_count = count;
    return days;
}

static uint64_t number(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));

    return value > 0 ? (uint64_t)value : 0;
}

static json_t *totals_read(const char *state, const struct day *day)
{
    char path[PATH_MAX];

    totals_path(state, day->text, path);
    json_t *totals = json_load_file(path, 0, NULL);
    if (totals != NULL && number(totals, "format") != TOTALS_FORMAT) {
        json_decref(totals);
        return NULL;
    }
    return totals;
}

static void sums_add(struct report_sums *sums, const json_t *list, bool categories)
{
    json_t *one;
    size_t index;

    json_array_foreach(list, index, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        const char *title = json_string_value(json_object_get(one, "title"));
        size_t at = 0;
        if (name == NULL || (categories && title == NULL))
            continue;
        while (at < sums->count && strcmp(sums->items[at].name, name) != 0)
            at++;
        if (at == sums->count) {
            sums->items = tally_must(realloc(sums->items, (at + 1) * sizeof(*sums->items)));
            sums->items[sums->count++] =
                (struct report_sum){.name = tally_must(strdup(name)),
                                    .title = categories ? tally_must(strdup(title)) : NULL,
                                    .severity = (uint8_t)(number(one, "severity") & 3)};
        }
        struct report_sum *sum = &sums->items[at];
        sum->denied += number(one, "refused");
        sum->observed += number(one, "observed");
        sum->counted += number(one, "counted");
        /* The most that were met on one day: who they were is not kept. */
        if (!categories && number(one, "devices") > sum->others)
            sum->others = number(one, "devices");
    }
}

static bool has_day(const struct report_day *days, size_t count, const struct day *day)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(days[i].day.text, day->text) == 0)
            return true;
    return false;
}

static int report_day_compare(const void *a, const void *b)
{
    return day_compare(&((const struct report_day *)a)->day, &((const struct report_day *)b)->day);
}

static void day_put(struct report_day **days, size_t *count, const struct report_day *day)
{
    *days = tally_must(realloc(*days, (*count + 1) * sizeof(**days)));
    (*days)[(*count)++] = *day;
    qsort(*days, *count, sizeof(**days), report_day_compare);
}

void report_totals_add(const struct report_options *options, struct report *report)
{
    size_t count, had = report->day_count;
    struct day *days = days_list(options->state, &count);

    for (size_t i = 0; i < count; i++) {
        const struct day *day = &days[i];
        if (day->start_ms < options->since_ms || day->end_ms > options->until_ms ||
            has_day(report->days, report->day_count, day))
            continue;
        json_t *totals = totals_read(options->state, day);
        if (totals == NULL)
            continue;
        struct report_day added = {.day = *day,
                                   .denied = number(totals, "refused"),
                                   .observed = number(totals, "observed")};
        report->denied += added.denied;
        report->observed += added.observed;
        report->counted += number(totals, "counted");
        for (size_t h = 0; h < 24; h++) {
            json_int_t of_hour =
                json_integer_value(json_array_get(json_object_get(totals, "hours"), h));
            report->hours[h] += of_hour > 0 ? (uint64_t)of_hour : 0;
        }
        sums_add(&report->groups, json_object_get(totals, "groups"), false);
        sums_add(&report->categories, json_object_get(totals, "categories"), true);
        day_put(&report->days, &report->day_count, &added);
        json_decref(totals);
    }
    report->totals_only = (unsigned)(report->day_count - had);
    if (report->totals_only > 0) {
        report_sums_sort(&report->groups);
        report_sums_sort(&report->categories);
    }
    free(days);
}

void report_totals_trend(const struct report_options *options, int64_t since_ms,
                         struct report *report)
{
    size_t count;
    struct day *days = days_list(options->state, &count);

    for (size_t i = 0; i < count; i++) {
        const struct day *day = &days[i];
        if (day->start_ms < since_ms || day->end_ms > options->until_ms ||
            has_day(report->trend, report->trend_count, day))
            continue;
        json_t *totals = totals_read(options->state, day);
        const struct report_day added = {.day = *day,
                                         .denied = number(totals, "refused"),
                                         .observed = number(totals, "observed"),
                                         .before = day->end_ms <= report->since_ms};
        if (totals != NULL)
            day_put(&report->trend, &report->trend_count, &added);
        json_decref(totals);
    }
    free(days);
}
