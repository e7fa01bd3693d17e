#include "resolver/policy/grants.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int grant_write(struct change *change, enum state_table table, const json_t *grant,
                       struct bl_error *error)
{
    char *text = json_dumps(grant, JSON_COMPACT | JSON_SORT_KEYS);
    uint8_t key[4];
    int code;

    if (!text)
        return bl_error_set(error, -EINVAL, "the grant cannot be written: is its text UTF-8?");
    put_be32(key, (uint32_t)json_integer_value(json_object_get(grant, "id")));
    code = change_put(change, table, key, sizeof key, text, strlen(text), error);
    free(text);
    return code;
}

int grant_add(struct change *change, json_t *grant, struct bl_error *error)
{
    uint32_t id = change_number(change, "id") + 1;
    int code = change_number_set(change, "id", id, error);

    if (code < 0)
        return code;
    if (json_object_set_new(grant, "id", json_integer(id)))
        return bl_error_set(error, -ENOMEM, "no memory for the grant");
    return grant_write(change, TABLE_GRANTS, grant, error);
}

int grant_get(struct change *change, uint32_t id, json_t **out_grant, struct bl_error *error)
{
    uint8_t key[4];
    MDB_val value;
    json_t *grant = NULL;

    put_be32(key, id);
    if (change_get(change, TABLE_GRANTS, key, sizeof key, &value) == 0)
        grant = json_loadb(value.mv_data, value.mv_size, 0, NULL);
    if (!grant)
        return bl_error_set(error, -ENOENT, "there is no grant %u (any more)", id);
    *out_grant = grant;
    return 0;
}

int grant_replace(struct change *change, json_t *grant, struct bl_error *error)
{
    if (json_object_set_new(grant, "approved_at", json_integer(change_now_ms(change))))
        return bl_error_set(error, -ENOMEM, "no memory for the grant");
    return grant_write(change, TABLE_GRANTS, grant, error);
}

int grant_rewrite(struct change *change, const json_t *grant, struct bl_error *error)
{
    return grant_write(change, TABLE_GRANTS, grant, error);
}

int grant_end(struct change *change, json_t *grant, const char *state, struct bl_error *error)
{
    uint8_t key[4];
    int code;

    if (json_object_set(grant, "was", json_object_get(grant, "state")) ||
        json_object_set_new(grant, "ended_at", json_integer(change_now_ms(change))) ||
        json_object_set_new(grant, "state", json_string(state)))
        return bl_error_set(error, -ENOMEM, "no memory for the grant");
    code = grant_write(change, TABLE_PAST, grant, error);
    put_be32(key, (uint32_t)json_integer_value(json_object_get(grant, "id")));
    return code < 0 ? code : change_delete(change, TABLE_GRANTS, key, sizeof key, error);
}

static void grant_append(void *user, json_t *grant)
{
    json_array_append(user, grant);
}

int grants_read(struct change *change, enum state_table table, json_t **out_grants,
                struct bl_error *error)
{
    json_t *grants = json_array();
    int code;

    if (!grants)
        return bl_error_set(error, -ENOMEM, "no memory for the grants");
    code = change_each(change, table, grant_append, grants, error);
    if (code < 0) {
        json_decref(grants);
        return code;
    }
    *out_grants = grants;
    return 0;
}

static int64_t end_of(const json_t *grant)
{
    const json_t *end = json_object_get(grant, "end");

    return json_is_integer(end) ? json_integer_value(end) : INT64_MAX;
}

int grants_sweep(struct change *change, struct bl_error *error)
{
    json_t *grants, *grant;
    size_t index;
    int code = grants_read(change, TABLE_GRANTS, &grants, error);

    if (code < 0)
        return code;
    json_array_foreach(grants, index, grant)
    {
        if (code == 0 && end_of(grant) <= change_now_ms(change))
            code = grant_end(change, grant, "ended", error);
    }
    json_decref(grants);
    return code;
}

static const char *text_of(struct arena *arena, const json_t *grant, const char *key)
{
    const char *text = json_string_value(json_object_get(grant, key));

    return text ? arena_text(arena, text, strlen(text)) : NULL;
}

static uint8_t word_of(const json_t *grant, const char *key, const char *const *words)
{
    const char *text = json_string_value(json_object_get(grant, key));

    for (uint8_t i = 0; text && words[i]; i++) {
        if (strcmp(words[i], text) == 0)
            return i;
    }
    return UINT8_MAX;
}

static void device_take(const json_t *grant, struct policy_device *device)
{
    const char *mac = json_string_value(json_object_get(grant, "mac"));
    const char *address = json_string_value(json_object_get(grant, "address"));

    device->has_mac = mac && mac_parse(mac, device->mac);
    device->has_address = address && address_parse(address, 0, &device->address) == 0;
}

static bool state_is(const json_t *grant, const char *key, const char *word)
{
    const char *state = json_string_value(json_object_get(grant, key));

    return state && strcmp(state, word) == 0;
}

/* Whether it stood on record as active at a moment of the past. */
static bool stood_at(const json_t *grant, bool is_past, int64_t at_ms)
{
    const json_t *approved = json_object_get(grant, "approved_at");
    const json_t *made = approved ? approved : json_object_get(grant, "at");

    if (json_integer_value(made) > at_ms)
        return false;
    if (!is_past)
        return state_is(grant, "state", "active");
    return state_is(grant, "was", "active") &&
           json_integer_value(json_object_get(grant, "ended_at")) > at_ms;
}

