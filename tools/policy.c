/* `chalkgate policy show`: the rules of today, of a past version, or as a document. */
#include "tools/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/act_here.h"
#include "tools/flow.h"
#include "tools/policy_rows.h"
#include "tools/table.h"

struct policy_options {
    const char *version;
    bool show, document;
};

static error_t policy_parse(int key, char *value, struct argp_state *state)
{
    struct policy_options *options = state->input;
    unsigned long number;
    char *end;

    switch (key) {
    case 'n':
        number = strtoul(value, &end, 10);
        if (!*value || *end || *value == '-' || number < 1 || number > UINT32_MAX)
            argp_error(state, "--version wants a number, 1 or more; without it the one in force "
                              "is shown");
        options->version = value;
        return 0;
    case 'd':
        options->document = true;
        return 0;
    case ARGP_KEY_ARG:
        if (strcmp(value, "show") != 0 || options->show)
            argp_error(state, "\"%s\" is not understood; did you mean show?", value);
        options->show = true;
        return 0;
    case ARGP_KEY_END:
        if (!options->show)
            argp_error(state, "`policy` wants show");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option policy_table[] = {
    {"version", 'n', "N", 0, "as it was in version N", 0},
    {"document", 'd', NULL, 0, "as a document for people, with the table of revisions", 0},
    {0},
};

static const struct argp policy_argp = {
    .options = policy_table,
    .parser = policy_parse,
    .args_doc = "show",
    .doc = "Shows the policy in force, or that of an earlier version: for each subnet, what is "
           "denied, observed and allowed, when, and by whose word.",
};

/* The subnets of a group say the same, and have one table. */
static void heading_print(const json_t *rows, const json_t *row)
{
    const char *group = policy_text(row, "group");
    struct flow flow;
    size_t index;
    json_t *other;

    flow_begin(&flow, stdout, "", "  ");
    flow_words(&flow, "%s%s:", *group ? "Group " : "", *group ? group : policy_text(row, "subnet"));
    json_array_foreach(rows, index, other)
    {
        const char *subnet = policy_text(other, "subnet");
        if (*group && policy_is_group(other) && strcmp(policy_text(other, "group"), group) == 0 &&
            strncmp(subnet, "group:", 6) != 0)
            flow_words(&flow, "%s", subnet);
    }
    flow_end(&flow);
}

static void rules_print(const json_t *rows, const char *subnet)
{
    struct table *table = table_create();
    size_t index, number;
    json_t *row, *rule;

    table_column(table, "", TABLE_LEFT);
    table_column(table, "what", TABLE_LEFT);
    table_column(table, "when", TABLE_LEFT);
    table_column(table, "by", TABLE_LEFT);
    json_array_foreach(rows, index, row)
    {
        if (policy_is_group(row) || strcmp(policy_text(row, "subnet"), subnet) != 0)
            continue;
        json_array_foreach(json_object_get(row, "rules"), number, rule)
        {
            table_cell(table, "%s", policy_field(rule, POLICY_ACTION));
            table_cell(table, "%s", policy_text(row, "target"));
            table_cell(table, "%s", policy_field(rule, POLICY_WHEN));
            table_cell(table, "%s", policy_field(rule, POLICY_BY));
        }
    }
    table_print(table, stdout);
}

static void rows_print(const json_t *reply)
{
    const json_t *rows = json_object_get(reply, "rows");
    const char *last = "";
    size_t index;
    json_t *row;

    printf("Policy version %lld\n",
           (long long)json_integer_value(json_object_get(reply, "version")));
    json_array_foreach(rows, index, row)
    {
        const char *subnet = policy_text(row, "subnet");
        bool is_device = strncmp(subnet, "device:", 7) == 0 && strcmp(subnet, last) != 0;
        if (!is_device && !(policy_is_group(row) && policy_is_first(rows, index, row)))
            continue;
        putchar('\n');
        heading_print(rows, row);
        rules_print(rows, subnet);
        last = subnet;
    }
}

static enum exit_code run_policy(struct command *command, int argc, char **argv)
{
    struct policy_options options = {0};
    json_t *request, *reply;
    enum exit_code exit;
    int code = verb_parse(&policy_argp, argc, argv, &options);

    if (code)
        return (enum exit_code)(code - 1);
    if (!command_config(command) || !command_zone(command))
        return EXIT_USAGE;
    request = json_object();
    if (options.version)
        json_object_set_new(request, "version",
                            json_integer((json_int_t)strtoul(options.version, NULL, 10)));
    exit = act_ask(command, "policy", act_policy_show, false, request, &reply);
    if (exit != EXIT_DONE)
        return exit;
    if (command->json) {
        json_dumpf(reply, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        putchar('\n');
    } else if (options.document) {
        policy_document_print(reply, command->config);
    } else {
        rows_print(reply);
    }
    json_decref(reply);
    return EXIT_DONE;
}

const struct verb verb_policy = {"policy", "show: the policy in force, or as it was", run_policy};
