/* A report for a terminal of 80 columns, and for a mail. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/denial_show.h"
#include "tools/report_words.h"
#include "tools/table.h"

enum { MOST = 15, BAR = 50 };

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void heading(FILE *out, const char *text)
{
    fprintf(out, "\n%s\n", text);
    for (size_t i = 0; i < strlen(text); i++)
        fputc('-', out);
    fputc('\n', out);
}

static void more_say(size_t count, const char *what, FILE *out)
{
    if (count > MOST)
        fprintf(out, "and %zu other %s%s\n", count - MOST, what, plural(count - MOST));
}

static void summary(const struct report *report, FILE *out)
{
    char words[REPORT_WORDS_MAX];

    report_wrap(out, report_summary(report, words), "");
    report_wrap(out, report_compared(report, words), "");
}

static void finding_write(const struct report *report, const struct finding *finding, size_t number,
                          FILE *out)
{
    char words[REPORT_WORDS_MAX], title[256], group[128], code[CASE_TEXT_MAX];

    snprintf(words, sizeof(words), "%zu. [%s] %s", number, show_severity(finding->severity),
             text_safe(finding->title[0] != '\0' ? finding->title : finding->category, title,
                       sizeof(title)));
    report_wrap(out, words, "");
    char when[REPORT_WORDS_MAX];
    snprintf(words, sizeof(words), "%s (%s), %.100s, case %s", finding->device,
             text_safe(finding->group, group, sizeof(group)), report_when(report, finding, when),
             denials_case_text(finding->case_number, code));
    long long incident = report_incident_of(report, finding);
    if (incident > 0)
        snprintf(words + strlen(words), sizeof(words) - strlen(words), ", incident %lld", incident);
    report_wrap(out, words, "   ");
    report_wrap(out, report_what(finding, words), "   ");
    report_wrap(out, report_why(report, finding, words), "   ");
}

static void isolated_write(const struct report *report, size_t attention, FILE *out)
{
    struct table *table = table_create();
    char words[REPORT_WORDS_MAX], code[CASE_TEXT_MAX];
    size_t count = 0;

    table_column(table, "Device", TABLE_LEFT);
    table_column(table, "Category", TABLE_LEFT);
    table_column(table, "Site", TABLE_LEFT);
    table_column(table, "From", TABLE_LEFT);
    table_column(table, "Case", TABLE_LEFT);
    for (size_t i = 0; i < attention; i++) {
        const struct finding *finding = &report->findings[i];
        if (report_is_serious(finding) || count++ >= MOST)
            continue;
        table_cell(table, "%s", finding->device);
        table_cell(table, "%s", report_title_of(report, finding->category));
        table_cell(table, "%s", finding->sites[0].name);
        table_cell(table, "%s", report_since(report, finding, words));
        table_cell(table, "%s", denials_case_text(finding->case_number, code));
    }
    if (count > 0)
        heading(out, "Isolated or unclear");
    table_print(table, out);
    more_say(count, "look-up", out);
}

static void background_write(const struct report *report, FILE *out)
{
    struct report_background list[REPORT_BACKGROUND_MAX];
    size_t count = report_background(report, list);
    char words[REPORT_WORDS_MAX], why[1024], number[32];

    if (count > 0)
        heading(out, "Background, folded away");
    for (size_t i = 0; i < count; i++) {
        finding_why_text(list[i].why, why, sizeof(why));
        size_t used =
            (size_t)snprintf(words, sizeof(words), "%.250s: %s look-up%s of ", list[i].title,
                             show_count(list[i].count, number), plural(list[i].count));
        used += list[i].devices == 1
                    ? (size_t)snprintf(words + used, sizeof(words) - used, "%.250s", list[i].device)
                    : (size_t)snprintf(words + used, sizeof(words) - used, "%" PRIu64 " devices",
                                       list[i].devices);
        if (why[0] != '\0')
            snprintf(words + used, sizeof(words) - used, " (%s)", why);
        report_wrap(out, words, "");
    }
}

static void findings_write(const struct report *report, FILE *out)
{
    size_t attention = report_attention(report), serious = 0;

    if (report->findings_store == NULL)
        return;
    heading(out, "What deserves attention");
    for (size_t i = 0; i < attention; i++)
        if (report_is_serious(&report->findings[i]) && ++serious <= MOST)
            finding_write(report, &report->findings[i], serious, out);
    if (serious == 0)
        fputs("Nothing that looks like the doing of a person.\n", out);
    if (serious > MOST)
        fprintf(out, "and %zu more of less weight\n", serious - MOST);
    isolated_write(report, attention, out);
    background_write(report, out);
}

static void groups_write(const struct report *report, FILE *out)
{
    struct table *table = table_create();
    char count[32];

    heading(out, "By group");
    table_column(table, "Group", TABLE_LEFT);
    table_column(table, "Devices", TABLE_RIGHT);
    table_column(table, "Refused", TABLE_RIGHT);
    table_column(table, "Observed", TABLE_RIGHT);
    for (size_t i = 0; i < report->groups.count; i++) {
        const struct report_sum *sum = &report->groups.items[i];
        table_cell(table, "%s", sum->name);
        table_cell(table, "%s", show_count(sum->others, count));
        table_cell(table, "%s", show_count(sum->denied + sum->counted, count));
        table_cell(table, "%s", show_count(sum->observed, count));
    }
    table_print(table, out);
}

static void categories_write(const struct report *report, FILE *out)
{
    struct table *table = table_create();
    char count[32];

    heading(out, "By category");
    table_column(table, "Category", TABLE_LEFT);
    table_column(table, "Severity", TABLE_LEFT);
    table_column(table, "Refused", TABLE_RIGHT);
    table_column(table, "Observed", TABLE_RIGHT);
    for (size_t i = 0; i < report->categories.count; i++) {
        const struct report_sum *sum = &report->categories.items[i];
        table_cell(table, "%s", sum->title);
        table_cell(table, "%s", show_severity(sum->severity));
        table_cell(table, "%s", show_count(sum->denied + sum->counted, count));
        table_cell(table, "%s", show_count(sum->observed, count));
    }
    table_print(table, out);
}

static void names_write(const struct report *report, FILE *out)
{
    struct table *table = table_create();
    char count[32];

    heading(out, "By name");
    table_column(table, "Site", TABLE_LEFT);
    table_column(table, "Category", TABLE_LEFT);
    table_column(table, "Devices", TABLE_RIGHT);
    table_column(table, "Refused", TABLE_RIGHT);
    for (size_t i = 0; i < report->names.count && i < MOST; i++) {
        const struct report_sum *sum = &report->names.items[i];
        table_cell(table, "%s", sum->name);
        table_cell(table, "%s", report_title_of(report, sum->category));
        table_cell(table, "%s", show_count(sum->others, count));
        table_cell(table, "%s", show_count(sum->denied, count));
    }
    table_print(table, out);
    more_say(report->names.count, "site", out);
}

static void devices_write(const struct report *report, FILE *out)
{
    struct table *table = table_create();
    char count[32];

    heading(out, "By device");
    table_column(table, "Device", TABLE_LEFT);
    table_column(table, "Mostly", TABLE_LEFT);
    table_column(table, "Sites", TABLE_RIGHT);
    table_column(table, "Refused", TABLE_RIGHT);
    for (size_t i = 0; i < report->devices.count && i < MOST; i++) {
        const struct report_sum *sum = &report->devices.items[i];
        table_cell(table, "%s", sum->name);
        table_cell(table, "%s", report_title_of(report, sum->category));
        table_cell(table, "%s", show_count(sum->others, count));
        table_cell(table, "%s", show_count(sum->denied, count));
    }
    table_print(table, out);
    more_say(report->devices.count, "device", out);
}

static void hours_write(const struct report *report, FILE *out)
{
    uint64_t most = 1;
    char count[32];

    heading(out, "By hour");
    for (int i = 0; i < 24; i++)
        most = report->hours[i] > most ? report->hours[i] : most;
    for (int i = 0; i < 24; i++) {
        int bar = (int)((report->hours[i] * BAR + most - 1) / most);
        fprintf(out, "%02d:00 %10s ", i, show_count(report->hours[i], count));
        for (int b = 0; b < bar; b++)
            fputc('#', out);
        fputc('\n', out);
    }
}

static void figures_write(const struct report *report, FILE *out)
{
    bool details = report_has_details(report);

    if (details)
        findings_write(report, out);
    groups_write(report, out);
    categories_write(report, out);
    if (details && report->names.count > 0) {
        names_write(report, out);
        devices_write(report, out);
    }
    if (report->denied > 0)
        hours_write(report, out);
}

static void lists_write(const struct report *report, FILE *out)
{
    int64_t oldest = report->made_ms / 1000;
    uint64_t names = 0;
    char words[REPORT_WORDS_MAX], number[32], when[SHOW_TIME_MAX];

    heading(out, "The lists in force");
    for (size_t i = 0; i < report->list_count; i++) {
        names += report->lists[i].entries;
        oldest = report->lists[i].imported_s < oldest ? report->lists[i].imported_s : oldest;
    }
    if (report->list_count == 0)
        snprintf(words, sizeof(words), "No lists could be read.");
    else
        snprintf(words, sizeof(words),
                 "Generation %" PRIu64 ": %zu list%s with %s name%s, the oldest imported on %.10s.",
                 report->generation, report->list_count, plural(report->list_count),
                 show_count(names, number), plural(names), show_time(oldest * 1000, when));
    report_wrap(out, words, "");
    report_wrap(out, report_stale(report, words), "");
}

static void review_write(const struct report *report, FILE *out)
{
    char *paragraphs[REVIEW_PARAGRAPHS];
    size_t count = report_review(report, paragraphs);

    heading(out, "How the filter is run");
    for (size_t i = 0; i < count; i++) {
        report_wrap(out, paragraphs[i], "");
        free(paragraphs[i]);
    }
}

static void limits_write(const struct report *report, FILE *out)
{
    heading(out, "What this report can and cannot say");
    for (size_t i = 0; report_limits[i] != NULL; i++)
        report_wrap(out, report_limits[i], "");
    if (report_has_details(report) && report->findings_store != NULL)
        report_wrap(out, report_method, "");
    for (size_t i = 0; i < report->warning_count; i++) {
        char words[1100];
        snprintf(words, sizeof(words), "Not whole: %.1024s", report->warnings[i]);
        report_wrap(out, words, "");
    }
}

void report_text(const struct report *report, FILE *out)
{
    static const char *const audiences[] = {"for the safeguarding lead", "for the headteacher",
                                            "for the governors", "for the yearly review"};
    char made[SHOW_TIME_MAX];
    char words[REPORT_WORDS_MAX];

    snprintf(words, sizeof(words), "Refused look-ups: %s", report->title);
    report_wrap(out, words, "");
    fprintf(out, "Made by Chalkgate %s on %.10s at %.5s.\n\n", audiences[report->audience],
            show_time(report->made_ms, made), made + 11);
    summary(report, out);
    if (!report_is_quiet(report))
        figures_write(report, out);
    report_asked_text(report, out);
    report_following_text(report, out);
    if (report->audience == REPORT_REVIEW)
        review_write(report, out);
    lists_write(report, out);
    limits_write(report, out);
}
