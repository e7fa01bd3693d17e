#include "resolver/policy/held.h"

#include <errno.h>
#include <fcntl.h>
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

/* *out_record is NULL where there is none yet. What is there and cannot be read is an error: it is
 * not to be taken for none, and written anew. */
static int record_load(const char *state, json_t **out_record, struct bl_error *error)
{
    char path[BL_PATH_MAX];
    json_error_t why;
    FILE *file;
    int code = 0;

    *out_record = NULL;
    if (!path_make(state, path))
        return bl_error_set(error, -ENAMETOOLONG, "the path of the state folder is too long");
    file = fopen(path, "re");
    if (!file)
        return errno == ENOENT || errno == ENOTDIR
                   ? 0
                   : bl_error_set(error, -errno,
                                  "what the sealed categories held cannot be read from %s: %s",
                                  path, strerror(errno));
    *out_record = json_loadf(file, 0, &why);
    if (!*out_record)
        code = bl_error_set(error, -EBADMSG,
                            "what the sealed categories held cannot be read from %s: %s. Please "
                            "put that file back from a copy, or remove it",
                            path, why.text);
    fclose(file);
    return code;
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
    bool written;
    int fd, code;

    if (!path_make(state, path)) {
        json_decref(record);
        return bl_error_set(error, -ENAMETOOLONG, "the path of the state folder is too long");
    }
    snprintf(fresh, sizeof fresh, "%s.new", path);
    errno = ENOMEM;
    fd = record ? open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640) : -1;
    written = fd >= 0 && json_dumpfd(record, fd, JSON_INDENT(2)) == 0 && fsync(fd) == 0;
    code = written ? 0 : -errno;
    if (fd >= 0)
        close(fd);
    if (!written || rename(fresh, path) < 0) {
        code = code ? code : errno ? -errno : -EIO;
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
    json_t *before, *entries, *most;
    int code = record_load(state, &before, error);

    if (code < 0)
        return code;
    entries = json_object();
    most = most_of(before);
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
    json_t *before, *most;
    int code = record_load(from_state, &before, error);

    if (code < 0)
        return code;
    most = most_of(before);
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
    json_t *record;

    if (record_load(state, &record, NULL) < 0)
        return;
    if (record && (generation == 0 || number_of(record, "generation") == generation))
        guard->held = numbers_find(json_object_get(record, "entries"), guard);
    json_decref(record);
}

int held_most_read(const char *state, struct bl_guard *guard, struct bl_error *error)
{
    json_t *record, *most;
    int code = record_load(state, &record, error);

    if (code < 0)
        return code;
    most = most_of(record);
    guard->most = numbers_find(most, guard);
    json_decref(most);
    json_decref(record);
    return guard->most ? 0 : bl_error_set(error, -ENOMEM, "there is not enough memory");
}
