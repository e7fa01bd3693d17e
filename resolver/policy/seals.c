/* Seals are for good: which categories were ever sealed is on record, and no configuration that
 * says otherwise comes into force. */
#include "resolver/policy/seals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_MAX = 511 /* of LMDB */, PATH_ROOM = 4096, FILE_MOST = 1 << 20 };

static const char prefix[] = "sealed:";
static const char heading[] = "# Categories that are sealed, for good: see `sealed` in the "
                              "configuration\n";

static int seal_check(const struct config *config, const char *name, size_t len,
                      struct bl_error *error)
{
    for (size_t i = 0; i < config->category_count; i++)
        if (strlen(config->categories[i].name) == len &&
            memcmp(config->categories[i].name, name, len) == 0)
            return config->categories[i].sealed
                       ? 0
                       : bl_error_set(
                             error, -EPERM,
                             "%s: category \"%.*s\" was sealed, and a seal cannot be taken "
                             "off: please put `sealed: true` back",
                             config->path, (int)len, name);
    return bl_error_set(error, -EPERM,
                        "%s: category \"%.*s\" was sealed and is not there any more: please put it "
                        "back, with `sealed: true`",
                        config->path, (int)len, name);
}

static int path_make(const char *folder, const char *name, char path[PATH_ROOM],
                     struct bl_error *error)
{
    return snprintf(path, PATH_ROOM, "%s/%s", folder, name) < PATH_ROOM
               ? 0
               : bl_error_set(error, -ENAMETOOLONG, "the path of the state folder is too long");
}

/* The whole file, or NULL where there is none. */
static int text_read(const char *path, char **out_text, struct bl_error *error)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t len = 0;
    int code = file ? 0 : -errno;

    if (code == -ENOENT) {
        *out_text = NULL;
        return 0;
    }
    if (code == 0)
        text = calloc(1, FILE_MOST);
    if (code == 0 && !text)
        code = -ENOMEM;
    if (code == 0)
        len = fread(text, 1, FILE_MOST - 1, file);
    if (code == 0 && (ferror(file) || !feof(file)))
        code = ferror(file) ? -errno : -EFBIG;
    /* Written whole or not at all: another beginning or ending is not ours. */
    if (code == 0 && (strncmp(text, heading, sizeof heading - 1) != 0 || text[len - 1] != '\n'))
        code = -EBADMSG;
    if (file)
        fclose(file);
    if (code < 0) {
        free(text);
        return bl_error_set(
            error, code,
            "which categories are sealed cannot be read: %s: %s. Please put that file back from "
            "before, or remove it where state.mdb beside it is whole",
            path, code == -EBADMSG ? "it is damaged" : strerror(-code));
    }
    *out_text = text;
    return 0;
}

int seals_read(const char *folder, struct seals *out_seals, struct bl_error *error)
{
    struct seals seals = {0};
    char path[PATH_ROOM], *rest, *line;
    size_t lines = 1;
    int code = path_make(folder, "sealed", path, error);

    if (code == 0)
        code = text_read(path, &seals.text, error);
    if (code < 0)
        return code;
    for (const char *at = seals.text; at && *at; at++)
        lines += *at == '\n';
    seals.names = calloc(lines, sizeof *seals.names);
    if (!seals.names) {
        free(seals.text);
        return bl_error_set(error, -ENOMEM, "no memory for the seals");
    }
    rest = seals.text;
    while ((line = strsep(&rest, "\n")))
        if (*line && *line != '#')
            seals.names[seals.count++] = line;
    *out_seals = seals;
    return 0;
}

void seals_free(struct seals *seals)
{
    free(seals->names);
    free(seals->text);
}

int seals_check(const char *folder, const struct config *config, struct bl_error *error)
{
    struct seals seals;
    int code = seals_read(folder, &seals, error);

    if (code < 0)
        return code;
    for (size_t i = 0; code == 0 && i < seals.count; i++)
        code = seal_check(config, seals.names[i], strlen(seals.names[i]), error);
    seals_free(&seals);
    return code;
}

static int noted_check(struct change *change, const struct config *config, struct bl_error *error)
{
    MDB_val key = {sizeof prefix - 1, (void *)(uintptr_t)prefix}, value;
    MDB_cursor *cursor;
    int code = change_cursor(change, TABLE_META, &cursor, error), found;

    if (code < 0)
        return code;
    found = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    while (code == 0 && found == 0 && key.mv_size >= sizeof prefix - 1 &&
           memcmp(key.mv_data, prefix, sizeof prefix - 1) == 0) {
        code = seal_check(config, (const char *)key.mv_data + sizeof prefix - 1,
                          key.mv_size - (sizeof prefix - 1), error);
        found = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return code;
}

int seals_keep(struct change *change, const struct config *config, struct bl_error *error)
{
    int code = noted_check(change, config, error);

    if (code == 0)
        code = seals_check(change_folder(change), config, error);
    for (size_t i = 0; code == 0 && i < config->category_count; i++) {
        char key[KEY_MAX + 1];

        if (!config->categories[i].sealed)
            continue;
        snprintf(key, sizeof key, "%s%s", prefix, config->categories[i].name);
        if (change_number(change, key) == 0)
            code = change_number_set(change, key, 1, error);
    }
    return code;
}

static bool are_written(const char *folder, const struct config *config)
{
    struct seals seals;
    size_t count = 0;
    bool same = seals_read(folder, &seals, NULL) == 0;

    if (!same)
        return false;
    for (size_t i = 0; i < config->category_count && same; i++)
        if (config->categories[i].sealed) {
            same =
                count < seals.count && strcmp(seals.names[count], config->categories[i].name) == 0;
            count++;
        }
    same &= count == seals.count;
    seals_free(&seals);
    return same;
}

/* Durable under another name. */
static int text_write(const char *path, const struct config *config)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644), code = 0;
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

    if (!file) {
        code = -errno;
        if (fd >= 0)
            close(fd);
        return code;
    }
    fputs(heading, file);
    for (size_t i = 0; i < config->category_count; i++)
        if (config->categories[i].sealed)
            fprintf(file, "%s\n", config->categories[i].name);
    if (fflush(file) != 0 || fsync(fd) < 0)
        code = -errno;
    if (fclose(file) != 0 && code == 0)
        code = -errno;
    return code;
}

int seals_write(const char *folder, const struct config *config, struct bl_error *error)
{
    char path[PATH_ROOM], fresh[PATH_ROOM];
    int code = path_make(folder, "sealed", path, error), opened;

    if (code == 0)
        code = path_make(folder, "sealed.new", fresh, error);
    if (code < 0 || are_written(folder, config))
        return code;
    code = text_write(fresh, config);
    if (code == 0 && rename(fresh, path) < 0)
        code = -errno;
    opened = code == 0 ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (opened >= 0) { /* the rename, too */
        (void)fsync(opened);
        close(opened);
    }
    if (code < 0)
        unlink(fresh);
    return code == 0
               ? 0
               : bl_error_set(error, code, "which categories are sealed cannot be kept in %s: %s",
                              path, strerror(-code));
}
