#include "resolver/policy/versions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "resolver/policy/grants.h"
#include "resolver/policy/seals.h"
#include "resolver/policy/version_rows.h"

static int row_write(struct change *change, const char *key, size_t key_len, uint32_t version,
                     const char *value, struct bl_error *error)
{
    uint8_t whole[KEY_ROOM];

    memcpy(whole, key, key_len);
    put_be32(whole + key_len, version);
    return change_put(change, TABLE_POLICY, whole, key_len + 4, value, strlen(value), error);
}

/* A walk over the rows as they were in a version. */
struct past {
    MDB_cursor *cursor;
    MDB_val key, value;
    bool more;
    uint32_t version;
    char prefix[KEY_ROOM];
    size_t prefix_len;
    MDB_val found; /* the value; empty where the row had ended */
};

static bool past_next(struct past *past)
{
    if (!past->more)
        return false;
    past->prefix_len = past->key.mv_size - 4;
    memcpy(past->prefix, past->key.mv_data, past->prefix_len);
    past->found = (MDB_val){0};
    do {
        const uint8_t *octets = past->key.mv_data;
        if (get_be32(octets + past->key.mv_size - 4) <= past->version)
            past->found = past->value;
        past->more = mdb_cursor_get(past->cursor, &past->key, &past->value, MDB_NEXT) == 0;
    } while (past->more && past->key.mv_size == past->prefix_len + 4 &&
             memcmp(past->key.mv_data, past->prefix, past->prefix_len) == 0);
    return true;
}

static int past_open(struct change *change, uint32_t version, struct past *past,
                     struct bl_error *error)
{
    int code = change_cursor(change, TABLE_POLICY, &past->cursor, error);

    past->version = version;
    past->more =
        code == 0 && mdb_cursor_get(past->cursor, &past->key, &past->value, MDB_FIRST) == 0;
    return code;
}

struct difference { /* rows to write once the walk is over */
    struct row *items;
    size_t count;
    struct arena arena;
};

static void difference_add(struct difference *difference, const char *key, size_t key_len,
                           const char *value)
{
    struct row *items =
        arena_grow(&difference->arena, difference->items, difference->count, sizeof *items);

    if (!items)
        return;
    difference->items = items;
    items[difference->count++] = (struct row){.key = arena_text(&difference->arena, key, key_len),
                                              .key_len = key_len,
                                              .value = (char *)(uintptr_t)value};
}

/* Both are in the order of their keys. */
static int rows_compare(struct change *change, const struct rows *rows, uint32_t version,
                        struct difference *difference, struct bl_error *error)
{
    struct past past = {0};
    bool there;
    size_t i = 0;
    int code = past_open(change, version, &past, error);

    if (code < 0)
        return code;
    there = past_next(&past);
    while (there || i < rows->count) {
        const struct row *row = &rows->items[i];
        int order = !there ? -1
                    : i == rows->count
                        ? 1
                        : version_key_compare(row->key, row->key_len, past.prefix, past.prefix_len);
        if (order < 0) {
            difference_add(difference, row->key, row->key_len, row->value);
        } else if (order > 0) {
            if (past.found.mv_size)
                difference_add(difference, past.prefix, past.prefix_len, "");
        } else if (strlen(row->value) != past.found.mv_size ||
                   memcmp(row->value, past.found.mv_data, past.found.mv_size) != 0) {
            difference_add(difference, row->key, row->key_len, row->value);
        }
        i += order <= 0;
        if (order >= 0)
            there = past_next(&past);
    }
    mdb_cursor_close(past.cursor);
    return difference->arena.failed
               ? bl_error_set(error, -ENOMEM, "no memory for the policy's version")
               : 0;
}

static int version_write(struct change *change, uint32_t version, const char *description,
                         struct bl_error *error)
{
    const struct actor *actor = change_actor(change);
    uint8_t key[4];
    json_t *entry = json_pack("{s:i, s:I, s:s, s:s, s:s}", "version", (int)version, "time",
                              (json_int_t)change_now_ms(change), "author", actor->login, "role",
                              actor->role ? actor->role : "system", "description", description);
    char *text = entry ? json_dumps(entry, JSON_COMPACT) : NULL;
    int code;

    json_decref(entry);
    if (!text)
        return bl_error_set(error, -EINVAL, "the version cannot be written: is its text UTF-8?");
    put_be32(key, version);
    code = change_put(change, TABLE_VERSIONS, key, sizeof key, text, strlen(text), error);
    free(text);
    return code < 0 ? code : change_number_set(change, "version", version, error);
}

int version_update(struct change *change, const struct config *config,
                   const struct calendar *calendar, const char *description, bool *out_changed,
                   struct bl_error *error)
{
    struct rows rows = {.config = config, .calendar = calendar};
    struct difference difference = {0};
    uint32_t version = change_number(change, "version");
    int code = seals_keep(change, config, error);

    if (code == 0)
        code = version_rows_make(change, &rows, error);
    if (code == 0)
        code = rows_compare(change, &rows, version, &difference, error);
    for (size_t i = 0; code == 0 && i < difference.count; i++)
        code = row_write(change, difference.items[i].key, difference.items[i].key_len, version + 1,
                         difference.items[i].value, error);
    if (code == 0 && difference.count)
        code = version_write(change, version + 1, description, error);
    if (code == 0)
        *out_changed = difference.count > 0;
    arena_free(&rows.arena);
    arena_free(&difference.arena);
    return code;
}

int versions_read(struct change *change, json_t **out_versions, struct bl_error *error)
{
    return grants_read(change, TABLE_VERSIONS, out_versions, error);
}

static json_t *row_tell(const struct past *past)
{
    const char *subnet = past->prefix, *target = subnet + strlen(subnet) + 1;
    char *value = strndup(past->found.mv_data, past->found.mv_size), *rest = value, *line;
    json_t *rules = json_array(), *row;

    line = strsep(&rest, "\n");
    row = json_pack("{s:s, s:s, s:s, s:o}", "subnet", subnet, "target", target, "group",
                    line ? line : "", "rules", rules);
    while ((line = strsep(&rest, "\n"))) {
        json_t *fields = json_array();
        for (char *field; (field = strsep(&line, "\t"));)
            json_array_append_new(fields, json_string(field));
        json_array_append_new(rules, fields);
    }
    free(value);
    return row;
}

int version_rows_read(struct change *change, uint32_t version, json_t **out_rows,
                      struct bl_error *error)
{
    uint32_t last = change_number(change, "version");
    struct past past = {0};
    json_t *rows;
    int code;

    if (version > last || last == 0)
        return bl_error_set(error, -ENOENT, "there is no version %u; the last one is %u", version,
                            last);
    code = past_open(change, version ? version : last, &past, error);
    if (code < 0)
        return code;
    rows = json_array();
    while (past_next(&past)) {
        if (past.found.mv_size)
            json_array_append_new(rows, row_tell(&past));
    }
    mdb_cursor_close(past.cursor);
    *out_rows = rows;
    return 0;
}
