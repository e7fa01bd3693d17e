/* What people did, as rows of tables: one section each for incidents, faults, exceptions, changes,
 * self-tests and collectors. */
#include <string.h>

#include "resolver/query/tally.h"
#include "tools/denial_show.h"
#include "tools/incident.h"
#include "tools/report_follow_inside.h"
#include "tools/report_words.h"

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

static void cell(char out[REPORT_CELL_MAX], const char *text)
{
    snprintf(out, REPORT_CELL_MAX, "%s", text);
}

/* "2026-11-23T11:15" and what follows, as people write it; other words as they are. */
static void time_cell(char out[REPORT_CELL_MAX], const char *text)
{
    bool is_time = strlen(text) >= 16 && text[10] == 'T' && text[13] == ':';

    snprintf(out, REPORT_CELL_MAX, is_time ? "%.16s" : "%s", text);
    if (is_time)
        out[10] = ' ';
}

static void incident_row(const struct report *report, const json_t *incident,
                         char cells[][REPORT_CELL_MAX])
{
    const json_t *cases = json_object_get(incident, "cases");
    char when[32];

    snprintf(cells[0], REPORT_CELL_MAX, "%lld",
             (long long)json_integer_value(json_object_get(incident, "id")));
    cell(cells[1], incident_moment(incident, "opened", when));
    cell(cells[2], text_of(incident, "title"));
    cell(cells[3], text_of(incident, "state"));
    /* The head sees how an incident ended, the coordinator also where it began. */
    if (text_of(incident, "outcome")[0] != '\0')
        cell(cells[4], text_of(incident, "outcome"));
    else if (report_has_details(report) && json_array_size(cases) > 0)
        snprintf(cells[4], REPORT_CELL_MAX, "case %s of %s",
                 text_of(json_array_get(cases, 0), "case"),
                 text_of(json_array_get(cases, 0), "device"));
    else
        cells[4][0] = '\0';
}

static void fault_row(const struct report *report, const json_t *fault,
                      char cells[][REPORT_CELL_MAX])
{
    char when[32];
    (void)report;

    snprintf(cells[0], REPORT_CELL_MAX, "%lld",
             (long long)json_integer_value(json_object_get(fault, "id")));
    cell(cells[1], incident_moment(fault, "reported", when));
    cell(cells[2], text_of(fault, "name"));
    cell(cells[3], text_of(fault, "state"));
    cell(cells[4], text_of(fault, text_of(fault, "outcome")[0] != '\0' ? "outcome" : "text"));
}

const char *report_change_target(const struct report *report, const json_t *change,
                                 char out[REPORT_CELL_MAX])
{
    const json_t *after = json_object_get(change, "after");

    if (report_has_details(report) || text_of(after, "device")[0] == '\0')
        return text_of(change, "target");
    snprintf(out, REPORT_CELL_MAX, "%s%sa device", text_of(after, "target"),
             text_of(after, "target")[0] != '\0' ? " for " : "");
    return out;
}

/* Actions as the log names them, for those who do not read it every day. */
static const char *action_words(const char *action)
{
    static const char *const words[][2] = {
        {"lists-adopt", "new lists:"},
        {"lists-rollback", "earlier lists again:"},
        {"incident-open", "opened"},
        {"incident-note", "a note in"},
        {"incident-action", "something done for"},
        {"incident-close", "closed"},
        {"incident-export", "an extract of"},
        {"fault-report", "reported"},
        {"fault-close", "closed"},
        {"block-device", "no internet for"},
        {"session-start", "signed on"},
        {"session-end", "signed off"},
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(action, words[i][0]) == 0)
            return words[i][1];
    return action;
}

static void change_row(const struct report *report, const json_t *change,
                       char cells[][REPORT_CELL_MAX])
{
    char target[REPORT_CELL_MAX];

    snprintf(cells[0], REPORT_CELL_MAX, "%lld",
             (long long)json_integer_value(json_object_get(change, "number")));
    time_cell(cells[1], text_of(change, "time_text"));
    cell(cells[2], text_of(json_object_get(change, "by"), "login"));
    snprintf(cells[3], REPORT_CELL_MAX, "%.100s %.290s", action_words(text_of(change, "action")),
             report_change_target(report, change, target));
    cell(cells[4], text_of(change, "reason"));
}

static void grant_row(const struct report *report, const json_t *grant,
                      char cells[][REPORT_CELL_MAX])
{
    snprintf(cells[0], REPORT_CELL_MAX, "%lld",
             (long long)json_integer_value(json_object_get(grant, "id")));
    snprintf(cells[1], REPORT_CELL_MAX, "%s %s", text_of(grant, "kind"), text_of(grant, "target"));
    cell(cells[2], report_holder(report, grant));
    time_cell(cells[3],
              text_of(grant, "until_text")[0] != '\0' ? text_of(grant, "until_text") : "for good");
    cell(cells[4], text_of(grant, "reason"));
}

