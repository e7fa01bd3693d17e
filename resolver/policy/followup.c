#include "resolver/policy/followup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/policy/incidents.h"

enum { ID_LEN = 4 };

json_t *followup_moment(const struct act *act)
{
    return json_integer(change_now_ms(act->change) / 1000);
}

json_t *followup_person(const struct act *act)
{
    return json_string(change_actor(act->change)->login);
}

/* What is followed up without a word says nothing later. */
const char *followup_text(const json_t *request, const char *key, const char *what,
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

int followup_read(struct act *act, enum state_table table, uint32_t id, const char *what,
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

int followup_write(struct act *act, enum state_table table, const json_t *record,
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

uint32_t followup_id(const json_t *request)
{
    json_int_t id = json_integer_value(json_object_get(request, "id"));

    return id > 0 && id <= UINT32_MAX ? (uint32_t)id : 0;
}

int followup_id_next(struct act *act, const char *counter, uint32_t *out_id, struct bl_error *error)
{
    *out_id = change_number(act->change, counter) + 1;
    return change_number_set(act->change, counter, *out_id, error);
}

static char *target_of(const char *what, uint32_t id, char out[32])
{
    snprintf(out, 32, "%s %u", what, id);
    return out;
}

int followup_log(struct act *act, const char *action, const char *what, uint32_t id, json_t *after,
                 const char *text, struct bl_error *error)
{
    char target[32];
    int code =
        change_log(act->change, action, target_of(what, id, target), NULL, after, text, error);

    json_decref(after);
    return code;
}

bool followup_is_open(const json_t *record)
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
    if (followup_is_open(record))
        any_take(user, record);
}

int followup_read_all(struct change *change, enum state_table table, bool all, json_t *list,
                      struct bl_error *error)
{
    return change_each(change, table, all ? any_take : open_take, list, error);
}

int followup_show(struct act *act, enum state_table table, const char *what, const char *key,
                  const json_t *request, json_t *reply, struct bl_error *error)
{
    bool all = json_is_true(json_object_get(request, "all"));
    json_t *list = json_array(), *record;
    int code;

    if (json_object_get(request, "id") == NULL) {
        code = followup_read_all(act->change, table, all, list, error);
    } else {
        code = followup_read(act, table, followup_id(request), what, &record, error);
        if (code == 0)
            json_array_append_new(list, record);
    }
    json_object_set_new(reply, key, list);
    return code;
}
