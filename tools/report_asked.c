/* The part of a report about what was answered: the names that each group asked for most. */
#include <inttypes.h>

#include "tools/denial_show.h"
#include "tools/report_words.h"
#include "tools/table.h"

static const char *const explanation =
    "Names that several devices of a group asked for and were answered. Which devices is not "
    "recorded.";

/* Names for those who look after single cases only. */
static bool is_shown(const struct report *report)
{
    return report->audience <= REPORT_HEAD && report->asked.count > 0;
}

void report_asked_text(const struct report *report, FILE *out)
{
    if (!is_shown(report))
        return;
    fputs("\nAsked most, and answered\n\n", out);
    most_asked_print(&report->asked, out);
    report_wrap(out, explanation, "");
}

void report_asked_html(const struct report *report, FILE *out)
{
    char times[32];

    if (!is_shown(report))
        return;
    fprintf(out,
            "<h2>Asked most, and answered</h2>\n<table><caption>%s</caption><thead><tr>"
            "<th scope=\"col\">Group</th><th scope=\"col\">Name</th><th scope=\"col\" class=\"n\">"
            "Times</th></tr></thead><tbody>\n",
            explanation);
    for (size_t i = 0; i < report->asked.count; i++) {
        const struct most_asked_name *item = &report->asked.items[i];
        fputs("<tr><td>", out);
        show_html(out, item->group);
        fputs("</td><td>", out);
        show_html(out, item->name);
        fprintf(out, "</td><td class=\"n\">%s</td></tr>\n", show_count(item->count, times));
    }
    fputs("</tbody></table>\n", out);
}

void report_asked_csv(const struct report *report, FILE *out)
{
    for (size_t i = 0; is_shown(report) && i < report->asked.count; i++) {
        fputs("asked,", out);
        show_csv_cell(out, report->asked.items[i].name);
        fputc(',', out);
        show_csv_cell(out, report->asked.items[i].group);
        fprintf(out, ",,%" PRIu64 ",,\r\n", report->asked.items[i].count);
    }
}

void report_asked_json(const struct report *report, json_t *object)
{
    if (is_shown(report))
        json_object_set_new(object, "asked", most_asked_json(&report->asked));
}