static void granted_row(const struct report *report, const json_t *grant,
                        char cells[][REPORT_CELL_MAX])
{
    (void)report;
    time_cell(cells[0], text_of(grant, "granted"));
    cell(cells[1], text_of(grant, "by"));
    snprintf(cells[2], REPORT_CELL_MAX, "%s %s%sfor %s", text_of(grant, "kind"),
             text_of(grant, "target"), text_of(grant, "target")[0] != '\0' ? " " : "",
             text_of(grant, "for"));
    time_cell(cells[3], text_of(grant, "until"));
    cell(cells[4], text_of(grant, "reason"));
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

static void made_safe_row(const struct report *report, const json_t *count,
                          char cells[][REPORT_CELL_MAX])
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
        snprintf(cells[2], REPORT_CELL_MAX, "%.100s: the search was made safe", what);
    cells[3][0] = cells[4][0] = '\0';
}

static void export_row(const struct report *report, const json_t *export,
                       char cells[][REPORT_CELL_MAX])
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

static void selftest_row(const struct report *report, const json_t *change,
                         char cells[][REPORT_CELL_MAX])
{
    static const char *const numbers[] = {"passed", "failed"};
    static const char *const lists[][2] = {{"failures", ""}, {"not-tested", "not tested: "}};
    const json_t *after = json_object_get(change, "after");
    size_t used = 0, index;
    json_t *item;

    (void)report;
    time_cell(cells[0], text_of(change, "time_text"));
    cell(cells[1], text_of(json_object_get(change, "by"), "login"));
    for (int i = 0; i < 2; i++)
        snprintf(cells[2 + i], REPORT_CELL_MAX, "%lld",
                 (long long)json_integer_value(json_object_get(after, numbers[i])));
    cells[4][0] = '\0';
    for (int i = 0; i < 2; i++)
        json_array_foreach(json_object_get(after, lists[i][0]), index, item)
        {
            if (used + 1 < REPORT_CELL_MAX)
                used += (size_t)snprintf(cells[4] + used, REPORT_CELL_MAX - used, "%s%s%s",
                                         used == 0   ? ""
                                         : i == 0    ? "; "
                                         : index > 0 ? ", "
                                                     : "; ",
                                         index == 0 ? lists[i][1] : "", json_string_value(item));
        }
}

void report_sections(const struct report *report, struct report_section out[REPORT_SECTIONS])
{
    static const char *const incident[] = {"No", "Opened", "About", "State", "Outcome", NULL};
    static const char *const fault[] = {"No", "Reported", "Name", "State", "What", NULL};
    static const char *const granted[] = {"Granted", "By", "Exception", "Until", "Reason", NULL};
    static const char *const change[] = {"No", "When", "Who", "What", "Reason", NULL};
    static const char *const grant[] = {"No", "Exception", "For", "Until", "Reason", NULL};
    static const char *const made_safe[] = {"Times", "Group", "What", NULL};
    static const char *const export[] = {"Name", "Sent", "Waiting", "Skipped", "Trouble", NULL};
    static const char *const selftest[] = {
        "When", "By", "Passed", "Failed", "What failed, or was not tested", NULL};
    const struct report_following *following = &report->following;
    bool known = following->changes != NULL;
    const struct report_section sections[REPORT_SECTIONS] = {
        [REPORT_INCIDENTS] = {"incident", "Incidents", "No incident was open.", incident,
                              incident_row, json_incref(following->incidents)},
        [REPORT_FAULTS] = {"fault", "Faults of the filter", "No fault was reported.", fault,
                           fault_row, json_incref(following->faults)},
        [REPORT_GRANTED] = {"exception-granted", "Exceptions granted", "No exception was granted.",
                            granted, granted_row, json_incref(following->granted)},
        [REPORT_CHANGES] = {"change", "Changes", "Nothing was changed.", change, change_row,
                            known ? report_changes_of_people(report) : NULL},
        [REPORT_GRANTS] = {"exception", "Exceptions in force", "No exception is in force.", grant,
                           grant_row, json_incref(following->grants)},
        {NULL, "Made safe", "Nothing had to be made safe.", made_safe, made_safe_row,
         json_incref(following->made_safe)},
        {"collector", "Denials sent to collectors", "Nothing was sent to collectors.", export,
         export_row, json_incref(following->exports)},
        {"self-test", "Self-tests", "No self-test was made.", selftest, selftest_row,
         known ? report_selftests(report) : NULL},
    };

    memcpy(out, sections, sizeof(sections));
}
