#include "resolver/policy/version_rows.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/policy/grants.h"
#include "resolver/policy/versions.h"

static void row_add(struct rows *rows, const char *subnet, const char *target, const char *value)
{
    size_t subnet_len = strlen(subnet) + 1, target_len = strlen(target) + 1;
    struct row *items = arena_grow(&rows->arena, rows->items, rows->count, sizeof *items);
    char *key = arena_take(&rows->arena, subnet_len + target_len, 1);

    if (!items || !key || subnet_len + target_len > PREFIX_MOST) {
        rows->failed = true;
        return;
    }
    memcpy(key, subnet, subnet_len);
    memcpy(key + subnet_len, target, target_len);
    rows->items = items;
    items[rows->count++] = (struct row){.key = key,
                                        .key_len = subnet_len + target_len,
                                        .value = arena_text(&rows->arena, value, strlen(value))};
    if (!items[rows->count - 1].value)
        rows->failed = true;
}

/* The lines of a group, in the order in which they are said; those of one target make its row. */
struct line {
    const char *target, *text;
    size_t number;
};

struct group_said {
    struct rows *rows;
    const char *group;
    struct line *items;
    size_t count;
};

static void line_add(struct group_said *said, const char *target, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void line_add(struct group_said *said, const char *target, const char *format, ...)
{
    struct arena *arena = &said->rows->arena;
    struct line *items = arena_grow(arena, said->items, said->count, sizeof *items);
    char text[2048];
    va_list arguments;

    if (!items) {
        said->rows->failed = true;
        return;
    }
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    said->items = items;
    items[said->count] = (struct line){.target = arena_text(arena, target, strlen(target)),
                                       .text = arena_text(arena, text, strlen(text)),
                                       .number = said->count};
    if (!items[said->count].target || !items[said->count].text)
        said->rows->failed = true;
    else
        said->count++;
}

static int line_compare(const void *left, const void *right)
{
    const struct line *a = left, *b = right;
    int order = strcmp(a->target, b->target);

    return order ? order : a->number < b->number ? -1 : a->number > b->number;
}

/* The group's name and the lines of one target, as the row's value. */
static const char *lines_join(struct group_said *said, const struct line *lines, size_t count)
{
    size_t size = strlen(said->group) + 1;
    char *value, *at;

    for (size_t i = 0; i < count; i++)
        size += 1 + strlen(lines[i].text);
    at = value = arena_take(&said->rows->arena, size, 1);
    if (!value) {
        said->rows->failed = true;
        return "";
    }
    at = stpcpy(at, said->group);
    for (size_t i = 0; i < count; i++)
        at = stpcpy(stpcpy(at, "\n"), lines[i].text);
    return value;
}

/* Rows of these subnets, a target each. */
static void said_add(struct group_said *said, const char *const *subnets, size_t subnet_count)
{
    size_t alike;

    if (said->count)
        qsort(said->items, said->count, sizeof *said->items, line_compare);
    for (size_t i = 0; i < said->count; i += alike) {
        const char *target = said->items[i].target, *value;
        for (alike = 1; i + alike < said->count; alike++) {
            if (strcmp(said->items[i + alike].target, target) != 0)
                break;
        }
        value = lines_join(said, &said->items[i], alike);
        for (size_t j = 0; j < subnet_count; j++)
            row_add(said->rows, subnets[j], target, value);
    }
}

static void targets_say(struct group_said *said, const struct config_targets *targets,
                        const char *action, const char *when)
{
    const struct config *config = said->rows->config;
    char target[BL_NAME_TEXT_MAX + 16];

    for (size_t i = 0; i < targets->category_count; i++) {
        const struct config_category *category = &config->categories[targets->categories[i]];
        snprintf(target, sizeof target, "category:%s", category->name);
        if (!category->sealed)
            line_add(said, target, "%s\t%s\tconfiguration", action, when);
    }
    for (size_t i = 0; i < targets->service_count; i++) {
        snprintf(target, sizeof target, "service:%s", config->services[targets->services[i]].name);
        line_add(said, target, "%s\t%s\tconfiguration", action, when);
    }
    for (size_t i = 0; i < targets->name_count; i++) {
        memcpy(target, "name:", 5);
        bl_name_text(targets->names[i], target + 5);
        line_add(said, target, "%s\t%s\tconfiguration", action, when);
    }
}

static void periods_text(const struct config *config, const char *word, const uint16_t *periods,
                         size_t count, char *text, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(text);
        snprintf(text + len, size - len, "%s%s %s",
                 i     ? " or"
                 : len ? ", "
                       : "",
                 i ? "" : word, config->calendar.periods[periods[i]].name);
    }
}

