/* A report as one HTML file: no script, nothing from outside; for a telephone, for A4, and for
 * screen readers (WCAG 2.1 AA: contrasts, headings in order, tables with captions, charts with
 * their numbers). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/denial_show.h"
#include "tools/report_chart.h"
#include "tools/report_words.h"
#include "tools/tally.h"

enum { ATTENTION_MOST = 15, ISOLATED_MOST = 12, ROWS_MOST = 12, TABLE_MOST = 30 };

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1b1f24;--quiet:#4a5360;--page:#fff;--card:#f7f9fb;"
    "--line:#c9d1da;--head:#8b97a5;--blue:#1f5fa8;--pale:#7d9cc4;--link:#174a84;--urgent:#a4161a;"
    "--high:#a34a06;--medium:#8a6d00;--low:#5b6673;--soft-medium:#fff3c4;--on-medium:#5c4a00;"
    "--soft-low:#e6e9ed;--on-low:#333c46}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--quiet:#b3bcc7;--page:#14181d;"
    "--card:#1c2229;--line:#3c4753;--head:#77828f;--blue:#6ea8e8;--pale:#44648c;--link:#8fbdf0;"
    "--urgent:#f2777a;--high:#e8935a;--medium:#d9b93b;--low:#94a0ad;--soft-medium:#3d3405;"
    "--on-medium:#f4dd83;--soft-low:#333c46;--on-low:#dde3ea}}"
    "*{box-sizing:border-box}"
    "body{margin:0;font:1rem/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,sans-serif;"
    "color:var(--ink);background:var(--page);overflow-wrap:break-word}"
    "main,header,footer{max-width:54rem;margin:0 auto;padding:0 1rem}"
    "header{padding-top:1.5rem}h1{font-size:1.6rem;line-height:1.25;margin:0 0 .25rem}"
    "h2{font-size:1.25rem;margin:2rem 0 .5rem;border-bottom:2px solid "
    "var(--blue);padding-bottom:.2rem}"
    "h3{font-size:1.05rem;margin:0}.case{white-space:nowrap}p{margin:.5rem "
    "0}.quiet{color:var(--quiet)}"
    ".figures{display:flex;flex-wrap:wrap;gap:.75rem;list-style:none;padding:0;margin:1rem 0}"
    ".figures li{flex:1 1 8rem;border:1px solid var(--line);border-radius:.4rem;padding:.5rem "
    ".75rem;"
    "background:var(--card)}"
    ".figures b{display:block;font-size:1.4rem;line-height:1.2}"
    "ol.findings{list-style:none;padding:0;margin:0}"
    "ol.findings>li{border:1px solid var(--line);border-left:.45rem solid var(--low);"
    "border-radius:.3rem;background:var(--card);padding:.6rem .8rem;margin:.6rem "
    "0;break-inside:avoid}"
    "ol.findings>li.urgent{border-left-color:var(--urgent)}"
    "ol.findings>li.high{border-left-color:var(--high)}"
    "ol.findings>li.medium{border-left-color:var(--medium)}"
    ".badge{display:inline-block;font-size:.8rem;font-weight:700;border-radius:.25rem;"
    "padding:.05rem .45rem;margin-right:.4rem}"
    ".badge.urgent{background:var(--urgent);color:var(--page)}"
    ".badge.high{background:var(--high);color:var(--page)}"
    ".badge.medium{background:var(--soft-medium);color:var(--on-medium)}"
    ".badge.low{background:var(--soft-low);color:var(--on-low)}"
    "code{font:.95em ui-monospace,Consolas,monospace;white-space:nowrap}"
    "table{border-collapse:collapse;width:100%;margin:.5rem 0;font-size:.95rem}"
    "caption.unseen{position:absolute;left:-999rem}"
    "caption{text-align:left;color:var(--quiet);padding:.2rem 0}"
    "th,td{text-align:left;padding:.25rem .5rem;border-bottom:1px solid var(--line);"
    "vertical-align:top}"
    "th.n,td.n{text-align:right}td.n,td.when{white-space:nowrap}td.name{overflow-wrap:anywhere;min-"
    "width:"
    "8em}"
    "thead th{border-bottom:2px solid var(--head)}"
    ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));"
    "gap:0 2rem;align-items:start}.charts>.wide,.wide+figure:last-child{grid-column:1/-1}"
    "figure{margin:1rem 0;min-width:0;break-inside:avoid}"
    "figcaption{font-weight:600;margin-bottom:.25rem}"
    "svg{display:block;width:100%;font:13px system-ui,sans-serif;fill:var(--ink);overflow:visible}"
    ".bar{fill:var(--blue)}.pale{fill:var(--pale)}.strong{fill:var(--urgent)}"
    ".grid{stroke:var(--line)}.grid-bar{fill:var(--soft-low)}.num{fill:var(--quiet)}.end{text-"
    "anchor:end}.mid{text-anchor:middle}"
    "summary{cursor:pointer;color:var(--link)}"
    "footer{color:var(--quiet);font-size:.9rem;padding-bottom:2rem}footer h2{color:var(--ink)}"
    "a{color:var(--link)}"
    "@media screen and (max-width:42rem){th,td{padding:.25rem}h1{font-size:1.35rem}"
    "table.stack tr{display:block;border-bottom:1px solid var(--line);padding:.35rem 0}"
    "table.stack td{display:inline-block;max-width:100%;min-width:0;border:0;padding:0 .5rem 0 "
    "0;text-align:left}"
    "table.stack td:first-child{font-weight:600}table.stack td.block{display:block}"
    "table.stack td.until::before{content:\"until \"}"
    "table.stack thead{position:absolute;left:-999rem}table.stack tbody{display:block}}"
    "@page{size:A4;margin:15mm}"
    "@media print{:root{--ink:#1b1f24;--quiet:#4a5360;--page:#fff;--card:#fff;--line:#c9d1da;"
    "--head:#8b97a5;--blue:#1f5fa8;--pale:#7d9cc4;--link:#174a84;--urgent:#a4161a;--high:#a34a06;"
    "--medium:#8a6d00;--low:#5b6673;--soft-medium:#fff3c4;--on-medium:#5c4a00;--soft-low:#e6e9ed;"
    "--on-low:#333c46}main,header,footer{max-width:none;padding:0}"
    "svg,.badge,rect{print-color-adjust:exact;-webkit-print-color-adjust:exact}"
    "html{font-size:10pt}p{orphans:3;widows:3}h2,h2+p,caption{break-after:avoid}tr{break-inside:"
    "avoid}"
    "thead,tbody tr:nth-child(-n+2){break-after:avoid}tbody "
    "tr:nth-last-child(-n+2){break-before:avoid}"
    "details{display:none}}";

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
                                            "for the governors", "for the yearly review"};
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

static void figure(FILE *out, uint64_t value, const char *one, const char *many)
{
    char number[32];

    fprintf(out, "<li><b>%s</b>%s</li>", show_count(value, number), value == 1 ? one : many);
}

static void summary_write(const struct report *report, FILE *out)
{
    char words[REPORT_WORDS_MAX];

    fputs("<h2>In short</h2>\n", out);
    paragraph(out, report_summary(report, words));
    paragraph(out, report_compared(report, words));
    if (report_is_quiet(report))
        return;
    fputs("<ul class=\"figures\">", out);
    figure(out, report->denied + report->counted, "look-up refused", "look-ups refused");
    figure(out, report->devices.count, "device", "devices");
    figure(out, report->names.count, "site", "sites");
    if (report->findings_store != NULL)
        figure(out, report_serious(report), "to look at", "to look at");
    if (report->observed > 0)
        figure(out, report->observed, "only observed", "only observed");
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
    fprintf(out, " <span class=\"quiet case\">Case <code>%s</code>",
            denials_case_text(finding->case_number, code));
    long long incident = report_incident_of(report, finding);
    if (incident > 0)
        fprintf(out, ", incident %lld", incident);
    fputs("</span></p></li>\n", out);
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
    fputs("<table class=\"stack\"><caption>Background look-ups by category, most serious "
          "first</caption><thead><tr>"
          "<th scope=\"col\">Category</th><th scope=\"col\">Devices</th><th scope=\"col\">Why</th>"
          "<th scope=\"col\" class=\"n\">How many</th></tr></thead><tbody>\n",
          out);
    for (size_t i = 0; i < count; i++) {
        fputs("<tr><td>", out);
        text(out, list[i].title);
        fputs("</td><td>", out);
        text(out, list[i].devices == 1 ? list[i].device : show_count(list[i].devices, devices));
        fputs(list[i].devices == 1 ? "" : " devices", out);
        fputs("</td><td class=\"block\">", out);
        text(out, finding_why_text(list[i].why, words, sizeof(words)));
        fprintf(out, "</td><td class=\"n\">%s look-ups</td></tr>\n",
                show_count(list[i].count, number));
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
    fputs("<figure class=\"wide\"><figcaption>By hour of the day</figcaption>", out);
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

static void groups_table(const struct report *report, FILE *out)
{
    char number[32], devices[32], each[32];

    fputs(
        "<h2>Groups</h2>\n<table><caption class=\"unseen\">Groups compared</caption><thead><tr><th "
        "scope=\"col\">Group</th>"
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
    fprintf(
        out,
        "<figure class=\"wide\"><figcaption>%s, with the four weeks before (paler)</figcaption>",
        fold == 1 ? "Day by day" : "Week by week");
    chart_columns(out, "trend", "Refused look-ups over time", bars, count,
                  (unsigned)(count / 7 + 1));
    numbers_table(out, "Refused look-ups over time", fold == 1 ? "Day" : "Week from", bars, count);
    fputs("</figure>\n", out);
}

static void charts_write(const struct report *report, FILE *out)
{
    if (report_is_quiet(report) && report->trend_count < 2)
        return;
    fputs("<h2>Charts</h2>\n<div class=\"charts\">\n", out);
    if (report->denied > 0)
        hours_chart(report, out);
    trend_chart(report, out);
    sums_chart(&report->categories, "categories", "By category", "Category", out);
    if (report_has_details(report))
        sums_chart(&report->names, "names", "Sites refused most", "Site", out);
    if (report->groups.count > 1) /* one bar compares nothing */
        sums_chart(&report->groups, "groups", "By group", "Group", out);
    fputs("</div>\n", out);
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
        text(out, report_title_of(report, sum->category));
        fprintf(out, "</td><td class=\"n\">%s</td><td class=\"n\">%s</td></tr>\n",
                show_count(sum->others, sites), show_count(sum->denied, number));
    }
    fputs("</tbody></table>\n", out);
}

