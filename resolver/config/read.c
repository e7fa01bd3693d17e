#include "resolver/config/read.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 48, ELEMENTS_MAX = 60000, NAME_MAX_LEN = 63 };

void reader_fault(struct reader *reader, const struct yaml_node *node, const char *format, ...)
{
    char text[BL_ERROR_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    faults_add(reader->faults, node->line, node->column, "%s%s", reader->where, text);
}

void reader_fault_of(struct reader *reader, const void *field, const char *format, ...)
{
    const struct place *place = reader_place_of(reader, field);
    char text[BL_ERROR_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    faults_add(reader->faults, place ? place->line : 0, place ? place->column : 0, "%s%s",
               reader->where, text);
}

void reader_place(struct reader *reader, const void *field, const struct yaml_node *node)
{
    struct place *places;

    if (!node->line) /* a default */
        return;
    places = arena_grow(reader->arena, reader->places, reader->place_count, sizeof *places);
    if (!places)
        return;
    reader->places = places;
    reader->places_sorted = false;
    places[reader->place_count++] =
        (struct place){.field = field, .line = node->line, .column = node->column};
}

static int place_compare(const void *left, const void *right)
{
    uintptr_t a = (uintptr_t)((const struct place *)left)->field;
    uintptr_t b = (uintptr_t)((const struct place *)right)->field;

    return a < b ? -1 : a > b;
}

const struct place *reader_place_of(struct reader *reader, const void *field)
{
    struct place wanted = {.field = field};

    if (!reader->place_count)
        return NULL;
    if (!reader->places_sorted)
        qsort(reader->places, reader->place_count, sizeof *reader->places, place_compare);
    reader->places_sorted = true;
    return bsearch(&wanted, reader->places, reader->place_count, sizeof *reader->places,
                   place_compare);
}

static void list_read(struct reader *reader, const struct key *key, const struct yaml_node *node,
                      void *base)
{
    size_t size = key_size(key->element), count = 0;
    char *array;

    if (node->kind != YAML_LIST) {
        reader_fault(reader, node, "\"%s\" wants a list%s%s%s", key_label(key),
                     node->kind == YAML_SCALAR && *node->text ? ", as [" : "", node->text,
                     node->kind == YAML_SCALAR && *node->text ? "]" : "");
        return;
    }
    array = arena_take(reader->arena, node->count, size);
    if (!array)
        return;
    if (key->required && !node->count)
        reader_fault(reader, node, "\"%s\" is an empty list", key_label(key));
    for (const struct yaml_node *item = node->first; item; item = item->next)
        value_read(reader, key, key->element, item, array + size * count++);
    memcpy(key_field(key, base), &array, sizeof array);
    *(size_t *)(void *)((char *)base + key->count_offset) = count;
}

/* `- 192.0.2.1` is short for `- address: 192.0.2.1`. */
static void items_read(struct reader *reader, const struct key *key, const struct yaml_node *node,
                       void *base)
{
    char *array;
    size_t count = 0;

    if (node->kind != YAML_LIST) {
        reader_fault(reader, node, "\"%s\" wants a list", key_label(key));
        return;
    }
    if (key->required && !node->count)
        reader_fault(reader, node, "\"%s\" is an empty list", key_label(key));
    array = arena_take(reader->arena, node->count, key->size);
    if (!array)
        return;
    for (struct yaml_node *item = node->first; item; item = item->next) {
        struct yaml_node whole = {.kind = YAML_MAP, .line = item->line, .column = item->column};
        struct yaml_node first = *item;
        const struct yaml_node *source = item;
        if (item->kind == YAML_SCALAR && *item->text) {
            first.key = key->children->name;
            first.next = NULL;
            whole.first = whole.last = &first;
            whole.count = 1;
            source = &whole;
        }
        reader_object(reader, key->children, source, array + key->size * count);
        reader_place(reader, reader_whole(array + key->size * count), item);
        count++;
    }
    memcpy(key_field(key, base), &array, sizeof array);
    *(size_t *)(void *)((char *)base + key->count_offset) = count;
}

static bool element_named(struct reader *reader, const struct key *key,
                          const struct yaml_node *node, char *element)
{
    struct yaml_node place = {.line = node->key_line, .column = node->key_column};
    const char *name = node->key;
    size_t len = strlen(name);

    if (key->form == FORM_DOMAIN) {
        if (!value_name(reader, &place, name, (uint8_t *)element + sizeof name))
            return false;
    } else if (len == 0 || len > NAME_MAX_LEN ||
               strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != len) {
        reader_fault(reader, &place,
                     "\"%s\" cannot name a %s: at most %d small letters, digits and hyphens", name,
                     key->noun, NAME_MAX_LEN);
        return false;
    }
    memcpy(element, &name, sizeof name);
    return true;
}

static int node_compare(const void *left, const void *right)
{
    const struct yaml_node *a = *(const struct yaml_node *const *)left;
    const struct yaml_node *b = *(const struct yaml_node *const *)right;
    int order = strcmp(a->key, b->key);

    if (order == 0 && a->key_line != b->key_line)
        return a->key_line < b->key_line ? -1 : 1;
    return order;
}

static void map_duplicates(struct reader *reader, const struct key *key,
                           const struct yaml_node *node)
{
    const struct yaml_node **sorted = arena_take(reader->arena, node->count, sizeof *sorted);
    size_t count = 0;

    if (!sorted)
        return;
    for (const struct yaml_node *item = node->first; item; item = item->next)
        sorted[count++] = item;
    qsort(sorted, count, sizeof *sorted, node_compare);
    for (size_t i = 1; i < count; i++) {
        struct yaml_node place = {.line = sorted[i]->key_line, .column = sorted[i]->key_column};
        if (strcmp(sorted[i]->key, sorted[i - 1]->key) == 0)
            reader_fault(reader, &place, "%s \"%s\" is there twice, first on line %u", key->noun,
                         sorted[i]->key, sorted[i - 1]->key_line);
    }
}

static void element_read(struct reader *reader, const struct key *key, const struct yaml_node *node,
                         char *element)
{
    if (*key->children->name) {
        reader_object(reader, key->children, node, element);
        return;
    }
    switch (key->children->type) {
    case KEY_LIST:
        list_read(reader, key->children, node, element);
        break;
    case KEY_ITEMS:
        items_read(reader, key->children, node, element);
        break;
    default:
        value_read(reader, key->children, key->children->type, node,
                   key_field(key->children, element));
    }
}

/* The element that an earlier file (services.yaml) gave the same name, cleared; or the next free
 * one. */
static char *element_slot(char *array, size_t *count, size_t before, const struct key *key,
                          const char *name)
{
    for (size_t i = 0; i < before; i++) {
        char *element = array + i * key->size;
        if (strcmp(*(const char **)(void *)element, name) == 0) {
            memset(element, 0, key->size);
            return element;
        }
    }
    return array + (*count)++ * key->size;
}

/* First all names, so that elements may refer to each other; then what they say. */
static void map_read(struct reader *reader, const struct key *key, const struct yaml_node *node,
                     void *base)
{
    size_t *count = (size_t *)(void *)((char *)base + key->count_offset), before = *count;
    char *old, *array, **elements;
    size_t i = 0;

    if (node->kind != YAML_MAP) {
        reader_fault(reader, node, "\"%s\" wants a mapping of %s names", key->name, key->noun);
        return;
    }
    if (node->count + before > ELEMENTS_MAX) {
        reader_fault(reader, node, "\"%s\" has more than %d elements", key->name, ELEMENTS_MAX);
        return;
    }
    if (key->required && !node->count)
        reader_fault(reader, node, "\"%s\" is empty", key->name);
    map_duplicates(reader, key, node);
    memcpy(&old, key_field(key, base), sizeof old);
    array = arena_take(reader->arena, before + node->count, key->size);
    elements = arena_take(reader->arena, node->count, sizeof *elements);
    if (!array || !elements)
        return;
    if (before)
        memcpy(array, old, before * key->size);
    memcpy(key_field(key, base), &array, sizeof array);
    for (const struct yaml_node *item = node->first; item; item = item->next, i++) {
        elements[i] = element_slot(array, count, before, key, item->key);
        if (!element_named(reader, key, item, elements[i]))
            memcpy(elements[i], &item->key, sizeof item->key);
        reader_place(reader, elements[i],
                     &(struct yaml_node){.line = item->key_line, .column = item->key_column});
    }
    i = 0;
    for (const struct yaml_node *item = node->first; item; item = item->next, i++) {
        snprintf(reader->where, sizeof reader->where, "%s \"%.80s\": ", key->noun, item->key);
        element_read(reader, key, item, elements[i]);
        reader->where[0] = '\0';
    }
}

static void row_read(struct reader *reader, const struct key *key, const struct yaml_node *node,
                     void *base)
{
    void *field = key_field(key, base);

    switch (key->type) {
    case KEY_LIST:
        list_read(reader, key, node, base);
        break;
    case KEY_OBJECT:
        reader_object(reader, key->children, node, field);
        break;
    case KEY_MAP:
        map_read(reader, key, node, base);
        break;
    case KEY_ITEMS:
        items_read(reader, key, node, base);
        break;
    case KEY_DAYS:
        value_read_days(reader, key, node, field);
        break;
    case KEY_ANSWER:
        value_read_answer(reader, key, node, field);
        break;
    case KEY_TARGETS:
        value_read_targets(reader, key, node, field);
        break;
    default:
        value_read(reader, key, key->type, node, field);
    }
}

/* The default, read as if the file had said it. */
static void fallback_read(struct reader *reader, const struct key *key, void *base)
{
    struct yaml_node list = {.kind = YAML_LIST, .text = ""}, items[8] = {0};
    struct yaml_node scalar = {.kind = YAML_SCALAR, .text = key->fallback};
    const char *text = key->fallback;

    if (key->type != KEY_LIST && key->type != KEY_DAYS) {
        row_read(reader, key, &scalar, base);
        return;
    }
    while (*text && list.count < 8) {
        size_t len = strcspn(text, " ");
        struct yaml_node *item = &items[list.count];
        item->kind = YAML_SCALAR;
        item->text = arena_text(reader->arena, text, len);
        if (!item->text)
            return;
        if (list.count++)
            items[list.count - 2].next = item;
        text += len + (text[len] == ' ');
    }
    list.first = items;
    row_read(reader, key, &list, base);
}

static void row_default(struct reader *reader, const struct key *key, void *base)
{
    if (key->fallback)
        fallback_read(reader, key, base);
    else if (key->type == KEY_OBJECT)
        reader_object(reader, key->children, NULL, key_field(key, base));
}

/* Which row each child of the mapping is for; unknown and repeated keys are told. */
static void rows_match(struct reader *reader, const struct key *keys, const struct yaml_node *node,
                       const struct yaml_node *found[ROWS_MAX])
{
    for (const struct yaml_node *child = node->first; child; child = child->next) {
        struct yaml_node place = {.line = child->key_line, .column = child->key_column};
        struct nearest nearest = {.wanted = child->key};
        char near[100];
        size_t row = 0;

        while (keys[row].name && strcmp(keys[row].name, child->key) != 0)
            nearest_offer(&nearest, keys[row++].name);
        if (!keys[row].name)
            reader_fault(reader, &place, "no key \"%s\"%s", child->key,
                         nearest_text(&nearest, near, sizeof near));
        else if (found[row])
            reader_fault(reader, &place, "\"%s\" is there twice, first on line %u", child->key,
                         found[row]->key_line ? found[row]->key_line : found[row]->line);
        else
            found[row] = child;
    }
}

static bool is_missing(const struct key *keys, size_t row,
                       const struct yaml_node *const found[ROWS_MAX])
{
    const char *other = keys[row].or_else;

    if (found[row] || !keys[row].required)
        return false;
    for (size_t i = 0; other && keys[i].name; i++)
        if (found[i] && strcmp(keys[i].name, other) == 0)
            return false;
    return true;
}

/* A key without a value, `games:`, is an object with all defaults. */
void reader_object(struct reader *reader, const struct key *keys, const struct yaml_node *node,
                   void *base)
{
    static const uint16_t NONE = CONFIG_NONE;
    const struct yaml_node *found[ROWS_MAX] = {0};

    if (node && node->kind == YAML_SCALAR && !*node->text && !node->quoted)
        node = NULL;
    if (node && node->kind != YAML_MAP) {
        reader_fault(reader, node, "keys and values are wanted here, as \"%s: …\"", keys->name);
        node = NULL;
    } else if (node) {
        rows_match(reader, keys, node, found);
    }
    for (size_t row = 0; keys[row].name; row++) {
        const struct key *key = &keys[row];
        if (key->type == KEY_CATEGORY || key->type == KEY_GROUP || key->type == KEY_PERIOD)
            memcpy(key_field(key, base), &NONE, sizeof NONE);
        if (found[row])
            row_read(reader, key, found[row], base);
        else if (is_missing(keys, row, found) && node && node->line)
            reader_fault(reader, node, "\"%s\" is missing: %s", key->name, key->meaning);
        if (!found[row])
            row_default(reader, key, base);
    }
}
