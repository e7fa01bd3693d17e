/* A report as one HTML file: no script, nothing from outside; for a telephone, for A4, and for
 * screen readers (WCAG 2.1 AA: contrasts, headings in order, tables with captions, charts with
 * their numbers). */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "tools/denial_show.h"
#include "tools/report_chart.h"
#include "tools/report_words.h"
#include "tools/tally.h"

enum { ATTENTION_MOST = 15, ISOLATED_MOST = 12, ROWS_MOST = 12, TABLE_MOST = 30 };

static const char style[] =
    ":root{color-scheme:light}*{box-sizing:border-box}"
    "body{margin:0;font:1rem/1.5 system-ui,-apple-system,\"Segoe "
    "UI\",Roboto,sans-serif;color:#1b1f24;"
    "background:#fff;overflow-wrap:break-word}"
    "main,header,footer{max-width:54rem;margin:0 auto;padding:0 1rem}"
    "header{padding-top:1.5rem}h1{font-size:1.6rem;line-height:1.25;margin:0 0 .25rem}"
    "h2{font-size:1.25rem;margin:2rem 0 .5rem;border-bottom:2px solid #1f5fa8;padding-bottom:.2rem}"
    "h3{font-size:1.05rem;margin:0}p{margin:.5rem 0}.quiet{color:#4a5360}"
    ".figures{display:flex;flex-wrap:wrap;gap:.75rem;list-style:none;padding:0;margin:1rem 0}"
    ".figures li{flex:1 1 8rem;border:1px solid #c9d1da;border-radius:.4rem;padding:.5rem .75rem}"
    ".figures b{display:block;font-size:1.4rem;line-height:1.2}"
    "ol.findings{list-style:none;padding:0;margin:0}"
    "ol.findings>li{border:1px solid #c9d1da;border-left-width:.45rem;border-radius:.3rem;"
    "padding:.6rem .8rem;margin:.6rem 0;break-inside:avoid}"
    "li.urgent{border-left-color:#a4161a!important}li.high{border-left-color:#b4530a!important}"
    "li.medium{border-left-color:#8a6d00!important}li.low{border-left-color:#5b6673!important}"
    ".badge{display:inline-block;font-size:.8rem;font-weight:700;border-radius:.25rem;"
    "padding:.05rem .45rem;margin-right:.4rem}"
    ".badge.urgent{background:#a4161a;color:#fff}.badge.high{background:#b4530a;color:#fff}"
    ".badge.medium{background:#fff3c4;color:#5c4a00}.badge.low{background:#e6e9ed;color:#333c46}"
    "code{font:.95em ui-monospace,Consolas,monospace;white-space:nowrap}"
    "table{border-collapse:collapse;width:100%;margin:.5rem 0;font-size:.95rem}"
    "caption{text-align:left;color:#4a5360;padding:.2rem 0}"
    "th,td{text-align:left;padding:.25rem .5rem;border-bottom:1px solid #dde3ea;vertical-align:top}"
    "th.n,td.n{text-align:right;white-space:nowrap}td.name{overflow-wrap:anywhere;min-width:8em}"
    "thead th{border-bottom:2px solid #8b97a5}"
    "figure{margin:1rem 0;break-inside:avoid}figcaption{font-weight:600;margin-bottom:.25rem}"
    "svg{width:100%;height:auto;font:13px system-ui,sans-serif;fill:#1b1f24}"
    ".bar{fill:#1f5fa8}.pale{fill:#7d9cc4}.strong{fill:#a4161a}.grid{stroke:#c9d1da}"
    ".num,.end{text-anchor:end}.mid{text-anchor:middle}"
    "summary{cursor:pointer;color:#174a84}footer{color:#4a5360;font-size:.9rem;padding-bottom:2rem}"
    "a{color:#174a84}@media(max-width:30rem){th,td{padding:.25rem}h1{font-size:1.35rem}"
    "svg{font-size:17px}table.stack tr{display:block;border-bottom:1px solid "
    "#dde3ea;padding:.25rem 0}"
    "table.stack td{display:inline-block;border:0;padding:0 .6rem 0 0;min-width:0}"
    "table.stack thead{position:absolute;left:-999rem}}"
    "@page{size:A4;margin:15mm}@media print{body{font-size:10pt}main,header,footer{max-width:none;"
    "padding:0}h2{break-after:avoid}tr{break-inside:avoid}details:not([open])>*{display:none}}";

