#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/config/read.h"

struct printer {
    const struct config *config;
    FILE *out;
    bool flat;      /* each line with its whole path, for comparing */
    char path[400]; /* of the surrounding mapping, with a dot at its end */
};

static void indent(struct printer *printer, unsigned depth)
{
    if (printer->flat)
        fputs(printer->path, printer->out);
    else
        fprintf(printer->out, "%*s", (int)(2 * depth), "");
}

/* Quoted unless it can only be read as itself. */
static void scalar_print(struct printer *printer, const char *text)
{
    static const char PLAIN[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:";
    size_t len = strlen(text);

    if (len && isalnum((unsigned char)*text) && strspn(text, PLAIN) == len &&
        text[len - 1] != ':') {
        fputs(text, printer->out);
        return;
    }
    fputc('"', printer->out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(printer->out, "\\%c", c);
        else if (c == '\n')
            fputs("\\n", printer->out);
        else if (c < 0x20 || c == 0x7f)
            fprintf(printer->out, "\\x%02x", c);
        else
            fputc(c, printer->out);
    }
    fputc('"', printer->out);
}

static void key_print(struct printer *printer, const struct key *key, unsigned depth)
{
    size_t len = strlen(printer->path);

    if (*key->name) {
        indent(printer, depth);
        fprintf(printer->out, "%s:", key->name);
    } else if (printer->flat && len) {
        fprintf(printer->out, "%.*s:", (int)len - 1, printer->path);
    }
}

/* A line of its own; in a flat print the path grows instead, and container_close() shortens it
 * again. */
static size_t container_open(struct printer *printer, const char *name, unsigned depth)
{
    size_t len = strlen(printer->path);

    if (printer->flat) {
        snprintf(printer->path + len, sizeof printer->path - len, "%s.", name);
        return len;
    }
    indent(printer, depth);
    scalar_print(printer, name);
    fputs(":\n", printer->out);
    return len;
}

static void container_close(struct printer *printer, size_t len)
{
    printer->path[len] = '\0';
}

static void element_print(struct printer *printer, const char *text, bool *first)
{
    fputs(*first ? " [" : ", ", printer->out);
    *first = false;
    scalar_print(printer, text);
}

static void answer_print(struct printer *printer, const struct key *key,
                         const struct config_answer *answer, unsigned depth)
{
    static const struct key PLAIN = {.name = "answer"};
    char text[VALUE_TEXT_MAX];
    bool first = true;

    if (!answer->set)
        return;
    key_print(printer, key, depth);
    if (answer->kind != ANSWER_ADDRESSES) {
        fprintf(printer->out, " %s\n", ANSWER_WORDS[answer->kind]);
        return;
    }
    for (size_t i = 0; i < answer->address_count; i++) {
        value_text(printer->config, &PLAIN, KEY_ADDRESS, &answer->addresses[i], text);
        element_print(printer, text, &first);
    }
    fputs("]\n", printer->out);
}

static void targets_print(struct printer *printer, const struct key *key,
                          const struct config_targets *targets, unsigned depth)
{
    char text[BL_NAME_TEXT_MAX + 8];
    bool first = true;

    if (!targets->category_count && !targets->service_count && !targets->name_count)
        return;
    key_print(printer, key, depth);
    for (size_t i = 0; i < targets->category_count; i++) {
        snprintf(text, sizeof text, "category:%s",
                 printer->config->categories[targets->categories[i]].name);
        element_print(printer, text, &first);
    }
    for (size_t i = 0; i < targets->service_count; i++) {
        snprintf(text, sizeof text, "service:%s",
                 printer->config->services[targets->services[i]].name);
        element_print(printer, text, &first);
    }
    for (size_t i = 0; i < targets->name_count; i++) {
        memcpy(text, "name:", 5);
        bl_name_text(targets->names[i], text + 5);
        element_print(printer, text, &first);
    }
    fputs("]\n", printer->out);
}

static void days_print(struct printer *printer, const struct key *key, uint8_t days, unsigned depth)
{
    bool first = true;

    key_print(printer, key, depth);
    for (unsigned day = 0; day < 7; day++) {
        if (days & (1u << day))
            element_print(printer, DAY_WORDS[day], &first);
    }
    fputs("]\n", printer->out);
}

static void list_print(struct printer *printer, const struct key *key, const void *base,
                       unsigned depth)
{
    size_t count = *(const size_t *)(const void *)((const char *)base + key->count_offset);
    const char *array = *(char *const *)key_field(key, base);
    char text[VALUE_TEXT_MAX];
    bool first = true;

    if (!count)
        return;
    key_print(printer, key, depth);
    for (size_t i = 0; i < count; i++) {
        if (value_text(printer->config, key, key->element, array + i * key_size(key->element),
                       text))
            element_print(printer, text, &first);
    }
    fputs(first ? " []\n" : "]\n", printer->out);
}

static void object_print(struct printer *printer, const struct key *keys, const void *base,
                         unsigned depth);

static void items_print(struct printer *printer, const struct key *key, const void *base,
                        unsigned depth)
{
    size_t count = *(const size_t *)(const void *)((const char *)base + key->count_offset);
    const char *array = *(char *const *)key_field(key, base);

    if (!count)
        return;
    if (!printer->flat) {
        key_print(printer, key, depth);
        fputc('\n', printer->out);
    }
    for (size_t i = 0; i < count; i++) {
        char name[100];
        size_t len = strlen(printer->path);
        if (printer->flat) {
            snprintf(name, sizeof name, "%s[%zu]", key->name, i);
            len = container_open(printer, name, depth);
        } else {
            indent(printer, depth + 1);
            fputs("-\n", printer->out);
        }
        object_print(printer, key->children, array + i * key->size, depth + 2);
        container_close(printer, len);
    }
}

static void row_print(struct printer *printer, const struct key *key, const void *base,
                      unsigned depth);

static void map_print(struct printer *printer, const struct key *key, const void *base,
                      unsigned depth)
{
    size_t count = *(const size_t *)(const void *)((const char *)base + key->count_offset);
    const char *array = *(char *const *)key_field(key, base);
    size_t outer = strlen(printer->path);
    bool begun = false;

    for (size_t i = 0; i < count; i++) {
        const char *element = array + i * key->size;
        const char *name = *(const char *const *)(const void *)element;
        size_t len;
        if (key->shipped_offset && *(const bool *)(element + key->shipped_offset))
            continue;
        if (!begun)
            container_open(printer, key->name, depth);
        begun = true;
        len = strlen(printer->path);
        if (*key->children->name) {
            container_open(printer, name, depth + 1);
            object_print(printer, key->children, element, depth + 2);
        } else if (printer->flat) {
            container_open(printer, name, depth + 1);
            row_print(printer, key->children, element, depth + 1);
        } else {
            indent(printer, depth + 1);
            scalar_print(printer, name);
            fputc(':', printer->out);
            row_print(printer, key->children, element, depth + 1);
        }
        container_close(printer, len);
    }
    container_close(printer, outer);
}

static void row_print(struct printer *printer, const struct key *key, const void *base,
                      unsigned depth)
{
    const void *field = key_field(key, base);
    char text[VALUE_TEXT_MAX];
    size_t len;

    switch (key->type) {
    case KEY_LIST:
        list_print(printer, key, base, depth);
        break;
    case KEY_OBJECT:
        len = container_open(printer, key->name, depth);
        object_print(printer, key->children, field, depth + 1);
        container_close(printer, len);
        break;
    case KEY_MAP:
        map_print(printer, key, base, depth);
        break;
    case KEY_ITEMS:
        items_print(printer, key, base, depth);
        break;
    case KEY_DAYS:
        days_print(printer, key, *(const uint8_t *)field, depth);
        break;
    case KEY_ANSWER:
        answer_print(printer, key, field, depth);
        break;
    case KEY_TARGETS:
        targets_print(printer, key, field, depth);
        break;
    default:
        if (!value_text(printer->config, key, key->type, field, text))
            break;
        key_print(printer, key, depth);
        fputc(' ', printer->out);
        scalar_print(printer, text);
        fputc('\n', printer->out);
    }
}

/* The recursion goes as deep as the table of keys, not as the file. */
static void object_print(struct printer *printer, const struct key *keys, const void *base,
                         unsigned depth)
{
    for (; keys->name; keys++)
        row_print(printer, keys, base, depth);
}

int config_print(const struct config *config, FILE *out)
{
    struct printer printer = {.config = config, .out = out};

    object_print(&printer, config_root.children, config, 0);
    return fflush(out) == 0 && !ferror(out) ? 0 : -EIO;
}

static char *flat_print(const struct config *config)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    struct printer printer = {.config = config, .out = out, .flat = true};

    if (!out)
        return NULL;
    object_print(&printer, config_root.children, config, 0);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

struct lines {
    char **items;
    size_t count;
};

static bool lines_split(char *text, struct lines *lines)
{
    size_t room = 0;

    for (char *line; (line = strsep(&text, "\n"));) {
        if (lines->count == room) {
            char **items = realloc(lines->items, (room = room ? 2 * room : 64) * sizeof *items);
            if (!items)
                return false;
            lines->items = items;
        }
        if (*line)
            lines->items[lines->count++] = line;
    }
    return true;
}

static int line_compare(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static void lines_compare(struct lines *before, struct lines *after,
                          void (*each)(void *user, char sign, const char *line), void *user)
{
    size_t i = 0, j = 0;

    if (before->count)
        qsort(before->items, before->count, sizeof *before->items, line_compare);
    if (after->count)
        qsort(after->items, after->count, sizeof *after->items, line_compare);
    while (i < before->count || j < after->count) {
        int order = i == before->count  ? 1
                    : j == after->count ? -1
                                        : strcmp(before->items[i], after->items[j]);
        if (order < 0)
            each(user, '-', before->items[i]);
        else if (order > 0)
            each(user, '+', after->items[j]);
        i += order <= 0;
        j += order >= 0;
    }
}

int config_lines(const struct config *config, void (*each)(void *user, const char *line),
                 void *user)
{
    char *text = flat_print(config), *rest = text;

    if (!text)
        return -ENOMEM;
    for (char *line; (line = strsep(&rest, "\n"));) {
        if (*line)
            each(user, line);
    }
    free(text);
    return 0;
}

int config_difference(const struct config *before, const struct config *after,
                      void (*each)(void *user, char sign, const char *line), void *user)
{
    char *old_text = flat_print(before), *new_text = flat_print(after);
    struct lines old_lines = {0}, new_lines = {0};
    int code = -ENOMEM;

    if (old_text && new_text && lines_split(old_text, &old_lines) &&
        lines_split(new_text, &new_lines)) {
        lines_compare(&old_lines, &new_lines, each, user);
        code = 0;
    }
    free(old_lines.items);
    free(new_lines.items);
    free(old_text);
    free(new_text);
    return code;
}
