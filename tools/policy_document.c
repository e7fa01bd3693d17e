#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tools/policy.h"
#include "tools/table.h"

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static const char *field(const json_t *rule, size_t index)
{
    const char *text = json_string_value(json_array_get(rule, index));

    return text ? text : "";
}

/* A value of the row that tells of the group itself. */
static const char *group_value(const json_t *row, const char *key)
{
    size_t index;
    json_t *pair;

    json_array_foreach(json_object_get(row, "rules"), index, pair)
    {
        if (strcmp(field(pair, 0), key) == 0)
            return field(pair, 1);
    }
    return "";
}

static bool is_group_row(const json_t *row)
{
    return strcmp(text_of(row, "target"), "group") == 0;
}

/* Subnets of one group say the same: the first stands for all, and the others are named with it. */
static bool is_first(const json_t *rows, size_t at, const json_t *row)
{
    for (size_t i = 0; i < at; i++) {
        const json_t *other = json_array_get(rows, i);
        if (is_group_row(other) && strcmp(text_of(other, "group"), text_of(row, "group")) == 0)
            return false;
    }
    return true;
}

static void subnets_print(const json_t *rows, const char *group)
{
    bool first = true;
    size_t index;
    json_t *row;

    json_array_foreach(rows, index, row)
    {
        const char *subnet = text_of(row, "subnet");
        if (!is_group_row(row) || strcmp(text_of(row, "group"), group) != 0 ||
            strncmp(subnet, "group:", 6) == 0)
            continue;
        printf("%s%s", first ? "Devices in " : ", ", subnet);
        first = false;
    }
    puts(first ? "Only devices and users that are put into it.\n" : ".\n");
}

/* All targets of a subnet with one action, each with its time where that is not always. */
static void action_print(const json_t *rows, const char *subnet, const char *action,
                         const char *heading)
{
    bool first = true;
    size_t index, number;
    json_t *row, *rule;

    json_array_foreach(rows, index, row)
    {
        if (strcmp(text_of(row, "subnet"), subnet) != 0 || is_group_row(row))
            continue;
        json_array_foreach(json_object_get(row, "rules"), number, rule)
        {
            char what[1200];
            const char *target = text_of(row, "target");
            if (strcmp(field(rule, 0), action) != 0)
                continue;
            if (first)
                printf("%s\n\n", heading);
            first = false;
            if (strncmp(target, "name:", 5) == 0)
                target += 5;
            printf("- %s",
                   text_safe(strcmp(target, "internet") == 0 ? "the whole internet" : target, what,
                             sizeof what));
            if (strcmp(field(rule, 1), "always") != 0)
                printf(", %s", field(rule, 1));
            if (strcmp(field(rule, 2), "configuration") != 0)
                printf(" (%s)", text_safe(field(rule, 2), what, sizeof what));
            putchar('\n');
        }
    }
    if (!first)
        putchar('\n');
}

static void rules_print(const json_t *rows, const char *subnet)
{
    action_print(rows, subnet, "sealed", "Denied to everyone; nobody can allow it:");
    action_print(rows, subnet, "deny", "Denied:");
    action_print(rows, subnet, "allow", "Allowed, whatever else is said:");
    action_print(rows, subnet, "observe",
                 "Let through, and recorded as it would have been denied:");
}

static void group_print(const json_t *rows, const json_t *row)
{
    printf("## %s (%s)\n\n", group_value(row, "title"), text_of(row, "group"));
    subnets_print(rows, text_of(row, "group"));
    if (strcmp(group_value(row, "walled-garden"), "yes") == 0)
        puts("Only what is listed as allowed can be reached.\n");
    if (strcmp(group_value(row, "safe-search"), "off") != 0)
        printf("Search engines are answered with their %s safe form.\n\n",
               group_value(row, "safe-search"));
    rules_print(rows, text_of(row, "subnet"));
}

static void devices_print(const json_t *rows)
{
    const char *last = "";
    size_t index;
    json_t *row;

    json_array_foreach(rows, index, row)
    {
        const char *subnet = text_of(row, "subnet");
        if (strncmp(subnet, "device:", 7) != 0 || strcmp(subnet, last) == 0)
            continue;
        printf("## Device %s\n\n", subnet + 7);
        rules_print(rows, subnet);
        last = subnet;
    }
}

static void revisions_print(const json_t *versions, json_int_t shown)
{
    char text[1200];
    size_t index;
    json_t *version;

    puts("## Revisions\n\n| Version | Date | Description | Revision Author |\n| --- | --- | --- | "
         "--- |");
    json_array_foreach(versions, index, version)
    {
        json_int_t number = json_integer_value(json_object_get(version, "version"));
        if (number > shown)
            break;
        printf("| %lld | %s | ", (long long)number, text_of(version, "time_text"));
        text_safe(text_of(version, "description"), text, sizeof text);
        for (const char *at = text; *at; at++)
            printf(*at == '|' ? "\\|" : "%c", *at);
        printf(" | %s |\n", text_safe(text_of(version, "author"), text, sizeof text));
    }
}

void policy_document_print(const json_t *reply)
{
    const json_t *rows = json_object_get(reply, "rows");
    json_int_t version = json_integer_value(json_object_get(reply, "version"));
    size_t index;
    json_t *row;

    printf("# Web filtering policy, version %lld\n\n", (long long)version);
    puts(
        "What this school's filter denies and allows, to whom and when. It works by the names of\n"
        "sites; it does not see pages, searches or what is typed, and no filter finds everything.\n"
        "The use of the internet is monitored, and every denial is recorded with this version.\n");
    json_array_foreach(rows, index, row)
    {
        if (is_group_row(row) && is_first(rows, index, row))
            group_print(rows, row);
    }
    devices_print(rows);
    revisions_print(json_object_get(reply, "versions"), version);
}