static void text(FILE *out, const char *words)
{
    show_html(out, words);
}

static void paragraph(FILE *out, const char *words)
{
    if (words[0] == '\0')
        return;
    fputs("<p>", out);
    text(out, words);
    fputs("</p>\n", out);
}

static void head_write(const struct report *report, FILE *out)
{
    static const char *const audiences[] = {"for the safeguarding lead", "for the headteacher",
                                            "for the governors"};
    char made[SHOW_TIME_MAX];

    fputs("<!DOCTYPE html>\n<html lang=\"en-GB\"><head><meta charset=\"utf-8\">"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
          "style-src 'unsafe-inline'\"><meta name=\"robots\" content=\"noindex\"><title>",
          out);
    fputs("Refused look-ups: ", out);
    text(out, report->title);
    fprintf(out, "</title><style>%s</style></head>\n<body><header><h1>Refused look-ups</h1><p>",
            style);
    text(out, report->title);
    fprintf(out,
            ", %s. <span class=\"quiet\">Made by Chalkgate on %.10s at "
            "%.5s.</span></p></header>\n<main>\n",
            audiences[report->audience], show_time(report->made_ms, made), made + 11);
}

static void figure(FILE *out, uint64_t value, const char *what)
{
    char number[32];

    fprintf(out, "<li><b>%s</b>%s</li>", show_count(value, number), what);
}

static void summary_write(const struct report *report, FILE *out)
{
    char words[REPORT_WORDS_MAX];

    fputs("<h2>In short</h2>\n", out);
    paragraph(out, report_summary(report, words));
    paragraph(out, report_compared(report, words));
    fputs("<ul class=\"figures\">", out);
    figure(out, report->denied + report->counted, "look-ups refused");
    figure(out, report->devices.count, "devices");
    figure(out, report->names.count, "sites");
    if (report->findings_store != NULL)
        figure(out, report_serious(report), "findings to look at");
    if (report->observed > 0)
        figure(out, report->observed, "only observed");
    fputs("</ul>\n", out);
}

static void finding_write(const struct report *report, const struct finding *finding, FILE *out)
{
    const char *severity = show_severity(finding->severity);
    char words[REPORT_WORDS_MAX], code[CASE_TEXT_MAX];

    fprintf(out, "<li class=\"%s\"><h3><span class=\"badge %s\">%s</span>", severity, severity,
            severity);
    text(out, finding->title[0] != '\0' ? finding->title : finding->category);
    fputs("</h3><p>", out);
    fputs("<b>", out);
    text(out, finding->device);
    fputs("</b> (", out);
    text(out, finding->group);
    fputs("), ", out);
    text(out, report_when(report, finding, words));
    fputs("<br>", out);
    text(out, report_what(finding, words));
    fputs("<br>", out);
    text(out, report_why(report, finding, words));
    fprintf(out, " <span class=\"quiet\">Case <code>%s</code></span></p></li>\n",
            denials_case_text(finding->case_number, code));
}

static void findings_write(const struct report *report, FILE *out)
{
    size_t attention = report_attention(report), shown = 0, serious = report_serious(report);

    fputs("<h2>What deserves attention</h2>\n", out);
    if (report->findings_store == NULL) {
        paragraph(out, "Findings are worked out for reports of up to a month.");
        return;
    }
    if (serious == 0)
        paragraph(out, "Nothing that looks like the doing of a person.");
    else
        fputs("<ol class=\"findings\">\n", out);
    for (size_t i = 0; i < attention && shown < ATTENTION_MOST; i++)
        if (report_is_serious(&report->findings[i])) {
            finding_write(report, &report->findings[i], out);
            shown++;
        }
    if (serious > 0)
        fputs("</ol>\n", out);
    if (serious > shown)
        fprintf(out, "<p>And %zu more of less weight.</p>\n", serious - shown);
}

