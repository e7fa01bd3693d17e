/* `chalkgate questions`: what was answered. The names that groups asked most come from counts
 * without clients, which the command reads itself; single look-ups, where they are kept at all, are
 * told by the daemon alone, which puts the reading on record. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "resolver/denials/questions.h"
#include "tools/act_here.h"
#include "tools/ask.h"
#include "tools/denial_show.h"
#include "tools/lists.h"
#include "tools/most_asked.h"
#include "tools/table.h"

enum { WEEK_S = 7 * 86400, DAY_S = 86400, MOST_NAMES = 20, MOST_EACH = 1000 };

struct questions_options {
    int64_t now_s, since_ms, until_ms;
    const char *group, *client, *name, *reason;
    size_t most;
    bool each, has_since;
};

static void time_option(struct argp_state *state, const char *value, int64_t *out_ms)
{
    struct questions_options *options = state->input;
    struct bl_error error = {""};
    int64_t wall_s;

    if (time_parse(value, options->now_s, &wall_s, &error) < 0)
        argp_error(state, "%s", error.text);
    else
        *out_ms = wall_s * 1000;
}

static size_t number_option(struct argp_state *state, const char *value)
{
    char *end;
    unsigned long number = strtoul(value, &end, 10);

    if (*end != '\0' || end == value || number == 0 || number > QUESTIONS_MOST)
        argp_error(state, "\"%s\" is no number from 1 to %d", value, QUESTIONS_MOST);
    return number;
}

static error_t options_parse(int key, char *value, struct argp_state *state)
{
    struct questions_options *options = state->input;

    switch (key) {
    case 's':
        time_option(state, value, &options->since_ms);
        options->has_since = true;
        return 0;
    case 'u':
        time_option(state, value, &options->until_ms);
        return 0;
    case 'g':
        options->group = value;
        return 0;
    case 'm':
        options->most = number_option(state, value);
        return 0;
    case 'e':
        options->each = true;
        return 0;
    case 'a':
        options->client = value;
        return 0;
    case 'n':
        options->name = value;
        return 0;
    case 'r':
        options->reason = value;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "\"%s\" is not understood; a name goes behind --name", value);
        return 0;
    case ARGP_KEY_END:
        if (!options->each && (options->client != NULL || options->name != NULL))
            argp_error(state, "counts know no devices; single look-ups are shown with --each");
        if (options->each && (options->reason == NULL || options->reason[0] == '\0'))
            argp_error(state, "please say why, with --reason: it goes on record");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options_table[] = {
    {"since", 's', "TIME", 0, "from then on; a week ago where it is not said, with --each a day",
     0},
    {"until", 'u', "TIME", 0, "up to then", 0},
    {"group", 'g', "GROUP", 0, "of this group only", 0},
    {"most", 'm', "NUMBER", 0, "so many names of each group (20); with --each the newest (1000)",
     0},
    {"each", 'e', NULL, 0, "single look-ups, where `recording` keeps them all; goes on record", 1},
    {"client", 'a', "ADDRESS", 0, "of this device, or of a subnet such as 10.1.4.0/24", 1},
    {"name", 'n', "NAME", 0, "for this name and all below it", 1},
    {"reason", 'r', "TEXT", 0, "why they are looked at, for the change log", 1},
    {0},
};

static const struct argp options_argp = {
    .options = options_table,
    .parser = options_parse,
    .doc =
        "Shows what was answered: the names that each group asked for most."
        "\vThe counts hold no device, and only names for which several addresses of a group asked "
        "on a day (`recording` in the configuration). TIME is 2026-11-23T11:15, 2026-11-23, "
        "11:15 (today), yesterday, -3h or -7d."};

static void warn(void *user, const char *sentence)
{
    (void)user;
    command_fail(EXIT_DONE, "%s", sentence);
}

static enum exit_code counts_show(struct command *command, const struct questions_options *options)
{
    struct most_asked asked;
    struct bl_error error = {""};
    int code = most_asked_find(command_state(command), options->since_ms, options->until_ms,
                               options->group, options->most != 0 ? options->most : MOST_NAMES,
                               warn, NULL, &asked, &error);
    enum exit_code exit = EXIT_DONE;

    if (code < 0)
        return command_fail(code == -EACCES ? EXIT_NOT_ALLOWED : EXIT_FAILED, "%s", error.text);
    if (command->json)
        json_print(
            json_pack("{so,sI}", "names", most_asked_json(&asked), "days", (json_int_t)asked.days));
    else if (asked.count > 0)
        most_asked_print(&asked, stdout);
    if (asked.count == 0)
        exit = command_fail(EXIT_NOTHING, "no allowed look-ups were counted in that time; counts "
                                          "are written every five minutes");
    most_asked_fini(&asked);
    return exit;
}

/* While no daemon runs, who owns the state folder reads it, and that goes on record the same. */
static int each_here(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    const char *state = json_string_value(json_object_get(request, "state"));
    int code = change_log(act->change, "read", "questions", NULL, request,
                          json_string_value(json_object_get(request, "reason")), error);

    return code < 0 ? code : questions_find(state, request, false, reply, error);
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

static void each_print(const json_t *questions)
{
    struct table *table = table_create();
    char type[SHOW_TYPE_MAX];
    const json_t *question;
    size_t i;

    table_column(table, "Time", TABLE_LEFT);
    table_column(table, "Device", TABLE_LEFT);
    table_column(table, "Group", TABLE_LEFT);
    table_column(table, "Name", TABLE_LEFT);
    table_column(table, "Type", TABLE_LEFT);
    json_array_foreach(questions, i, question)
    {
        table_cell(table, "%.19s", text_at(question, "time"));
        table_cell(table, "%s", text_at(question, "device"));
        table_cell(table, "%s", text_at(question, "group"));
        table_cell(table, "%s", text_at(question, "name"));
        table_cell(
            table, "%s",
            show_type((uint16_t)json_integer_value(json_object_get(question, "type")), type));
    }
    table_print(table, stdout);
}

static enum exit_code each_show(struct command *command, const struct questions_options *options)
{
    json_t *request =
        json_pack("{sI,sI,sI,ss*,ss*,ss*,ss,ss}", "since_ms", (json_int_t)options->since_ms,
                  "until_ms", (json_int_t)options->until_ms, "most",
                  (json_int_t)(options->most != 0 ? options->most : MOST_EACH), "group",
                  options->group, "client", options->client, "name", options->name, "reason",
                  options->reason, "state", command_state(command));
    json_t *reply, *questions;
    enum exit_code code = act_ask(command, "questions", each_here, true, request, &reply);

    if (code != EXIT_DONE)
        return code;
    questions = json_object_get(reply, "questions");
    if (command->json) {
        json_object_del(reply, "ok");
        json_print(json_incref(reply));
    } else if (json_array_size(questions) > 0) {
        each_print(questions);
    }
    if (json_is_true(json_object_get(reply, "more")))
        command_fail(EXIT_DONE, "there are more; these are the newest (see --most)");
    if (json_array_size(questions) == 0)
        code = command_fail(EXIT_NOTHING, "no allowed look-up is on record that matches");
    json_decref(reply);
    return code;
}

static enum exit_code run(struct command *command, int argc, char **argv)
{
    struct questions_options options = {.now_s = time(NULL), .until_ms = INT64_MAX};
    int failed;

    command_zone(command); /* before times are read */
    failed = verb_parse(&options_argp, argc, argv, &options);
    if (failed != 0)
        return (enum exit_code)(failed - 1);
    if (!options.has_since)
        options.since_ms = (options.now_s - (options.each ? DAY_S : WEEK_S)) * 1000;
    if (command_state(command) == NULL)
        return EXIT_USAGE;
    if (options.each) {
        command_yield(); /* it may read a month of records, beside answers */
        return each_show(command, &options);
    }
    if (ask_may_read(command, "denials", "counts") != EXIT_DONE)
        return EXIT_NOT_ALLOWED;
    return counts_show(command, &options);
}

const struct verb verb_questions = {"questions", "allowed look-ups: the names that groups ask most",
                                    run};
