/* `chalkgate reload` and `chalkgate flush`: asked of the running daemon. */
#include <stdio.h>

#include "tools/ask.h"
#include "tools/table.h"
#include "tools/verb.h"

struct reload_options {
    const char *reason;
};

static error_t reload_parse(int key, char *value, struct argp_state *state)
{
    struct reload_options *options = state->input;

    switch (key) {
    case 'r':
        options->reason = value;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "\"%s\" is not understood; the reason goes behind --reason", value);
        return 0;
    case ARGP_KEY_END:
        if (!options->reason || !*options->reason)
            argp_error(state, "please say why, with --reason TEXT: the change log keeps it");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option reload_table[] = {
    {"reason", 'r', "TEXT", 0, "why, for the change log", 0},
    {0},
};

static const struct argp reload_argp = {
    .options = reload_table,
    .parser = reload_parse,
    .doc =
        "Has the running chalkgated read its configuration and the lists in force anew. When the "
        "configuration has a fault, that is shown and everything stays as it was. With "
        "`roles.requires-approval`, a configuration that loosens the policy waits until a second "
        "manager confirms it with `chalkgate approve`; so does one that was there at a restart, "
        "once a manager asks for it with `chalkgate reload`.",
};

/* Prints the sentence, or passes the reply on; takes `reply`. */
static enum exit_code reply_show(struct command *command, json_t *reply, const char *sentence)
{
    if (command->json) {
        json_object_del(reply, "ok");
        json_dumpf(reply, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        putchar('\n');
    } else {
        puts(sentence);
    }
    json_decref(reply);
    return EXIT_DONE;
}

static void removed_print(const json_t *removed)
{
    json_t *item;
    size_t i;
    char location[1024], category[256];

    if (json_array_size(removed) > 0)
        puts("No longer in the configuration, but in force until the next `chalkgate lists "
             "update`:");
    json_array_foreach(removed, i, item) printf(
        "  %s (%s)\n",
        text_safe(json_string_value(json_object_get(item, "location")), location, sizeof location),
        text_safe(json_string_value(json_object_get(item, "category")), category, sizeof category));
}

static enum exit_code run_reload(struct command *command, int argc, char **argv)
{
    struct reload_options options = {0};
    struct bl_error error = {0};
    json_t *reply;
    char sentence[128];
    int failed = verb_parse(&reload_argp, argc, argv, &options);
    enum exit_code code;

    if (failed)
        return (enum exit_code)(failed - 1);
    code = ask_daemon(command, "reload", json_pack("{s:s}", "reason", options.reason), -1, &reply,
                      &error);
    if (code != EXIT_DONE)
        return ask_fail(code, &error);
    if (!command->json && json_object_get(reply, "grant")) {
        ask_waiting_print(json_object_get(reply, "grant"));
        ask_warnings_print(reply);
        json_decref(reply);
        return code;
    }
    snprintf(sentence, sizeof sentence, "Reloaded; list generation %lld is in force.",
             (long long)json_integer_value(json_object_get(reply, "generation")));
    json_incref(reply);
    code = reply_show(command, reply, sentence);
    if (!command->json) {
        removed_print(json_object_get(reply, "removed"));
        ask_warnings_print(reply);
    }
    json_decref(reply);
    return code;
}

const struct verb verb_reload = {"reload", "has the resolver read its configuration and lists anew",
                                 run_reload};

static error_t flush_parse(int key, char *value, struct argp_state *state)
{
    const char **name = state->input;

    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    if (*name)
        argp_error(state, "one name at a time, please");
    *name = value;
    return 0;
}

static const struct argp flush_argp = {
    .parser = flush_parse,
    .args_doc = "[NAME]",
    .doc = "Has the running chalkgated forget the answers it keeps for NAME and the names below "
           "it, or "
           "all of them. The next question is forwarded.",
};

static enum exit_code run_flush(struct command *command, int argc, char **argv)
{
    const char *name = NULL;
    struct bl_error error = {0};
    json_t *reply;
    char sentence[128];
    int failed = verb_parse(&flush_argp, argc, argv, &name);
    enum exit_code code;
    long long entries;

    if (failed)
        return (enum exit_code)(failed - 1);
    code = ask_daemon(command, "flush", json_pack("{s:s*}", "name", name), -1, &reply, &error);
    if (code != EXIT_DONE)
        return ask_fail(code, &error);
    entries = json_integer_value(json_object_get(reply, "entries"));
    snprintf(sentence, sizeof sentence, "%lld kept answer%s forgotten.", entries,
             entries == 1 ? "" : "s");
    return reply_show(command, reply, sentence);
}

const struct verb verb_flush = {"flush", "has the resolver forget answers it keeps", run_flush};
