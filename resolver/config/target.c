#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/config/read.h"

void value_read_days(struct reader *reader, const struct key *key, const struct yaml_node *node,
                     uint8_t *field)
{
    uint8_t days = 0;

    reader_place(reader, field, node);
    if (node->kind != YAML_LIST || !node->count) {
        reader_fault(reader, node, "\"%s\" wants a list such as [mon-fri, sun]", key_label(key));
        return;
    }
    for (const struct yaml_node *item = node->first; item; item = item->next) {
        char from[4] = "", to[4] = "";
        size_t len = strlen(item->text);
        int first = -1, last = -1;
        if (len == 3 || (len == 7 && item->text[3] == '-')) {
            memcpy(from, item->text, 3);
            memcpy(to, item->text + len - 3, 3);
            first = value_word(DAY_WORDS, from);
            last = value_word(DAY_WORDS, to);
        }
        if (first < 0 || last < 0) {
            reader_fault(reader, item,
                         "\"%s\" is no day (mon, tue, wed, thu, fri, sat, sun, or "
                         "several as mon-fri)",
                         item->text);
            continue;
        }
        for (int day = first;; day = (day + 1) % 7) {
            days |= (uint8_t)(1u << day);
            if (day == last)
                break;
        }
    }
    *field = days;
}

static void answer_addresses_read(struct reader *reader, const struct yaml_node *node,
                                  struct config_answer *field)
{
    static const struct key PLAIN = {.name = "answer"};
    struct address *addresses = arena_take(reader->arena, node->count, sizeof *addresses);
    size_t count = 0;

    if (!addresses)
        return;
    for (const struct yaml_node *item = node->first; item; item = item->next)
        value_read(reader, &PLAIN, KEY_ADDRESS, item, &addresses[count++]);
    if (!count) {
        reader_fault(reader, node, "\"answer\" is an empty list");
        return;
    }
    *field = (struct config_answer){
        .kind = ANSWER_ADDRESSES, .set = true, .addresses = addresses, .address_count = count};
}

void value_read_answer(struct reader *reader, const struct key *key, const struct yaml_node *node,
                       struct config_answer *field)
{
    struct nearest nearest = {.wanted = node->text};
    struct address address;
    char near[100];
    int word;

    reader_place(reader, field, node);
    if (node->kind == YAML_LIST) {
        answer_addresses_read(reader, node, field);
        return;
    }
    word = node->kind == YAML_SCALAR ? value_word(ANSWER_WORDS, node->text) : -1;
    if (word >= 0 && word != ANSWER_ADDRESSES) {
        *field = (struct config_answer){.kind = (enum answer_kind)word, .set = true};
        return;
    }
    for (int i = 0; ANSWER_WORDS[i]; i++) {
        if (i != ANSWER_ADDRESSES)
            nearest_offer(&nearest, ANSWER_WORDS[i]);
    }
    reader_fault(reader, node,
                 "\"%s\" wants nxdomain, null, nodata, refused or a list of "
                 "addresses%s%s%s%s",
                 key_label(key), *node->text ? ", not \"" : "", node->text, *node->text ? "\"" : "",
                 address_parse(node->text, 0, &address) == 0
                     ? "; put the address in brackets"
                     : nearest_text(&nearest, near, sizeof near));
}

static int index_compare(const void *left, const void *right)
{
    return *(const uint16_t *)left - *(const uint16_t *)right;
}

static bool index_add(uint16_t *indices, size_t *count, uint16_t index)
{
    for (size_t i = 0; i < *count; i++) {
        if (indices[i] == index)
            return false;
    }
    indices[(*count)++] = index;
    return true;
}

static bool target_name_add(struct reader *reader, const struct yaml_node *node, const char *text,
                            struct config_targets *targets)
{
    uint8_t *field = targets->names[targets->name_count];

    if (!value_name(reader, node, text, field))
        return true;
    for (size_t i = 0; i < targets->name_count; i++) {
        if (bl_name_equal(targets->names[i], field)) {
            memset(field, 0, BL_NAME_MAX);
            return false;
        }
    }
    targets->name_count++;
    return true;
}

