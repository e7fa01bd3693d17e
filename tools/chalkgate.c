/* chalkgate: the command. It reads the options before the verb, and hands the rest to the verb. */
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "tools/verb.h"

struct arguments {
    struct command *command;
    int verb_at; /* index in argv; 0 while none was seen */
};

static error_t option_parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    (void)value;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = arguments->command;
        return 0;
    case ARGP_KEY_ARG:
        arguments->verb_at = state->next - 1;
        state->next = state->argc; /* what follows is the verb's */
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "please name a verb; 'chalkgate --help' lists them");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The overview of verbs, made of their table so that it cannot be out of date. */
static char *help_verbs(int key, const char *text, void *input)
{
    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC)
        return (char *)(uintptr_t)text;
    char *out = NULL;
    size_t len = 0;
    FILE *memory = open_memstream(&out, &len);
    if (!memory)
        return NULL;
    fputs("Verbs:\n", memory);
    for (const struct verb *const *verb = verbs; *verb; verb++)
        fprintf(memory, "  %-14s %s\n", (*verb)->name, (*verb)->summary);
    fputs("\n'chalkgate VERB --help' tells more of each. Exit codes: 0 done, 1 failed, 2 usage or "
          "configuration, 3 refused by policy or role, 4 nothing found. A chalkgated that does not "
          "answer within a minute is taken to hang; $CHALKGATE_PATIENCE is another number of "
          "seconds.",
          memory);
    if (fclose(memory) != 0)
        return NULL;
    return out; /* argp frees it */
}

static unsigned smallest(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Edit distance of two short words; UINT_MAX for words too long to be verbs. */
static unsigned word_distance(const char *a, const char *b)
{
    enum { WORD_MAX = 31 };
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > WORD_MAX || b_len > WORD_MAX)
        return (unsigned)-1;
    unsigned row[WORD_MAX + 1];
    for (size_t j = 0; j <= b_len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned above = row[j];
            row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_len];
}

static enum exit_code fail_unknown(const char *word)
{
    const char *nearest = NULL;
    unsigned least = 3; /* further off is no help */
    for (const struct verb *const *verb = verbs; *verb; verb++) {
        unsigned distance = word_distance(word, (*verb)->name);
        if (distance < least) {
            least = distance;
            nearest = (*verb)->name;
        }
    }
    if (nearest)
        return command_fail(EXIT_USAGE, "there is no verb '%s'; did you mean '%s'?", word, nearest);
    return command_fail(EXIT_USAGE, "there is no verb '%s'; 'chalkgate --help' lists them", word);
}

int main(int argc, char **argv)
{
    setlocale(LC_ALL, "");
    bool unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    setlocale(LC_CTYPE, "C.UTF-8"); /* names and titles are UTF-8, whatever the session says */
    argp_program_version = "chalkgate " CHALKGATE_VERSION;
    argp_err_exit_status = EXIT_USAGE;

    struct command command;
    command_init(&command);
    command.unicode = unicode;
    static const struct argp_child children[] = {{&command_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
    static const struct argp argp = {
        .parser = option_parse,
        .args_doc = "VERB [ARGUMENT...]",
        .doc = "Filtering DNS for schools: lists, policy, denials and reports.\v",
        .children = children,
        .help_filter = help_verbs,
    };
    struct arguments arguments = {.command = &command};
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &arguments) != 0)
        return EXIT_USAGE;

    const char *word = argv[arguments.verb_at];
    enum exit_code code = EXIT_USAGE;
    const struct verb *const *verb = verbs;
    while (*verb && strcmp((*verb)->name, word) != 0)
        verb++;
    if (*verb)
        code = (*verb)->run(&command, argc - arguments.verb_at, argv + arguments.verb_at);
    else
        code = fail_unknown(word);
    command_fini(&command);
    if (fflush(stdout) != 0 || ferror(stdout))
        return (int)command_fail(EXIT_FAILED, "could not write the output: %m");
    return (int)code;
}
