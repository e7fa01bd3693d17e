#include "resolver/policy/incidents.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/policy/calendar.h"
#include "resolver/policy/followup.h"

/* Only what the log needs: words of a case stand in the incident, the log names it. */
static json_t *case_brief(const json_t *denial)
{
    return json_pack("{sO*,sO*,sO*}", "case", json_object_get(denial, "case"), "category",
                     json_object_get(denial, "category"), "group",
                     json_object_get(denial, "group"));
}

static bool has_case(const json_t *incident, const json_t *denial)
{
    const json_t *code = json_object_get(denial, "case");
    json_t *item;
    size_t index;

    json_array_foreach(json_object_get(incident, "cases"), index, item)
    {
        if (code != NULL && json_equal(json_object_get(item, "case"), code))
            return true;
    }
    return false;
}

/* The incident that a case is in: an open one, or else the last; NULL, or the caller's. */
static json_t *incident_of_case(struct act *act, const json_t *denial)
{
    json_t *list = json_array(), *incident, *found = NULL;
    size_t index;

    (void)followup_read_all(act->change, TABLE_INCIDENTS, true, list, NULL);
    json_array_foreach(list, index, incident)
    {
        if (has_case(incident, denial) && (found == NULL || !followup_is_open(found)))
            found = incident;
    }
    json_incref(found);
    json_decref(list);
    return found;
}

/* Two people who follow up one case without knowing of each other: the second one is told. */
static int case_is_new(struct act *act, const json_t *denial, struct bl_error *error)
{
    json_t *incident = incident_of_case(act, denial);
    char text[CALENDAR_TEXT_MAX];

    if (incident == NULL)
        return 0;
    long long id = json_integer_value(json_object_get(incident, "id"));
    bool open = followup_is_open(incident);
    const char *code = json_string_value(json_object_get(denial, "case"));
    const char *when = calendar_text(
        act->calendar, json_integer_value(json_object_get(incident, "opened")), false, text);
    const char *person = json_string_value(json_object_get(incident, "opened_by"));
    if (open)
        bl_error_set(error, -EEXIST,
                     "case %s is in incident %lld already, which %s opened on %s; add to that with "
                     "`chalkgate incident note %lld TEXT`, or open another one all the same with "
                     "--again",
                     code, id, person, when, id);
    else
        bl_error_set(error, -EEXIST,
                     "case %s was in incident %lld, which %s opened on %s and which is closed; "
                     "`chalkgate incident show %lld` shows it, and --again opens another one",
                     code, id, person, when, id);
    json_decref(incident);
    return -EEXIST;
}

int act_incident_open(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    const char *text = followup_text(request, "text", "why, with --reason TEXT", error);
    const char *title = json_string_value(json_object_get(request, "title"));
    json_t *denial = json_object_get(request, "denial");
    uint32_t id;

    if (text == NULL)
        return -EINVAL;
    if (title == NULL && denial != NULL)
        title = json_string_value(json_object_get(denial, "title"));
    if (title == NULL || title[0] == '\0')
        title = text;
    bool again = json_is_true(json_object_get(request, "again"));
    int code = denial != NULL && !again ? case_is_new(act, denial, error) : 0;
    if (code == 0)
        code = followup_id_next(act, "incident", &id, error);
    if (code < 0)
        return code;
    json_t *incident = json_pack(
        "{si,ss,ss,so,so,s[],s[{so,so,ss,ss}]}", "id", (int)id, "state", "open", "title", title,
        "opened", followup_moment(act), "opened_by", followup_person(act), "cases", "notes", "time",
        followup_moment(act), "by", followup_person(act), "kind", "note", "text", text);
    if (incident == NULL)
        return bl_error_set(error, -ENOMEM, "out of memory");
    if (denial != NULL)
        json_array_append(json_object_get(incident, "cases"), denial);
    code = followup_write(act, TABLE_INCIDENTS, incident, error);
    if (code == 0)
        code = followup_log(act, "incident-open", "incident", id,
                            denial != NULL ? case_brief(denial) : NULL, text, error);
    json_object_set_new(reply, "incident", incident);
    return code;
}

