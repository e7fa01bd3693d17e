#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "resolver/policy/acts.h"
#include "resolver/policy/grants.h"
#include "resolver/policy/versions.h"

enum { CHANGES_MOST = 100000 };

static void moment_tell(const struct act *act, json_t *object, const char *key, const char *as)
{
    const json_t *moment = json_object_get(object, key);
    char text[CALENDAR_TEXT_MAX];

    if (json_is_integer(moment))
        json_object_set_new(object, as,
                            json_string(calendar_text(
                                act->calendar, json_integer_value(moment) / 1000, false, text)));
}

/* As it is at this moment: one that has ended but not been swept away yet is past. */
static void grant_show(const struct act *act, json_t *grant, bool with_past, json_t *shown)
{
    const json_t *end = json_object_get(grant, "end");
    int64_t now_ms = change_now_ms(act->change);
    const char *state = json_string_value(json_object_get(grant, "state"));
    bool ended = json_is_integer(end) && json_integer_value(end) <= now_ms;
    bool past = !state || strcmp(state, "ended") == 0 || strcmp(state, "revoked") == 0;

    if (ended && !past) {
        json_object_set_new(grant, "state", json_string("ended"));
        past = true;
    } else if (!past && strcmp(state, "active") == 0 &&
               json_integer_value(json_object_get(grant, "start")) > now_ms) {
        json_object_set_new(grant, "state", json_string("to come"));
    }
    if (past && !with_past)
        return;
    moment_tell(act, grant, "start", "from_text");
    moment_tell(act, grant, "end", "until_text");
    json_array_append(shown, grant);
}

static bool waits(const json_t *grant)
{
    const char *state = json_string_value(json_object_get(grant, "state"));

    return state && strcmp(state, "pending") == 0;
}

int act_grants(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    const char *kind = json_string_value(json_object_get(request, "kind"));
    bool all = json_is_true(json_object_get(request, "all"));
    json_t *shown = json_array(), *grants, *grant;
    int code = 0;

    for (int past = all; code == 0 && past >= 0; past--) {
        size_t index;
        code = grants_read(act->change, past ? TABLE_PAST : TABLE_GRANTS, &grants, error);
        if (code < 0)
            break;
        json_array_foreach(grants, index, grant)
        {
            const char *its = json_string_value(json_object_get(grant, "kind"));
            bool session = its && strcmp(its, "session") == 0 && !waits(grant);
            if (kind ? its && strcmp(its, kind) == 0 : !session)
                grant_show(act, grant, all, shown);
        }
        json_decref(grants);
    }
    json_object_set_new(reply, "grants", shown);
    return code;
}

int act_waiting(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    json_t *grants, *grant;
    json_int_t count = 0;
    size_t index;
    int code = grants_read(act->change, TABLE_GRANTS, &grants, error);

    (void)request;
    if (code < 0)
        return code;
    json_array_foreach(grants, index, grant)
    {
        const json_t *end = json_object_get(grant, "end");
        const char *kind = json_string_value(json_object_get(grant, "kind"));
        count += waits(grant) && kind && strcmp(kind, "reload") != 0 &&
                 !(end && json_integer_value(end) <= change_now_ms(act->change));
    }
    json_decref(grants);
    json_object_set_new(reply, "waiting", json_integer(count));
    return 0;
}

int act_policy_show(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    json_int_t version = json_integer_value(json_object_get(request, "version"));
    json_t *rows, *versions, *entry;
    char text[CALENDAR_TEXT_MAX];
    size_t index;
    int code;

    if (version < 0 || version > UINT32_MAX)
        return bl_error_set(error, -EINVAL, "there is no version %lld", (long long)version);
    code = version_rows_read(act->change, (uint32_t)version, &rows, error);
    if (code < 0)
        return code;
    if (!version)
        version = change_number(act->change, "version");
    json_object_set_new(reply, "version", json_integer(version));
    json_object_set_new(
        reply, "now_text",
        json_string(calendar_text(act->calendar, change_now_ms(act->change) / 1000, false, text)));
    json_object_set_new(reply, "rows", rows);
    code = versions_read(act->change, &versions, error);
    if (code < 0)
        return code;
    json_array_foreach(versions, index, entry) moment_tell(act, entry, "time", "time_text");
    json_object_set_new(reply, "versions", versions);
    return 0;
}

/* "2026-11-23T11:15:00Z", as the log writes it. */
static int64_t entry_time(const json_t *entry)
{
    const char *text = json_string_value(json_object_get(entry, "time"));
    struct tm parts = {0};

    return text && strptime(text, "%Y-%m-%dT%H:%M:%SZ", &parts) ? (int64_t)timegm(&parts) : 0;
}

int act_changes(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    int64_t since = json_integer_value(json_object_get(request, "since"));
    uint64_t count = changes_count(act->change);
    uint64_t from = count > CHANGES_MOST ? count - CHANGES_MOST + 1 : 1;
    json_t *entries, *entry, *shown = json_array();
    json_int_t asked = json_integer_value(json_object_get(request, "from"));
    json_int_t most = json_integer_value(json_object_get(request, "max"));
    size_t index;

    if (asked > 0)
        from = (uint64_t)asked;
    int code = changes_read(act->change, from,
                            most > 0 && most < CHANGES_MOST ? (size_t)most : CHANGES_MOST, &entries,
                            error);

    if (code < 0) {
        json_decref(shown);
        return code;
    }
    json_array_foreach(entries, index, entry)
    {
        int64_t when = entry_time(entry);
        char text[CALENDAR_TEXT_MAX];
        if (when < since && !json_is_true(json_object_get(entry, "unreadable")))
            continue;
        json_object_set_new(entry, "time_text",
                            json_string(calendar_text(act->calendar, when, false, text)));
        json_array_append(shown, entry);
    }
    json_decref(entries);
    json_object_set_new(reply, "changes", shown);
    json_object_set_new(reply, "count", json_integer((json_int_t)count));
    return 0;
}

/* Whether an entry has this hash. */
static int head_find(struct act *act, const char *head, struct bl_error *error)
{
    uint64_t count = changes_count(act->change);
    int code = -EBADMSG;

    for (uint64_t from = 1; code == -EBADMSG && from <= count; from += 1000) {
        json_t *entries, *entry;
        size_t index;
        int read = changes_read(act->change, from, 1000, &entries, error);
        if (read < 0)
            return read;
        json_array_foreach(entries, index, entry)
        {
            const char *hash = json_string_value(json_object_get(entry, "hash"));
            if (hash && strcasecmp(hash, head) == 0)
                code = 0;
        }
        json_decref(entries);
    }
    return code < 0 ? bl_error_set(error, code,
                                   "no entry has the hash that was given: the log was written anew "
                                   "since, or the hash is mistyped")
                    : 0;
}

int act_changes_verify(struct act *act, const char *head, json_t *reply, struct bl_error *error)
{
    uint64_t count, broken = 0;
    char last[65] = "";
    int code = changes_verify(act->change, &count, &broken, last, error);

    if (code == 0 && head)
        code = head_find(act, head, error);
    json_object_set_new(reply, "count", json_integer((json_int_t)count));
    json_object_set_new(reply, "whole", json_boolean(code == 0));
    if (code == 0)
        json_object_set_new(reply, "head", json_string(last));
    if (broken)
        json_object_set_new(reply, "broken", json_integer((json_int_t)broken));
    return code;
}