static void schedules_say(struct group_said *said, const struct config_group *group)
{
    for (size_t i = 0; i < group->schedule_count; i++) {
        const struct config_schedule *schedule = &group->schedule[i];
        char when[400] = "";
        periods_text(said->rows->config, "during", schedule->during, schedule->during_count, when,
                     sizeof when);
        periods_text(said->rows->config, "outside", schedule->outside, schedule->outside_count,
                     when, sizeof when);
        targets_say(said, &schedule->deny, "deny", when);
        targets_say(said, &schedule->observe, "observe", when);
        targets_say(said, &schedule->allow, "allow", when);
        if (!schedule->internet)
            line_add(said, "internet", "deny\t%s\tconfiguration", when);
    }
}

static void span_text(const struct rows *rows, const struct policy_grant *grant, char *text,
                      size_t size)
{
    char from[CALENDAR_TEXT_MAX] = "", to[CALENDAR_TEXT_MAX] = "";

    if (grant->start_ms != INT64_MIN)
        calendar_text(rows->calendar, grant->start_ms / 1000, false, from);
    if (grant->end_ms != INT64_MAX)
        calendar_text(rows->calendar, grant->end_ms / 1000, false, to);
    snprintf(text, size, "%s%s%s%s%s", *from ? "from " : "", from, *from && *to ? " " : "",
             *to ? "until " : "", to);
    if (!*text)
        snprintf(text, size, "always");
}

/* A person's words as a field: tabs and ends of lines divide here. */
static const char *field_text(struct rows *rows, const char *words)
{
    char *text = arena_text(&rows->arena, words, strlen(words));

    for (char *at = text; at && *at; at++) {
        if ((unsigned char)*at < 0x20)
            *at = ' ';
    }
    return text ? text : "";
}

static void grant_say(struct group_said *said, const struct policy_grant *grant)
{
    static const char *const KINDS[] = {"", "name:", "category:", "service:"};
    char target[BL_NAME_TEXT_MAX + 16] = "internet", when[200];

    span_text(said->rows, grant, when, sizeof when);
    if (grant->kind != GRANT_BLOCK)
        snprintf(target, sizeof target, "%s%s", KINDS[grant->target_kind], grant->target);
    line_add(said, target, "%s\t%s\tgrant %u of %s: %s%s%s",
             grant->kind == GRANT_ALLOW ? "allow" : "deny", when, grant->id, grant->by,
             field_text(said->rows, grant->reason), *grant->approved_by ? "\t" : "",
             field_text(said->rows, grant->approved_by));
}

static void group_row(struct rows *rows, const char *subnet, const struct config_group *group)
{
    static const char *const SAFE[] = {"off", "moderate", "strict"};
    const struct config_answer *answer = group->answer.set ? &group->answer : &rows->config->answer;
    char value[1024];

    snprintf(value, sizeof value,
             "%s\ntitle\t%s\nanswer\t%s\nsafe-search\t%s\nwalled-garden\t%s\nextends\t%s",
             group->name, group->title, config_answer_text(answer->kind), SAFE[group->safe_search],
             group->walled_garden ? "yes" : "no",
             group->extends == CONFIG_NONE ? "" : rows->config->groups[group->extends].name);
    row_add(rows, subnet, "group", value);
}

