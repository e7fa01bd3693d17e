#include "resolver/policy/held.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocklists/lists.h"

static bool path_make(const char *state, char path[BL_PATH_MAX])
{
    return (size_t)snprintf(path, BL_PATH_MAX, "%s/lists/sealed.json", state) < BL_PATH_MAX;
}

/* Far more than any list has, and few enough that nothing computed of it overflows. */
static const json_int_t ENTRIES_MOST = INT64_C(1) << 48;
enum { RECORD_OCTETS_MOST = 1 << 20 };

/* What is wrong with a member of the record that should be numbers by category, or NULL. */
static const char *numbers_fault(json_t *record, const char *member)
{
    json_t *numbers = json_object_get(record, member), *number;
    const char *name;

    if (!numbers)
        return NULL;
    if (!json_is_object(numbers))
        return "it has no numbers by category";
    json_object_foreach(numbers, name, number)
    {
        if (!json_is_integer(number) || json_integer_value(number) < 0 ||
            json_integer_value(number) > ENTRIES_MOST)
            return "a category has no number of entries";
    }
    return NULL;
}

/* The numbers of struct bl_held: what the lists noted last hold, and the most that ever was. */
static const struct kind {
    const char *now, *most;
} KINDS[] = {{"entries", "most"}, {"whole", "most-whole"}};

enum { KIND_COUNT = sizeof KINDS / sizeof *KINDS };

static uint64_t *number_in(struct bl_held *held, unsigned kind)
{
    return kind == 0 ? &held->entries : &held->whole;
}

static const char *record_fault(json_t *record)
{
    const char *fault = json_is_object(record) ? NULL : "it has no numbers by category";

    for (unsigned kind = 0; !fault && kind < KIND_COUNT; kind++) {
        fault = numbers_fault(record, KINDS[kind].now);
        fault = fault ? fault : numbers_fault(record, KINDS[kind].most);
    }
    return fault;
}

/* 0 and the record, NULL where there is none; or a negative errno with a sentence's end that says
 * why not. */
static int record_read(const char *path, json_t **out_record, struct bl_error *why)
{
    FILE *file = fopen(path, "re");
    const char *fault = NULL;
    json_error_t syntax;
    struct stat status;

    *out_record = NULL;
    if (!file)
        return errno == ENOENT || errno == ENOTDIR
                   ? 0
                   : bl_error_set(why, -errno, "%s", strerror(errno));
    if (fstat(fileno(file), &status) < 0 || status.st_size > RECORD_OCTETS_MOST)
        fault = "it is too long";
    else if (!(*out_record = json_loadf(file, JSON_REJECT_DUPLICATES, &syntax)))
        fault = syntax.text;
    else
        fault = record_fault(*out_record);
    fclose(file);
    if (!fault)
        return 0;
    json_decref(*out_record);
    *out_record = NULL;
    return bl_error_set(why, -EBADMSG, "%s", fault);
}

/* *out_record is NULL where there is none yet. What is there and cannot be read is an error: it is
 * not to be taken for none, and written anew. */
static int record_load(const char *state, json_t **out_record, struct bl_error *error)
{
    char path[BL_PATH_MAX];
    struct bl_error why = {""};
    int code;

    *out_record = NULL;
    if (!path_make(state, path))
        return bl_error_set(error, -ENAMETOOLONG, "the path of the state folder is too long");
    code = record_read(path, out_record, &why);
    return code == 0 ? 0
                     : bl_error_set(error, code,
                                    "what the sealed categories held cannot be read from %s: %s. "
                                    "Please put that file back from a copy, or remove it",
                                    path, why.text);
}

int held_check(const char *state, struct bl_error *why)
{
    char path[BL_PATH_MAX];
    json_t *record;
    int code = path_make(state, path) ? record_read(path, &record, why)
                                      : bl_error_set(why, -ENAMETOOLONG, "its path is too long");

    if (code == 0)
        json_decref(record);
    return code;
}

/* The most that each category ever had: what a record says, or that of an earlier program had.
 * Borrowed, or NULL. */
static json_t *most_of(const json_t *record, unsigned kind)
{
    json_t *most = json_object_get(record, KINDS[kind].most);

    return most ? most : json_object_get(record, KINDS[kind].now);
}

static uint64_t number_of(const json_t *object, const char *name)
{
    json_int_t number = json_integer_value(json_object_get(object, name));

    return number > 0 ? (uint64_t)number : 0;
}