/* An open incident, for changing it. */
static int incident_take(struct act *act, const json_t *request, json_t **out_incident,
                         struct bl_error *error)
{
    uint32_t id = followup_id(request);
    int code = followup_read(act, TABLE_INCIDENTS, id, "incident", out_incident, error);
    const char *state = code < 0 ? "" : json_string_value(json_object_get(*out_incident, "state"));

    if (code < 0)
        return code;
    if (state == NULL || strcmp(state, "open") != 0) {
        json_decref(*out_incident);
        return bl_error_set(error, -EINVAL,
                            "incident %u is closed; please open a new one that names it", id);
    }
    return 0;
}

int act_incident_note(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    const char *text = followup_text(request, "text", "what, with a text", error);
    const char *kind = json_string_value(json_object_get(request, "kind"));
    json_t *denial = json_object_get(request, "denial"), *incident;

    if (text == NULL)
        return -EINVAL;
    bool action = kind != NULL && strcmp(kind, "action") == 0;
    int code = incident_take(act, request, &incident, error);
    if (code < 0)
        return code;
    json_t *notes = json_object_get(incident, "notes"), *cases = json_object_get(incident, "cases");
    if (json_array_size(notes) >= INCIDENT_NOTES_MAX ||
        json_array_size(cases) >= INCIDENT_CASES_MAX)
        code =
            bl_error_set(error, -EINVAL, "incident %u is full; please open a new one that names it",
                         followup_id(request));
    json_array_append_new(notes, json_pack("{so,so,ss,ss}", "time", followup_moment(act), "by",
                                           followup_person(act), "kind", action ? "action" : "note",
                                           "text", text));
    if (denial != NULL && !has_case(incident, denial))
        json_array_append(cases, denial);
    if (code == 0)
        code = followup_write(act, TABLE_INCIDENTS, incident, error);
    if (code == 0)
        code = followup_log(act, action ? "incident-action" : "incident-note", "incident",
                            followup_id(request), denial != NULL ? case_brief(denial) : NULL, text,
                            error);
    json_object_set_new(reply, "incident", incident);
    return code;
}

int act_incident_close(struct act *act, const json_t *request, json_t *reply,
                       struct bl_error *error)
{
    const char *text = followup_text(request, "text", "how it ended, with --outcome TEXT", error);
    json_t *incident;

    if (text == NULL)
        return -EINVAL;
    int code = incident_take(act, request, &incident, error);
    if (code < 0)
        return code;
    json_object_set_new(incident, "state", json_string("closed"));
    json_object_set_new(incident, "outcome", json_string(text));
    json_object_set_new(incident, "closed", followup_moment(act));
    json_object_set_new(incident, "closed_by", followup_person(act));
    code = followup_write(act, TABLE_INCIDENTS, incident, error);
    if (code == 0)
        code = followup_log(act, "incident-close", "incident", followup_id(request), NULL, text,
                            error);
    json_object_set_new(reply, "incident", incident);
    return code;
}

int act_incidents(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    return followup_show(act, TABLE_INCIDENTS, "incident", "incidents", request, reply, error);
}

/* By MAC address where both cases have one, since a device has many addresses. */
static bool same_device(const json_t *a, const json_t *b)
{
    const json_t *mac = json_object_get(a, "mac"), *other = json_object_get(b, "mac");

    return mac && other ? json_equal(mac, other)
                        : json_equal(json_object_get(a, "device"), json_object_get(b, "device"));
}

static bool is_of_word(char c)
{
    return isalnum((unsigned char)c) || c == '.' || c == ':' || c == '-';
}

/* The text with a mark in place of each whole `word`; a new string, or NULL. */
static char *word_left_out(const char *text, const char *word)
{
    static const char mark[] = "[left out]";
    size_t len = strlen(word), size;
    char *out = NULL;
    FILE *stream = open_memstream(&out, &size);

    if (stream == NULL)
        return NULL;
    for (const char *at = text; *at != '\0';) {
        const char *end = at + len;
        if (strncmp(at, word, len) == 0 && (at == text || !is_of_word(at[-1])) &&
            (!is_of_word(*end) || (ispunct((unsigned char)*end) && !is_of_word(end[1])))) {
            fputs(mark, stream);
            at = end;
        } else {
            fputc(*at++, stream);
        }
    }
    fclose(stream);
    return out;
}