/* What may be a slip of the finger: a line each. */
static void isolated_write(const struct report *report, FILE *out)
{
    size_t attention = report_attention(report), count = 0, shown = 0;
    char words[REPORT_WORDS_MAX], code[CASE_TEXT_MAX];

    for (size_t i = 0; i < attention; i++)
        count += !report_is_serious(&report->findings[i]);
    if (count == 0)
        return;
    fputs("<h2>Isolated or unclear</h2>\n<table class=\"stack\"><caption>Single sites, asked once "
          "or twice: slips of the finger, "
          "links in pages, or a first try</caption><thead><tr><th scope=\"col\">Device</th>"
          "<th scope=\"col\">Category</th><th scope=\"col\">Site</th><th scope=\"col\">When</th>"
          "<th scope=\"col\">Case</th></tr></thead><tbody>\n",
          out);
    for (size_t i = 0; i < attention && shown < ISOLATED_MOST; i++) {
        const struct finding *finding = &report->findings[i];
        if (report_is_serious(finding))
            continue;
        shown++;
        fputs("<tr><td>", out);
        text(out, finding->device);
        fputs("</td><td>", out);
        text(out, finding->title);
        fputs("</td><td class=\"name\">", out);
        text(out, finding->sites[0].name);
        fputs("</td><td>", out);
        text(out, report_since(report, finding, words));
        fprintf(out, "</td><td><code>%s</code></td></tr>\n",
                denials_case_text(finding->case_number, code));
    }
    fputs("</tbody></table>\n", out);
    if (count > shown)
        fprintf(out, "<p>And %zu more.</p>\n", count - shown);
}

static void background_write(const struct report *report, FILE *out)
{
    struct report_background list[REPORT_BACKGROUND_MAX];
    size_t count = report_background(report, list);
    char words[REPORT_WORDS_MAX], number[32], devices[32];

    if (count == 0)
        return;
    fputs("<h2>Background, folded away</h2>\n", out);
    paragraph(out, "What devices most likely did by themselves. It was refused all the same.");
    fputs("<table><caption>Background look-ups by category, most serious first</caption><thead><tr>"
          "<th scope=\"col\">Category</th><th scope=\"col\">Devices</th><th scope=\"col\">Why</th>"
          "<th scope=\"col\" class=\"n\">Look-ups</th></tr></thead><tbody>\n",
          out);
    for (size_t i = 0; i < count; i++) {
        fputs("<tr><td>", out);
        text(out, list[i].title);
        fputs("</td><td>", out);
        text(out, list[i].devices == 1 ? list[i].device : show_count(list[i].devices, devices));
        fputs("</td><td>", out);
        text(out, finding_why_text(list[i].why, words, sizeof(words)));
        fprintf(out, "</td><td class=\"n\">%s</td></tr>\n", show_count(list[i].count, number));
    }
    fputs("</tbody></table>\n", out);
}

static void numbers_table(FILE *out, const char *caption, const char *heading,
                          const struct chart_bar *bars, size_t count)
{
    char number[32];

    fputs("<details><summary>The numbers</summary><table><caption>", out);
    text(out, caption);
    fputs("</caption><thead><tr><th scope=\"col\">", out);
    text(out, heading);
    fputs("</th><th scope=\"col\" class=\"n\">Refused</th></tr></thead><tbody>\n", out);
    for (size_t i = 0; i < count; i++) {
        fputs("<tr><td>", out);
        text(out, bars[i].label);
        fprintf(out, "</td><td class=\"n\">%s</td></tr>\n", show_count(bars[i].value, number));
    }
    fputs("</tbody></table></details>\n", out);
}

