/* A report for spreadsheets (CSV) and for programs (JSON). */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include <jansson.h>

#include "tools/denial_show.h"
#include "tools/report_words.h"
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

static void csv_findings(FILE *out, const struct report *report)
{
    for (size_t i = 0; i < report->finding_count; i++) {
        const struct finding *finding = &report->findings[i];
        fputs("finding,", out);
        show_csv_cell(out, finding->device);
        fprintf(out, ",\"%s: ", finding_kind_text(finding->kind));
        for (const char *at = finding->category; *at != '\0'; at++)
            fputs(*at == '"' ? "\"\"" : (const char[]){*at, '\0'}, out);
        fprintf(out, "\",%s,%" PRIu64 ",,\r\n", show_severity(finding->severity), finding->count);
    }
}

static void csv_made_safe(const struct report *report, FILE *out)
{
    const json_t *count;
    size_t i;

    json_array_foreach(report->following.made_safe, i, count)
    {
        const char *what = json_string_value(json_object_get(count, "what"));
        const char *words = what != NULL ? report_made_safe_words(what) : "";
        const char *group = json_string_value(json_object_get(count, "group"));
        fputs("made-safe,", out);
        show_csv_cell(out, group != NULL ? group : "");
        fputc(',', out);
        show_csv_cell(out, words != NULL ? words : what);
        fprintf(out, ",,%" JSON_INTEGER_FORMAT ",,\r\n",
                json_integer_value(json_object_get(count, "count")));
    }
}

static void csv_lists(const struct report *report, FILE *out)
{
    char when[SHOW_TIME_MAX];

    for (size_t i = 0; i < report->list_count; i++) {
        const struct report_list *list = &report->lists[i];
        char detail[1200];
        snprintf(detail, sizeof(detail), "%sImported: %s; Names: %" PRIu64 "; From: %.1000s",
                 list->stale ? "Out of date; " : "", show_time(list->imported_s * 1000, when),
                 list->entries, list->location);
        fputs("list,", out);
        show_csv_cell(out, list->category);
        fputc(',', out);
        show_csv_cell(out, detail);
        fputs(",,,,\r\n", out);
    }
}

