#include "tools/steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The place of the word in the table, or −1 with the usage told. */
static int step_find(const struct step *steps, const char *verb, const char *word)
{
    char all[256] = "";

    for (int i = 0; steps[i].word != NULL; i++) {
        if (word != NULL && strcmp(word, steps[i].word) == 0)
            return i;
        strcat(all, i > 0 ? ", " : "");
        strcat(all, steps[i].word);
    }
    if (word == NULL)
        command_fail(EXIT_USAGE, "what shall be done? `chalkgate %s` has %s", verb, all);
    else
        command_fail(EXIT_USAGE, "%s: \"%s\" is not understood; there are %s", verb, word, all);
    return -1;
}

int steps_parse(const struct step *steps, const struct argp *argp, int argc, char **argv,
                void *options, unsigned *out_step)
{
    const char *verb = argv[0];
    bool has_step = argc > 1 && argv[1][0] != '-';
    int step = has_step ? step_find(steps, verb, argv[1]) : 0, code;

    if (step < 0)
        return EXIT_USAGE + 1;
    if (has_step)
        argv[1] = argv[0];
    code = verb_parse(argp, argc - has_step, argv + has_step, options);
    if (code != 0)
        return code;
    if (!has_step) {
        (void)step_find(steps, verb, NULL);
        return EXIT_USAGE + 1;
    }
    *out_step = (unsigned)step;
    return 0;
}

bool step_id_set(json_t *request, const char *thing, const char *word)
{
    char *end;
    unsigned long id = word != NULL ? strtoul(word, &end, 10) : 0;

    if (id == 0 || *end != '\0') {
        command_fail(EXIT_USAGE, "which %s? `chalkgate %s list` shows their numbers", thing, thing);
        return false;
    }
    return json_object_set_new(request, "id", json_integer((json_int_t)id)) == 0;
}

bool step_text_set(json_t *request, const char *key, const char *text)
{
    if (text == NULL || json_object_set_new(request, key, json_string(text)) == 0)
        return true;
    command_fail(EXIT_USAGE, "the text is no UTF-8");
    return false;
}

bool step_is_whole(const char *surplus, const char *option)
{
    if (surplus == NULL)
        return true;
    command_fail(EXIT_USAGE, "\"%s\" is too much%s%s%s", surplus,
                 option != NULL ? "; words are said with " : "", option != NULL ? option : "",
                 option != NULL ? " \"TEXT\"" : "");
    return false;
}

enum exit_code step_ask(struct command *command, const struct step *step, json_t *request,
                        json_t **out_reply)
{
    return act_ask(command, step->verb, step->function, step->writing, request, out_reply);
}
