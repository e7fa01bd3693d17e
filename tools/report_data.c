/* A report for spreadsheets (CSV) and for programs (JSON). */
#include <errno.h>
#include <inttypes.h>

#include <jansson.h>

#include "tools/denial_show.h"
#include "tools/report.h"
#include "tools/table.h"

static void csv_sums(FILE *out, const char *section, const struct report_sums *sums)
{
    for (size_t i = 0; i < sums->count; i++) {
        const struct report_sum *sum = &sums->items[i];
        fprintf(out, "%s,", section);
        show_csv_cell(out, sum->name);
        fputc(',', out);
        show_csv_cell(out, sum->title != NULL      ? sum->title
                           : sum->category != NULL ? sum->category
                                                   : "");
        fprintf(out, ",%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\r\n", show_severity(sum->severity),
                sum->denied, sum->observed, sum->counted);
    }
}

void report_csv(const struct report *report, FILE *out)
{
    fputs("section,name,detail,severity,refused,observed,counted-only\r\n", out);
    fputs("total,", out);
    show_csv_cell(out, report->title);
    fprintf(out, ",,,%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\r\n", report->denied, report->observed,
            report->counted);
    csv_sums(out, "group", &report->groups);
    csv_sums(out, "category", &report->categories);
    csv_sums(out, "name", &report->names);
    csv_sums(out, "device", &report->devices);
    for (int i = 0; i < 24; i++)
        fprintf(out, "hour,%02d:00,,,%" PRIu64 ",,\r\n", i, report->hours[i]);
    for (size_t i = 0; i < report->day_count; i++)
        fprintf(out, "day,%s,,,%" PRIu64 ",%" PRIu64 ",\r\n", report->days[i].day.text,
                report->days[i].denied, report->days[i].observed);
}

static json_t *text_json(const char *text)
{
    char safe[2048];

    return json_string(text_safe(text, safe, sizeof(safe)));
}

static json_t *sums_json(const struct report_sums *sums, const char *others)
{
    json_t *array = json_array();

    for (size_t i = 0; i < sums->count; i++) {
        const struct report_sum *sum = &sums->items[i];
        json_t *object = json_pack("{so,sI,sI}", "name", text_json(sum->name), "refused",
                                   (json_int_t)sum->denied, "observed", (json_int_t)sum->observed);
        if (sum->title != NULL) {
            json_object_set_new(object, "title", text_json(sum->title));
            json_object_set_new(object, "severity", json_string(show_severity(sum->severity)));
        }
        if (sum->counted > 0)
            json_object_set_new(object, "counted-only", json_integer((json_int_t)sum->counted));
        if (sum->category != NULL)
            json_object_set_new(object, "category", text_json(sum->category));
        if (others != NULL)
            json_object_set_new(object, others, json_integer((json_int_t)sum->others));
        json_array_append_new(array, object);
    }
    return array;
}

int report_json(const struct report *report, FILE *out)
{
    char since[SHOW_TIME_MAX], until[SHOW_TIME_MAX], made[SHOW_TIME_MAX];
    json_t *hours = json_array(), *days = json_array(), *warnings = json_array();

    for (int i = 0; i < 24; i++)
        json_array_append_new(hours, json_integer((json_int_t)report->hours[i]));
    for (size_t i = 0; i < report->day_count; i++)
        json_array_append_new(days, json_pack("{ss,sI,sI}", "day", report->days[i].day.text,
                                              "refused", (json_int_t)report->days[i].denied,
                                              "observed", (json_int_t)report->days[i].observed));
    for (size_t i = 0; i < report->warning_count; i++)
        json_array_append_new(warnings, text_json(report->warnings[i]));
    json_t *object = json_pack(
        "{ss,ss,ss,ss,sI,sI,sI,so,so,so,so,so,so,so}", "title", report->title, "since",
        show_time(report->since_ms, since), "until", show_time(report->until_ms, until), "made",
        show_time(report->made_ms, made), "refused", (json_int_t)report->denied, "observed",
        (json_int_t)report->observed, "counted-only", (json_int_t)report->counted, "groups",
        sums_json(&report->groups, NULL), "categories", sums_json(&report->categories, NULL),
        "names", sums_json(&report->names, "devices"), "devices",
        sums_json(&report->devices, "names"), "hours", hours, "days", days, "warnings", warnings);
    if (object == NULL)
        return -ENOMEM;
    int code = json_dumpf(object, out, JSON_INDENT(2) | JSON_ENSURE_ASCII) < 0 ? -EIO : 0;
    fputc('\n', out);
    json_decref(object);
    return code;
}
