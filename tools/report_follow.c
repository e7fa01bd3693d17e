/* What people did, in a report: incidents, faults of the filter, changes and exceptions. */
#include <string.h>
#include <time.h>

#include "resolver/denials/daily.h"
#include "resolver/policy/incidents.h"
#include "resolver/query/tally.h"
#include "tools/act_here.h"
#include "tools/denial_show.h"
#include "tools/incident.h"
#include "tools/report_words.h"
#include "tools/table.h"

enum { ROWS_MOST = 40, CELL_MAX = 400 };

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

static bool within(const struct report *report, const json_t *record, const char *key)
{
    json_int_t seconds = json_integer_value(json_object_get(record, key));

    return seconds * 1000 >= report->since_ms && seconds * 1000 < report->until_ms;
}

/* Of incidents and faults: what began or ended in the span, and what is open still. */
static json_t *followed(const struct report *report, json_t *all, const char *began)
{
    json_t *list = json_array(), *record;
    size_t index;

    json_array_foreach(all, index, record)
    {
        bool open = strcmp(text_of(record, "state"), "open") == 0;
        json_int_t seconds = json_integer_value(json_object_get(record, began));
        if (within(report, record, began) || within(report, record, "closed") ||
            (open && seconds * 1000 < report->until_ms))
            json_array_append(list, record);
    }
    return list;
}

static json_t *ask(struct command *command, const char *verb, act_function *function,
                   json_t *request, const char *key)
{
    struct bl_error error = {""};
    json_t *reply, *list;

    if (act_try(command, verb, function, false, request, &reply, &error) != EXIT_DONE)
        return NULL;
    list = json_incref(json_object_get(reply, key));
    json_decref(reply);
    return list;
}

/* What each collector has, as its carrier noted it; not for those who may not read that. */
static json_t *exports_read(struct command *command)
{
    const struct config *config = command->config;
    json_t *list = json_array();

    for (size_t i = 0; i < config->export_count; i++) {
        char path[4200];
        snprintf(path, sizeof(path), "%s/export/%s.json", command_state(command),
                 config->exports[i].name);
        json_t *item = json_load_file(path, 0, NULL);
        if (!json_is_object(item)) {
            json_decref(item);
            continue;
        }
        json_object_del(item, "days");
        json_object_set_new(item, "name", json_string(config->exports[i].name));
        json_array_append_new(list, item);
    }
    return list;
}

/* The change log from the span's begin on, without what came after its end. */
static json_t *changes_of_span(const struct report *report, json_t *all)
{
    json_t *list = json_array(), *change;
    size_t index;

    json_array_foreach(all, index, change)
    {
        if (report_change_ms(change) < report->until_ms)
            json_array_append(list, change);
    }
    json_decref(all);
    return list;
}

void report_follow(struct command *command, struct report *report)
{
    struct report_following *following = &report->following;

    following->made_safe = daily_sum(command_state(command), report->since_ms, report->until_ms);
    if (command->config == NULL) /* with --state alone there is nobody to ask */
        return;
    if (command->config->export_count > 0)
        following->exports = exports_read(command);
    json_t *incidents =
        ask(command, "incidents", act_incidents, json_pack("{sb}", "all", 1), "incidents");
    json_t *faults = ask(command, "faults", act_faults, json_pack("{sb}", "all", 1), "faults");
    json_t *changes =
        ask(command, "changes", act_changes,
            json_pack("{sI}", "since", (json_int_t)(report->since_ms / 1000)), "changes");
    following->changes = changes != NULL ? changes_of_span(report, changes) : NULL;
    json_t *grants = ask(command, "grants", act_grants, json_pack("{sb}", "all", 1), "grants");
    if (grants != NULL)
        following->grants = report_in_force(grants);
    if (following->changes != NULL)
        following->granted = report_granted(report, grants);
    json_decref(grants);
    if (incidents != NULL)
        following->incidents = followed(report, incidents, "opened");
    if (faults != NULL)
        following->faults = followed(report, faults, "reported");
    json_decref(incidents);
    json_decref(faults);
}

/* A table for both forms: a heading, its columns, and a row for each record. */
struct section {
    const char *key; /* in CSV; NULL: told there in a way of its own */
    const char *title, *nothing;
    const char *const *columns;
    void (*row)(const struct report *report, const json_t *record, char cells[][CELL_MAX]);
    json_t *records;
};

enum { COLUMNS_MAX = 5 };

static void cell(char out[CELL_MAX], const char *text)
{
    snprintf(out, CELL_MAX, "%s", text);
}

