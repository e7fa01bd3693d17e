/* `chalkgate grants`, `revoke` and `approve`: what is allowed and denied beside the configuration.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/act_here.h"
#include "tools/ask.h"
#include "tools/table.h"

struct grants_options {
    bool all;
};

static error_t grants_parse(int key, char *value, struct argp_state *state)
{
    struct grants_options *options = state->input;

    switch (key) {
    case 'a':
        options->all = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "\"%s\" is not understood", value);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option grants_table[] = {
    {"all", 'a', NULL, 0, "those that have ended, too", 0},
    {0},
};

static const struct argp grants_argp = {
    .options = grants_table,
    .parser = grants_parse,
    .doc = "Shows what is allowed, denied and blocked beside the configuration, for whom, until "
           "when, by whom and why; and what waits for a second manager, with what it would loosen. "
           "Exit code 4: nothing is.",
};

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static void grant_row(struct table *table, const json_t *grant)
{
    const char *kind = text_of(grant, "target_kind");
    bool named = strcmp(kind, "category") == 0 || strcmp(kind, "service") == 0;

    table_cell(table, "%lld", (long long)json_integer_value(json_object_get(grant, "id")));
    table_cell(table, "%s", text_of(grant, "kind"));
    if (*text_of(grant, "session_user"))
        table_cell(table, "%s at %s", text_of(grant, "session_user"), text_of(grant, "address"));
    else
        table_cell(table, "%s%s%s", named ? kind : "", named ? ":" : "", text_of(grant, "target"));
    table_cell(table, "%s",
               *text_of(grant, "device") ? text_of(grant, "device") : text_of(grant, "group"));
    table_cell(table, "%s",
               *text_of(grant, "until_text") ? text_of(grant, "until_text") : "for good");
    table_cell(table, "%s", text_of(grant, "by"));
    table_cell(table, "%s%s%s",
               strcmp(text_of(grant, "state"), "active") == 0 ? "" : text_of(grant, "state"),
               strcmp(text_of(grant, "state"), "active") == 0 ? "" : ": ",
               text_of(grant, "reason"));
}

/* A second manager wants to see what it does. */
static void waiting_print(const json_t *grants)
{
    json_t *grant;
    size_t index;

    json_array_foreach(grants, index, grant)
    {
        if (strcmp(text_of(grant, "state"), "pending") != 0 || !json_object_get(grant, "loosens"))
            continue;
        printf("\n%lld waits for a second manager (chalkgate approve %lld --reason TEXT), and "
               "would loosen:\n",
               (long long)json_integer_value(json_object_get(grant, "id")),
               (long long)json_integer_value(json_object_get(grant, "id")));
        ask_loosens_print(grant);
    }
}

static enum exit_code run_grants(struct command *command, int argc, char **argv)
{
    struct grants_options options = {0};
    enum exit_code exit;
    struct table *table;
    json_t *reply, *grants, *grant;
    size_t index;
    int code = verb_parse(&grants_argp, argc, argv, &options);

    if (code)
        return (enum exit_code)(code - 1);
    if (!command_config(command) || !command_zone(command))
        return EXIT_USAGE;
    exit = act_ask(command, "grants", act_grants, false,
                   json_pack("{s:b}", "all", (int)options.all), &reply);
    if (exit != EXIT_DONE)
        return exit;
    grants = json_object_get(reply, "grants");
    if (json_array_size(grants) == 0)
        exit = EXIT_NOTHING;
    if (command->json) {
        json_dumpf(grants, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        putchar('\n');
    } else if (exit == EXIT_NOTHING) {
        puts("Nothing is granted, denied or blocked beside the configuration.");
    } else {
        table = table_create();
        table_column(table, "id", TABLE_RIGHT);
        table_column(table, "", TABLE_LEFT);
        table_column(table, "what", TABLE_LEFT);
        table_column(table, "for", TABLE_LEFT);
        table_column(table, "until", TABLE_LEFT);
        table_column(table, "by", TABLE_LEFT);
        table_column(table, "reason", TABLE_LEFT);
        json_array_foreach(grants, index, grant) grant_row(table, grant);
        table_print(table, stdout);
        waiting_print(grants);
    }
    json_decref(reply);
    return exit;
}

struct id_options {
    const char *id, *reason;
};

static error_t id_parse(int key, char *value, struct argp_state *state)
{
    struct id_options *options = state->input;
    char *end;

    switch (key) {
    case 'r':
        options->reason = value;
        return 0;
    case ARGP_KEY_ARG:
        if (options->id)
            argp_error(state, "one at a time, please");
        (void)strtoul(value, &end, 10);
        if (!*value || *end)
            argp_error(state, "\"%s\" is no number of `chalkgate grants`", value);
        options->id = value;
        return 0;
    case ARGP_KEY_END:
        if (!options->id)
            argp_error(state, "which one? `chalkgate grants` shows their numbers");
        if (!options->reason)
            argp_error(state, "please say why, with --reason TEXT; it is kept with the change");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option id_table[] = {
    {"reason", 'r', "TEXT", 0, "why: kept with the change", 0},
    {0},
};

static const struct argp revoke_argp = {
    .options = id_table,
    .parser = id_parse,
    .args_doc = "ID",
    .doc = "Ends a grant, a denial, a block or a session at once, and rejects what waits for a "
           "second manager; ID is as `chalkgate grants` shows it.",
};

static const struct argp approve_argp = {
    .options = id_table,
    .parser = id_parse,
    .args_doc = "ID",
    .doc = "The second manager's word for a grant, a session, lists or a reload that wait, where "
           "`roles.requires-approval` is set; `chalkgate grants` shows what it would loosen. The "
           "time of a grant or a session begins now.",
};

static enum exit_code run_id(struct command *command, int argc, char **argv, const char *verb,
                             const struct argp *argp, act_function *function, const char *done)
{
    struct id_options options = {0};
    json_t *request, *reply;
    enum exit_code exit;
    int code = verb_parse(argp, argc, argv, &options);

    if (code)
        return (enum exit_code)(code - 1);
    if (!command_config(command) || !command_zone(command))
        return EXIT_USAGE;
    request = json_pack("{s:I, s:s}", "id", (json_int_t)strtoul(options.id, NULL, 10), "reason",
                        options.reason);
    if (!request)
        return command_fail(EXIT_USAGE, "the reason is no UTF-8 text");
    exit = act_ask(command, verb, function, true, request, &reply);
    if (exit != EXIT_DONE)
        return exit;
    if (command->json) {
        json_dumpf(json_object_get(reply, "grant"), stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        putchar('\n');
    } else {
        const char *kind = text_of(json_object_get(reply, "grant"), "kind");
        printf("%s %s %s.\n",
               strcmp(kind, "reload") == 0    ? "Reload"
               : strcmp(kind, "session") == 0 ? "Session"
               : strcmp(kind, "lists") == 0   ? "Request"
                                              : "Grant",
               options.id, done);
        ask_warnings_print(reply);
    }
    json_decref(reply);
    return EXIT_DONE;
}

static enum exit_code run_revoke(struct command *command, int argc, char **argv)
{
    return run_id(command, argc, argv, "revoke", &revoke_argp, act_revoke, "has ended");
}

static enum exit_code run_approve(struct command *command, int argc, char **argv)
{
    return run_id(command, argc, argv, "approve", &approve_argp, act_approve, "is in force");
}

const struct verb verb_grants = {"grants", "what is allowed and denied beside the configuration",
                                 run_grants};
const struct verb verb_revoke = {"revoke", "end a grant, a block or a session", run_revoke};
const struct verb verb_approve = {"approve", "confirm what another manager asked for", run_approve};
