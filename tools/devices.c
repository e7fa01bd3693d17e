/* `chalkgate block-device` and `chalkgate session`. */
#include <stdio.h>
#include <string.h>

#include "tools/act_here.h"
#include "tools/ask.h"
#include "tools/table.h"

struct device_options {
    const char *device, *length, *until, *reason;
};

static error_t device_parse(int key, char *value, struct argp_state *state)
{
    struct device_options *options = state->input;

    switch (key) {
    case 'f':
        options->length = value;
        return 0;
    case 'u':
        options->until = value;
        return 0;
    case 'r':
        options->reason = value;
        return 0;
    case ARGP_KEY_ARG:
        if (options->device)
            argp_error(state, "one device at a time, please");
        options->device = value;
        return 0;
    case ARGP_KEY_END:
        if (!options->device)
            argp_error(state, "which device? A MAC address, an address, or its name");
        if (!options->length == !options->until)
            argp_error(state, "for how long? Please give one of --for 1h and --until TIME");
        if (!options->reason)
            argp_error(state, "please say why, with --reason TEXT; it is kept with the change");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option device_table[] = {
    {"for", 'f', "DURATION", 0, "for so long, as 45m, 2h or 3d", 0},
    {"until", 'u', "TIME", 0, "until then, as 15:30 or 2026-11-23T11:15", 0},
    {"reason", 'r', "TEXT", 0, "why: kept with the change", 0},
    {0},
};

static const struct argp device_argp = {
    .options = device_table,
    .parser = device_parse,
    .args_doc = "DEVICE",
    .doc = "Refuses every question of one device for a time. DEVICE is a MAC address, an address "
           "it has now, or a name: one under `devices` in the configuration, or the one that the "
           "device gives itself (`chalkgate devices` shows them). All addresses of the device are "
           "blocked, those it gets later included.",
};

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static enum exit_code reply_print(const struct command *command, json_t *reply, const char *key,
                                  const char *sentence)
{
    if (command->json) {
        json_dumpf(key ? json_object_get(reply, key) : reply, stdout,
                   JSON_INDENT(2) | JSON_ENSURE_ASCII);
        putchar('\n');
    } else {
        puts(sentence);
    }
    json_decref(reply);
    return EXIT_DONE;
}

static enum exit_code run_block_device(struct command *command, int argc, char **argv)
{
    struct device_options options = {0};
    struct bl_error error = {0};
    char sentence[400];
    json_t *request, *reply;
    enum exit_code exit;
    int code = verb_parse(&device_argp, argc, argv, &options);

    if (code)
        return (enum exit_code)(code - 1);
    if (!command_config(command) || !command_zone(command))
        return EXIT_USAGE;
    request = json_pack("{s:s, s:s}", "device", options.device, "reason", options.reason);
    if (!request)
        return command_fail(EXIT_USAGE, "the device or the reason is no UTF-8 text");
    code = act_span(request, options.length, options.until, &error);
    if (code < 0) {
        json_decref(request);
        return command_fail(EXIT_USAGE, "%s", error.text);
    }
    exit = act_ask(command, "block-device", act_block_device, true, request, &reply);
    if (exit != EXIT_DONE)
        return exit;
    request = json_object_get(reply, "grant");
    snprintf(sentence, sizeof sentence, "Block %lld: %s has no internet until %s.",
             (long long)json_integer_value(json_object_get(request, "id")),
             text_of(request, "device"), text_of(request, "until_text"));
    return reply_print(command, reply, "grant", sentence);
}

struct session_options {
    const char *act, *address, *user, *group, *length, *until, *reason;
};

static error_t session_parse(int key, char *value, struct argp_state *state)
{
    struct session_options *options = state->input;

    switch (key) {
    case 'a':
        options->address = value;
        return 0;
    case 'U':
        options->user = value;
        return 0;
    case 'g':
        options->group = value;
        return 0;
    case 'f':
        options->length = value;
        return 0;
    case 'u':
        options->until = value;
        return 0;
    case 'r':
        options->reason = value;
        return 0;
    case ARGP_KEY_ARG:
        if (options->act || (strcmp(value, "start") != 0 && strcmp(value, "end") != 0 &&
                             strcmp(value, "show") != 0))
            argp_error(state, "`session` wants start, end or show");
        options->act = value;
        return 0;
    case ARGP_KEY_END:
        if (!options->act)
            argp_error(state, "`session` wants start, end or show");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option session_table[] = {
    {"address", 'a', "ADDRESS", 0, "where the user signed on", 0},
    {"user", 'U', "NAME", 0, "who signed on", 0},
    {"group", 'g', "NAME", 0, "the group that this gives", 0},
    {"for", 'f', "DURATION", 0, "for so long, as 8h", 0},
    {"until", 'u', "TIME", 0, "until then, as 15:30", 0},
    {"reason", 'r', "TEXT", 0, "kept with the change", 0},
    {0},
};

static const struct argp session_argp = {
    .options = session_table,
    .parser = session_parse,
    .args_doc = "start|end|show",
    .doc = "A user signed on at an address has the group of the session there, before that of the "
           "device and the subnet, on all addresses of the device. Made for logon scripts and "
           "RADIUS accounting. With `roles.requires-approval`, a session by hand that lets the "
           "device do more than the configuration does waits until a second manager confirms it "
           "with `chalkgate approve`, and needs a --reason; those of the users under "
           "`roles.automatic-sessions` do not.",
};

static void text_set(json_t *request, const char *key, const char *text)
{
    if (text)
        json_object_set_new(request, key, json_string(text));
}

static enum exit_code sessions_show(struct command *command)
{
    json_t *reply, *sessions, *session;
    struct table *table;
    size_t index;
    enum exit_code exit = act_ask(command, "sessions", act_grants, false,
                                  json_pack("{s:s}", "kind", "session"), &reply);

    if (exit != EXIT_DONE)
        return exit;
    sessions = json_object_get(reply, "grants");
    if (json_array_size(sessions) == 0)
        exit = EXIT_NOTHING;
    if (command->json) {
        json_dumpf(sessions, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        putchar('\n');
    } else if (exit == EXIT_NOTHING) {
        puts("Nobody is signed on.");
    } else {
        table = table_create();
        table_column(table, "id", TABLE_RIGHT);
        table_column(table, "user", TABLE_LEFT);
        table_column(table, "address", TABLE_LEFT);
        table_column(table, "device", TABLE_LEFT);
        table_column(table, "group", TABLE_LEFT);
        table_column(table, "until", TABLE_LEFT);
        table_column(table, "", TABLE_LEFT);
        json_array_foreach(sessions, index, session)
        {
            table_cell(table, "%lld",
                       (long long)json_integer_value(json_object_get(session, "id")));
            table_cell(table, "%s", text_of(session, "session_user"));
            table_cell(table, "%s", text_of(session, "address"));
            table_cell(table, "%s", text_of(session, "mac"));
            table_cell(table, "%s", text_of(session, "group"));
            table_cell(table, "%s", text_of(session, "until_text"));
            table_cell(
                table, "%s",
                strcmp(text_of(session, "state"), "active") == 0 ? "" : text_of(session, "state"));
        }
        table_print(table, stdout);
    }
    json_decref(reply);
    return exit;
}

static enum exit_code session_do(struct command *command, const struct session_options *options)
{
    bool start = strcmp(options->act, "start") == 0;
    struct bl_error error = {0};
    json_t *request = json_object(), *reply;
    char sentence[300];
    enum exit_code exit;
    json_int_t ended;
    const json_t *session;

    text_set(request, "address", options->address);
    text_set(request, "user", options->user);
    text_set(request, "group", options->group);
    text_set(request, "reason", options->reason);
    if (act_span(request, options->length, options->until, &error) < 0) {
        json_decref(request);
        return command_fail(EXIT_USAGE, "%s", error.text);
    }
    exit = act_ask(command, start ? "session-start" : "session-end",
                   start ? act_session_start : act_session_end, true, request, &reply);
    if (exit != EXIT_DONE)
        return exit;
    ended = json_integer_value(json_object_get(reply, "ended"));
    session = json_object_get(reply, "session");
    if (!command->json && session && json_object_get(session, "loosens")) {
        ask_waiting_print(session);
        json_decref(reply);
        return EXIT_DONE;
    }
    if (start)
        snprintf(sentence, sizeof sentence, "%s is signed on at %s, in group %s.",
                 text_of(session, "session_user"), text_of(session, "address"),
                 text_of(session, "group"));
    else
        snprintf(sentence, sizeof sentence, "%lld session%s ended.", (long long)ended,
                 ended == 1 ? "" : "s");
    return reply_print(command, reply, start ? "session" : NULL, sentence);
}

static enum exit_code run_session(struct command *command, int argc, char **argv)
{
    struct session_options options = {0};
    int code = verb_parse(&session_argp, argc, argv, &options);

    if (code)
        return (enum exit_code)(code - 1);
    if (!command_config(command) || !command_zone(command))
        return EXIT_USAGE;
    return strcmp(options.act, "show") == 0 ? sessions_show(command)
                                            : session_do(command, &options);
}

const struct verb verb_block_device = {"block-device", "no internet for one device, for a time",
                                       run_block_device};
const struct verb verb_session = {"session", "signed-on users: start, end, show", run_session};
