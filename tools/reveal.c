/* `chalkgate reveal`: the address behind a pseudonym, or the pseudonyms of an address. The daemon
 * alone may read the keys, and puts on record who asked and why. */
#include <stdio.h>

#include "tools/ask.h"
#include "tools/lists.h"

struct reveal_options {
    const char *device, *reason;
};

static error_t options_parse(int key, char *value, struct argp_state *state)
{
    struct reveal_options *options = state->input;

    switch (key) {
    case 'r':
        options->reason = value;
        return 0;
    case ARGP_KEY_ARG:
        if (options->device != NULL)
            argp_error(state, "one device at a time, please");
        options->device = value;
        return 0;
    case ARGP_KEY_END:
        if (options->device == NULL)
            argp_error(state, "which device? A pseudonym looks like device-7Q3K-M2F9");
        if (options->reason == NULL || options->reason[0] == '\0')
            argp_error(state, "please say why, with --reason: it goes on record");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options_table[] = {
    {"reason", 'r', "TEXT", 0, "why, for the change log", 0},
    {0},
};

static const struct argp options_argp = {
    .options = options_table,
    .parser = options_parse,
    .args_doc = "PSEUDONYM|ADDRESS",
    .doc =
        "Tells whose pseudonym stands in the records, or the pseudonyms that a device's records "
        "are under, for `chalkgate denials --client device-7Q3K-M2F9`."
        "\vFor managers only, while the resolver runs; each use is in `chalkgate changes` with its "
        "reason. Once the last record under a key is destroyed, its pseudonyms cannot be revealed "
        "by anybody."};

static enum exit_code run(struct command *command, int argc, char **argv)
{
    struct reveal_options options = {0};
    struct bl_error error = {""};
    const json_t *pseudonyms;
    json_t *reply, *one;
    enum exit_code code;
    size_t i;
    int failed = verb_parse(&options_argp, argc, argv, &options);

    if (failed != 0)
        return (enum exit_code)(failed - 1);
    code = ask_daemon(command, "reveal",
                      json_pack("{ss,ss}", "device", options.device, "reason", options.reason), -1,
                      &reply, &error);
    if (code != EXIT_DONE)
        return command_fail(code, "%s", error.text);
    pseudonyms = json_object_get(reply, "pseudonyms");
    if (command->json) {
        json_object_del(reply, "ok");
        json_print(reply);
        return EXIT_DONE;
    }
    json_array_foreach(pseudonyms, i, one) puts(json_string_value(one));
    if (pseudonyms == NULL)
        puts(json_string_value(json_object_get(reply, "address")));
    json_decref(reply);
    return EXIT_DONE;
}

const struct verb verb_reveal = {"reveal", "whose pseudonym stands in the records; on record", run};
