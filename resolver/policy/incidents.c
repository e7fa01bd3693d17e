#include "resolver/policy/incidents.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ID_LEN = 4 };

static json_t *moment_of(const struct act *act)
{
    return json_integer(change_now_ms(act->change) / 1000);
}

static json_t *person_of(const struct act *act)
{
    return json_string(change_actor(act->change)->login);
}

/* A text that must be there: what is followed up without a word says nothing later. */
static const char *text_of(const json_t *request, const char *key, const char *what,
                           struct bl_error *error)
{
    const char *text = json_string_value(json_object_get(request, key));

    if (text == NULL || text[strspn(text, " \t\n")] == '\0') {
        bl_error_set(error, -EINVAL, "please say %s", what);
        return NULL;
    }
    if (strlen(text) > INCIDENT_TEXT_MAX) {
        bl_error_set(error, -EINVAL, "please say it in at most %d characters", INCIDENT_TEXT_MAX);
        return NULL;
    }
    return text;
}

static int record_read(struct act *act, enum state_table table, uint32_t id, const char *what,
                       json_t **out_record, struct bl_error *error)
{
    uint8_t key[ID_LEN];
    MDB_val value;

    put_be32(key, id);
    if (id == 0 || change_get(act->change, table, key, sizeof key, &value) < 0)
        return bl_error_set(error, -ENOENT, "there is no %s %u", what, id);
    *out_record = json_loadb(value.mv_data, value.mv_size, 0, NULL);
    if (*out_record == NULL)
        return bl_error_set(error, -EBADMSG, "%s %u is damaged", what, id);
    return 0;
}

static int record_write(struct act *act, enum state_table table, const json_t *record,
                        struct bl_error *error)
{
    char *text = json_dumps(record, JSON_COMPACT);
    uint8_t key[ID_LEN];

    if (text == NULL)
        return bl_error_set(error, -ENOMEM, "out of memory");
    put_be32(key, (uint32_t)json_integer_value(json_object_get(record, "id")));
    int code = change_put(act->change, table, key, sizeof key, text, strlen(text), error);
    free(text);
    return code;
}

static uint32_t id_of(const json_t *request)
{
    json_int_t id = json_integer_value(json_object_get(request, "id"));

    return id > 0 && id <= UINT32_MAX ? (uint32_t)id : 0;
}

static int id_next(struct act *act, const char *counter, uint32_t *out_id, struct bl_error *error)
{
    *out_id = change_number(act->change, counter) + 1;
    return change_number_set(act->change, counter, *out_id, error);
}

static char *target_of(const char *what, uint32_t id, char out[32])
{
    snprintf(out, 32, "%s %u", what, id);
    return out;
}

/* Only what the log needs: words of a case stand in the incident, the log names it. */
static json_t *case_brief(const json_t *denial)
{
    return json_pack("{sO*,sO*,sO*}", "case", json_object_get(denial, "case"), "category",
                     json_object_get(denial, "category"), "group",
                     json_object_get(denial, "group"));
}

static int log_step(struct act *act, const char *action, const char *what, uint32_t id,
                    json_t *after, const char *text, struct bl_error *error)
{
    char target[32];
    int code =
        change_log(act->change, action, target_of(what, id, target), NULL, after, text, error);

    json_decref(after);
    return code;
}

int act_incident_open(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    const char *text = text_of(request, "text", "why, with --reason TEXT", error);
    const char *title = json_string_value(json_object_get(request, "title"));
    json_t *denial = json_object_get(request, "denial");
    uint32_t id;

    if (text == NULL)
        return -EINVAL;
    if (title == NULL && denial != NULL)
        title = json_string_value(json_object_get(denial, "title"));
    int code = id_next(act, "incident", &id, error);
    if (code < 0)
        return code;
    json_t *incident = json_pack(
        "{si,ss,ss,so,so,s[],s[{so,so,ss,ss}]}", "id", (int)id, "state", "open", "title",
        title != NULL ? title : "", "opened", moment_of(act), "opened_by", person_of(act), "cases",
        "notes", "time", moment_of(act), "by", person_of(act), "kind", "note", "text", text);
    if (incident == NULL)
        return bl_error_set(error, -ENOMEM, "out of memory");
    if (denial != NULL)
        json_array_append(json_object_get(incident, "cases"), denial);
    code = record_write(act, TABLE_INCIDENTS, incident, error);
    if (code == 0)
        code = log_step(act, "incident-open", "incident", id,
                        denial != NULL ? case_brief(denial) : NULL, text, error);
    json_object_set_new(reply, "incident", incident);
    return code;
}

/* An open incident, for changing it. */
static int incident_take(struct act *act, const json_t *request, json_t **out_incident,
                         struct bl_error *error)
{
    uint32_t id = id_of(request);
    int code = record_read(act, TABLE_INCIDENTS, id, "incident", out_incident, error);
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
    const char *text = text_of(request, "text", "what, with a text", error);
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
                         id_of(request));
    json_array_append_new(notes,
                          json_pack("{so,so,ss,ss}", "time", moment_of(act), "by", person_of(act),
                                    "kind", action ? "action" : "note", "text", text));
    if (denial != NULL)
        json_array_append(cases, denial);
    if (code == 0)
        code = record_write(act, TABLE_INCIDENTS, incident, error);
    if (code == 0)
        code = log_step(act, action ? "incident-action" : "incident-note", "incident",
                        id_of(request), denial != NULL ? case_brief(denial) : NULL, text, error);
    json_object_set_new(reply, "incident", incident);
    return code;
}

int act_incident_close(struct act *act, const json_t *request, json_t *reply,
                       struct bl_error *error)
{
    const char *text = text_of(request, "text", "how it ended, with --outcome TEXT", error);
    json_t *incident;