static bool target_service_add(struct reader *reader, const struct yaml_node *node,
                               const char *text, struct config_targets *targets)
{
    const struct config *config = reader->config;
    struct nearest nearest = {.wanted = text};
    char near[100];
    uint16_t index;

    if (!value_element(config->services, config->service_count, sizeof *config->services, text,
                       &nearest, &index)) {
        reader_fault(reader, node, "no service \"%s\"%s", text,
                     nearest_text(&nearest, near, sizeof near));
        return true;
    }
    return index_add(targets->services, &targets->service_count, index);
}

static bool target_category_add(struct reader *reader, const struct key *key,
                                const struct yaml_node *node, const char *text,
                                struct config_targets *targets)
{
    const struct config *config = reader->config;
    struct nearest nearest = {.wanted = text}, service = {.wanted = text};
    char near[100], hint[100];
    uint16_t index;

    if (value_element(config->categories, config->category_count, sizeof *config->categories, text,
                      &nearest, &index)) {
        if (config->categories[index].sealed && strcmp(key->name, "deny") != 0) {
            reader_fault(reader, node,
                         "category \"%s\" is sealed: it is denied to everyone and "
                         "cannot stand under \"%s\"",
                         text, key_label(key));
            return true;
        }
        return index_add(targets->categories, &targets->category_count, index);
    }
    if (value_element(config->services, config->service_count, sizeof *config->services, text,
                      &service, &index)) {
        snprintf(hint, sizeof hint, "service:%.60s", config->services[index].name);
        nearest.word = hint;
    }
    reader_fault(reader, node, "no category \"%s\"%s", text,
                 nearest_text(&nearest, near, sizeof near));
    return true;
}

/* "category:games", "service:tiktok", "name:localdomain"; a word with a dot is a name, one without
 * a category. False when it was there already. */
static bool target_add(struct reader *reader, const struct key *key, const struct yaml_node *node,
                       struct config_targets *targets)
{
    const char *colon = strchr(node->text, ':');
    size_t len = colon ? (size_t)(colon - node->text) : 0;

    if (len == 8 && memcmp(node->text, "category", len) == 0)
        return target_category_add(reader, key, node, colon + 1, targets);
    if (len == 7 && memcmp(node->text, "service", len) == 0)
        return target_service_add(reader, node, colon + 1, targets);
    if (len == 4 && memcmp(node->text, "name", len) == 0)
        return target_name_add(reader, node, colon + 1, targets);
    if (strchr(node->text, '.'))
        return target_name_add(reader, node, node->text, targets);
    return target_category_add(reader, key, node, node->text, targets);
}

void value_read_targets(struct reader *reader, const struct key *key, const struct yaml_node *node,
                        struct config_targets *field)
{
    struct config_targets targets = {0};

    reader_place(reader, field, node);
    if (node->kind != YAML_LIST) {
        reader_fault(reader, node, "\"%s\" wants a list, as [%s]", key_label(key),
                     node->kind == YAML_SCALAR && *node->text ? node->text : "gambling");
        return;
    }
    targets.categories = arena_take(reader->arena, node->count, sizeof *targets.categories);
    targets.services = arena_take(reader->arena, node->count, sizeof *targets.services);
    targets.names = arena_take(reader->arena, node->count, BL_NAME_MAX);
    if (!targets.categories || !targets.services || !targets.names)
        return;
    for (const struct yaml_node *item = node->first; item; item = item->next) {
        if (item->kind != YAML_SCALAR || !*item->text)
            reader_fault(reader, item, "\"%s\" wants words", key_label(key));
        else if (!target_add(reader, key, item, &targets))
            reader_fault(reader, item, "\"%s\" stands twice under \"%s\"", item->text,
                         key_label(key));
    }
    if (strcmp(key->name, "observe") == 0 && (targets.service_count || targets.name_count))
        reader_fault(reader, node, "\"observe\" takes categories only");
    qsort(targets.categories, targets.category_count, sizeof *targets.categories, index_compare);
    qsort(targets.services, targets.service_count, sizeof *targets.services, index_compare);
    *field = targets;
}
