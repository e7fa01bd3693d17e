#include "resolver/policy/held.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocklists/lists.h"

static bool path_make(const char *state, char path[BL_PATH_MAX])
{
    return (size_t)snprintf(path, BL_PATH_MAX, "%s/lists/sealed.json", state) < BL_PATH_MAX;
}

static json_t *record_load(const char *state)
{
    char path[BL_PATH_MAX];

    return path_make(state, path) ? json_load_file(path, 0, NULL) : NULL;
}

/* The most that each category ever had: what a record says, or that of an earlier program had. A
 * new reference, or NULL. */
static json_t *most_of(const json_t *record)
{
    json_t *most = json_object_get(record, "most");

    return json_copy(most ? most : json_object_get(record, "entries"));
}

static uint64_t number_of(const json_t *object, const char *name)
{
    json_int_t number = json_integer_value(json_object_get(object, name));

    return number > 0 ? (uint64_t)number : 0;
}

/* Takes both references. */
static int record_write(const char *state, uint64_t generation, json_t *entries, json_t *most,
                        struct bl_error *error)
{
    json_t *record = json_pack("{s:I, s:o, s:o}", "generation", (json_int_t)generation, "entries",
                               entries, "most", most);
    char path[BL_PATH_MAX], fresh[BL_PATH_MAX + 8];
    int code = 0;

    if (!path_make(state, path)) {
        json_decref(record);
        return bl_error_set(error, -ENAMETOOLONG, "the path of the state folder is too long");
    }
    snprintf(fresh, sizeof fresh, "%s.new", path);
    errno = ENOMEM;
    if (!record || json_dump_file(record, fresh, JSON_INDENT(2)) < 0 || rename(fresh, path) < 0) {
        code = errno ? -errno : -EIO;
        unlink(fresh);
        bl_error_set(error, code, "what the sealed categories hold cannot be kept in %s: %s", path,
                     strerror(-code));
    }
    json_decref(record);
    return code;
}

int held_write(const char *state, uint64_t generation, const struct bl_guard *guard,
               struct bl_error *error)
{
    json_t *before = record_load(state), *entries = json_object(), *most = most_of(before);

    if (!json_is_object(most)) {
        json_decref(most);
        most = json_object();
    }
    for (size_t i = 0; i < guard->sealed_count; i++) {
        const char *name = guard->sealed[i];

        json_object_set_new(entries, name, json_integer((json_int_t)guard->held[i]));
        if (number_of(most, name) < guard->held[i])
            json_object_set_new(most, name, json_integer((json_int_t)guard->held[i]));
    }
    json_decref(before);
    return record_write(state, generation, entries, most, error);
}

int held_carry(const char *from_state, const char *to_state, struct bl_error *error)
{
    json_t *before = record_load(from_state), *most = most_of(before);

    json_decref(before);
    return most ? record_write(to_state, 0, json_object(), most, error) : 0;
}

static uint64_t *numbers_find(const json_t *object, const struct bl_guard *guard)
{
    uint64_t *numbers = calloc(guard->sealed_count + 1, sizeof *numbers);

    for (size_t i = 0; numbers && i < guard->sealed_count; i++)
        numbers[i] = number_of(object, guard->sealed[i]);
    return numbers;
}

void held_read(const char *state, uint64_t generation, struct bl_guard *guard)
{
    json_t *record = record_load(state);

    if (record && (generation == 0 || number_of(record, "generation") == generation))
        guard->held = numbers_find(json_object_get(record, "entries"), guard);
    json_decref(record);
}

int held_most_read(const char *state, struct bl_guard *guard)
{
    json_t *record = record_load(state), *most = most_of(record);

    guard->most = numbers_find(most, guard);
    json_decref(most);
    json_decref(record);
    return guard->most ? 0 : -ENOMEM;
}
