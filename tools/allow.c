/* `chalkgate allow` and `chalkgate deny`: exceptions with a reason and an end. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/act_here.h"
#include "tools/table.h"

struct grant_options {
    const char *target, *group, *device, *length, *from, *until, *reason, *approved_by;
    bool permanent;
};

enum { OPTION_APPROVED = 1, OPTION_FROM };

static error_t grant_parse(int key, char *value, struct argp_state *state)
{
    struct grant_options *options = state->input;

    switch (key) {
    case 'g':
        options->group = value;
        return 0;
    case 'd':
        options->device = value;
        return 0;
    case 'f':
        options->length = value;
        return 0;
    case 'u':
        options->until = value;
        return 0;
    case OPTION_FROM:
        options->from = value;
        return 0;
    case 'p':
        options->permanent = true;
        return 0;
    case 'r':
        options->reason = value;
        return 0;
    case OPTION_APPROVED:
        options->approved_by = value;
        return 0;
    case ARGP_KEY_ARG:
        if (options->target)
            argp_error(state, "one target at a time, please");
        options->target = value;
        return 0;
    case ARGP_KEY_END:
        if (!options->target)
            argp_error(state, "what is it about? A name, category:NAME or service:NAME");
        if (!options->group == !options->device)
            argp_error(state, "for whom? Please name one of --group NAME and --device DEVICE");
        if (!!options->length + !!options->until + options->permanent != 1)
            argp_error(state, "for how long? Please give one of --for 45m, --until TIME and "
                              "--permanent");
        if (!options->reason)
            argp_error(state, "please say why, with --reason TEXT; it is kept with the change");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option grant_table[] = {
    {"group", 'g', "NAME", 0, "for this group", 0},
    {"device", 'd', "DEVICE", 0, "or for one device: a MAC address, an address, or its name", 0},
    {"for", 'f', "DURATION", 0, "for so long, as 45m, 2h or 3d, from now or from --from on", 0},
    {"until", 'u', "TIME", 0, "until then, as 15:30 or 2026-11-23T11:15", 0},
    {"from", OPTION_FROM, "TIME", 0, "not before then", 0},
    {"permanent", 'p', NULL, 0, "for good", 0},
    {"reason", 'r', "TEXT", 0, "why: kept with the change", 0},
    {"approved-by", OPTION_APPROVED, "WHO", 0, "who agreed to it", 0},
    {0},
};

#define TIMES_TOLD                                                                                 \
    "\vTimes are the school's. A time in the hour that comes twice when the clocks go back is "    \
    "the "                                                                                         \
    "next one, and 01:30+01:00 or 01:30Z says which; one in the hour that is left out in spring "  \
    "is "                                                                                          \
    "an hour later."

static const struct argp allow_argp = {
    .options = grant_table,
    .parser = grant_parse,
    .args_doc = "TARGET",
    .doc = "Allows TARGET (a name with all below it, category:NAME or service:NAME) for a group or "
           "a device, and ends by itself. Nothing in a sealed category can be allowed." TIMES_TOLD,
};

static const struct argp deny_argp = {
    .options = grant_table,
    .parser = grant_parse,
    .args_doc = "TARGET",
    .doc = "Denies TARGET (a name with all below it, category:NAME or service:NAME) to a group or "
           "a device, and ends by itself." TIMES_TOLD,
};

static void text_set(json_t *request, const char *key, const char *text)
{
    if (text)
        json_object_set_new(request, key, json_string(text));
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* Prints and takes the reply. */
static enum exit_code grant_show(const struct command *command, json_t *reply)
{
    const json_t *grant = json_object_get(reply, "grant");
    const char *kind = text_of(grant, "target_kind"), *until = text_of(grant, "until_text");
    bool pending = strcmp(text_of(grant, "state"), "pending") == 0;
    char target[1100];

    if (*text_of(reply, "warning"))
        fprintf(stderr, "chalkgate: note: %s\n", text_of(reply, "warning"));
    if (command->json) {
        json_dumpf(grant, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        putchar('\n');
    } else {
        printf("Grant %lld: %s %s%s%s for %s%s%s%s.\n",
               (long long)json_integer_value(json_object_get(grant, "id")), text_of(grant, "kind"),
               strcmp(kind, "name") == 0 ? "" : kind, strcmp(kind, "name") == 0 ? "" : ":",
               text_safe(text_of(grant, "target"), target, sizeof target),
               *text_of(grant, "device") ? text_of(grant, "device") : text_of(grant, "group"),
               *until ? " until " : " for good", until,
               pending ? "; it waits for another manager (`chalkgate approve`)" : "");
    }
    json_decref(reply);
    return EXIT_DONE;
}

static enum exit_code run_grant(struct command *command, int argc, char **argv, const char *kind,
                                const struct argp *argp)
{
    struct grant_options options = {0};
    struct bl_error error = {0};
    json_t *request, *reply;
    enum exit_code exit;
    int64_t from;
    int code = verb_parse(argp, argc, argv, &options);

    if (code)
        return (enum exit_code)(code - 1);
    if (!command_config(command) || !command_zone(command))
        return EXIT_USAGE;
    request = json_pack("{s:s, s:s, s:s, s:b}", "kind", kind, "target", options.target, "reason",
                        options.reason, "permanent", (int)options.permanent);
    if (!request)
        return command_fail(EXIT_USAGE, "the target or the reason is no UTF-8 text");
    text_set(request, "group", options.group);
    text_set(request, "device", options.device);
    text_set(request, "approved_by", options.approved_by);
    code = act_span(request, options.length, options.until, &error);
    if (code == 0 && options.from) {
        code = time_parse_coming(options.from, time(NULL), &from, &error);
        if (code == 0)
            json_object_set_new(request, "from", json_integer(from));
    }
    if (code < 0) {
        json_decref(request);
        return command_fail(EXIT_USAGE, "%s", error.text);
    }
    exit = act_ask(command, "grant", act_grant, true, request, &reply);
    return exit == EXIT_DONE ? grant_show(command, reply) : exit;
}

static enum exit_code run_allow(struct command *command, int argc, char **argv)
{
    return run_grant(command, argc, argv, "allow", &allow_argp);
}

static enum exit_code run_deny(struct command *command, int argc, char **argv)
{
    return run_grant(command, argc, argv, "deny", &deny_argp);
}

const struct verb verb_allow = {"allow", "allow a site, category or service, with a reason",
                                run_allow};
const struct verb verb_deny = {"deny", "deny a site, category or service, with a reason", run_deny};
