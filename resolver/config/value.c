#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "resolver/base/civil.h"
#include "resolver/config/read.h"

struct unit {
    const char *suffix;
    int64_t factor;
};

static const struct unit TIME_UNITS[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                         {"h", 3600000}, {"d", 86400000}, {"w", 604800000},
                                         {"", 1000},     {NULL, 0}};
static const struct unit SIZE_UNITS[] = {{"", 1},          {"KiB", 1 << 10}, {"MiB", 1 << 20},
                                         {"GiB", 1 << 30}, {"K", 1 << 10},   {"M", 1 << 20},
                                         {"G", 1 << 30},   {NULL, 0}};

/* Digits and one of the units; false for anything else, and for what does not fit. */
static bool amount_parse(const char *text, const struct unit *units, int64_t *out_amount)
{
    char *end;
    long long value;

    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    value = strtoll(text, &end, 10);
    if (errno)
        return false;
    for (; units->suffix; units++) {
        int64_t amount;
        if (strcmp(end, units->suffix) != 0)
            continue;
        if (__builtin_mul_overflow((int64_t)value, units->factor, &amount))
            return false;
        *out_amount = amount;
        return true;
    }
    return false;
}

static void amount_text(int64_t amount, const struct unit *units, char *text)
{
    const struct unit *best = NULL;

    for (; units->suffix; units++) {
        if (*units->suffix && amount % units->factor == 0 && (amount || units->factor == 1000) &&
            (!best || units->factor > best->factor))
            best = units;
    }
    if (best)
        snprintf(text, VALUE_TEXT_MAX, "%lld%s", (long long)(amount / best->factor), best->suffix);
    else
        snprintf(text, VALUE_TEXT_MAX, "%lld", (long long)amount);
}

/* Reads an amount and holds it against the row's range, given in `scale`ths of the unit read. */
static bool amount_read(struct reader *reader, const struct key *key, const struct yaml_node *node,
                        const struct unit *units, int64_t scale, const char *wants, int64_t *out)
{
    char least[VALUE_TEXT_MAX], most[VALUE_TEXT_MAX];
    int64_t amount;

    if (!amount_parse(node->text, units, &amount) || amount % scale) {
        reader_fault(reader, node, "\"%s\" wants %s, not \"%s\"", key_label(key), wants,
                     node->text);
        return false;
    }
    amount /= scale;
    if (amount < key->least || amount > key->most) {
        amount_text(key->least * scale, units, least);
        amount_text(key->most * scale, units, most);
        reader_fault(reader, node, "\"%s\" must be from %s to %s, not \"%s\"", key_label(key),
                     least, most, node->text);
        return false;
    }
    *out = amount;
    return true;
}

static void workers_read(struct reader *reader, const struct key *key, const struct yaml_node *node,
                         unsigned *field)
{
    static const struct unit PLAIN[] = {{"", 1}, {NULL, 0}};
    int64_t amount;

    if (strcmp(node->text, "auto") == 0) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        *field = processors < key->least  ? (unsigned)key->least
                 : processors > key->most ? (unsigned)key->most
                                          : (unsigned)processors;
    } else if (amount_read(reader, key, node, PLAIN, 1, "a whole number, or auto", &amount)) {
        *field = (unsigned)amount;
    }
}

static void bool_read(struct reader *reader, const struct key *key, const struct yaml_node *node,
                      bool *field)
{
    static const char *const YES[] = {"true", "yes", "on"}, *const NO[] = {"false", "no", "off"};

    for (size_t i = 0; i < 3; i++) {
        if (strcasecmp(node->text, YES[i]) == 0 || strcasecmp(node->text, NO[i]) == 0) {
            *field = strcasecmp(node->text, YES[i]) == 0;
            return;
        }
    }
    reader_fault(reader, node, "\"%s\" wants true or false, not \"%s\"", key_label(key),
                 node->text);
}

