#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolver/config/read.h"

/* What config_load() gives out is the first field, so that config_free() finds the rest. */
struct loaded {
    struct config config;
    struct arena arena;
};

static void text_read(struct reader *reader, const char *text, size_t len, const struct key *root)
{
    const struct yaml_node *node;
    size_t before = reader->faults->count;

    /* A byte order mark is no fault: editors on Windows put it there. */
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        len -= 3;
    }
    node = yaml_read(text, len, reader->arena, reader->faults);
    if (!node) {
        if (reader->faults->count == before)
            faults_add(reader->faults, 0, 0,
                       "is empty; config.yaml in the project's folder is a "
                       "working example");
        return;
    }
    if (node->kind != YAML_MAP)
        reader_fault(reader, node, "keys and values are wanted here, as \"listen: [192.0.2.1]\"");
    else
        reader_object(reader, root->children, node, reader->config);
}

static char *folder_of(struct arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    char here[4096];

    if (slash && *path == '/')
        return arena_text(arena, path, slash == path ? 1 : (size_t)(slash - path));
    if (!getcwd(here, sizeof here))
        return arena_text(arena, ".", 1);
    if (!slash)
        return arena_text(arena, here, strlen(here));
    char *folder = arena_take(arena, strlen(here) + (size_t)(slash - path) + 2, 1);
    if (folder)
        sprintf(folder, "%s/%.*s", here, (int)(slash - path), path);
    return folder;
}

static void services_load(struct reader *reader)
{
    struct faults faults = {.path = "services.yaml"}, *own = reader->faults;
    struct config *config = reader->config;

    reader->faults = &faults;
    text_read(reader, (const char *)services_shipped, services_shipped_len, &services_root);
    for (size_t i = 0; i < config->service_count; i++)
        config->services[i].shipped = true;
    for (size_t i = 0; i < faults.count; i++)
        faults_add(own, 0, 0, "%s", faults.items[i].error.text);
    free(faults.items);
    reader->faults = own;
    reader->place_count = 0;
    reader->places = NULL;
}

static int loaded_read(struct loaded *loaded, const char *path, const char *text, size_t len,
                       struct faults *faults)
{
    struct reader reader = {.arena = &loaded->arena, .faults = faults, .config = &loaded->config};

    loaded->config.path = arena_text(&loaded->arena, path, strlen(path));
    reader.folder = folder_of(&loaded->arena, path);
    if (reader.folder) {
        services_load(&reader);
        text_read(&reader, text, len, &config_root);
        /* A file that could not be read as a whole would only give misleading further faults. */
        if (!faults->count || reader.place_count)
            config_check(&reader);
    }
    if (loaded->arena.failed)
        faults_add(faults, 0, 0, "out of memory while reading it");
    if (loaded->arena.failed)
        return -ENOMEM;
    return faults->count ? -EINVAL : 0;
}

int config_load_text(const char *path, const char *text, size_t len, struct config **out_config,
                     struct config_faults *out_faults)
{
    struct faults faults = {.path = path};
    struct loaded *loaded = calloc(1, sizeof *loaded);
    int code = -ENOMEM;

    if (loaded)
        code = loaded_read(loaded, path, text, len, &faults);
    else
        faults_add(&faults, 0, 0, "out of memory while reading it");
    if (code == 0) {
        *out_config = &loaded->config;
        free(faults.items);
        return 0;
    }
    faults_finish(&faults, out_faults);
    if (loaded)
        config_free(&loaded->config);
    return code;
}

static int file_read(const char *path, char **out_text, size_t *out_len, struct faults *faults)
{
    char *text = NULL;
    struct stat status;
    size_t len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), code = 0;

    if (fd < 0 || fstat(fd, &status) < 0) {
        code = -errno;
        faults_add(faults, 0, 0, "cannot be opened: %s", strerror(-code));
    } else if (!S_ISREG(status.st_mode)) {
        code = S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
        faults_add(faults, 0, 0, "is not a file");
    } else if (status.st_size > YAML_TEXT_MAX) {
        code = -EFBIG;
        faults_add(faults, 0, 0, "larger than %d MiB", YAML_TEXT_MAX >> 20);
    } else if (!(text = malloc((size_t)status.st_size + 1))) {
        code = -ENOMEM;
        faults_add(faults, 0, 0, "out of memory while reading it");
    }
    while (code == 0 && len < (size_t)status.st_size) {
        ssize_t got = read(fd, text + len, (size_t)status.st_size - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            code = -errno;
            faults_add(faults, 0, 0, "cannot be read: %s", strerror(-code));
        }
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    if (fd >= 0)
        close(fd);
    if (code < 0) {
        free(text);
        return code;
    }
    *out_text = text;
    *out_len = len;
    return 0;
}

int config_load(const char *path, struct config **out_config, struct config_faults *out_faults)
{
    struct faults faults = {.path = path};
    char *text;
    size_t len;
    int code = file_read(path, &text, &len, &faults);

    if (code < 0) {
        faults_finish(&faults, out_faults);
        return code;
    }
    code = config_load_text(path, text, len, out_config, out_faults);
    free(text);
    return code;
}

void config_free(struct config *config)
{
    struct arena arena;

    if (!config)
        return;
    arena = ((struct loaded *)(void *)config)->arena;
    arena_free(&arena);
    free((struct loaded *)(void *)config);
}

void config_faults_free(struct config_faults *faults)
{
    if (!faults)
        return;
    free(faults->items);
    *faults = (struct config_faults){0};
}

static int index_of(const void *array, size_t count, size_t size, const char *name)
{
    struct nearest nearest = {.wanted = name};
    uint16_t index;

    return value_element(array, count, size, name, &nearest, &index) ? index : -ENOENT;
}

int config_category_find(const struct config *config, const char *name)
{
    return index_of(config->categories, config->category_count, sizeof *config->categories, name);
}

int config_group_find(const struct config *config, const char *name)
{
    return index_of(config->groups, config->group_count, sizeof *config->groups, name);
}

int config_service_find(const struct config *config, const char *name)
{
    return index_of(config->services, config->service_count, sizeof *config->services, name);
}

const char *config_severity_text(enum config_severity severity)
{
    return (unsigned)severity <= SEVERITY_URGENT ? SEVERITY_WORDS[severity] : "unknown";
}

const char *config_answer_text(enum answer_kind kind)
{
    return (unsigned)kind <= ANSWER_REFUSED ? ANSWER_WORDS[kind] : "unknown";
}
