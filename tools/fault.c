/* `chalkgate fault`: what the filter got wrong, reported and followed up. */
#include <stdio.h>
#include <string.h>

#include "resolver/policy/incidents.h"
#include "tools/incident.h"
#include "tools/steps.h"
#include "tools/table.h"

enum { REPORT, LIST, CLOSE };
static const struct step steps[] = {{"report", "fault-report", act_fault_report, true},
                                    {"list", "faults", act_faults, false},
                                    {"close", "fault-close", act_fault_close, true},
                                    {0}};

struct fault_options {
    unsigned step;
    const char *word; /* a name or a number */
    const char *reason, *outcome, *kind;
    bool all;
};

enum { OPTION_OUTCOME = 1, OPTION_KIND };

static error_t options_parse(int key, char *value, struct argp_state *state)
{
    struct fault_options *options = state->input;

    switch (key) {
    case 'r':
        options->reason = value;
        return 0;
    case OPTION_OUTCOME:
        options->outcome = value;
        return 0;
    case OPTION_KIND:
        options->kind = strcmp(value, "blocked") == 0   ? "should-be-blocked"
                        : strcmp(value, "allowed") == 0 ? "should-be-allowed"
                                                        : NULL;
        if (options->kind == NULL)
            argp_error(state, "--should-be is blocked or allowed");
        return 0;
    case 'a':
        options->all = true;
        return 0;
    case ARGP_KEY_ARG:
        if (options->word != NULL)
            argp_error(state, "\"%s\" is too much; a text of several words wants quotes", value);
        options->word = value;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options_table[] = {
    {"should-be", OPTION_KIND, "WHAT", 0, "with report: blocked, or allowed", 0},
    {"reason", 'r', "TEXT", 0, "with report: what is wrong", 0},
    {"outcome", OPTION_OUTCOME, "TEXT", 0, "with close: how it ended", 0},
    {"all", 'a', NULL, 0, "with list: closed ones too", 0},
    {0},
};

static const struct argp fault_argp = {
    .options = options_table,
    .parser = options_parse,
    .args_doc = "report [NAME] | list | close ID",
    .doc = "Keeps what the filter got wrong: a site that should have been refused or should not, "
           "or anything "
           "else that failed, until it is put right. NAME is a site's name, such as "
           "www.museum.example. Faults stand in the reports and, each step, "
           "in the change "
           "log.",
};

static json_t *request_make(const struct fault_options *options)
{
    const char *text = options->step == CLOSE ? options->outcome : options->reason;

    if (!step_is_whole(options->step == LIST ? options->word : NULL, NULL))
        return NULL;
    json_t *request = json_object();

    if ((options->step == CLOSE && !step_id_set(request, "fault", options->word)) ||
        !step_text_set(request, "text", text) ||
        (options->step == REPORT && !step_text_set(request, "name", options->word))) {
        json_decref(request);
        return NULL;
    }
    if (options->step == REPORT)
        json_object_set_new(request, "kind",
                            json_string(options->kind != NULL ? options->kind : "other"));
    if (options->all)
        json_object_set_new(request, "all", json_true());
    return request;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

static void faults_print(const json_t *faults)
{
    struct table *table = table_create();
    size_t index;
    json_t *fault;
    char when[32];

    table_column(table, "No", TABLE_RIGHT);
    table_column(table, "Reported", TABLE_LEFT);
    table_column(table, "By", TABLE_LEFT);
    table_column(table, "Name", TABLE_LEFT);
    table_column(table, "What", TABLE_LEFT);
    table_column(table, "State", TABLE_LEFT);
    json_array_foreach(faults, index, fault)
    {
        table_cell(table, "%lld", (long long)json_integer_value(json_object_get(fault, "id")));
        table_cell(table, "%s", incident_moment(fault, "reported", when));
        table_cell(table, "%s", text_of(fault, "reported_by"));
        table_cell(table, "%s", text_of(fault, "name"));
        table_cell(table, "%s", text_of(fault, "text"));
        table_cell(table, "%s", text_of(fault, "state"));
    }
    table_print(table, stdout);
}

static enum exit_code reply_show(struct command *command, const struct fault_options *options,
                                 const json_t *reply)
{
    const json_t *faults = json_object_get(reply, "faults"),
                 *fault = json_object_get(reply, "fault");

    if (options->step == LIST) {
        if (command->json)
            incident_json(reply, "faults");
        else if (json_array_size(faults) == 0)
            puts(options->all ? "There are no faults." : "No fault is open.");
        else
            faults_print(faults);
        return json_array_size(faults) == 0 ? EXIT_NOTHING : EXIT_DONE;
    }
    if (command->json)
        incident_json(reply, "fault");
    else
        printf("Fault %lld %s.\n", (long long)json_integer_value(json_object_get(fault, "id")),
               options->step == REPORT ? "is on record" : "is closed");
    return EXIT_DONE;
}

static enum exit_code run(struct command *command, int argc, char **argv)
{
    struct fault_options options = {.step = REPORT};
    int code = steps_parse(steps, &fault_argp, argc, argv, &options, &options.step);
    json_t *reply;

    if (code != 0)
        return (enum exit_code)(code - 1);
    command_zone(command);
    if (command_state(command) == NULL)
        return EXIT_USAGE;
    json_t *request = request_make(&options);
    if (request == NULL)
        return EXIT_USAGE;
    enum exit_code exit = step_ask(command, &steps[options.step], request, &reply);
    if (exit != EXIT_DONE)
        return exit;
    exit = reply_show(command, &options, reply);
    json_decref(reply);
    return exit;
}

const struct verb verb_fault = {"fault", "what the filter got wrong, until it is put right", run};