static void text_read(struct reader *reader, const struct key *key, const struct yaml_node *node,
                      const char **field)
{
    size_t len = strlen(node->text);

    if (len == 0)
        reader_fault(reader, node, "\"%s\" is empty", key_label(key));
    else if (key->most && len > (size_t)key->most)
        reader_fault(reader, node, "\"%s\" may have at most %lld characters", key_label(key),
                     (long long)key->most);
    else
        *field = node->text;
}

static void path_read(struct reader *reader, const struct key *key, const struct yaml_node *node,
                      const char **field)
{
    size_t len = strlen(node->text);
    char path[4096];

    if (len == 0 || len + strlen(reader->folder) + 2 > sizeof path) {
        reader_fault(reader, node, "\"%s\" wants a path of at most 4000 characters",
                     key_label(key));
        return;
    }
    if (*node->text == '/' || (key->type == KEY_LOCATION && strstr(node->text, "://")))
        snprintf(path, sizeof path, "%s", node->text);
    else
        snprintf(path, sizeof path, "%s/%s", reader->folder, node->text);
    *field = arena_text(reader->arena, path, strlen(path));
}

int value_word(const char *const *words, const char *text)
{
    for (int i = 0; words[i]; i++) {
        if (strcasecmp(words[i], text) == 0)
            return i;
    }
    return -1;
}

/* `no`, `off` and the like are words here, so `safe-search: off` needs no quotes. */
static void word_read(struct reader *reader, const struct key *key, const struct yaml_node *node,
                      int *field)
{
    int word = value_word(key->words, node->text);
    struct nearest nearest = {.wanted = node->text};
    char all[200] = "", near[100];

    if (word >= 0) {
        *field = word + (int)key->least;
        return;
    }
    for (int i = 0; key->words[i]; i++) {
        size_t len = strlen(all);
        nearest_offer(&nearest, key->words[i]);
        snprintf(all + len, sizeof all - len, "%s%s",
                 i == 0              ? ""
                 : key->words[i + 1] ? ", "
                                     : " or ",
                 key->words[i]);
    }
    reader_fault(reader, node, "\"%s\" wants %s, not \"%s\"%s", key_label(key), all, node->text,
                 nearest_text(&nearest, near, sizeof near));
}

/* Names of categories, groups, services and periods stand first in their structures. */
static const char *element_name(const void *array, size_t size, size_t index)
{
    return *(const char *const *)(const void *)((const char *)array + index * size);
}

bool value_element(const void *array, size_t count, size_t size, const char *name,
                   struct nearest *nearest, uint16_t *out_index)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(element_name(array, size, i), name) == 0) {
            *out_index = (uint16_t)i;
            return true;
        }
    }
    for (size_t i = 0; i < count; i++)
        nearest_offer(nearest, element_name(array, size, i));
    return false;
}

static void reference_read(struct reader *reader, enum key_type type, const struct yaml_node *node,
                           uint16_t *field)
{
    const struct config *config = reader->config;
    const struct config_calendar *calendar = &config->calendar;
    struct nearest nearest = {.wanted = node->text};
    const char *noun = "category";
    char near[100];
    bool found;

    if (type == KEY_GROUP) {
        noun = "group";
        found = value_element(config->groups, config->group_count, sizeof *config->groups,
                              node->text, &nearest, field);
    } else if (type == KEY_PERIOD) {
        noun = "period";
        found = value_element(calendar->periods, calendar->period_count, sizeof *calendar->periods,
                              node->text, &nearest, field);
    } else {
        found = value_element(config->categories, config->category_count,
                              sizeof *config->categories, node->text, &nearest, field);
    }
    if (!found)
        reader_fault(reader, node, "no %s \"%s\"%s", noun, node->text,
                     nearest_text(&nearest, near, sizeof near));
}

