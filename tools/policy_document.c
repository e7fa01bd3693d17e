#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/flow.h"
#include "tools/policy.h"
#include "tools/policy_calendar.h"
#include "tools/policy_rows.h"
#include "tools/report_words.h"
#include "tools/table.h"

enum { WORD_MAX = 300 };

struct document {
    const json_t *rows;
    const struct config *config; /* for the titles of services */
    const char *now;             /* to tell what has ended since; "" for a version of the past */
};

/* One rule of a subnet or a device. */
struct said {
    const char *target, *action, *when, *by, *approver;
};

struct rules {
    struct said *items;
    size_t count;
};

static struct rules rules_of(const struct document *document, const char *subnet)
{
    struct rules rules = {0};
    size_t index, number;
    json_t *row, *rule;

    json_array_foreach(document->rows, index, row)
    {
        if (strcmp(policy_text(row, "subnet"), subnet) != 0 || policy_is_group(row))
            continue;
        json_array_foreach(json_object_get(row, "rules"), number, rule)
        {
            struct said *items = reallocarray(rules.items, rules.count + 1, sizeof *items);
            if (!items)
                continue;
            rules.items = items;
            items[rules.count++] = (struct said){.target = policy_text(row, "target"),
                                                 .action = policy_field(rule, POLICY_ACTION),
                                                 .when = policy_field(rule, POLICY_WHEN),
                                                 .by = policy_field(rule, POLICY_BY),
                                                 .approver = policy_field(rule, POLICY_APPROVER)};
        }
    }
    return rules;
}

static bool is_exception(const struct said *said)
{
    return strcmp(said->by, "configuration") != 0;
}

/* What people call a target. */
static const char *target_title(const struct document *document, const char *target,
                                char out[WORD_MAX])
{
    const char *name = strchr(target, ':') ? strchr(target, ':') + 1 : target, *title;
    int service;

    if (strncmp(target, "category:", 9) == 0) {
        title = policy_school(document->rows, "categories.%s.title", name);
        return policy_word(&title, out, WORD_MAX) ? out : name;
    }
    if (strncmp(target, "service:", 8) == 0) {
        service = config_service_find(document->config, name);
        return service < 0 ? name : document->config->services[service].title;
    }
    return strcmp(target, "internet") == 0 ? "the whole internet" : name;
}

/* Under which word a target stands in a list; the lists are in this order. */
static const char *const KINDS[] = {"Everything", "Urgent",           "High",     "Medium",
                                    "Low",        "Kinds of content", "Services", "Names"};
enum { KIND_COUNT = sizeof KINDS / sizeof *KINDS, KIND_URGENT = 1, KIND_OTHER = 5 };

static size_t target_kind(const struct document *document, const char *target)
{
    const char *severity;
    size_t kind = KIND_URGENT;

    if (strcmp(target, "internet") == 0)
        return 0;
    if (strncmp(target, "category:", 9) != 0)
        return strncmp(target, "service:", 8) == 0 ? KIND_COUNT - 2 : KIND_COUNT - 1;
    severity = policy_school(document->rows, "categories.%s.severity", target + 9);
    while (kind < KIND_OTHER && strcasecmp(severity, KINDS[kind]) != 0)
        kind++;
    return kind;
}

/* The configuration's rules of one action and time, a line for each kind. */
static void targets_print(const struct document *document, const struct rules *rules,
                          const char *action, const char *when)
{
    char title[WORD_MAX], first[40];

    for (size_t kind = 0; kind < KIND_COUNT; kind++) {
        const char *waiting = NULL;
        struct flow flow;
        flow_begin(&flow, stdout, "- ", "  ");
        snprintf(first, sizeof first, "%s: ", KINDS[kind]);
        for (size_t i = 0; i < rules->count; i++) {
            const struct said *said = &rules->items[i];
            if (is_exception(said) || strcmp(said->action, action) != 0 ||
                strcmp(said->when, when) != 0 || target_kind(document, said->target) != kind)
                continue;
            if (waiting)
                flow_words(&flow, "%s%s;", flow.begun ? "" : first,
                           target_title(document, waiting, title));
            waiting = said->target;
        }
        if (waiting)
            flow_words(&flow, "%s%s", flow.begun ? "" : first,
                       target_title(document, waiting, title));
        flow_end(&flow);
    }
    putchar('\n');
}

