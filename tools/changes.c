/* `chalkgate changes`: who changed what, when and why; and the proof that nothing was altered
 * since. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/act_here.h"
#include "tools/table.h"

struct changes_options {
    const char *since, *head;
    bool verify;
};

static error_t changes_parse(int key, char *value, struct argp_state *state)
{
    struct changes_options *options = state->input;

    switch (key) {
    case 's':
        options->since = value;
        return 0;
    case 'H':
        options->head = value;
        return 0;
    case ARGP_KEY_ARG:
        if (strcmp(value, "verify") != 0 || options->verify)
            argp_error(state, "\"%s\" is not understood; did you mean verify?", value);
        options->verify = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option changes_table[] = {
    {"since", 's', "TIME", 0, "from then on, as yesterday or -7d", 0},
    {"head", 'H', "HASH", 0, "with verify: the last entry's hash must be, or have been, this", 0},
    {0},
};

static const struct argp changes_argp = {
    .options = changes_table,
    .parser = changes_parse,
    .args_doc = "[verify]",
    .doc = "Shows every change of policy, lists, sessions and configuration, newest last. With "
           "`verify`, walks the chain of hashes over all entries and proves that none was altered, "
           "taken out or put in, or names the first that was; the hash it prints can be kept on "
           "paper and held against later ones.",
};

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static void changes_print(const json_t *changes)
{
    struct table *table = table_create();
    size_t index;
    json_t *change;

    table_column(table, "no", TABLE_RIGHT);
    table_column(table, "when", TABLE_LEFT);
    table_column(table, "who", TABLE_LEFT);
    table_column(table, "what", TABLE_LEFT);
    table_column(table, "reason", TABLE_LEFT);
    table_column(table, "version", TABLE_RIGHT);
    json_array_foreach(changes, index, change)
    {
        const json_t *by = json_object_get(change, "by");
        const char *user = text_of(by, "user"), *login = text_of(by, "login");
        bool same = strcmp(user, login) == 0;
        table_cell(table, "%lld", (long long)json_integer_value(json_object_get(change, "number")));
        table_cell(table, "%s", text_of(change, "time_text"));
        table_cell(table, "%s%s%s%s", login, same ? "" : " (as ", same ? "" : user,
                   same ? "" : ")");
        table_cell(table, "%s%s%s",
                   json_object_get(change, "unreadable") ? "(unreadable)"
                                                         : text_of(change, "action"),
                   *text_of(change, "target") ? " " : "", text_of(change, "target"));
        table_cell(table, "%s", text_of(change, "reason"));
        table_cell(table, "%lld",
                   (long long)json_integer_value(json_object_get(change, "version")));
    }
    table_print(table, stdout);
}

static enum exit_code changes_show(struct command *command, const struct changes_options *options)
{
    struct bl_error error = {0};
    json_t *request = json_object(), *reply;
    enum exit_code exit;
    int64_t since;

    if (options->since) {
        if (time_parse(options->since, time(NULL), &since, &error) < 0) {
            json_decref(request);
            return command_fail(EXIT_USAGE, "--since: %s", error.text);
        }
        json_object_set_new(request, "since", json_integer(since));
    }
    exit = act_ask(command, "changes", act_changes, false, request, &reply);
    if (exit != EXIT_DONE)
        return exit;
    if (json_array_size(json_object_get(reply, "changes")) == 0)
        exit = EXIT_NOTHING;
    if (command->json) {
        json_dumpf(json_object_get(reply, "changes"), stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        putchar('\n');
    } else if (exit == EXIT_NOTHING) {
        puts("Nothing was changed in that time.");
    } else {
        changes_print(json_object_get(reply, "changes"));
    }
    json_decref(reply);
    return exit;
}

/* Refusing is an answer here: what is broken is shown, and the exit code tells. */
static int verify(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    int code =
        act_changes_verify(act, json_string_value(json_object_get(request, "head")), reply, error);

    if (code < 0)
        json_object_set_new(reply, "fault", json_string(error->text));
    return 0;
}

static enum exit_code changes_prove(struct command *command, const struct changes_options *options)
{
    json_t *reply, *request = json_object();
    enum exit_code exit;
    bool whole;

    if (options->head)
        json_object_set_new(request, "head", json_string(options->head));
    exit = act_ask(command, "changes-verify", verify, false, request, &reply);
    if (exit != EXIT_DONE)
        return exit;
    whole = json_is_true(json_object_get(reply, "whole"));
    if (command->json) {
        json_dumpf(reply, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        putchar('\n');
    } else if (whole) {
        long long count = (long long)json_integer_value(json_object_get(reply, "count"));
        printf("The change log is whole: %lld %s. The last one's hash is\n%s\n", count,
               count == 1 ? "entry" : "entries", text_of(reply, "head"));
    } else {
        printf("The change log is NOT whole: %s.\n", text_of(reply, "fault"));
    }
    json_decref(reply);
    return whole ? EXIT_DONE : EXIT_FAILED;
}

static enum exit_code run_changes(struct command *command, int argc, char **argv)
{
    struct changes_options options = {0};
    int code = verb_parse(&changes_argp, argc, argv, &options);

    if (code)
        return (enum exit_code)(code - 1);
    if (!command_config(command) || !command_zone(command))
        return EXIT_USAGE;
    return options.verify ? changes_prove(command, &options) : changes_show(command, &options);
}

const struct verb verb_changes = {
    "changes", "who changed what and why; verify: the record is whole", run_changes};
