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

int held_write(const char *state, uint64_t generation, const struct bl_guard *guard,
               struct bl_error *error)
{
    json_t *entries = json_object(), *record;
    char path[BL_PATH_MAX], fresh[BL_PATH_MAX + 8];
    int code = 0;

    if (!path_make(state, path)) {
        json_decref(entries);
        return bl_error_set(error, -ENAMETOOLONG, "the path of the state folder is too long");
    }
    snprintf(fresh, sizeof fresh, "%s.new", path);
    for (size_t i = 0; i < guard->sealed_count; i++)
        json_object_set_new(entries, guard->sealed[i], json_integer((json_int_t)guard->held[i]));
    record = json_pack("{s:I, s:o}", "generation", (json_int_t)generation, "entries", entries);
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

void held_read(const char *state, uint64_t generation, struct bl_guard *guard)
{
    char path[BL_PATH_MAX];
    json_t *record = path_make(state, path) ? json_load_file(path, 0, NULL) : NULL;
    const json_t *entries = json_object_get(record, "entries");

    if (record && (generation == 0 || (uint64_t)json_integer_value(
                                          json_object_get(record, "generation")) == generation))
        guard->held = calloc(guard->sealed_count + 1, sizeof *guard->held);
    for (size_t i = 0; guard->held && i < guard->sealed_count; i++) {
        json_int_t held = json_integer_value(json_object_get(entries, guard->sealed[i]));

        guard->held[i] = held > 0 ? (uint64_t)held : 0;
    }
    json_decref(record);
}