/* How the rules of one action are introduced: around the time at which they hold. */
struct heading {
    const char *action, *before, *after;
};

static const struct heading HEADINGS[] = {
    {"sealed", "Sealed: denied to everyone", "; nobody can allow it"},
    {"deny", "Denied", ""},
    {"allow", "Allowed", ", whatever kind of content it is"},
    {"observe", "Let through", ", but recorded as what would have been denied"},
};

/* A heading and a list for each time at which such rules hold. */
static void action_print(const struct document *document, const struct rules *rules,
                         const struct heading *heading)
{
    for (size_t i = 0; i < rules->count; i++) {
        const struct said *said = &rules->items[i];
        bool is_new = !is_exception(said) && strcmp(said->action, heading->action) == 0;
        struct flow flow;
        for (size_t j = 0; j < i && is_new; j++)
            is_new = is_exception(&rules->items[j]) ||
                     strcmp(rules->items[j].action, heading->action) != 0 ||
                     strcmp(rules->items[j].when, said->when) != 0;
        if (!is_new)
            continue;
        flow_begin(&flow, stdout, "", "");
        flow_words(&flow, "%s %s%s:", heading->before,
                   strcmp(said->when, "always") == 0 ? "at all times" : said->when, heading->after);
        flow_end(&flow);
        putchar('\n');
        targets_print(document, rules, heading->action, said->when);
    }
}

static bool has_ended(const struct document *document, const char *when)
{
    const char *until = strstr(when, "until ");

    /* With an offset behind it the hour comes twice, and text does not tell which is later. */
    return until && strlen(until + 6) == 16 && strlen(document->now) == 16 &&
           strcmp(until + 6, document->now) <= 0;
}

/* "grant 17 of mary: a lesson" */
static void exception_print(const struct document *document, const struct said *said)
{
    const char *by = strstr(said->by, " of "), *reason = by ? strstr(by, ": ") : NULL;
    char title[WORD_MAX], when[WORD_MAX];
    struct flow flow;

    flow_begin(&flow, stdout, "- ", "  ");
    flow_words(&flow, "%s %s %s", target_title(document, said->target, title),
               strcmp(said->action, "allow") == 0 ? "is allowed" : "is denied",
               policy_when_text(said->when, when, sizeof when));
    if (has_ended(document, said->when))
        flow_words(&flow, "(it has ended)");
    if (by && reason) {
        flow_words(&flow, "(%.*s): %s%s", (int)(by - said->by), said->by, reason + 2,
                   strchr(".!?", reason[strlen(reason) - 1]) ? "" : ".");
        flow_words(&flow, "By %.*s%s%s.", (int)(reason - by - 4), by + 4,
                   *said->approver ? ", approved by " : "", said->approver);
    }
    flow_end(&flow);
}

static void exceptions_print(const struct document *document, const struct rules *rules,
                             const char *heading)
{
    bool any = false;

    for (size_t i = 0; i < rules->count; i++) {
        if (!is_exception(&rules->items[i]))
            continue;
        if (!any)
            printf("%s\n\n", heading);
        any = true;
        exception_print(document, &rules->items[i]);
    }
    if (any)
        putchar('\n');
}

