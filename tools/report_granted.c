/* Exceptions in a report: those granted in its span, and those that hold. */
#include <string.h>
#include <time.h>

#include "tools/denial_show.h"
#include "tools/report_words.h"

enum { END_TEXT_MAX = 120 };

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

int64_t report_change_ms(const json_t *change)
{
    struct tm utc = {.tm_sec = 0};

    if (strptime(text_of(change, "time"), "%Y-%m-%dT%H:%M:%S", &utc) == NULL)
        return 0;
    return (int64_t)timegm(&utc) * 1000;
}

const char *report_holder(const struct report *report, const json_t *grant)
{
    const char *group = text_of(grant, "group");

    return group[0] != '\0'             ? group
           : report_has_details(report) ? text_of(grant, "device")
                                        : "a device";
}

static const json_t *grant_of(const json_t *grants, json_int_t id)
{
    json_t *grant;
    size_t index;

    json_array_foreach(grants, index, grant)
    {
        if (json_integer_value(json_object_get(grant, "id")) == id)
            return grant;
    }
    return NULL;
}

/* Until when it was granted, and what became of it before that. */
static void end_text(const json_t *after, const json_t *now, char text[END_TEXT_MAX])
{
    json_int_t end_ms = json_integer_value(json_object_get(after, "end"));
    char when[SHOW_TIME_MAX];

    if (strcmp(text_of(now, "state"), "revoked") == 0)
        snprintf(text, END_TEXT_MAX, "taken back by %s", text_of(now, "revoked_by"));
    else if (end_ms > 0)
        snprintf(text, END_TEXT_MAX, "%.16s", show_time(end_ms, when));
    else
        snprintf(text, END_TEXT_MAX, "for good");
}

/* What was granted in the span, by the change log: also what has ended since. What waits for a
 * second person is granted when that one approves it. */
json_t *report_granted(const struct report *report, const json_t *grants)
{
    static const char *const acts[] = {"allow", "deny", "block-device", "approve"};
    json_t *list = json_array(), *change;
    char when[SHOW_TIME_MAX], until[END_TEXT_MAX];
    size_t index;

    json_array_foreach(report->following.changes, index, change)
    {
        const json_t *after = json_object_get(change, "after");
        int64_t time_ms = report_change_ms(change);
        bool is_act = false;
        for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
            is_act = is_act || strcmp(text_of(change, "action"), acts[i]) == 0;
        if (!is_act || strcmp(text_of(after, "state"), "active") != 0 ||
            time_ms < report->since_ms || time_ms >= report->until_ms)
            continue;
        json_int_t id = json_integer_value(json_object_get(after, "id"));
        end_text(after, grant_of(grants, id), until);
        json_array_append_new(
            list, json_pack("{sI,ss*,ss,ss,ss,ss,ss,ss,ss}", "id", id, "approved-by",
                            json_string_value(json_object_get(after, "approved_by")), "granted",
                            show_time(time_ms, when), "by", text_of(after, "by"), "kind",
                            text_of(after, "kind"), "target", text_of(after, "target"), "for",
                            report_holder(report, after), "until", until, "reason",
                            text_of(after, "reason")));
    }
    return list;
}

/* Reloads, lists and sessions wait among the grants, and are none. */
static bool is_grant(const json_t *grant)
{
    static const char *const kinds[] = {"allow", "deny", "block"};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(text_of(grant, "kind"), kinds[i]) == 0)
            return true;
    return false;
}

/* Those that hold or will, of all. */
json_t *report_in_force(const json_t *grants)
{
    json_t *list = json_array(), *grant;
    size_t index;

    json_array_foreach(grants, index, grant)
    {
        const char *state = text_of(grant, "state");
        if (is_grant(grant) && strcmp(state, "ended") != 0 && strcmp(state, "revoked") != 0)
            json_array_append(list, grant);
    }
    return list;
}
