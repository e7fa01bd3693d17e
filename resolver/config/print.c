#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/config/read.h"

struct printer {
    const struct config *config;
    FILE *out;
};

static void indent(struct printer *printer, unsigned depth)
{
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
    if (*key->name) {
        indent(printer, depth);
        fprintf(printer->out, "%s:", key->name);
    }
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
    key_print(printer, key, depth);
    fputc('\n', printer->out);
    for (size_t i = 0; i < count; i++) {
        indent(printer, depth + 1);
        fputs("-\n", printer->out);
        object_print(printer, key->children, array + i * key->size, depth + 2);
    }
}

static void row_print(struct printer *printer, const struct key *key, const void *base,
                      unsigned depth);

static void map_print(struct printer *printer, const struct key *key, const void *base,
                      unsigned depth)
{
    size_t count = *(const size_t *)(const void *)((const char *)base + key->count_offset);
    const char *array = *(char *const *)key_field(key, base);
    bool begun = false;

    for (size_t i = 0; i < count; i++) {
        const char *element = array + i * key->size;
        if (key->shipped_offset && *(const bool *)(element + key->shipped_offset))
            continue;
        if (!begun) {
            key_print(printer, key, depth);
            fputc('\n', printer->out);
            begun = true;
        }
        indent(printer, depth + 1);
        scalar_print(printer, *(const char *const *)(const void *)element);
        fputc(':', printer->out);
        if (*key->children->name) {
            fputc('\n', printer->out);
            object_print(printer, key->children, element, depth + 2);
        } else {
            row_print(printer, key->children, element, depth + 1);
        }
    }
}

static void row_print(struct printer *printer, const struct key *key, const void *base,
                      unsigned depth)
{
    const void *field = key_field(key, base);
    char text[VALUE_TEXT_MAX];

    switch (key->type) {
    case KEY_LIST:
        list_print(printer, key, base, depth);
        break;
    case KEY_OBJECT:
        key_print(printer, key, depth);
        fputc('\n', printer->out);
        object_print(printer, key->children, field, depth + 1);
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