static void hours_chart(const struct report *report, FILE *out)
{
    struct chart_bar bars[24];
    char labels[24][8];

    for (int i = 0; i < 24; i++) {
        snprintf(labels[i], sizeof(labels[i]), "%02d", i);
        bars[i] = (struct chart_bar){labels[i], report->hours[i], 0};
    }
    fputs("<figure><figcaption>By hour of the day</figcaption>", out);
    chart_columns(out, "hours", "Refused look-ups by hour of the day", bars, 24, 3);
    numbers_table(out, "Refused look-ups by hour of the day", "Hour", bars, 24);
    fputs("</figure>\n", out);
}

static void sums_chart(const struct report_sums *sums, const char *id, const char *caption,
                       const char *heading, FILE *out)
{
    struct chart_bar bars[TABLE_MOST];
    size_t count = 0;

    for (; count < sums->count && count < TABLE_MOST; count++) {
        const struct report_sum *sum = &sums->items[count];
        bool serious = sum->title != NULL && sum->severity == SEVERITY_URGENT;
        bars[count] = (struct chart_bar){sum->title != NULL ? sum->title : sum->name,
                                         sum->denied + sum->counted, serious ? 2 : 0};
    }
    if (count == 0)
        return;
    fputs("<figure><figcaption>", out);
    text(out, caption);
    fputs("</figcaption>", out);
    chart_rows(out, id, caption, bars, count < ROWS_MOST ? count : ROWS_MOST);
    numbers_table(out, caption, heading, bars, count);
    fputs("</figure>\n", out);
}

static void groups_chart(const struct report *report, FILE *out)
{
    char number[32], devices[32], each[32];

    sums_chart(&report->groups, "groups", "By group", "Group", out);
    fputs("<table><caption>Groups compared</caption><thead><tr><th scope=\"col\">Group</th>"
          "<th scope=\"col\" class=\"n\">Refused</th><th scope=\"col\" class=\"n\">Devices</th>"
          "<th scope=\"col\" class=\"n\">For each device</th></tr></thead><tbody>\n",
          out);
    for (size_t i = 0; i < report->groups.count && i < TABLE_MOST; i++) {
        const struct report_sum *sum = &report->groups.items[i];
        fputs("<tr><td>", out);
        text(out, sum->name);
        fprintf(out,
                "</td><td class=\"n\">%s</td><td class=\"n\">%s</td><td class=\"n\">%s</td></tr>\n",
                show_count(sum->denied + sum->counted, number), show_count(sum->others, devices),
                show_count(sum->others > 0 ? sum->denied / sum->others : 0, each));
    }
    fputs("</tbody></table>\n", out);
}

/* Days, or weeks where there are many. */
static void trend_chart(const struct report *report, FILE *out)
{
    enum { BARS_MOST = 62 };
    size_t fold = report->trend_count > BARS_MOST ? 7 : 1, count = 0;
    struct chart_bar bars[BARS_MOST];
    char labels[BARS_MOST][16];

    if (report->trend_count < 2)
        return;
    if (report->trend_count > BARS_MOST * 7)
        fold = report->trend_count / BARS_MOST + 1;
    for (size_t i = 0; i < report->trend_count; i += fold, count++) {
        time_t seconds = (time_t)(report->trend[i].day.start_ms / 1000) + 43200;
        struct tm local;
        localtime_r(&seconds, &local);
        strftime(labels[count], sizeof(labels[count]), "%d %b", &local);
        bars[count] = (struct chart_bar){labels[count], 0, report->trend[i].before ? 1 : 0};
        for (size_t d = i; d < i + fold && d < report->trend_count; d++)
            bars[count].value += report->trend[d].denied;
    }
    fprintf(out, "<figure><figcaption>%s, with the four weeks before (paler)</figcaption>",
            fold == 1 ? "Day by day" : "Week by week");
    chart_columns(out, "trend", "Refused look-ups over time", bars, count,
                  (unsigned)(count / 8 + 1));
    numbers_table(out, "Refused look-ups over time", fold == 1 ? "Day" : "Week from", bars, count);
    fputs("</figure>\n", out);
}