/* False for one whose end has come, or that a damaged file makes unreadable. */
static bool grant_take(struct arena *arena, const json_t *source, int64_t now_ms,
                       struct policy_grant *grant)
{
    static const char *const KINDS[] = {"allow", "deny", "block", "session", NULL};
    static const char *const TARGETS[] = {"", "name", "category", "service", NULL};
    const json_t *start = json_object_get(source, "start");
    struct bl_name name;

    *grant = (struct policy_grant){
        .id = (uint32_t)json_integer_value(json_object_get(source, "id")),
        .kind = word_of(source, "kind", KINDS),
        .target_kind = word_of(source, "target_kind", TARGETS),
        .target = text_of(arena, source, "target"),
        .group = text_of(arena, source, "group"),
        .device_text = text_of(arena, source, "device"),
        .user = text_of(arena, source, "session_user"),
        .start_ms = json_is_integer(start) ? json_integer_value(start) : INT64_MIN,
        .end_ms = end_of(source),
        .by = text_of(arena, source, "by"),
        .reason = text_of(arena, source, "reason"),
        .approved_by = text_of(arena, source, "approved_by"),
    };
    device_take(source, &grant->device);
    grant->by = grant->by ? grant->by : "";
    grant->reason = grant->reason ? grant->reason : "";
    grant->approved_by = grant->approved_by ? grant->approved_by : "";
    if (grant->kind == UINT8_MAX || grant->end_ms <= now_ms)
        return false;
    if (grant->kind == GRANT_SESSION)
        return grant->group != NULL;
    if (grant->kind == GRANT_BLOCK)
        return grant->device_text != NULL;
    if (!grant->target || grant->target_kind == UINT8_MAX || grant->target_kind == TARGET_NONE)
        return false;
    if (grant->target_kind == TARGET_NAME) {
        if (bl_name_parse(grant->target, strlen(grant->target), &name) != BL_NAME_FINE)
            return false;
        memcpy(grant->name, name.wire, name.len);
    }
    return true;
}

int policy_rules_read(struct change *change, struct policy_rules **out_rules,
                      struct bl_error *error)
{
    struct policy_rules *rules = calloc(1, sizeof *rules);
    json_t *grants, *grant;
    size_t index;
    int code;

    if (!rules)
        return bl_error_set(error, -ENOMEM, "no memory for the grants");
    code = grants_read(change, TABLE_GRANTS, &grants, error);
    if (code < 0) {
        policy_rules_free(rules);
        return code;
    }
    rules->version = change_number(change, "version");
    rules->grants = arena_take(&rules->arena, json_array_size(grants), sizeof *rules->grants);
    json_array_foreach(grants, index, grant)
    {
        if (rules->grants && state_is(grant, "state", "active") &&
            grant_take(&rules->arena, grant, change_now_ms(change),
                       &rules->grants[rules->grant_count]))
            rules->grant_count++;
    }
    json_decref(grants);
    if (rules->arena.failed) {
        policy_rules_free(rules);
        return bl_error_set(error, -ENOMEM, "no memory for the grants");
    }
    *out_rules = rules;
    return 0;
}

/* By id, as rules have them: a user's latest session is the last one. */
static int grant_order(const void *left, const void *right)
{
    const struct policy_grant *a = left, *b = right;

    return (a->id > b->id) - (a->id < b->id);
}

struct standing {
    struct policy_rules *rules;
    int64_t at_ms;
    bool is_past; /* the table of what has ended */
};

static void standing_take(void *user, json_t *grant)
{
    const struct standing *standing = user;
    struct policy_rules *rules = standing->rules;
    struct policy_grant *grants;

    if (!stood_at(grant, standing->is_past, standing->at_ms))
        return;
    grants = arena_grow(&rules->arena, rules->grants, rules->grant_count, sizeof *grants);
    rules->grants = grants ? grants : rules->grants;
    if (grants && grant_take(&rules->arena, grant, standing->at_ms, &grants[rules->grant_count]))
        rules->grant_count++;
}

int policy_rules_read_at(struct change *change, int64_t at_ms, uint32_t version,
                         struct policy_rules **out_rules, struct bl_error *error)
{
    struct policy_rules *rules = calloc(1, sizeof *rules);
    struct standing standing = {rules, at_ms, false};
    int code;

    if (!rules)
        return bl_error_set(error, -ENOMEM, "no memory for the grants");
    rules->version = version;
    code = change_each(change, TABLE_GRANTS, standing_take, &standing, error);
    standing.is_past = true;
    if (code == 0)
        code = change_each(change, TABLE_PAST, standing_take, &standing, error);
    if (code == 0 && rules->arena.failed)
        code = bl_error_set(error, -ENOMEM, "no memory for the grants");
    if (code < 0) {
        policy_rules_free(rules);
        return code;
    }
    if (rules->grant_count)
        qsort(rules->grants, rules->grant_count, sizeof *rules->grants, grant_order);
    *out_rules = rules;
    return 0;
}
