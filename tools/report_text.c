/* A report for a terminal of 80 columns, and for a mail. */
#include <inttypes.h>
#include <string.h>

#include "tools/denial_show.h"
#include "tools/report.h"
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

static void summary(const struct report *report, FILE *out)
{
    char denied[32], other[32];
    const char *be = report->denied == 1 ? "was" : "were";

    fprintf(out, "%s look-up%s %s refused, for %zu device%s and %zu site%s.\n",
            show_count(report->denied, denied), plural(report->denied), be, report->devices.count,
            plural(report->devices.count), report->names.count, plural(report->names.count));
    if (report->observed > 0)
        fprintf(out, "%s more %s only observed: they were answered and would have been refused.\n",
                show_count(report->observed, other), report->observed == 1 ? "was" : "were");
    if (report->counted > 0)
        fprintf(out,
                "%s more %s refused but could only be counted, not itemised, because the\n"
                "record could not be written at that time (a full disk, for example).\n",
                show_count(report->counted, other), report->counted == 1 ? "was" : "were");
}

static void groups_write(const struct report *report, FILE *out)
{
    struct table *table = table_create();
    char count[32];

    heading(out, "By group");
    table_column(table, "Group", TABLE_LEFT);
    table_column(table, "Refused", TABLE_RIGHT);
    table_column(table, "Observed", TABLE_RIGHT);
    for (size_t i = 0; i < report->groups.count; i++) {
        const struct report_sum *sum = &report->groups.items[i];
        table_cell(table, "%s", sum->name);
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

static void more_say(size_t count, const char *what, FILE *out)
{
    if (count > MOST)
        fprintf(out, "and %zu other %s%s\n", count - MOST, what, plural(count - MOST));
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
        table_cell(table, "%s", sum->category != NULL ? sum->category : "");
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
        table_cell(table, "%s", sum->category != NULL ? sum->category : "");
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

static void limits_write(const struct report *report, FILE *out)
{
    heading(out, "What this report can and cannot say");
    fputs("The filter sees the names that devices look up, not pages, searches or\n"
          "messages. A refused look-up does not prove that a person meant to go there:\n"
          "apps and pages look up names by themselves. What is reached without asking\n"
          "this resolver (mobile data, a VPN) is not here, and no filter stops everything\n"
          "unsuitable.\n",
          out);
    for (size_t i = 0; i < report->warning_count; i++) {
        char safe[1024];
        fprintf(out, "Not whole: %s\n", text_safe(report->warnings[i], safe, sizeof(safe)));
    }
}

void report_text(const struct report *report, FILE *out)
{
    char made[SHOW_TIME_MAX];

    fprintf(out, "Refused look-ups: %s\n", report->title);
    fprintf(out, "Made %.16s by Chalkgate.\n\n", show_time(report->made_ms, made));
    summary(report, out);
    groups_write(report, out);
    categories_write(report, out);
    names_write(report, out);
    devices_write(report, out);
    hours_write(report, out);
    limits_write(report, out);
}