/* By their addresses, or as devices that the school knows by name. */
static void members_print(const struct document *document, const char *group)
{
    const char *waiting = NULL, *subnet, *text;
    char word[WORD_MAX], name[WORD_MAX];
    struct flow flow;
    size_t index;
    json_t *row;

    flow_begin(&flow, stdout, "", "");
    json_array_foreach(document->rows, index, row)
    {
        subnet = policy_text(row, "subnet");
        if (!policy_is_group(row) || strcmp(policy_text(row, "group"), group) != 0 ||
            strncmp(subnet, "group:", 6) == 0)
            continue;
        flow_words(&flow, "%s", waiting ? "" : "Who: all devices with addresses in");
        if (waiting)
            flow_words(&flow, "%s,", waiting);
        waiting = subnet;
    }
    flow_words(&flow, "%s%s", waiting ? waiting : "Who: devices and users that are put into it",
               ".");
    json_array_foreach(document->rows, index, row)
    {
        const char *target = policy_text(row, "target");
        if (!policy_is_school(row) || sscanf(target, "devices.%299[^.].group", name) != 1 ||
            !strstr(target, ".group"))
            continue;
        text = policy_field(json_array_get(json_object_get(row, "rules"), 0), 0);
        if (policy_word(&text, word, sizeof word) && strcmp(word, group) == 0)
            flow_words(&flow, "Also the device %s, wherever it is.", name);
    }
    flow_end(&flow);
    putchar('\n');
}

static void group_print(const struct document *document, const json_t *row)
{
    const char *name = policy_text(row, "group"), *extends = policy_group_value(row, "extends");
    const char *safe = policy_group_value(row, "safe-search");
    struct rules rules = rules_of(document, policy_text(row, "subnet"));
    char title[WORD_MAX];

    printf("## %s (group %s)\n\n", text_safe(policy_group_value(row, "title"), title, sizeof title),
           name);
    members_print(document, name);
    if (*extends)
        printf("It begins with all rules of the group %s.\n\n", extends);
    if (strcmp(policy_group_value(row, "walled-garden"), "yes") == 0)
        puts("Nothing can be reached but what is named as allowed below.\n");
    if (strcmp(safe, "off") == 0)
        puts("Search engines are not held to their safe search.\n");
    else
        printf("Search engines are held to their safe search, in its %s form.\n\n", safe);
    for (size_t i = 0; i < sizeof HEADINGS / sizeof *HEADINGS; i++)
        action_print(document, &rules, &HEADINGS[i]);
    exceptions_print(document, &rules, "Exceptions for this group:");
    free(rules.items);
}

static void devices_print(const struct document *document)
{
    const char *last = "";
    char name[WORD_MAX];
    size_t index;
    json_t *row;

    json_array_foreach(document->rows, index, row)
    {
        const char *subnet = policy_text(row, "subnet");
        struct rules rules;
        if (strncmp(subnet, "device:", 7) != 0 || strcmp(subnet, last) == 0)
            continue;
        rules = rules_of(document, subnet);
        printf("## The device %s\n\n", text_safe(subnet + 7, name, sizeof name));
        exceptions_print(document, &rules, "For this device, beside the rules of its group:");
        free(rules.items);
        last = subnet;
    }
}

static void kinds_print(const struct document *document)
{
    static const size_t WIDTHS[] = {36, 20, 14};
    static const char *const HEADS[] = {"Kind of content", "In commands", "Severity"};
    static const char *const LINES[] = {"---", "---", "---"};
    bool any = false;

    for (size_t kind = KIND_URGENT; kind < KIND_OTHER; kind++) {
        size_t index;
        json_t *row;
        json_array_foreach(document->rows, index, row)
        {
            char name[WORD_MAX], target[WORD_MAX + 16], title[WORD_MAX], severity[40];
            const char *key = policy_text(row, "target");
            if (!policy_is_school(row) || sscanf(key, "categories.%299[^.].", name) != 1 ||
                !strstr(key, ".severity"))
                continue;
            snprintf(target, sizeof target, "category:%s", name);
            if (target_kind(document, target) != kind)
                continue;
            if (!any) {
                puts("## Kinds of content\n");
                flow_row(stdout, 3, HEADS, WIDTHS);
                flow_row(stdout, 3, LINES, WIDTHS);
            }
            any = true;
            snprintf(severity, sizeof severity, "%s%s", KINDS[kind],
                     strcmp(policy_school(document->rows, "categories.%s.sealed", name), "true")
                         ? ""
                         : ", sealed");
            flow_row(stdout, 3,
                     (const char *const[]){target_title(document, target, title), name, severity},
                     WIDTHS);
        }
    }
    if (any)
        putchar('\n');
}

