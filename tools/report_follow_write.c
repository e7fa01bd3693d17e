/* What people did, written in each of a report's forms. */
#include <string.h>

#include "tools/denial_show.h"
#include "tools/report_follow_inside.h"
#include "tools/report_words.h"
#include "tools/table.h"

enum { ROWS_MOST = 40 };

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

/* Following up, and looking, change nothing of the filter. */
static size_t filter_changes(const json_t *changes)
{
    static const char *const others[] = {"incident-", "fault-",  "reveal",
                                         "read",      "refused", "retention"};
    size_t index, count = 0;
    json_t *change;

    json_array_foreach(changes, index, change)
    {
        bool other = false;
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
            other = other || strncmp(text_of(change, "action"), others[i], strlen(others[i])) == 0;
        count += !other;
    }
    return count;
}

/* For the governors numbers are enough. */
static char *counts_text(const struct report_section sections[REPORT_SECTIONS],
                         char out[REPORT_WORDS_MAX])
{
    snprintf(out, REPORT_WORDS_MAX,
             "Incidents that were open: %zu. Faults of the filter: %zu. Exceptions granted: %zu. "
             "Changes of lists and rules: %zu. Exceptions in force: %zu.",
             json_array_size(sections[REPORT_INCIDENTS].records),
             json_array_size(sections[REPORT_FAULTS].records),
             json_array_size(sections[REPORT_GRANTED].records),
             filter_changes(sections[REPORT_CHANGES].records),
             json_array_size(sections[REPORT_GRANTS].records));
    return out;
}

static void section_text(const struct report *report, const struct report_section *section,
                         FILE *out)
{
    char cells[REPORT_COLUMNS_MAX][REPORT_CELL_MAX];
    struct table *table = table_create();
    size_t index;
    json_t *record;

    for (int i = 0; section->columns[i] != NULL; i++) {
        bool number =
            strcmp(section->columns[i], "No") == 0 || strcmp(section->columns[i], "Times") == 0;
        table_column(table, section->columns[i],
                     section->columns[i + 1] == NULL ? TABLE_BELOW
                     : number                        ? TABLE_RIGHT
                                                     : TABLE_LEFT);
    }
    json_array_foreach(section->records, index, record)
    {
        if (index >= ROWS_MOST)
            break;
        section->row(report, record, cells);
        for (int i = 0; section->columns[i] != NULL; i++)
            table_cell(table, "%s", cells[i]);
    }
    table_print(table, out);
    if (json_array_size(section->records) > ROWS_MOST)
        fprintf(out, "and %zu more\n", json_array_size(section->records) - ROWS_MOST);
}

/* "2026-11-23 11:15": kept in one line. */
static bool is_time(const char *cell)
{
    return strlen(cell) == 16 && cell[4] == '-' && cell[13] == ':';
}