static void devices_table(const struct report *report, FILE *out)
{
    char number[32], sites[32];

    fputs(
        "<h2>Devices</h2>\n<table><caption>Devices with most refused look-ups, background included"
        "</caption><thead><tr><th scope=\"col\">Device</th><th scope=\"col\">Mostly</th>"
        "<th scope=\"col\" class=\"n\">Sites</th><th scope=\"col\" class=\"n\">Refused</th></tr>"
        "</thead><tbody>\n",
        out);
    for (size_t i = 0; i < report->devices.count && i < ROWS_MOST; i++) {
        const struct report_sum *sum = &report->devices.items[i];
        fputs("<tr><td>", out);
        text(out, sum->name);
        fputs("</td><td>", out);
        text(out, sum->category != NULL ? sum->category : "");
        fprintf(out, "</td><td class=\"n\">%s</td><td class=\"n\">%s</td></tr>\n",
                show_count(sum->others, sites), show_count(sum->denied, number));
    }
    fputs("</tbody></table>\n", out);
}

static void lists_write(const struct report *report, FILE *out)
{
    char number[32], when[SHOW_TIME_MAX], words[REPORT_WORDS_MAX];

    fputs("<h2>The lists in force</h2>\n", out);
    if (report->list_count == 0) {
        paragraph(out, "No lists could be read.");
        return;
    }
    fprintf(out,
            "<p>Generation %" PRIu64 ".</p><table><caption>Lists, by category</caption><thead><tr>"
            "<th scope=\"col\">Category</th><th scope=\"col\" class=\"n\">Names</th>"
            "<th scope=\"col\">Imported</th></tr></thead><tbody>\n",
            report->generation);
    for (size_t i = 0; i < report->list_count && i < 60; i++) {
        const struct report_list *list = &report->lists[i];
        int64_t days = (report->made_ms / 1000 - list->imported_s) / 86400;
        fputs("<tr><td>", out);
        text(out, list->category);
        fprintf(out, "</td><td class=\"n\">%s</td><td>%.10s (%" PRId64 " day%s ago%s)</td></tr>\n",
                show_count(list->entries, number), show_time(list->imported_s * 1000, when), days,
                days == 1 ? "" : "s", list->stale ? ", <b>out of date</b>" : "");
    }
    fputs("</tbody></table>\n", out);
    paragraph(out, report_stale(report, words));
}

static void foot_write(const struct report *report, FILE *out)
{
    fputs("</main>\n<footer><h2>What this report can and cannot say</h2>\n", out);
    for (size_t i = 0; report_limits[i] != NULL; i++)
        paragraph(out, report_limits[i]);
    if (report_has_details(report) && report->findings_store != NULL)
        paragraph(out, report_method);
    for (size_t i = 0; i < report->warning_count; i++) {
        fputs("<p><b>Not whole:</b> ", out);
        text(out, report->warnings[i]);
        fputs("</p>\n", out);
    }
    fputs("</footer></body></html>\n", out);
}

void report_html(const struct report *report, FILE *out)
{
    bool details = report_has_details(report);

    head_write(report, out);
    summary_write(report, out);
    if (details) {
        findings_write(report, out);
        isolated_write(report, out);
        background_write(report, out);
    }
    fputs("<h2>Charts</h2>\n", out);
    hours_chart(report, out);
    sums_chart(&report->categories, "categories", "By category", "Category", out);
    trend_chart(report, out);
    groups_chart(report, out);
    if (details) {
        sums_chart(&report->names, "names", "Sites refused most", "Site", out);
        devices_table(report, out);
    }
    report_asked_html(report, out);
    report_following_html(report, out);
    lists_write(report, out);
    foot_write(report, out);
}
