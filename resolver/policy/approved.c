#include "resolver/policy/approved.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_ROOM = 4096, TEXT_MOST = 64 << 20 };

static const char NAME[] = "approved.yaml";
static const char HEADING[] = "# The configuration that was last in force, for chalkgated's next "
                              "start: see `requires-approval`. Please leave it alone\n";
static const char ENDING[] = "# whole\n";

static int path_make(const char *folder, const char *name, char path[PATH_ROOM],
                     struct bl_error *error)
{
    return snprintf(path, PATH_ROOM, "%s/%s", folder, name) < PATH_ROOM
               ? 0
               : bl_error_set(error, -ENAMETOOLONG, "the path of the state folder is too long");
}

/* The file as it is; -ENOENT where there is none. */
static int text_read(const char *path, char **out_text, size_t *out_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), code = 0;
    FILE *in = fd < 0 ? NULL : fdopen(fd, "r"), *out;
    char room[4096], *text = NULL;
    size_t len = 0, got;

    if (!in) {
        code = -errno;
        if (fd >= 0)
            close(fd);
        return code;
    }
    out = open_memstream(&text, &len);
    while (out && (got = fread(room, 1, sizeof room, in)) > 0 && ftell(in) <= TEXT_MOST)
        fwrite(room, 1, got, out);
    if (ferror(in))
        code = -errno;
    else if (!feof(in))
        code = -EFBIG;
    if (!out || fclose(out) != 0)
        code = -ENOMEM;
    fclose(in);
    if (code < 0) {
        free(text);
        return code;
    }
    *out_text = text;
    *out_len = len;
    return 0;
}

/* Half a file would be a looser policy than the whole. */
static bool text_is_whole(const char *text, size_t len)
{
    const size_t end = sizeof ENDING - 1;

    return len > end && memcmp(text + len - end, ENDING, end) == 0 &&
           strncmp(text, HEADING, sizeof HEADING - 1) == 0;
}

int approved_read(const char *folder, const char *path, struct config **out_config,
                  struct bl_error *error)
{
    struct config_faults faults = {0};
    char kept[PATH_ROOM], *text = NULL;
    size_t len = 0;
    int code = path_make(folder, NAME, kept, error);

    if (code < 0)
        return code;
    code = text_read(kept, &text, &len);
    if (code == -ENOENT) {
        *out_config = NULL;
        return 0;
    }
    if (code == 0 && !text_is_whole(text, len))
        code = -EBADMSG;
    if (code < 0)
        bl_error_set(error, code, "%s cannot be read: %s", kept,
                     code == -EBADMSG ? "it is damaged" : strerror(-code));
    else if (config_load_text(path, text, len, out_config, &faults) < 0)
        code = bl_error_set(error, -EBADMSG, "%s is not understood: %s", kept,
                            faults.count ? faults.items[0].text : "out of memory");
    config_faults_free(&faults);
    free(text);
    return code;
}

static int text_print(const struct config *config, char **out_text, size_t *out_len)
{
    FILE *out = open_memstream(out_text, out_len);
    int code;

    if (!out)
        return -ENOMEM;
    fputs(HEADING, out);
    code = config_print(config, out);
    fputs(ENDING, out);
    return fclose(out) != 0 ? -ENOMEM : code;
}

/* Durable under another name, and only then in the place of what was. */
static int text_write(const char *fresh, const char *path, const char *text, size_t len)
{
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600), code = 0;

    if (fd < 0)
        return -errno;
    while (len > 0 && code == 0) {
        ssize_t done = write(fd, text, len);
        if (done < 0)
            code = -errno;
        else
            text += done, len -= (size_t)done;
    }
    if (code == 0 && fsync(fd) < 0)
        code = -errno;
    close(fd);
    if (code == 0 && rename(fresh, path) < 0)
        code = -errno;
    if (code < 0)
        unlink(fresh);
    return code;
}

static int config_keep(const char *folder, const char *path, const struct config *config,
                       struct bl_error *error)
{
    char fresh[PATH_ROOM], *text = NULL, *old = NULL;
    size_t len = 0, old_len = 0;
    int code = path_make(folder, "approved.yaml.new", fresh, error), opened;

    if (code < 0)
        return code;
    code = text_print(config, &text, &len);
    if (code == 0 &&
        (text_read(path, &old, &old_len) < 0 || old_len != len || memcmp(old, text, len) != 0)) {
        code = text_write(fresh, path, text, len);
        opened = code == 0 ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        if (opened >= 0) { /* the rename, too */
            (void)fsync(opened);
            close(opened);
        }
    }
    free(text);
    free(old);
    return code;
}

int approved_write(const char *folder, const struct config *config, struct bl_error *error)
{
    char path[PATH_ROOM];
    int code = path_make(folder, NAME, path, error);

    if (code < 0)
        return code;
    if (config->roles.requires_approval)
        code = config_keep(folder, path, config, error);
    else if (unlink(path) < 0 && errno != ENOENT)
        code = -errno;
    return code == 0 ? 0
                     : bl_error_set(error, code,
                                    "what is in force cannot be kept in %s for the next start: %s",
                                    path, strerror(-code));
}