bool value_name(struct reader *reader, const struct yaml_node *node, const char *text,
                uint8_t field[BL_NAME_MAX])
{
    struct bl_name name;
    enum bl_name_fault fault = bl_name_parse(text, strlen(text), &name);

    if (fault != BL_NAME_FINE) {
        reader_fault(reader, node, "\"%s\" is no name: %s", text, bl_name_fault_text(fault));
        return false;
    }
    memcpy(field, name.wire, name.len);
    return true;
}

static void address_read(struct reader *reader, const struct key *key, const struct yaml_node *node,
                         struct address *field)
{
    struct address address;

    if (address_parse(node->text, (uint16_t)key->most, &address) < 0)
        reader_fault(reader, node, "\"%s\" is no %s%s", node->text,
                     key->least ? "address with a port" : "address",
                     key->least ? " (as 192.0.2.1, 192.0.2.1:5353 or [2001:db8::1]:5353)" : "");
    else if (!key->least && address.port)
        reader_fault(reader, node, "\"%s\" must be an address without a port", node->text);
    else
        *field = address;
}

static void prefix_read(struct reader *reader, const struct yaml_node *node,
                        struct address_prefix *field)
{
    struct address_prefix prefix;
    struct address address;
    char host[ADDRESS_TEXT_MAX], text[ADDRESS_TEXT_MAX];
    size_t len = strcspn(node->text, "/");

    if (address_prefix_parse(node->text, &prefix) < 0) {
        reader_fault(reader, node, "\"%s\" is no subnet (as 10.1.0.0/16 or 2001:db8:1::/48)",
                     node->text);
        return;
    }
    /* "10.1.2.3/16" is more often a slip than meant: say what it would be. */
    if (len < sizeof host) {
        memcpy(host, node->text, len);
        host[len] = '\0';
        if (address_parse(host, 0, &address) == 0 &&
            memcmp(address.bytes, prefix.bytes, sizeof prefix.bytes) != 0) {
            reader_fault(reader, node,
                         "\"%s\" has bits set behind its length; did you mean \"%s\"?", node->text,
                         address_prefix_text(&prefix, text));
            return;
        }
    }
    *field = prefix;
}

static bool digits(const char *text, int count, int *out)
{
    int value = 0;

    for (int i = 0; i < count; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        value = 10 * value + (text[i] - '0');
    }
    *out = value;
    return true;
}

static void mac_read(struct reader *reader, const struct yaml_node *node, struct config_mac *field)
{
    struct config_mac mac = {.set = true};
    char separator, end;
    unsigned bytes[CONFIG_MAC_LEN];
    int count = sscanf(node->text, "%2x%c%2x%*c%2x%*c%2x%*c%2x%*c%2x%c", &bytes[0], &separator,
                       &bytes[1], &bytes[2], &bytes[3], &bytes[4], &bytes[5], &end);

    if (count != CONFIG_MAC_LEN + 1 || strlen(node->text) != 17 ||
        strspn(node->text, "0123456789abcdefABCDEF:-") != 17) {
        reader_fault(reader, node, "\"%s\" is no MAC address (as 02:00:5e:10:00:01)", node->text);
        return;
    }
    for (size_t i = 0; i < CONFIG_MAC_LEN; i++)
        mac.bytes[i] = (uint8_t)bytes[i];
    *field = mac;
}

static void dates_read(struct reader *reader, const struct yaml_node *node,
                       struct config_dates *field)
{
    struct config_dates dates;
    size_t len = strlen(node->text);
    bool fine = len >= 10 && civil_parse(node->text, &dates.first);

    dates.last = fine ? dates.first : 0;
    if (fine && len > 10)
        fine = len == 22 && memcmp(node->text + 10, "..", 2) == 0 &&
               civil_parse(node->text + 12, &dates.last);
    if (!fine)
        reader_fault(reader, node, "\"%s\" is no date (as 2026-10-26 or 2026-10-26..2026-10-30)",
                     node->text);
    else if (dates.last < dates.first)
        reader_fault(reader, node, "\"%s\" ends before it begins", node->text);
    else
        *field = dates;
}

