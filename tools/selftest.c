/* `chalkgate selftest`: does the filter do what the policy says, for every group, now? */
#include <stdio.h>
#include <string.h>

#include "tools/ask.h"
#include "tools/report_words.h"
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
    {"all", 'a', NULL, 0, "show each check, not only those that failed or could not be made", 0},
    {0},
};

static const struct argp selftest_argp = {
    .options = selftest_table,
    .parser = selftest_parse,
    .doc =
        "Asks, for every group and through the path that its devices' questions take, for a listed "
        "name of each category, for the canary names and for search engines, and compares the "
        "outcome with the policy; then asks the resolver over the network, and looks at upstreams "
        "and at the age of the lists. What cannot be asked, because no list names anything in a "
        "category, say, is told as \"not tested\", with what to do about it; it counts as failed "
        "for "
        "a sealed category, and for one of severity urgent that a group is refused. The result is "
        "kept, goes into the change log and stands in reports. Exit code 1 when a check failed.",
};

static const char *member(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

static bool is_tested(const json_t *check)
{
    return !json_is_false(json_object_get(check, "tested"));
}

static const char *outcome_word(const json_t *check)
{
    const char *note = member(check, "note");

    if (!json_is_true(json_object_get(check, "passed")))
        return "FAILED";
    return !is_tested(check) ? "" : *note ? note : "passed";
}

/* Whether there was a row. */
static bool table_show(const json_t *checks, bool all)
{
    struct table *table = table_create();
    json_t *check;
    size_t i, rows = 0;

    table_column(table, "Group", TABLE_LEFT);
    table_column(table, "Check", TABLE_LEFT);
    table_column(table, "Subject", TABLE_LEFT);
    table_column(table, "Expected", TABLE_LEFT);
    table_column(table, "Found", TABLE_LEFT);
    table_column(table, "", TABLE_LEFT);
    json_array_foreach(checks, i, check)
    {
        if (json_is_true(json_object_get(check, "passed")) && is_tested(check) && !all)
            continue;
        table_cell(table, "%s", *member(check, "group") ? member(check, "group") : "(all)");
        table_cell(table, "%s", member(check, "check"));
        table_cell(table, "%s", member(check, "subject"));
        table_cell(table, "%s", member(check, "expected"));
        table_cell(table, "%s", member(check, "found"));
        table_cell(table, "%s", outcome_word(check));
        rows++;
    }
    if (rows > 0)
        table_print(table, stdout);
    else
        table_free(table);
    return rows > 0;
}

/* Why, and what to do: a table has no room for it. */
static void untested_show(const json_t *checks)
{
    char words[1200];
    json_t *check;
    size_t i;

    json_array_foreach(checks, i, check)
    {
        const char *group = member(check, "group");
        if (is_tested(check))
            continue;
        snprintf(words, sizeof(words), "Not tested: %.100s%s%.100s: %.900s.", group,
                 *group ? ", " : "", member(check, "check"), member(check, "note"));
        report_wrap(stdout, words, "");
    }
}

static void show(const json_t *result, bool all)
{
    const json_t *checks = json_object_get(result, "checks");
    long long failed = (long long)json_integer_value(json_object_get(result, "failed"));
    long long passed = (long long)json_integer_value(json_object_get(result, "passed"));
    long long untested = (long long)json_integer_value(json_object_get(result, "untested"));

    if (table_show(checks, all))
        putchar('\n');
    untested_show(checks);
    if (untested > 0) {
        putchar('\n');
        printf("%lld checks passed, %lld failed, %lld could not be made.\n", passed, failed,
               untested);
    } else {
        printf("%lld checks passed, %lld failed.\n", passed, failed);
    }
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
