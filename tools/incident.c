/* `chalkgate incident`: what somebody follows up, from the first case to the outcome. */
#include "tools/incident.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resolver/denials/describe.h"
#include "resolver/policy/incidents.h"
#include "tools/steps.h"

enum { OPEN, NOTE, CLOSE, LIST, SHOW, EXPORT };

struct incident_options {
    unsigned step;
    const char *words[2]; /* behind the step: a number or a case, and a text */
    const char *reason, *outcome, *title, *code, *output;
    bool all, action, again;
    unsigned word_count;
};

enum { OPTION_OUTCOME = 1, OPTION_TITLE, OPTION_CASE, OPTION_AGAIN };

static error_t options_parse(int key, char *value, struct argp_state *state)
{
    struct incident_options *options = state->input;

    switch (key) {
    case 'r':
        options->reason = value;
        return 0;
    case OPTION_OUTCOME:
        options->outcome = value;
        return 0;
    case OPTION_TITLE:
        options->title = value;
        return 0;
    case OPTION_CASE:
        options->code = value;
        return 0;
    case 'a':
        options->all = true;
        return 0;
    case 'A':
        options->action = true;
        return 0;
    case OPTION_AGAIN:
        options->again = true;
        return 0;
    case 'o':
        options->output = value;
        return 0;
    case ARGP_KEY_ARG:
        if (options->word_count == 2)
            argp_error(state, "\"%s\" is too much; a text of several words wants quotes", value);
        options->words[options->word_count++] = value;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options_table[] = {
    {"reason", 'r', "TEXT", 0, "with open and export: why; kept with it", 0},
    {"title", OPTION_TITLE, "TEXT", 0,
     "with open: what it is about; where it is not said the case's category, or else the reason",
     0},
    {"again", OPTION_AGAIN, NULL, 0, "with open: although the case is in an incident already", 0},
    {"case", OPTION_CASE, "CODE", 0, "with note: a further case", 0},
    {"action", 'A', NULL, 0, "with note: something that was done", 0},
    {"outcome", OPTION_OUTCOME, "TEXT", 0, "with close: how it ended", 0},
    {"all", 'a', NULL, 0, "with list: closed ones too", 0},
    {"output", 'o', "FILE", 0, "with export: write to this file", 0},
    {0},
};

static const struct argp incident_argp = {
    .options = options_table,
    .parser = options_parse,
    .args_doc = "open [CODE] | note ID TEXT | close ID | list | show ID | export ID",
    .doc = "Follows up a refusal, or something else: opened with a reason, noted, closed with an "
           "outcome, each "
           "step by whom and when, in the change log. While it is open, the records of its days "
           "are kept. "
           "`export` makes an extract for handing out, about one device only, whose hash the "
           "change log holds.",
};

/* While no daemon runs: what the daemon does before it calls the act. */
static int case_resolve(json_t *request, struct bl_error *error)
{
    const char *code = json_string_value(json_object_get(request, "case"));
    const char *folder = json_string_value(json_object_get(request, "folder"));
    json_t *denial;

    if (code == NULL || folder == NULL)
        return 0;
    int result = denial_describe(folder, code, false, &denial, error);
    if (result < 0)
        return result == -ENODATA ? -ENOENT : result;
    json_object_set_new(request, "denial", denial);
    return 0;
}

static int open_here(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    json_t *with_case = json_copy((json_t *)(uintptr_t)request);
    int code = case_resolve(with_case, error);

    if (code == 0)
        code = act_incident_open(act, with_case, reply, error);
    json_decref(with_case);
    return code;
}

static int note_here(struct act *act, const json_t *request, json_t *reply, struct bl_error *error)
{
    json_t *with_case = json_copy((json_t *)(uintptr_t)request);
    int code = case_resolve(with_case, error);

    if (code == 0)
        code = act_incident_note(act, with_case, reply, error);
    json_decref(with_case);
    return code;
}

static const struct step steps[] = {{"open", "incident-open", open_here, true},
                                    {"note", "incident-note", note_here, true},
                                    {"close", "incident-close", act_incident_close, true},
                                    {"list", "incidents", act_incidents, false},
                                    {"show", "incidents", act_incidents, false},
                                    {"export", "incident-export", act_incident_export, true},
                                    {0}};

/* The request of a step, or NULL after saying what is missing. */
static json_t *request_make(const struct incident_options *options, const char *state)
{
    const char *text = options->step == NOTE    ? options->words[1]
                       : options->step == CLOSE ? options->outcome
                                                : options->reason;
    const char *code = options->step == OPEN ? options->words[0] : options->code;
    const char *option = options->step == OPEN || options->step == EXPORT ? "--reason"
                         : options->step == CLOSE                         ? "--outcome"
                                                                          : NULL;
    unsigned most = options->step == NOTE ? 2 : options->step == LIST ? 0 : 1;

    if (!step_is_whole(options->word_count > most ? options->words[most] : NULL, option))
        return NULL;
    json_t *request = json_object();
    if ((options->step != OPEN && options->step != LIST &&
         !step_id_set(request, "incident", options->words[0])) ||
        !step_text_set(request, "text", text)) {
        json_decref(request);
        return NULL;
    }
    if (options->title != NULL)
        json_object_set_new(request, "title", json_string(options->title));
    if (code != NULL) {
        json_object_set_new(request, "case", json_string(code));
        json_object_set_new(request, "folder", json_string(state));
    }
    if (options->all)
        json_object_set_new(request, "all", json_true());
    if (options->again)
        json_object_set_new(request, "again", json_true());
    if (options->action)
        json_object_set_new(request, "kind", json_string("action"));
    return request;
}

/* Before the extract is made, since that goes on record: a file that is there is not written over.
 */
static enum exit_code extract_open(const char *path, FILE **out)
{
    *out = fopen(path, "wx");
    if (*out == NULL && errno == EEXIST)
        return command_fail(EXIT_FAILED, "%s is there already; please name another file", path);
    if (*out == NULL)
        return command_fail(EXIT_FAILED, "%s: %s", path, strerror(errno));
    (void)fchmod(fileno(*out), 0600);
    return EXIT_DONE;
}

/* Closes the file, if there is one: only then is it known to hold all. */
static enum exit_code extract_write(struct command *command, const struct incident_options *options,
                                    const json_t *reply, FILE *file)
{
    FILE *out = file != NULL ? file : stdout;
    int trouble = 0;

    if (command->json)
        json_dumpf(reply, out, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    else
        extract_print(reply, out);
    if (command->json)
        fputc('\n', out);
    if (fflush(out) != 0 || ferror(out))
        trouble = errno != 0 ? errno : EIO;
    if (file != NULL && fclose(file) != 0 && trouble == 0)
        trouble = errno;
    if (trouble != 0)
        return command_fail(EXIT_FAILED, "%s: %s", file != NULL ? options->output : "the output",
                            strerror(trouble));
    if (file != NULL && !command->json)
        printf("The extract is in %s; entry %lld of the change log holds its hash.\n",
               options->output, (long long)json_integer_value(json_object_get(reply, "entry")));
    return EXIT_DONE;
}

static enum exit_code reply_show(struct command *command, const struct incident_options *options,
                                 const json_t *reply, FILE *file)
{
    const json_t *incident = json_object_get(reply, "incident");
    const json_t *incidents = json_object_get(reply, "incidents");

    if (options->step == EXPORT)
        return extract_write(command, options, reply, file);
    if (options->step == LIST || options->step == SHOW) {
        if (command->json)
            incident_json(reply, "incidents");
        else if (options->step == SHOW)
            incident_print(json_array_get(incidents, 0));
        else if (json_array_size(incidents) == 0)
            puts(options->all ? "There are no incidents." : "No incident is open.");
        else
            incidents_print(incidents);
        return json_array_size(incidents) == 0 ? EXIT_NOTHING : EXIT_DONE;
    }
    static const char *const done[] = {"is open", "has the note", "is closed"};
    if (command->json)
        incident_json(reply, "incident");
    else
        printf("Incident %lld %s.\n",
               (long long)json_integer_value(json_object_get(incident, "id")), done[options->step]);
    return EXIT_DONE;
}

static enum exit_code run(struct command *command, int argc, char **argv)
{
    struct incident_options options = {.step = OPEN};
    int code = steps_parse(steps, &incident_argp, argc, argv, &options, &options.step);
    const char *state;
    json_t *reply;

    if (code != 0)
        return (enum exit_code)(code - 1);
    command_zone(command);
    state = command_state(command);
    if (state == NULL)
        return EXIT_USAGE;
    json_t *request = request_make(&options, state);
    if (request == NULL)
        return EXIT_USAGE;
    FILE *file = NULL;
    enum exit_code exit = options.step == EXPORT && options.output != NULL
                              ? extract_open(options.output, &file)
                              : EXIT_DONE;
    if (exit != EXIT_DONE) {
        json_decref(request);
        return exit;
    }
    exit = step_ask(command, &steps[options.step], request, &reply);
    if (exit == EXIT_DONE) {
        exit = reply_show(command, &options, reply, file);
        json_decref(reply);
    } else if (file != NULL) {
        fclose(file);
    }
    if (file != NULL && exit != EXIT_DONE)
        unlink(options.output);
    return exit;
}

const struct verb verb_incident = {"incident", "follow up what was refused, to its outcome", run};
