/* What people did in a report's span, gathered: incidents, faults of the filter, changes and
 * exceptions. */
#include <string.h>

#include "resolver/denials/daily.h"
#include "resolver/denials/journal.h"
#include "resolver/policy/incidents.h"
#include "tools/act_here.h"
#include "tools/report_follow_inside.h"

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

/* Yesterday's refusal is followed up today: it belongs to yesterday's report as well. */
static bool has_case_within(const struct report *report, const json_t *record)
{
    json_t *item;
    size_t index;

    json_array_foreach(json_object_get(record, "cases"), index, item)
    {
        json_int_t wall_ms = json_integer_value(json_object_get(item, "wall_ms"));
        if (wall_ms >= report->since_ms && wall_ms < report->until_ms)
            return true;
    }
    return false;
}

/* Of incidents and faults: what began or ended in the span or is about a refusal of it, and what is
 * open still. */
static json_t *followed(const struct report *report, json_t *all, const char *began)
{
    json_t *list = json_array(), *record;
    size_t index;

    json_array_foreach(all, index, record)
    {
        bool open = strcmp(text_of(record, "state"), "open") == 0;
        json_int_t seconds = json_integer_value(json_object_get(record, began));
        if (within(report, record, began) || within(report, record, "closed") ||
            has_case_within(report, record) || (open && seconds * 1000 < report->until_ms))
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

static bool is_of_finding(const json_t *item, const struct finding *finding)
{
    json_int_t wall_ms = json_integer_value(json_object_get(item, "wall_ms"));
    char code[CASE_TEXT_MAX];

    if (strcmp(text_of(item, "case"), denials_case_text(finding->case_number, code)) == 0)
        return true;
    return strcmp(text_of(item, "category"), finding->category) == 0 &&
           (strcmp(text_of(item, "device"), finding->device) == 0 ||
            strcmp(text_of(item, "device_name"), finding->device) == 0) &&
           wall_ms >= finding->first_ms && wall_ms <= finding->last_ms;
}

json_int_t report_incident_of(const struct report *report, const struct finding *finding)
{
    json_t *incident, *item;
    size_t at, index;

    json_array_foreach(report->following.incidents, at, incident)
    {
        json_array_foreach(json_object_get(incident, "cases"), index, item)
        {
            if (is_of_finding(item, finding))
                return json_integer_value(json_object_get(incident, "id"));
        }
    }
    return 0;
}

/* Starts, reloads and the daily sweeping are for the technician. */
json_t *report_changes_of_people(const struct report *report)
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

json_t *report_selftests(const struct report *report)
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
    json_t *changes = report_changes_of_people(report), *tests = report_selftests(report);
    bool any = json_array_size(following->incidents) + json_array_size(following->faults) +
                   json_array_size(following->granted) + json_array_size(following->made_safe) +
                   json_array_size(changes) + json_array_size(tests) >
               0;

    json_decref(changes);
    json_decref(tests);
    return any;
}