static void section_html(const struct report *report, const struct report_section *section,
                         FILE *out)
{
    char cells[REPORT_COLUMNS_MAX][REPORT_CELL_MAX];
    size_t index;
    json_t *record;

    fprintf(out, "<table class=\"stack\"><caption class=\"unseen\">%s</caption><thead><tr>",
            section->title);
    for (int i = 0; section->columns[i] != NULL; i++)
        fprintf(out, "<th scope=\"col\">%s</th>", section->columns[i]);
    fputs("</tr></thead><tbody>\n", out);
    json_array_foreach(section->records, index, record)
    {
        if (index >= ROWS_MOST)
            break;
        section->row(report, record, cells);
        fputs("<tr>", out);
        for (int i = 0; section->columns[i] != NULL; i++) {
            bool until = strcmp(section->columns[i], "Until") == 0;
            fputs(is_time(cells[i]) && until ? "<td class=\"when until\">"
                  : is_time(cells[i])        ? "<td class=\"when\">"
                  : i > 1                    ? "<td class=\"name\">"
                                             : "<td>",
                  out);
            show_html(out, cells[i]);
            fputs("</td>", out);
        }
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table>\n", out);
    if (json_array_size(section->records) > ROWS_MOST)
        fprintf(out, "<p>And %zu more.</p>\n", json_array_size(section->records) - ROWS_MOST);
}

static void heading_write(const char *title, FILE *out, bool html)
{
    if (html) {
        fprintf(out, "<h2>%s</h2>\n", title);
        return;
    }
    fprintf(out, "\n%s\n", title);
    for (size_t i = 0; i < strlen(title); i++)
        fputc('-', out);
    fputc('\n', out);
}

static void sentences_write(const char *words, FILE *out, bool html)
{
    if (html)
        fprintf(out, "<p>%s</p>\n", words);
    else
        report_wrap(out, words, "");
}

/* What did not happen takes a sentence each, not a heading. */
static void sections_write(const struct report *report,
                           const struct report_section sections[REPORT_SECTIONS], FILE *out,
                           bool html)
{
    char nothing[REPORT_WORDS_MAX] = "";
    size_t used = 0;

    for (int i = 0; i < REPORT_SECTIONS; i++) {
        const struct report_section *section = &sections[i];
        if (section->records == NULL)
            continue;
        if (json_array_size(section->records) == 0) {
            used += (size_t)snprintf(nothing + used, sizeof(nothing) - used, "%s%s",
                                     used > 0 ? " " : "", section->nothing);
            continue;
        }
        heading_write(section->title, out, html);
        (html ? section_html : section_text)(report, section, out);
    }
    if (used > 0) {
        heading_write("Nothing to report", out, html);
        sentences_write(nothing, out, html);
    }
}

static void following_write(const struct report *report, FILE *out, bool html)
{
    struct report_section sections[REPORT_SECTIONS];
    char words[REPORT_WORDS_MAX];

    report_sections(report, sections);
    if (report->audience != REPORT_GOVERNORS) {
        sections_write(report, sections, out, html);
    } else if (sections[REPORT_INCIDENTS].records != NULL) {
        heading_write("What was done", out, html);
        sentences_write(counts_text(sections, words), out, html);
    }
    for (int i = 0; i < REPORT_SECTIONS; i++)
        json_decref(sections[i].records);
}

void report_following_text(const struct report *report, FILE *out)
{
    following_write(report, out, false);
}

void report_following_html(const struct report *report, FILE *out)
{
    following_write(report, out, true);
}

/* The first column is the row's name; the others are its detail, each with its heading. */
static void section_csv(const struct report *report, const struct report_section *section,
                        FILE *out)
{
    char cells[REPORT_COLUMNS_MAX][REPORT_CELL_MAX],
        detail[REPORT_COLUMNS_MAX * (REPORT_CELL_MAX + REPORT_CELL_MAX / 8)];
    size_t index;
    json_t *record;

    json_array_foreach(section->records, index, record)
    {
        size_t len = 0;
        section->row(report, record, cells);
        detail[0] = '\0';
        for (int i = 1; section->columns[i] != NULL && len < sizeof(detail); i++)
            if (cells[i][0] != '\0')
                len += (size_t)snprintf(detail + len, sizeof(detail) - len, "%s%s: %s",
                                        len > 0 ? "; " : "", section->columns[i], cells[i]);
        fprintf(out, "%s,", section->key);
        show_csv_cell(out, cells[0]);
        fputc(',', out);
        show_csv_cell(out, detail);
        fputs(",,,,\r\n", out);
    }
}

void report_following_csv(const struct report *report, FILE *out)
{
    struct report_section sections[REPORT_SECTIONS];

    report_sections(report, sections);
    for (int i = 0; i < REPORT_SECTIONS; i++) {
        if (report->audience != REPORT_GOVERNORS && sections[i].key != NULL)
            section_csv(report, &sections[i], out);
        json_decref(sections[i].records);
    }
}

/* For the head: before and after may name devices. */
static json_t *changes_short(const struct report *report)
{
    json_t *list = json_array(), *people = report_changes_of_people(report), *change;
    char target[REPORT_CELL_MAX];
    size_t index;

    json_array_foreach(people, index, change) json_array_append_new(
        list,
        json_pack("{sO,sO,ss,ss,ss,ss}", "number", json_object_get(change, "number"), "time",
                  json_object_get(change, "time"), "by",
                  text_of(json_object_get(change, "by"), "login"), "action",
                  text_of(change, "action"), "target", report_change_target(report, change, target),
                  "reason", text_of(change, "reason")));
    json_decref(people);
    return list;
}

void report_following_json(const struct report *report, json_t *object)
{
    const struct report_following *following = &report->following;

    if (following->exports != NULL)
        json_object_set(object, "exports", following->exports);
    if (following->made_safe != NULL)
        json_object_set(object, "made-safe", following->made_safe);
    if (report->audience == REPORT_GOVERNORS)
        return;
    /* Incidents hold devices; the head's report tells of them in words. */
    if (report_has_details(report) && following->incidents != NULL)
        json_object_set(object, "incidents", following->incidents);
    if (following->faults != NULL)
        json_object_set(object, "faults", following->faults);
    if (following->grants != NULL && report_has_details(report))
        json_object_set(object, "exceptions", following->grants);
    if (following->granted != NULL)
        json_object_set(object, "exceptions-granted", following->granted);
    if (following->changes != NULL && report_has_details(report))
        json_object_set(object, "changes", following->changes);
    else if (following->changes != NULL)
        json_object_set_new(object, "changes", changes_short(report));
}