static void group_rows(struct rows *rows, const struct policy_rules *rules,
                       const struct config_group *group)
{
    struct group_said said = {.rows = rows, .group = group->name};
    char text[ADDRESS_TEXT_MAX + 128];
    const char **subnets;
    size_t count = 0;

    for (size_t i = 0; i < rows->config->category_count; i++) {
        char target[128];
        snprintf(target, sizeof target, "category:%s", rows->config->categories[i].name);
        if (rows->config->categories[i].sealed)
            line_add(&said, target, "sealed\talways\tconfiguration");
    }
    targets_say(&said, &group->deny, "deny", "always");
    targets_say(&said, &group->observe, "observe", "always");
    targets_say(&said, &group->allow, "allow", "always");
    schedules_say(&said, group);
    for (size_t i = 0; i < rules->grant_count; i++) {
        const struct policy_grant *grant = &rules->grants[i];
        if (grant->kind != GRANT_SESSION && !grant->device_text && grant->group &&
            strcmp(grant->group, group->name) == 0)
            grant_say(&said, grant);
    }
    subnets = arena_take(&rows->arena, group->subnet_count + 1, sizeof *subnets);
    for (size_t i = 0; subnets && (i < group->subnet_count || i == 0); i++) {
        if (i < group->subnet_count)
            address_prefix_text(&group->subnets[i], text);
        else
            snprintf(text, sizeof text, "group:%s", group->name);
        subnets[i] = arena_text(&rows->arena, text, strlen(text));
        if (subnets[i])
            group_row(rows, subnets[count++], group);
    }
    said_add(&said, subnets, count);
}

static void device_rows(struct rows *rows, const struct policy_rules *rules)
{
    for (size_t i = 0; i < rules->grant_count; i++) {
        const struct policy_grant *grant = &rules->grants[i];
        struct group_said said = {.rows = rows, .group = ""};
        char subnet[200];
        bool first = grant->device_text != NULL;
        for (size_t j = 0; j < i && first; j++)
            first = !rules->grants[j].device_text ||
                    strcmp(rules->grants[j].device_text, grant->device_text) != 0;
        for (size_t j = i; first && j < rules->grant_count; j++) {
            const struct policy_grant *other = &rules->grants[j];
            if (other->device_text && other->kind != GRANT_SESSION &&
                strcmp(other->device_text, grant->device_text) == 0)
                grant_say(&said, other);
        }
        if (said.count) {
            snprintf(subnet, sizeof subnet, "device:%s", grant->device_text);
            said_add(&said, (const char *const[]){subnet}, 1);
        }
    }
}

/* What rules refer to: it holds for the whole school, a row for each line of the configuration. */
static void school_row(void *user, const char *line)
{
    static const char *const RULES[] = {"calendar.", "categories.", "devices.", "services."};
    static const char *const OTHERS[] = {".answer:", ".circumvention:", ".keep:", ".sources["};
    struct rows *rows = user;
    const char *colon = strstr(line, ": ");
    char target[PREFIX_MOST];
    bool is_rule = false;

    for (size_t i = 0; i < sizeof RULES / sizeof *RULES; i++)
        is_rule = is_rule || strncmp(line, RULES[i], strlen(RULES[i])) == 0;
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++)
        is_rule = is_rule && !strstr(line, OTHERS[i]);
    if (!is_rule || !colon)
        return;
    snprintf(target, sizeof target, "%.*s", (int)(colon - line), line);
    row_add(rows, VERSION_SCHOOL, target, colon + 1);
    if (!rows->failed)
        rows->items[rows->count - 1].value[0] = '\n';
}

int version_key_compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return order ? order : a_len < b_len ? -1 : a_len > b_len;
}

static int row_compare(const void *left, const void *right)
{
    const struct row *a = left, *b = right;

    return version_key_compare(a->key, a->key_len, b->key, b->key_len);
}

int version_rows_make(struct change *change, struct rows *rows, struct bl_error *error)
{
    struct policy_rules *rules;
    int code = policy_rules_read(change, &rules, error);

    if (code < 0)
        return code;
    for (size_t i = 0; i < rows->config->group_count; i++)
        group_rows(rows, rules, &rows->config->groups[i]);
    device_rows(rows, rules);
    policy_rules_free(rules);
    if (config_lines(rows->config, school_row, rows) < 0 || rows->failed || rows->arena.failed)
        return bl_error_set(error, -ENOMEM, "no memory for the policy's version");
    qsort(rows->items, rows->count, sizeof *rows->items, row_compare);
    return 0;
}