static bool minutes_parse(const char *text, uint16_t *out_minutes)
{
    int hours, minutes;

    if (!digits(text, 2, &hours) || text[2] != ':' || !digits(text + 3, 2, &minutes) ||
        minutes > 59 || hours > 24 || (hours == 24 && minutes))
        return false;
    *out_minutes = (uint16_t)(60 * hours + minutes);
    return true;
}

static void times_read(struct reader *reader, const struct yaml_node *node,
                       struct config_times *field)
{
    struct config_times times;

    if (strlen(node->text) != 11 || node->text[5] != '-' ||
        !minutes_parse(node->text, &times.from) || !minutes_parse(node->text + 6, &times.to) ||
        times.from == 1440)
        reader_fault(reader, node,
                     "\"%s\" is no span of time (as 08:50-10:20, or 22:00-06:00 for "
                     "one that ends on the next day)",
                     node->text);
    else if (times.from == times.to)
        reader_fault(reader, node, "\"%s\" ends when it begins; a whole day is 00:00-24:00",
                     node->text);
    else
        *field = times;
}

static void scalar_read(struct reader *reader, const struct key *key, enum key_type type,
                        const struct yaml_node *node, void *field)
{
    static const struct unit PLAIN[] = {{"", 1}, {NULL, 0}};
    int64_t amount;

    switch (type) {
    case KEY_BOOL:
        bool_read(reader, key, node, field);
        break;
    case KEY_COUNT:
        if (amount_read(reader, key, node, PLAIN, 1, "a whole number", &amount))
            *(unsigned *)field = (unsigned)amount;
        break;
    case KEY_WORKERS:
        workers_read(reader, key, node, field);
        break;
    case KEY_SIZE:
        if (amount_read(reader, key, node, SIZE_UNITS, 1, "a size such as 64MiB", &amount))
            *(size_t *)field = (size_t)amount;
        break;
    case KEY_SECONDS:
        if (amount_read(reader, key, node, TIME_UNITS, 1000, "a time such as 10s, 5m, 2h or 7d",
                        &amount))
            *(uint32_t *)field = (uint32_t)amount;
        break;
    case KEY_MILLISECONDS:
        if (amount_read(reader, key, node, TIME_UNITS, 1, "a time such as 800ms or 2s", &amount))
            *(unsigned *)field = (unsigned)amount;
        break;
    case KEY_TEXT:
        text_read(reader, key, node, field);
        break;
    case KEY_PATH:
    case KEY_LOCATION:
        path_read(reader, key, node, field);
        break;
    case KEY_WORD:
        word_read(reader, key, node, field);
        break;
    case KEY_CATEGORY:
    case KEY_GROUP:
    case KEY_PERIOD:
        reference_read(reader, type, node, field);
        break;
    case KEY_NAME:
        value_name(reader, node, node->text, field);
        break;
    case KEY_ADDRESS:
        address_read(reader, key, node, field);
        break;
    case KEY_PREFIX:
        prefix_read(reader, node, field);
        break;
    case KEY_MAC:
        mac_read(reader, node, field);
        break;
    case KEY_DATES:
        dates_read(reader, node, field);
        break;
    case KEY_TIMES:
        times_read(reader, node, field);
        break;
    default:
        reader_fault(reader, node, "\"%s\" cannot be read", key_label(key));
    }
}

void value_read(struct reader *reader, const struct key *key, enum key_type type,
                const struct yaml_node *node, void *field)
{
    size_t faults = reader->faults->count;

    if (node->kind != YAML_SCALAR) {
        reader_fault(reader, node, "\"%s\" wants one value, not a %s", key_label(key),
                     node->kind == YAML_LIST ? "list" : "mapping");
        return;
    }
    if (!node->quoted && (*node->text == '\0' || strcmp(node->text, "~") == 0)) {
        reader_fault(reader, node, "\"%s\" has no value", key_label(key));
        return;
    }
    scalar_read(reader, key, type, node, field);
    if (reader->faults->count == faults)
        reader_place(reader, field, node);
}