static void lists_write(const struct report *report, FILE *out)
{
    char number[32], ago[32], when[SHOW_TIME_MAX], words[REPORT_WORDS_MAX];

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
        text(out, report_title_of(report, list->category));
        if (days > 0)
            snprintf(ago, sizeof(ago), "%" PRId64 " day%s ago", days, days == 1 ? "" : "s");
        fprintf(out, "</td><td class=\"n\">%s</td><td>%.10s (%s%s)</td></tr>\n",
                show_count(list->entries, number), show_time(list->imported_s * 1000, when),
                days > 0 ? ago : "today", list->stale ? ", <b>out of date</b>" : "");
    }
    fputs("</tbody></table>\n", out);
    paragraph(out, report_stale(report, words));
}

static void review_write(const struct report *report, FILE *out)
{
    char *paragraphs[REVIEW_PARAGRAPHS];
    size_t count = report_review(report, paragraphs);

    fputs("<h2>How the filter is run</h2>\n", out);
    for (size_t i = 0; i < count; i++) {
        paragraph(out, paragraphs[i]);
        free(paragraphs[i]);
    }
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
    if (details && !report_is_quiet(report)) {
        findings_write(report, out);
        isolated_write(report, out);
        background_write(report, out);
    }
    charts_write(report, out);
    if (report->groups.count > 0)
        groups_table(report, out);
    if (details && report->devices.count > 0)
        devices_table(report, out);
    report_asked_html(report, out);
    report_following_html(report, out);
    if (report->audience == REPORT_REVIEW)
        review_write(report, out);
    lists_write(report, out);
    foot_write(report, out);
}
