#include "tools/verb.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "resolver/base/text.h"

/* The one command of this process, so that verb_parse() can put common options where they belong.
 */
static struct command *common;

/* One-letter options stay free for the verbs. */
enum { OPTION_CONFIG = 0x10001, OPTION_STATE, OPTION_JSON };

static const struct argp_option common_options[] = {
    {NULL, 0, NULL, 0, "Common options:", -2},
    {"config", OPTION_CONFIG, "FILE", 0,
     "the configuration; otherwise $CHALKGATE_CONFIG, /etc/chalkgate/config.yaml, ./config.yaml",
     -2},
    {"state", OPTION_STATE, "FOLDER", 0, "the state folder, where it is not the configuration's",
     -2},
    {"json", OPTION_JSON, NULL, 0, "print JSON", -2},
    {NULL, 0, NULL, 0, NULL, 0},
};

static error_t common_parse(int key, char *value, struct argp_state *state)
{
    struct command *command = state->input;
    switch (key) {
    case OPTION_CONFIG:
        command->config_path = value;
        return 0;
    case OPTION_STATE:
        command->state = value;
        return 0;
    case OPTION_JSON:
        command->json = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp command_argp = {.options = common_options, .parser = common_parse};

void command_init(struct command *command)
{
    const char *no_colour = getenv("NO_COLOR");
    *command = (struct command){
        .colour = isatty(STDOUT_FILENO) == 1 && (!no_colour || !*no_colour),
    };
    common = command;
}

enum exit_code command_fail(enum exit_code code, const char *format, ...)
{
    va_list arguments;
    char *text;
    va_start(arguments, format);
    fflush(stdout); /* so that the message comes after what was printed before it */
    fputs("chalkgate: ", stderr);
    if (vasprintf(&text, format, arguments) >= 0) {
        /* Names, titles and paths may be in it: a terminal does nothing that they say. */
        for (char *line = text, *end; line; line = end) {
            end = strchr(line, '\n');
            if (end)
                *end++ = '\0';
            fprintf(stderr, "%s\n", text_clean(line));
        }
        free(text);
    }
    va_end(arguments);
    return code;
}

/* The parser above a verb's own and the common one: it only hands each of them its input. */
static error_t inputs_parse(int key, char *value, struct argp_state *state)
{
    (void)value;
    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = state->input;
        state->child_inputs[1] = common;
    }
    return ARGP_ERR_UNKNOWN;
}

int verb_parse(const struct argp *argp, int argc, char **argv, void *input)
{
    struct command unused = {0};
    if (!common)
        common = &unused;
    const struct argp_child children[] = {
        {argp, 0, NULL, 0}, {&command_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
    const struct argp all = {.parser = inputs_parse, .children = children};

    char name[64];
    snprintf(name, sizeof(name), "chalkgate %s", argv[0]);
    char *own_name = argv[0];
    argv[0] = name;
    argp_err_exit_status = EXIT_USAGE;
    error_t failed = argp_parse(&all, argc, argv, 0, NULL, input);
    argv[0] = own_name;
    if (common == &unused)
        common = NULL;
    if (!failed)
        return 0;
    command_fail(EXIT_USAGE, "%s: %s", own_name, strerror(failed));
    return EXIT_USAGE + 1;
}