static void incident_row(const struct report *report, const json_t *incident,
                         char cells[][CELL_MAX])
{
    const json_t *cases = json_object_get(incident, "cases");
    char when[32];

    snprintf(cells[0], CELL_MAX, "%lld",
             (long long)json_integer_value(json_object_get(incident, "id")));
    cell(cells[1], incident_moment(incident, "opened", when));
    cell(cells[2], text_of(incident, "title"));
    cell(cells[3], text_of(incident, "state"));
    /* The head sees how an incident ended, the coordinator also where it began. */
    if (text_of(incident, "outcome")[0] != '\0')
        cell(cells[4], text_of(incident, "outcome"));
    else if (report_has_details(report))
        snprintf(cells[4], CELL_MAX, "%s %s", text_of(json_array_get(cases, 0), "case"),
                 text_of(json_array_get(cases, 0), "device"));
    else
        cells[4][0] = '\0';
}

static void fault_row(const struct report *report, const json_t *fault, char cells[][CELL_MAX])
{
    char when[32];
    (void)report;

    snprintf(cells[0], CELL_MAX, "%lld",
             (long long)json_integer_value(json_object_get(fault, "id")));
    cell(cells[1], incident_moment(fault, "reported", when));
    cell(cells[2], text_of(fault, "name"));
    cell(cells[3], text_of(fault, "state"));
    cell(cells[4], text_of(fault, text_of(fault, "outcome")[0] != '\0' ? "outcome" : "text"));
}

/* What was changed; the head is not told of which device that was. */
static const char *change_target(const struct report *report, const json_t *change,
                                 char out[CELL_MAX])
{
    const json_t *after = json_object_get(change, "after");

    if (report_has_details(report) || text_of(after, "device")[0] == '\0')
        return text_of(change, "target");
    snprintf(out, CELL_MAX, "%s%sa device", text_of(after, "target"),
             text_of(after, "target")[0] != '\0' ? " for " : "");
    return out;
}

static void change_row(const struct report *report, const json_t *change, char cells[][CELL_MAX])
{
    char target[CELL_MAX];

    snprintf(cells[0], CELL_MAX, "%lld",
             (long long)json_integer_value(json_object_get(change, "number")));
    cell(cells[1], text_of(change, "time_text"));
    cell(cells[2], text_of(json_object_get(change, "by"), "login"));
    snprintf(cells[3], CELL_MAX, "%.100s %.290s", text_of(change, "action"),
             change_target(report, change, target));
    cell(cells[4], text_of(change, "reason"));
}

static void grant_row(const struct report *report, const json_t *grant, char cells[][CELL_MAX])
{
    snprintf(cells[0], CELL_MAX, "%lld",
             (long long)json_integer_value(json_object_get(grant, "id")));
    snprintf(cells[1], CELL_MAX, "%s %s", text_of(grant, "kind"), text_of(grant, "target"));
    cell(cells[2], report_holder(report, grant));
    cell(cells[3],
         text_of(grant, "until_text")[0] != '\0' ? text_of(grant, "until_text") : "for good");
    cell(cells[4], text_of(grant, "reason"));
}

static void granted_row(const struct report *report, const json_t *grant, char cells[][CELL_MAX])
{
    (void)report;
    cell(cells[0], text_of(grant, "granted"));
    cell(cells[1], text_of(grant, "by"));
    snprintf(cells[2], CELL_MAX, "%s %s%sfor %s", text_of(grant, "kind"), text_of(grant, "target"),
             text_of(grant, "target")[0] != '\0' ? " " : "", text_of(grant, "for"));
    cell(cells[3], text_of(grant, "until"));
    cell(cells[4], text_of(grant, "reason"));
}

/* Starts, reloads and the daily sweeping are for the technician. */
static json_t *changes_of_people(const struct report *report)
{
    static const char *const quiet[] = {"start", "stop", "reload", "configuration", "selftest"};
    json_t *list = json_array(), *change;
    size_t index;

    json_array_foreach(report->following.changes, index, change)
    {
        bool skip = false;
        for (size_t i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++)
            skip = skip || strcmp(text_of(change, "action"), quiet[i]) == 0;
        if (!skip)
            json_array_append(list, change);
    }
    return list;
}

const char *report_made_safe_words(const char *what)
{
    static const char *const words[][2] = {
        {TALLY_REBINDING, "public names with addresses inside the school: held back"},
        {TALLY_HELLO, "keys that would hide a site's name: taken out"},
        {TALLY_CANARY, "browsers and phones told not to go round the filter"},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(what, words[i][0]) == 0)
            return words[i][1];
    return NULL;
}