static void limits_print(void)
{
    static const char *const LIMITS[] = {
        "It knows the names of sites that devices look up: no pages, pictures, searches or "
        "messages. A site is denied or allowed as a whole, and a look-up is not yet a visit.",
        "It does not see what asks somebody else: a phone on mobile data, a VPN, an address typed "
        "as numbers. It knows devices, and a person only where somebody has signed on.",
        "Its lists are made by people and programs, and are never complete. No filter can promise "
        "that unsuitable material never appears, and none replaces supervision.",
    };

    puts("## What this filter cannot do\n");
    for (size_t i = 0; i < sizeof LIMITS / sizeof *LIMITS; i++) {
        report_wrap(stdout, LIMITS[i], "");
        putchar('\n');
    }
}

static void revisions_print(const json_t *versions, json_int_t shown)
{
    static const size_t WIDTHS[] = {7, 16, 28, 15};
    static const char *const HEADS[] = {"Version", "Date", "Description", "Revision Author"};
    static const char *const LINES[] = {"---", "---", "---", "---"};
    size_t index;
    json_t *version;

    puts("## Revisions\n");
    flow_row(stdout, 4, HEADS, WIDTHS);
    flow_row(stdout, 4, LINES, WIDTHS);
    json_array_foreach(versions, index, version)
    {
        json_int_t number = json_integer_value(json_object_get(version, "version"));
        char text[32], date[64], *time;
        if (number > shown)
            break;
        snprintf(text, sizeof text, "%lld", (long long)number);
        snprintf(date, sizeof date, "%s", policy_text(version, "time_text"));
        time = strchr(date, 'T');
        if (time)
            *time = ' ';
        flow_row(stdout, 4,
                 (const char *const[]){text, date, policy_text(version, "description"),
                                       policy_text(version, "author")},
                 WIDTHS);
    }
}

/* Which version it is, whose, and for how long it was in force. */
static void version_print(const json_t *reply, json_int_t shown, bool *out_is_last)
{
    char date[WORD_MAX];
    struct flow flow;
    size_t index;
    json_t *version;

    *out_is_last = true;
    flow_begin(&flow, stdout, "", "");
    json_array_foreach(json_object_get(reply, "versions"), index, version)
    {
        json_int_t number = json_integer_value(json_object_get(version, "version"));
        const char *when = policy_date_text(policy_text(version, "time_text"), date, sizeof date);
        if (number == shown)
            flow_words(&flow, "In force from %s, by %s: %s.", when, policy_text(version, "author"),
                       policy_text(version, "description"));
        if (number == shown + 1) {
            flow_words(&flow, "Replaced on %s by version %lld.", when, (long long)number);
            *out_is_last = false;
        }
    }
    flow_end(&flow);
    putchar('\n');
}

void policy_document_print(const json_t *reply, const struct config *config)
{
    struct document document = {.rows = json_object_get(reply, "rows"), .config = config};
    json_int_t version = json_integer_value(json_object_get(reply, "version"));
    bool is_last;
    size_t index;
    json_t *row;

    printf("# Web filtering policy, version %lld\n\n", (long long)version);
    version_print(reply, version, &is_last);
    document.now = is_last ? policy_text(reply, "now_text") : "";
    report_wrap(
        stdout,
        "What this school's filter denies and allows, to whom and when. The use of the "
        "internet is monitored, and every denial is recorded with the number of the "
        "version that was in force. What is sealed is denied whatever else is said; apart from "
        "that, a site that is allowed by its name may be visited although its kind of "
        "content is denied.",
        "");
    putchar('\n');
    policy_calendar_print(document.rows);
    json_array_foreach(document.rows, index, row)
    {
        if (policy_is_group(row) && policy_is_first(document.rows, index, row))
            group_print(&document, row);
    }
    devices_print(&document);
    kinds_print(&document);
    limits_print();
    revisions_print(json_object_get(reply, "versions"), version);
}
