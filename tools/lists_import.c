/* `chalkgate lists import`. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/config/faults.h"
#include "tools/import.h"
#include "tools/lists.h"

enum {
    OPTION_TIER = 0x100,
    OPTION_ALLOW,
    OPTION_TLD,
    OPTION_FORCE,
    OPTION_SHRINK,
    OPTION_REPLACE,
    OPTION_COLUMN,
    OPTION_SHA256,
    OPTION_HTTP,
    OPTION_CA_FILE
};

struct import_arguments {
    struct import_options options;
    struct import_source source;
    char **locations;
    int location_count;
};

static error_t tier_parse(const char *value, enum bl_tier *out_tier)
{
    static const char *const names[] = {"school", "regional", "national"};

    for (unsigned i = 0; i < 3; i++)
        if (strcmp(value, names[i]) == 0) {
            *out_tier = (enum bl_tier)i;
            return 0;
        }
    return EINVAL;
}

static bool is_format(const char *name)
{
    for (const char *const *names = bl_format_names(); *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static error_t import_parse_option(int key, char *value, struct argp_state *state)
{
    struct import_arguments *arguments = state->input;

    switch (key) {
    case 'c':
        arguments->source.category = value;
        return 0;
    case 'f':
        if (!is_format(value))
            argp_error(state, "\"%s\" is not a format of lists; `--help` names them", value);
        arguments->source.format = value;
        return 0;
    case 'r':
        arguments->options.reason = value;
        return 0;
    case 'p':
        arguments->options.preview = true;
        return 0;
    case OPTION_SHRINK:
        arguments->options.allow_shrink = true;
        return 0;
    case OPTION_REPLACE:
        arguments->options.replace = true;
        return 0;
    case OPTION_TIER:
        if (tier_parse(value, &arguments->source.tier) != 0)
            argp_error(state, "a tier is \"school\", \"regional\" or \"national\", not \"%s\"",
                       value);
        return 0;
    case OPTION_ALLOW:
        arguments->source.action = BL_ALLOW;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t import_parse(int key, char *value, struct argp_state *state)
{
    struct import_arguments *arguments = state->input;

    switch (key) {
    case OPTION_TLD:
        arguments->source.allow_tld = true;
        return 0;
    case OPTION_FORCE:
        arguments->source.forced = true;
        return 0;
    case OPTION_COLUMN:
        arguments->source.csv_column = value;
        return 0;
    case OPTION_SHA256:
        if (strlen(value) != 64 || strspn(value, "0123456789abcdefABCDEF") != 64)
            argp_error(state, "a SHA-256 sum has 64 hexadecimal digits, and \"%s\" has not", value);
        arguments->source.sha256 = value;
        return 0;
    case OPTION_HTTP:
        arguments->source.insecure = true;
        return 0;
    case OPTION_CA_FILE:
        arguments->source.ca_file = value;
        return 0;
    case ARGP_KEY_ARGS:
        arguments->locations = state->argv + state->next;
        arguments->location_count = state->argc - state->next;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "please name a file, a folder, an archive or an address to import; \"-\" "
                          "is what comes in by standard input");
        return 0;
    default:
        return import_parse_option(key, value, state);
    }
}

static const struct argp_option import_table[] = {
    {"category", 'c', "NAME", 0, "what the names are; not needed where a folder says so", 0},
    {"format", 'f', "NAME", 0, "how the list is written; otherwise its content tells", 0},
    {"preview", 'p', NULL, 0, "show what would change, and change nothing", 0},
    {"reason", 'r', "TEXT", 0, "why, for the change log", 0},
    {"allow-shrink", OPTION_SHRINK, NULL, 0,
     "let a category lose more than a fifth of its names; a sealed one never", 0},
    {"replace", OPTION_REPLACE, NULL, 0,
     "let the categories hold only what is read now, and nothing of other sources", 0},
    {"tier", OPTION_TIER, "TIER", 0, "whose list it is: school (as a rule), regional, national", 0},
    {"allow", OPTION_ALLOW, NULL, 0, "a list of names to allow, not to block", 0},
    {"allow-tld", OPTION_TLD, NULL, 0, "take names of one label, such as \"zip\"", 0},
    {"force", OPTION_FORCE, NULL, 0,
     "take public suffixes such as \"co.uk\", and names that are protected", 0},
    {"csv-column", OPTION_COLUMN, "HEADING", 0, "the column of a CSV file that has the names", 0},
    {"sha256", OPTION_SHA256, "SUM", 0, "what the source must hash to", 0},
    {"insecure", OPTION_HTTP, NULL, 0, "fetch over plain http as well", 0},
    {"ca-file", OPTION_CA_FILE, "FILE", 0, "certificates to trust, instead of the machine's", 0},
    {0},
};

static const struct argp import_argp = {
    .options = import_table,
    .parser = import_parse,
    .args_doc = "SOURCE...",
    .doc =
        "Takes lists into a new generation, and puts it in force once it is whole. A SOURCE is a "
        "file, a folder in the layout of UT1 (CATEGORY/domains), an archive of one, an address, or "
        "\"-\". A source that was imported before is replaced by what it holds now; all others "
        "stay.\vFormats: domains, hosts, adblock, dnsmasq, unbound, rpz, csv, addresses. Nothing "
        "is "
        "changed when a source cannot be read or has no good line. With `roles.requires-approval`, "
        "lists that lose or allow names wait until a second manager confirms them with `chalkgate "
        "approve`.",
};

/* A slip of the pen would make a category that no group is denied. */
static enum exit_code category_check(struct command *command, const char *name)
{
    const struct config *config = command_config(command);
    struct nearest nearest = {.wanted = name};
    char hint[128];

    if (!config)
        return EXIT_USAGE;
    if (!name || config_category_find(config, name) >= 0)
        return EXIT_DONE;
    for (size_t i = 0; i < config->category_count; i++)
        nearest_offer(&nearest, config->categories[i].name);
    return command_fail(EXIT_USAGE, "%s has no category \"%s\"%s", config->path, name,
                        nearest_text(&nearest, hint, sizeof hint));
}

enum exit_code lists_import_run(struct command *command, int argc, char **argv)
{
    struct import_arguments arguments = {.source = {.tier = BL_TIER_SCHOOL}};
    struct bl_error error = {""};
    struct import *import = NULL;
    int failed = verb_parse(&import_argp, argc, argv, &arguments);
    enum exit_code code;

    if (failed)
        return (enum exit_code)(failed - 1);
    code = category_check(command, arguments.source.category);
    if (code == EXIT_DONE)
        code = import_open(command, &arguments.options, &import);
    for (int i = 0; code == EXIT_DONE && i < arguments.location_count; i++) {
        int rc;

        arguments.source.location = arguments.locations[i];
        rc = import_source(import, &arguments.source, &error);
        if (rc < 0)
            code = command_fail(rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED,
                                "%s. What is in force stays as it is", error.text);
    }
    if (code == EXIT_DONE)
        code = import_finish(import);
    import_close(import);
    return code;
}