static void made_safe_row(const struct report *report, const json_t *count, char cells[][CELL_MAX])
{
    const char *what = text_of(count, "what"), *words = report_made_safe_words(what);
    char grouped[32];
    (void)report;

    cell(cells[0],
         show_count((uint64_t)json_integer_value(json_object_get(count, "count")), grouped));
    cell(cells[1], text_of(count, "group"));
    if (words != NULL)
        cell(cells[2], words);
    else
        snprintf(cells[2], CELL_MAX, "%.100s: the search was made safe", what);
    cells[3][0] = cells[4][0] = '\0';
}

static void export_row(const struct report *report, const json_t *export, char cells[][CELL_MAX])
{
    static const char *const keys[] = {"sent", "waiting", "skipped"};
    char grouped[32];
    (void)report;

    cell(cells[0], text_of(export, "name"));
    for (int i = 0; i < 3; i++)
        cell(cells[1 + i],
             show_count((uint64_t)json_integer_value(json_object_get(export, keys[i])), grouped));
    cell(cells[4], text_of(export, "last_error"));
}

static void selftest_row(const struct report *report, const json_t *change, char cells[][CELL_MAX])
{
    static const char *const numbers[] = {"passed", "failed"};
    static const char *const lists[][2] = {{"failures", ""}, {"not-tested", "not tested: "}};
    const json_t *after = json_object_get(change, "after");
    size_t used = 0, index;
    json_t *item;

    (void)report;
    cell(cells[0], text_of(change, "time_text"));
    cell(cells[1], text_of(json_object_get(change, "by"), "login"));
    for (int i = 0; i < 2; i++)
        snprintf(cells[2 + i], CELL_MAX, "%lld",
                 (long long)json_integer_value(json_object_get(after, numbers[i])));
    cells[4][0] = '\0';
    for (int i = 0; i < 2; i++)
        json_array_foreach(json_object_get(after, lists[i][0]), index, item)
        {
            if (used + 1 < CELL_MAX)
                used += (size_t)snprintf(cells[4] + used, CELL_MAX - used, "%s%s%s",
                                         used == 0   ? ""
                                         : i == 0    ? "; "
                                         : index > 0 ? ", "
                                                     : "; ",
                                         index == 0 ? lists[i][1] : "", json_string_value(item));
        }
}

static json_t *selftests(const struct report *report)
{
    json_t *list = json_array(), *change;
    size_t index;

    json_array_foreach(report->following.changes, index, change)
    {
        if (strcmp(text_of(change, "action"), "selftest") == 0)
            json_array_append(list, change);
    }
    return list;
}

bool report_has_followed(const struct report *report)
{
    const struct report_following *following = &report->following;
    json_t *changes = changes_of_people(report), *tests = selftests(report);
    bool any = json_array_size(following->incidents) + json_array_size(following->faults) +
                   json_array_size(following->granted) + json_array_size(following->made_safe) +
                   json_array_size(changes) + json_array_size(tests) >
               0;

    json_decref(changes);
    json_decref(tests);
    return any;
}

enum { SECTIONS = 8 };

static void sections_make(const struct report *report, struct section sections[SECTIONS])
{
    static const char *const incident_columns[] = {"No",    "Opened",  "About",
                                                   "State", "Outcome", NULL};
    static const char *const fault_columns[] = {"No", "Reported", "Name", "State", "What", NULL};
    static const char *const grant_columns[] = {"No", "Exception", "For", "Until", "Reason", NULL};
    static const char *const selftest_columns[] = {
        "When", "By", "Passed", "Failed", "What failed, or was not tested", NULL};
    static const char *const granted_columns[] = {"Granted", "By",     "Exception",
                                                  "Until",   "Reason", NULL};
    static const char *const change_columns[] = {"No", "When", "Who", "What", "Reason", NULL};
    static const char *const made_safe_columns[] = {"Times", "Group", "What", NULL};
    const struct report_following *following = &report->following;

    static const char *const export_columns[] = {"Name",    "Sent",    "Waiting",
                                                 "Skipped", "Trouble", NULL};
    sections[0] =
        (struct section){"incident",       "Incidents",  "No incident was open.",
                         incident_columns, incident_row, json_incref(following->incidents)};
    sections[1] = (struct section){
        "fault",   "Faults of the filter",        "No fault was reported.", fault_columns,
        fault_row, json_incref(following->faults)};
    sections[2] = (struct section){"exception-granted", "Exceptions granted",
                                   "None was granted.", granted_columns,
                                   granted_row,         json_incref(following->granted)};
    sections[3] = (struct section){
        "change",       "Changes",  "Nothing was changed.",
        change_columns, change_row, following->changes != NULL ? changes_of_people(report) : NULL};
    sections[4] = (struct section){"exception",      "Exceptions in force",
                                   "There is none.", grant_columns,
                                   grant_row,        json_incref(following->grants)};
    sections[5] = (struct section){NULL,
                                   "Made safe",
                                   "Nothing had to be.",
                                   made_safe_columns,
                                   made_safe_row,
                                   json_incref(following->made_safe)};
    sections[7] = (struct section){
        "self-test",      "Self-tests", "None was made.",
        selftest_columns, selftest_row, following->changes != NULL ? selftests(report) : NULL};
    sections[6] =
        (struct section){"collector", "Denials sent to collectors",   "None.", export_columns,
                         export_row,  json_incref(following->exports)};
}