/* What people wrote, without what tells of the devices of other cases. What else they wrote of
 * others in words of their own, a person has to look for. */
static json_t *text_without(const json_t *text, const json_t *others)
{
    static const char *const keys[] = {"device", "case", "mac"};
    char *now = strdup(json_string_value(text) != NULL ? json_string_value(text) : ""), *next;
    json_t *other;
    size_t index;

    json_array_foreach(others, index, other)
    {
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && now != NULL; i++) {
            const char *word = json_string_value(json_object_get(other, keys[i]));
            if (word == NULL || word[0] == '\0')
                continue;
            next = word_left_out(now, word);
            free(now);
            now = next;
        }
    }
    json_t *result = now == NULL ? NULL : json_string(now);
    free(now);
    return result;
}

static json_t *notes_without(const json_t *notes, const json_t *others)
{
    json_t *result = json_deep_copy(notes), *note;
    size_t index;

    json_array_foreach(result, index, note)
        json_object_set_new(note, "text", text_without(json_object_get(note, "text"), others));
    return result;
}

/* Leaves out what is about another device than the first case's. */
static json_t *extract_make(const struct act *act, const json_t *incident)
{
    json_t *cases = json_object_get(incident, "cases"), *mine = json_array(), *item;
    const json_t *first = json_array_get(cases, 0);
    json_t *others = json_array(), *extract;
    size_t index;

    json_array_foreach(cases, index, item)
        json_array_append(same_device(item, first) ? mine : others, item);
    const json_t *outcome = json_object_get(incident, "outcome");
    extract = json_pack(
        "{sO,so,sO,sO,sO*,so,so,so*,sO*,sI,so,so}", "incident", json_object_get(incident, "id"),
        "title", text_without(json_object_get(incident, "title"), others), "state",
        json_object_get(incident, "state"), "opened", json_object_get(incident, "opened"),
        "opened_by", json_object_get(incident, "opened_by"), "cases", mine, "notes",
        notes_without(json_object_get(incident, "notes"), others), "outcome",
        json_is_string(outcome) ? text_without(outcome, others) : NULL, "closed",
        json_object_get(incident, "closed"), "cases_of_others_left_out",
        (json_int_t)json_array_size(others), "exported", followup_moment(act), "exported_by",
        followup_person(act));
    json_decref(others);
    return extract;
}

static void hash_text(const char *text, char out[2 * SHA256_DIGEST_LENGTH + 1])
{
    uint8_t digest[SHA256_DIGEST_LENGTH];

    SHA256((const uint8_t *)text, strlen(text), digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

int act_incident_export(struct act *act, const json_t *request, json_t *reply,
                        struct bl_error *error)
{
    const char *reason =
        followup_text(request, "text", "for whom and why, with --reason TEXT", error);
    char hash[2 * SHA256_DIGEST_LENGTH + 1];
    json_t *incident;

    if (reason == NULL)
        return -EINVAL;
    int code =
        followup_read(act, TABLE_INCIDENTS, followup_id(request), "incident", &incident, error);
    if (code < 0)
        return code;
    json_t *extract = extract_make(act, incident);
    char *text = extract == NULL ? NULL : json_dumps(extract, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(incident);
    if (text == NULL) {
        json_decref(extract);
        return bl_error_set(error, -ENOMEM, "out of memory");
    }
    hash_text(text, hash);
    free(text);
    code = followup_log(act, "incident-export", "incident", followup_id(request),
                        json_pack("{ss}", "sha256", hash), reason, error);
    json_object_set_new(reply, "extract", extract);
    json_object_set_new(reply, "sha256", json_string(hash));
    json_object_set_new(reply, "entry", json_integer((json_int_t)changes_count(act->change)));
    return code;
}

int incidents_held(struct change *change, void (*each)(void *user, int64_t wall_ms), void *user,
                   struct bl_error *error)
{
    json_t *list = json_array(), *incident, *item;
    int code = followup_read_all(change, TABLE_INCIDENTS, false, list, error);
    size_t at, index;

    json_array_foreach(list, at, incident)
    {
        json_array_foreach(json_object_get(incident, "cases"), index, item)
        {
            each(user, json_integer_value(json_object_get(item, "wall_ms")));
        }
    }
    json_decref(list);
    return code;
}
