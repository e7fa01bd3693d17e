/* `chalkgate report`: what the filter refused in a day or any other span, in plain English. */
#include "tools/report.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tools/ask.h"
#include "tools/denial_show.h"
#include "tools/report_words.h"
#include "tools/verb.h"

struct report_arguments {
    struct report_options options;
    const char *day, *week, *term;
    bool nightly;
    enum report_format format;
    const char *output;
    int64_t now_s;
};

enum { OPTION_NIGHTLY = 1 };

static void time_option(struct argp_state *state, const char *value, int64_t *out_ms)
{
    struct report_arguments *arguments = state->input;
    struct bl_error error = {""};
    int64_t wall_s;

    if (time_parse(value, arguments->now_s, &wall_s, &error) < 0)
        argp_error(state, "%s", error.text);
    else
        *out_ms = wall_s * 1000;
}

static int word_option(struct argp_state *state, const char *what, const char *value,
                       const char *const *words)
{
    char all[128] = "";

    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(value, words[i]) == 0)
            return i;
        strcat(all, i > 0 ? ", " : "");
        strcat(all, words[i]);
    }
    argp_error(state, "there is no %s \"%s\"; there are %s", what, value, all);
    return 0;
}

/* The span that was asked for: a day, from when to when, or today so far. */
static void span_settle(struct argp_state *state, struct report_arguments *arguments)
{
    struct report_options *options = &arguments->options;
    int64_t moment_ms = arguments->now_s * 1000;
    struct day day;

    int ways = (arguments->day != NULL) + (arguments->week != NULL) + (arguments->term != NULL) +
               (options->since_ms != 0 || options->until_ms != 0);
    if (ways > 1)
        argp_error(state, "please give one of --day, --week, --term, and --since and --until");
    if (arguments->day != NULL)
        time_option(state, arguments->day, &moment_ms);
    if (arguments->week != NULL)
        time_option(state, arguments->week, &moment_ms);
    day_of(moment_ms, &day);
    if (arguments->week != NULL)
        report_week(&day, &options->since_ms, &options->until_ms);
    if (options->since_ms == 0 && options->until_ms == 0) {
        options->since_ms = day.start_ms;
        options->until_ms = day.end_ms;
    }
    if (options->until_ms == 0)
        options->until_ms = day.end_ms;
    if (options->since_ms >= options->until_ms)
        argp_error(state, "the time ends before it begins");
}

static error_t options_parse(int key, char *value, struct argp_state *state)
{
    static const char *const audiences[] = {"dsl", "head", "governors", "review", NULL};
    static const char *const formats[] = {"text", "html", "csv", "json", NULL};
    struct report_arguments *arguments = state->input;

    switch (key) {
    case 'd':
        arguments->day = value;
        return 0;
    case 'w':
        arguments->week = value;
        return 0;
    case 't':
        arguments->term = value;
        return 0;
    case OPTION_NIGHTLY:
        arguments->nightly = true;
        return 0;
    case 's':
        time_option(state, value, &arguments->options.since_ms);
        return 0;
    case 'u':
        time_option(state, value, &arguments->options.until_ms);
        return 0;
    case 'a':
        arguments->options.audience =
            (enum report_audience)word_option(state, "audience", value, audiences);
        return 0;
    case 'F':
        arguments->format = (enum report_format)word_option(state, "format", value, formats);
        return 0;
    case 'o':
        arguments->output = value;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "\"%s\" is not understood; a day goes behind --day", value);
        return 0;
    case ARGP_KEY_END:
        span_settle(state, arguments);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options_table[] = {
    {"day", 'd', "DAY", 0, "this day: 2026-11-23, yesterday, -7d; today where it is not said", 0},
    {"week", 'w', "DAY", 0, "the week from Monday to Sunday that this day is in", 0},
    {"term", 't', "NAME", 0, "this term of the calendar, or \"current\"", 0},
    {"since", 's', "TIME", 0, "from then on", 0},
    {"until", 'u', "TIME", 0, "up to then; the end of today where it is not said", 0},
    {"audience", 'a', "WHO", 0,
     "dsl (the default), head, governors, or review: the pack for the yearly review", 0},
    {"format", 'F', "FORMAT", 0, "text (the default), html, csv or json", 0},
    {"output", 'o', "FILE", 0, "write to this file, whole or not at all", 0},
    {"nightly", OPTION_NIGHTLY, NULL, 0,
     "yesterday's, and those of days that were missed: into the folder, and to the command, that "
     "`reports` of the "
     "configuration names",
     0},
    {0},
};

static const struct argp options_argp = {
    .options = options_table,
    .parser = options_parse,
    .doc = "Shows what was refused in a day or another span: by group, category, name, device and "
           "hour.",
};

/* Whether there is anything to tell of the span: refused look-ups, what people did, what was made
 * safe, or counts of what was asked. */
static enum exit_code content_check(const struct report_arguments *arguments,
                                    const struct report *report)
{
    if (report->since_ms > arguments->now_s * 1000)
        return command_fail(EXIT_NOTHING, "%s is still to come", report->title);
    if (report_is_quiet(report) && report->asked.count == 0 && !report_has_followed(report))
        return command_fail(EXIT_NOTHING,
                            "nothing was refused (%s), or the records of it are kept no more",
                            report->title);
    return EXIT_DONE;
}

/* A term of the calendar; false after saying what terms there are. */
static bool term_settle(struct report_arguments *arguments)
{
    struct report_options *options = &arguments->options;
    struct day today;

    day_of(arguments->now_s * 1000, &today);
    if (options->config == NULL || !report_term(&options->config->calendar, arguments->term, &today,
                                                &options->since_ms, &options->until_ms)) {
        command_fail(EXIT_USAGE,
                     "there is no term \"%s\" in `calendar: terms` of the configuration",
                     arguments->term);
        return false;
    }
    return true;
}

static enum exit_code run(struct command *command, int argc, char **argv)
{
    struct report_arguments arguments = {.now_s = time(NULL)};
    struct bl_error error = {""};
    struct report *report;
    int code;

    command_zone(command); /* before times are read */
    code = verb_parse(&options_argp, argc, argv, &arguments);

    if (code != 0)
        return (enum exit_code)(code - 1);
    if (command->json)
        arguments.format = REPORT_AS_JSON;
    arguments.options.state = command_state(command);
    if (arguments.options.state == NULL)
        return EXIT_USAGE;
    if (ask_may_read(command, "report", "denials") != EXIT_DONE)
        return EXIT_NOT_ALLOWED;
    command_yield();
    arguments.options.config = command_zone(command);
    if (arguments.nightly)
        return report_nightly(command, arguments.now_s);
    if (arguments.term != NULL && !term_settle(&arguments))
        return EXIT_USAGE;
    code = report_make(&arguments.options, &report, &error);
    if (code < 0)
        return command_fail(code == -EACCES ? EXIT_NOT_ALLOWED : EXIT_FAILED, "%s", error.text);
    for (size_t i = 0; i < report->warning_count; i++)
        command_fail(EXIT_DONE, "%s", report->warnings[i]);
    report_follow(command, report);
    enum exit_code result = content_check(&arguments, report);
    code = result != EXIT_DONE ? 0
           : arguments.output != NULL
               ? report_write_file(report, arguments.format, arguments.output)
               : report_write(report, arguments.format, stdout);
    if (code < 0)
        result = command_fail(EXIT_FAILED, "%s: %s",
                              arguments.output != NULL ? arguments.output : "the report",
                              strerror(-code));
    report_free(report);
    return result;
}

const struct verb verb_report = {
    "report", "what was refused in a day or another span, in plain English", run};
