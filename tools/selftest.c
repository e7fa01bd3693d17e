/* `chalkgate selftest`: does the filter do what the policy says, for every group, now? */
#include <stdio.h>
#include <string.h>

#include "tools/ask.h"
#include "tools/table.h"
#include "tools/verb.h"

static error_t selftest_parse(int key, char *value, struct argp_state *state)
{
    bool *all = state->input;

    switch (key) {
    case 'a':
        *all = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "\"%s\" is not understood", value);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option selftest_table[] = {
    {"all", 'a', NULL, 0, "show each check, not only those that failed", 0},
    {0},
};

static const struct argp selftest_argp = {
    .options = selftest_table,
    .parser = selftest_parse,
    .doc =
        "Asks, for every group and through the path that its devices' questions take, for a listed "
        "name of each category, for the canary names and for search engines, and compares the "
        "outcome with the policy; then asks the resolver over the network, and looks at upstreams "
        "and at the age of the lists. The result is kept. Exit code 1 when a check failed.",
};

static const char *member(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

static void show(const json_t *result, bool all)
{
    long long failed = (long long)json_integer_value(json_object_get(result, "failed"));
    long long passed = (long long)json_integer_value(json_object_get(result, "passed"));
    struct table *table = table_create();
    json_t *check;
    size_t i;

    table_column(table, "Group", TABLE_LEFT);
    table_column(table, "Check", TABLE_LEFT);
    table_column(table, "Subject", TABLE_LEFT);
    table_column(table, "Expected", TABLE_LEFT);
    table_column(table, "Found", TABLE_LEFT);
    table_column(table, "", TABLE_LEFT);
    json_array_foreach(json_object_get(result, "checks"), i, check)
    {
        bool fine = json_is_true(json_object_get(check, "passed"));
        const char *note = member(check, "note");
        if (fine && !all)
            continue;
        table_cell(table, "%s", member(check, "group"));
        table_cell(table, "%s", member(check, "check"));
        table_cell(table, "%s", member(check, "subject"));
        table_cell(table, "%s", member(check, "expected"));
        table_cell(table, "%s", member(check, "found"));
        table_cell(table, "%s", !fine ? "FAILED" : *note ? note : "passed");
    }
    if (all || failed) {
        table_print(table, stdout);
        putchar('\n');
    } else {
        table_free(table);
    }
    printf("%lld checks passed, %lld failed.\n", passed, failed);
    if (!all && !failed)
        puts("`chalkgate selftest --all` shows each of them.");
}

static enum exit_code run_selftest(struct command *command, int argc, char **argv)
{
    bool all = false;
    struct bl_error error = {0};
    json_t *result;
    int failed = verb_parse(&selftest_argp, argc, argv, &all);
    enum exit_code code;

    if (failed)
        return (enum exit_code)(failed - 1);
    if (!command_config(command))
        return EXIT_USAGE;
    code = ask_daemon(command, "selftest", NULL, -1, &result, &error);
    if (code != EXIT_DONE)
        return ask_fail(code, &error);
    if (command->json) {
        json_object_del(result, "ok");
        json_dumpf(result, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        putchar('\n');
    } else {
        show(result, all);
    }
    code = json_integer_value(json_object_get(result, "failed")) ? EXIT_FAILED : EXIT_DONE;
    json_decref(result);
    return code;
}

const struct verb verb_selftest = {"selftest", "whether the filter does what the policy says",
                                   run_selftest};