/* Warnings, and what DNS filtering cannot do. */
static void csv_words(const struct report *report, FILE *out)
{
    for (size_t i = 0; i < report->warning_count; i++) {
        fputs("warning,,", out);
        show_csv_cell(out, report->warnings[i]);
        fputs(",,,,\r\n", out);
    }
    for (size_t i = 0; report_limits[i] != NULL; i++) {
        fputs("limit,,", out);
        show_csv_cell(out, report_limits[i]);
        fputs(",,,,\r\n", out);
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
    if (report_has_details(report)) {
        csv_sums(out, "name", &report->names);
        csv_sums(out, "device", &report->devices);
        csv_findings(out, report);
    }
    csv_made_safe(report, out);
    report_asked_csv(report, out);
    for (int i = 0; i < 24; i++)
        fprintf(out, "hour,%02d:00,,,%" PRIu64 ",,\r\n", i, report->hours[i]);
    for (size_t i = 0; i < report->day_count; i++)
        fprintf(out, "day,%s,,,%" PRIu64 ",%" PRIu64 ",\r\n", report->days[i].day.text,
                report->days[i].denied, report->days[i].observed);
    report_following_csv(report, out);
    csv_lists(report, out);
    csv_words(report, out);
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

static json_t *findings_json(const struct report *report)
{
    json_t *array = json_array();
    char since[SHOW_TIME_MAX], until[SHOW_TIME_MAX], code[CASE_TEXT_MAX], why[1024];

    for (size_t i = 0; i < report->finding_count; i++) {
        const struct finding *finding = &report->findings[i];
        json_t *sites = json_array();
        for (unsigned s = 0; s < FINDING_SITES_MAX && s < finding->site_count; s++)
            json_array_append_new(sites, text_json(finding->sites[s].name));
        json_array_append_new(
            array,
            json_pack("{so,so,so,ss,ss,ss,sI,sI,ss,ss,so,sb,sI,ss}", "device",
                      text_json(finding->device), "group", text_json(finding->group), "category",
                      text_json(finding->category), "severity", show_severity(finding->severity),
                      "kind", finding_kind_text(finding->kind), "why",
                      finding_why_text(finding->why, why, sizeof(why)), "look-ups",
                      (json_int_t)finding->count, "sites", (json_int_t)finding->site_count, "first",
                      show_time(finding->first_ms, since), "last",
                      show_time(finding->last_ms, until), "names", sites, "first-time",
                      (int)(finding->first_time && report->looked_back), "out-of-hours",
                      (json_int_t)finding->out_of_hours, "case",
                      denials_case_text(finding->case_number, code)));
    }
    return array;
}

static json_t *lists_json(const struct report *report)
{
    json_t *array = json_array();
    char when[SHOW_TIME_MAX];

    for (size_t i = 0; i < report->list_count; i++) {
        const struct report_list *list = &report->lists[i];
        json_array_append_new(array,
                              json_pack("{so,so,ss,sI,sb}", "category", text_json(list->category),
                                        "location", text_json(list->location), "imported",
                                        show_time(list->imported_s * 1000, when), "names",
                                        (json_int_t)list->entries, "stale", (int)list->stale));
    }
    return array;
}

static json_t *days_json(const struct report_day *items, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_pack("{ss,sI,sI}", "day", items[i].day.text, "refused",
                                               (json_int_t)items[i].denied, "observed",
                                               (json_int_t)items[i].observed));
    return array;
}

int report_json(const struct report *report, FILE *out)
{
    char since[SHOW_TIME_MAX], until[SHOW_TIME_MAX], made[SHOW_TIME_MAX], words[REPORT_WORDS_MAX];
    json_t *hours = json_array(), *warnings = json_array();

    for (int i = 0; i < 24; i++)
        json_array_append_new(hours, json_integer((json_int_t)report->hours[i]));
    for (size_t i = 0; i < report->warning_count; i++)
        json_array_append_new(warnings, text_json(report->warnings[i]));
    json_t *object = json_pack(
        "{ss,ss,ss,ss,ss,sI,sI,sI,so,so,so,so,so,so,so}", "title", report->title, "summary",
        report_summary(report, words), "since", show_time(report->since_ms, since), "until",
        show_time(report->until_ms, until), "made", show_time(report->made_ms, made), "refused",
        (json_int_t)report->denied, "observed", (json_int_t)report->observed, "counted-only",
        (json_int_t)report->counted, "groups", sums_json(&report->groups, "devices"), "categories",
        sums_json(&report->categories, NULL), "hours", hours, "days",
        days_json(report->days, report->day_count), "trend",
        days_json(report->trend, report->trend_count), "lists", lists_json(report), "warnings",
        warnings);
    if (object == NULL)
        return -ENOMEM;
    if (report_has_details(report)) {
        json_object_set_new(object, "names", sums_json(&report->names, "devices"));
        json_object_set_new(object, "devices", sums_json(&report->devices, "names"));
        json_object_set_new(object, "findings", findings_json(report));
    }
    report_asked_json(report, object);
    report_following_json(report, object);
    if (report->audience == REPORT_REVIEW) {
        char *paragraphs[REVIEW_PARAGRAPHS];
        size_t count = report_review(report, paragraphs);
        json_t *review = json_array();
        for (size_t i = 0; i < count; i++) {
            json_array_append_new(review, text_json(paragraphs[i]));
            free(paragraphs[i]);
        }
        json_object_set_new(object, "review", review);
    }
    if (report->totals_only > 0)
        json_object_set_new(object, "days-by-totals", json_integer(report->totals_only));
    int code = json_dumpf(object, out, JSON_INDENT(2) | JSON_ENSURE_ASCII) < 0 ? -EIO : 0;
    fputc('\n', out);
    json_decref(object);
    return code;
}