/* The most only grows. */
static void most_raise(json_t *most, const char *name, uint64_t entries)
{
    if (number_of(most, name) < entries)
        json_object_set_new(most, name, json_integer((json_int_t)entries));
}

/* A record that has nothing but the most of `before`, which may be NULL; NULL without memory. */
static json_t *record_begin(const json_t *before, uint64_t generation)
{
    json_t *record = json_pack("{s:I}", "generation", (json_int_t)generation);

    for (unsigned kind = 0; record && kind < KIND_COUNT; kind++) {
        json_t *most = json_copy(most_of(before, kind));

        json_object_set_new(record, KINDS[kind].now, json_object());
        json_object_set_new(record, KINDS[kind].most, most ? most : json_object());
    }
    return record;
}

/* Takes the reference. */
static int record_write(const char *state, json_t *record, struct bl_error *error)
{
    char path[BL_PATH_MAX], fresh[BL_PATH_MAX + 8];
    bool written;
    int fd, code;

    if (!path_make(state, path)) {
        json_decref(record);
        return bl_error_set(error, -ENAMETOOLONG, "the path of the state folder is too long");
    }
    snprintf(fresh, sizeof fresh, "%s.new", path);
    errno = ENOMEM;
    /* As the lists: a manager's import looks at it before the daemon does. */
    fd = record ? open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
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
    json_t *before, *record;
    int code = record_load(state, &before, error);

    if (code < 0)
        return code;
    record = record_begin(before, generation);
    json_decref(before);
    for (unsigned kind = 0; record && kind < KIND_COUNT; kind++) {
        json_t *now = json_object_get(record, KINDS[kind].now);

        for (size_t i = 0; i < guard->sealed_count; i++) {
            const char *name = guard->sealed[i];
            uint64_t number = *number_in(&guard->held[i], kind);

            if (number == BL_WHOLE_UNKNOWN)
                continue;
            json_object_set_new(now, name, json_integer((json_int_t)number));
            most_raise(json_object_get(record, KINDS[kind].most), name, number);
        }
    }
    return record_write(state, record, error);
}

int held_carry(const char *from_state, const char *to_state, struct bl_error *error)
{
    json_t *from, *to = NULL, *number;
    const char *name;
    int code = record_load(from_state, &from, error);

    if (code == 0)
        code = record_load(to_state, &to, error);
    if (code == 0 && (from || to)) {
        json_t *record = record_begin(to, 0);

        for (unsigned kind = 0; record && kind < KIND_COUNT; kind++)
            json_object_foreach(most_of(from, kind), name, number)
                most_raise(json_object_get(record, KINDS[kind].most), name,
                           (uint64_t)json_integer_value(number));
        code = record_write(to_state, record, error);
    }
    json_decref(from);
    json_decref(to);
    return code;
}

static struct bl_held *numbers_create(const struct bl_guard *guard)
{
    return calloc(guard->sealed_count + 1, sizeof(struct bl_held));
}

void held_read(const char *state, uint64_t generation, struct bl_guard *guard)
{
    json_t *record;
    bool is_noted;

    if (record_load(state, &record, NULL) < 0 || !record)
        return;
    is_noted = generation == 0 || number_of(record, "generation") == generation;
    guard->held = numbers_create(guard);
    for (size_t i = 0; guard->held && i < guard->sealed_count * KIND_COUNT; i++) {
        unsigned kind = i % KIND_COUNT;
        const char *name = guard->sealed[i / KIND_COUNT];
        const json_t *now = is_noted ? json_object_get(record, KINDS[kind].now) : NULL;

        *number_in(&guard->held[i / KIND_COUNT], kind) =
            number_of(json_object_get(now, name) ? now : most_of(record, kind), name);
    }
    json_decref(record);
}

int held_most_read(const char *state, struct bl_guard *guard, struct bl_error *error)
{
    json_t *record;
    int code = record_load(state, &record, error);

    if (code < 0)
        return code;
    guard->most = numbers_create(guard);
    for (size_t i = 0; guard->most && i < guard->sealed_count; i++)
        for (unsigned kind = 0; kind < KIND_COUNT; kind++)
            *number_in(&guard->most[i], kind) = number_of(most_of(record, kind), guard->sealed[i]);
    json_decref(record);
    return guard->most ? 0 : bl_error_set(error, -ENOMEM, "there is not enough memory");
}
