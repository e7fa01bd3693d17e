#include "tools/policy_rows.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/policy/versions.h"

const char *policy_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

const char *policy_field(const json_t *rule, enum policy_field field)
{
    const char *text = json_string_value(json_array_get(rule, (size_t)field));

    return text ? text : "";
}

bool policy_is_group(const json_t *row)
{
    return strcmp(policy_text(row, "target"), "group") == 0;
}

const char *policy_group_value(const json_t *row, const char *key)
{
    size_t index;
    json_t *pair;

    json_array_foreach(json_object_get(row, "rules"), index, pair)
    {
        if (strcmp(policy_field(pair, 0), key) == 0)
            return policy_field(pair, 1);
    }
    return "";
}

bool policy_is_first(const json_t *rows, size_t at, const json_t *row)
{
    for (size_t i = 0; i < at; i++) {
        const json_t *other = json_array_get(rows, i);
        if (policy_is_group(other) &&
            strcmp(policy_text(other, "group"), policy_text(row, "group")) == 0)
            return false;
    }
    return true;
}

bool policy_is_school(const json_t *row)
{
    return strcmp(policy_text(row, "subnet"), VERSION_SCHOOL) == 0;
}

const char *policy_school(const json_t *rows, const char *format, ...)
{
    char target[600];
    va_list arguments;
    size_t index;
    json_t *row;

    va_start(arguments, format);
    vsnprintf(target, sizeof target, format, arguments);
    va_end(arguments);
    json_array_foreach(rows, index, row)
    {
        if (policy_is_school(row) && strcmp(policy_text(row, "target"), target) == 0)
            return policy_field(json_array_get(json_object_get(row, "rules"), 0), 0);
    }
    return "";
}

/* One character of a quoted word, as `chalkgated --print` writes it. */
static char character_read(const char **at)
{
    char digits[3] = {0};

    if (**at != '\\' || !(*at)[1])
        return *(*at)++;
    *at += 2;
    switch ((*at)[-1]) {
    case 'n':
        return ' ';
    case 'x':
        for (int i = 0; i < 2 && **at; i++)
            digits[i] = *(*at)++;
        return (char)strtoul(digits, NULL, 16);
    default:
        return (*at)[-1];
    }
}

bool policy_word(const char **at, char *out, size_t size)
{
    bool is_quoted;
    size_t len = 0;

    *at += strspn(*at, " ,[]");
    if (!**at)
        return false;
    is_quoted = **at == '"';
    *at += is_quoted;
    while (**at && (is_quoted ? **at != '"' : !strchr(" ,]", **at))) {
        char character = is_quoted ? character_read(at) : *(*at)++;
        if (len + 1 < size)
            out[len++] = character;
    }
    *at += is_quoted && **at == '"';
    out[len] = '\0';
    return true;
}