    if (text == NULL)
        return -EINVAL;
    int code = incident_take(act, request, &incident, error);
    if (code < 0)
        return code;
    json_object_set_new(incident, "state", json_string("closed"));
    json_object_set_new(incident, "outcome", json_string(text));
    json_object_set_new(incident, "closed", moment_of(act));
    json_object_set_new(incident, "closed_by", person_of(act));
    code = record_write(act, TABLE_INCIDENTS, incident, error);
    if (code == 0)
        code = log_step(act, "incident-close", "incident", id_of(request), NULL, text, error);
    json_object_set_new(reply, "incident", incident);
    return code;
}

static bool is_open(const json_t *record)
{
    const char *state = json_string_value(json_object_get(record, "state"));

    return state != NULL && strcmp(state, "open") == 0;
}

static void any_take(void *user, json_t *record)
{
    json_array_append(user, record);
}

static void open_take(void *user, json_t *record)
{
    if (is_open(record))
        any_take(user, record);
}

static int records_show(struct act *act, enum state_table table, const char *what, const char *key,
                        const json_t *request, json_t *reply, struct bl_error *error)
{
    bool all = json_is_true(json_object_get(request, "all"));
    json_t *list = json_array(), *record;
    int code;

    if (json_object_get(request, "id") == NULL) {
        code = change_each(act->change, table, all ? any_take : open_take, list, error);
    } else {
        code = record_read(act, table, id_of(request), what, &record, error);
        if (code == 0)
            json_array_append_new(list, record);
    }
    json_object_set_new(reply, key, list);
    return code;
}

int act_incidents(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    return records_show(act, TABLE_INCIDENTS, "incident", "incidents", request, reply, error);
}

/* By MAC address where both cases have one, since a device has many addresses. */
static bool same_device(const json_t *a, const json_t *b)
{
    const json_t *mac = json_object_get(a, "mac"), *other = json_object_get(b, "mac");

    return mac && other ? json_equal(mac, other)
                        : json_equal(json_object_get(a, "device"), json_object_get(b, "device"));
}

/* Leaves out what is about another device than the first case's. */
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
        (json_int_t)json_array_size(others), "exported", moment_of(act), "exported_by",
        person_of(act));
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
    const char *reason = text_of(request, "text", "for whom and why, with --reason TEXT", error);
    char hash[2 * SHA256_DIGEST_LENGTH + 1];
    json_t *incident;

    if (reason == NULL)
        return -EINVAL;
    int code = record_read(act, TABLE_INCIDENTS, id_of(request), "incident", &incident, error);
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
    code = log_step(act, "incident-export", "incident", id_of(request),
                    json_pack("{ss}", "sha256", hash), reason, error);
    json_object_set_new(reply, "extract", extract);
    json_object_set_new(reply, "sha256", json_string(hash));
    json_object_set_new(reply, "entry", json_integer((json_int_t)changes_count(act->change)));
    return code;
}

int act_fault_report(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    static const char *const kinds[] = {"should-be-blocked", "should-be-allowed", "other"};
    const char *text = text_of(request, "text", "what is wrong, with --reason TEXT", error);
    const char *name = json_string_value(json_object_get(request, "name"));
    const char *kind = json_string_value(json_object_get(request, "kind"));
    bool known = false;
    uint32_t id;

    if (text == NULL)
        return -EINVAL;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        known = known || (kind != NULL && strcmp(kind, kinds[i]) == 0);
    if (!known)
        return bl_error_set(error, -EINVAL,
                            "please say whether it should be blocked or allowed, or that it is "
                            "something else");
    int code = id_next(act, "fault", &id, error);
    if (code < 0)
        return code;
    json_t *fault = json_pack("{si,ss,ss,ss,ss,so,so}", "id", (int)id, "state", "open", "kind",
                              kind, "name", name != NULL ? name : "", "text", text, "reported",
                              moment_of(act), "reported_by", person_of(act));
    if (fault == NULL)
        return bl_error_set(error, -EINVAL, "the text is no UTF-8");
    code = record_write(act, TABLE_FAULTS, fault, error);
    if (code == 0)
        code = log_step(act, "fault-report", "fault", id,
                        json_pack("{ss,ss}", "kind", kind, "name", name != NULL ? name : ""), text,
                        error);
    json_object_set_new(reply, "fault", fault);
    return code;
}

int act_fault_close(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    const char *text = text_of(request, "text", "how it ended, with --outcome TEXT", error);
    json_t *fault;

    if (text == NULL)
        return -EINVAL;
    int code = record_read(act, TABLE_FAULTS, id_of(request), "fault", &fault, error);
    if (code < 0)
        return code;
    if (!is_open(fault))
        code = bl_error_set(error, -EINVAL, "fault %u is closed already", id_of(request));
    json_object_set_new(fault, "state", json_string("closed"));
    json_object_set_new(fault, "outcome", json_string(text));
    json_object_set_new(fault, "closed", moment_of(act));
    json_object_set_new(fault, "closed_by", person_of(act));
    if (code == 0)
        code = record_write(act, TABLE_FAULTS, fault, error);
    if (code == 0)
        code = log_step(act, "fault-close", "fault", id_of(request), NULL, text, error);
    json_object_set_new(reply, "fault", fault);
    return code;
}

int act_faults(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    return records_show(act, TABLE_FAULTS, "fault", "faults", request, reply, error);
}

int incidents_held(struct change *change, void (*each)(void *user, int64_t wall_ms), void *user,
                   struct bl_error *error)
{
    json_t *list = json_array(), *incident, *item;
    int code = change_each(change, TABLE_INCIDENTS, open_take, list, error);
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