static bool dates_text(const struct config_dates *dates, char *text)
{
    int year, month, day;
    size_t len;

    civil_date(dates->first, &year, &month, &day);
    len = (size_t)snprintf(text, VALUE_TEXT_MAX, "%04d-%02d-%02d", year, month, day);
    if (dates->last == dates->first)
        return true;
    civil_date(dates->last, &year, &month, &day);
    snprintf(text + len, VALUE_TEXT_MAX - len, "..%04d-%02d-%02d", year, month, day);
    return true;
}

static bool reference_text(const struct config *config, enum key_type type, uint16_t index,
                           char *text)
{
    const char *name = NULL;

    if (index == CONFIG_NONE)
        return false;
    if (type == KEY_GROUP && index < config->group_count)
        name = config->groups[index].name;
    else if (type == KEY_PERIOD && index < config->calendar.period_count)
        name = config->calendar.periods[index].name;
    else if (type == KEY_CATEGORY && index < config->category_count)
        name = config->categories[index].name;
    if (name)
        snprintf(text, VALUE_TEXT_MAX, "%s", name);
    return name != NULL;
}

bool value_text(const struct config *config, const struct key *key, enum key_type type,
                const void *field, char text[VALUE_TEXT_MAX])
{
    const struct config_times *times = field;
    const struct config_mac *mac;
    const char *words;

    switch (type) {
    case KEY_BOOL:
        snprintf(text, VALUE_TEXT_MAX, "%s", *(const bool *)field ? "true" : "false");
        return true;
    case KEY_COUNT:
    case KEY_WORKERS:
        snprintf(text, VALUE_TEXT_MAX, "%u", *(const unsigned *)field);
        return true;
    case KEY_SIZE:
        amount_text((int64_t) * (const size_t *)field, SIZE_UNITS, text);
        return true;
    case KEY_SECONDS:
        amount_text((int64_t) * (const uint32_t *)field * 1000, TIME_UNITS, text);
        return true;
    case KEY_MILLISECONDS:
        amount_text(*(const unsigned *)field, TIME_UNITS, text);
        return true;
    case KEY_TEXT:
    case KEY_PATH:
    case KEY_LOCATION:
        words = *(const char *const *)field;
        if (words)
            snprintf(text, VALUE_TEXT_MAX, "%s", words);
        return words != NULL;
    case KEY_WORD:
        snprintf(text, VALUE_TEXT_MAX, "%s", key->words[*(const int *)field - (int)key->least]);
        return true;
    case KEY_NAME:
        bl_name_text(field, text);
        return true;
    case KEY_ADDRESS:
        if (key->least && ((const struct address *)field)->port == 0)
            return false; /* none was given */
        if (key->or_else && address_is_wildcard(field))
            return false; /* another key stands in its place */
        if (key->least)
            address_text_port(field, text);
        else
            address_text(field, text);
        return true;
    case KEY_PREFIX:
        address_prefix_text(field, text);
        return true;
    case KEY_MAC:
        mac = field;
        if (mac->set)
            snprintf(text, VALUE_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac->bytes[0],
                     mac->bytes[1], mac->bytes[2], mac->bytes[3], mac->bytes[4], mac->bytes[5]);
        return mac->set;
    case KEY_DATES:
        return dates_text(field, text);
    case KEY_TIMES:
        snprintf(text, VALUE_TEXT_MAX, "%02d:%02d-%02d:%02d", times->from / 60, times->from % 60,
                 times->to / 60, times->to % 60);
        return true;
    default:
        return reference_text(config, type, *(const uint16_t *)field, text);
    }
}