/* For the governors numbers are enough. */
static char *counts_text(const struct section sections[SECTIONS], char out[REPORT_WORDS_MAX])
{
    snprintf(out, REPORT_WORDS_MAX,
             "Incidents that were open: %zu. Faults of the filter: %zu. Exceptions granted: %zu. "
             "Changes of lists and rules: %zu. Exceptions in force: %zu.",
             json_array_size(sections[0].records), json_array_size(sections[1].records),
             json_array_size(sections[2].records), json_array_size(sections[3].records),
             json_array_size(sections[4].records));
    return out;
}

static void section_text(const struct report *report, const struct section *section, FILE *out)
{
    char cells[COLUMNS_MAX][CELL_MAX];
    struct table *table;
    size_t index;
    json_t *record;

    fprintf(out, "\n%s\n", section->title);
    for (size_t i = 0; i < strlen(section->title); i++)
        fputc('-', out);
    fputc('\n', out);
    if (json_array_size(section->records) == 0) {
        fprintf(out, "%s\n", section->nothing);
        return;
    }
    table = table_create();
    for (int i = 0; section->columns[i] != NULL; i++)
        table_column(table, section->columns[i], i == 0 ? TABLE_RIGHT : TABLE_LEFT);
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

static void section_html(const struct report *report, const struct section *section, FILE *out)
{
    char cells[COLUMNS_MAX][CELL_MAX];
    size_t index;
    json_t *record;

    fprintf(out, "<h2>%s</h2>\n", section->title);
    if (json_array_size(section->records) == 0) {
        fprintf(out, "<p>%s</p>\n", section->nothing);
        return;
    }
    fprintf(out, "<table class=\"stack\"><caption>%s</caption><thead><tr>", section->title);
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
            fputs(i > 1 ? "<td class=\"name\">" : "<td>", out);
            show_html(out, cells[i]);
            fputs("</td>", out);
        }
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table>\n", out);
    if (json_array_size(section->records) > ROWS_MOST)
        fprintf(out, "<p>And %zu more.</p>\n", json_array_size(section->records) - ROWS_MOST);
}

static void following_write(const struct report *report, FILE *out, bool html)
{
    struct section sections[SECTIONS];
    char words[REPORT_WORDS_MAX];

    sections_make(report, sections);
    if (report->audience == REPORT_GOVERNORS && sections[0].records != NULL) {
        counts_text(sections, words);
        if (html) {
            fprintf(out, "<h2>What was done</h2>\n<p>%s</p>\n", words);
        } else {
            fputs("\nWhat was done\n-------------\n", out);
            report_wrap(out, words, "");
        }
    }
    for (int i = 0; i < SECTIONS; i++) {
        if (report->audience != REPORT_GOVERNORS && sections[i].records != NULL)
            (html ? section_html : section_text)(report, &sections[i], out);
        json_decref(sections[i].records);
    }
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
static void section_csv(const struct report *report, const struct section *section, FILE *out)
{
    char cells[COLUMNS_MAX][CELL_MAX], detail[COLUMNS_MAX * (CELL_MAX + CELL_MAX / 8)];
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
    struct section sections[SECTIONS];

    sections_make(report, sections);
    for (int i = 0; i < SECTIONS; i++) {
        if (report->audience != REPORT_GOVERNORS && sections[i].key != NULL)
            section_csv(report, &sections[i], out);
        json_decref(sections[i].records);
    }
}

/* For the head: before and after may name devices. */
static json_t *changes_short(const struct report *report)
{
    json_t *list = json_array(), *people = changes_of_people(report), *change;
    char target[CELL_MAX];
    size_t index;

    json_array_foreach(people, index, change) json_array_append_new(
        list, json_pack("{sO,sO,ss,ss,ss,ss}", "number", json_object_get(change, "number"), "time",
                        json_object_get(change, "time"), "by",
                        text_of(json_object_get(change, "by"), "login"), "action",
                        text_of(change, "action"), "target", change_target(report, change, target),
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
