/* `chalkgate case`: one refusal by the code that somebody quotes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "resolver/denials/describe.h"
#include "tools/act_here.h"
#include "tools/ask.h"
#include "tools/denial_show.h"
#include "tools/incident.h"
#include "tools/table.h"

static error_t case_parse(int key, char *value, struct argp_state *state)
{
    const char **code = state->input;

    switch (key) {
    case ARGP_KEY_ARG:
        if (*code != NULL)
            argp_error(state, "one case at a time, please");
        *code = value;
        return 0;
    case ARGP_KEY_END:
        if (*code == NULL)
            argp_error(state, "which case? A code looks like K7Q-M2F9");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp case_argp = {
    .parser = case_parse,
    .args_doc = "CODE",
    .doc = "Shows the refusal that a case code stands for: who asked for what, when, and by which "
           "rule it "
           "was refused. The code is in the extended error of the answer, in reports and in "
           "alerts; capitals, "
           "hyphens and the letters O, I and L for 0 and 1 do not matter.",
};

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

static void line(const char *label, const char *text)
{
    char safe[2048];

    if (text[0] != '\0')
        printf("%-10s %s\n", label, text_safe(text, safe, sizeof(safe)));
}

void case_print(const json_t *denial)
{
    char type[SHOW_TYPE_MAX], text[2048];
    json_int_t count = json_integer_value(json_object_get(denial, "count"));

    line("Case", text_of(denial, "case"));
    line("When", text_of(denial, "time"));
    snprintf(text, sizeof(text), "%s (%s)", text_of(denial, "device"), text_of(denial, "group"));
    line("Device", text);
    line("Its name", text_of(denial, "device_name"));
    snprintf(text, sizeof(text), "%s%s", text_of(denial, "mac"),
             json_is_true(json_object_get(denial, "mac_private"))
                 ? ", made up by the device for this network"
                 : "");
    line("Its MAC", text);
    snprintf(text, sizeof(text), "%s, type %s", text_of(denial, "name"),
             show_type((uint16_t)json_integer_value(json_object_get(denial, "type")), type));
    if (count > 1)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), ", %lld times within a second",
                 (long long)count);
    line("Asked", text);
    snprintf(text, sizeof(text), "%s (severity %s)", text_of(denial, "title"),
             text_of(denial, "severity"));
    line(json_is_true(json_object_get(denial, "observed")) ? "Observed" : "Refused as", text);
    if (strcmp(text_of(denial, "matched"), text_of(denial, "name")) != 0)
        line("Because of", text_of(denial, "matched"));
    printf("%-10s policy version %lld, list generation %lld\n", "By",
           (long long)json_integer_value(json_object_get(denial, "policy_version")),
           (long long)json_integer_value(json_object_get(denial, "generation")));
}

static enum exit_code run(struct command *command, int argc, char **argv)
{
    struct bl_error error = {""};
    const char *code = NULL;
    json_t *denial;
    int failed = verb_parse(&case_argp, argc, argv, &code);

    if (failed != 0)
        return (enum exit_code)(failed - 1);
    command_zone(command);
    const char *state = command_state(command);
    if (state == NULL)
        return EXIT_USAGE;
    if (ask_may_read(command, "case", "denials") != EXIT_DONE)
        return EXIT_NOT_ALLOWED;
    failed = denial_describe(state, code, false, &denial, &error);
    if (failed < 0)
        return command_fail(failed == -EINVAL                         ? EXIT_USAGE
                            : failed == -ENOENT || failed == -ENODATA ? EXIT_NOTHING
                            : failed == -EACCES                       ? EXIT_NOT_ALLOWED
                                                                      : EXIT_FAILED,
                            "%s", error.text);
    if (command->json) {
        json_dumpf(denial, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        putchar('\n');
    } else {
        case_print(denial);
        printf("\nTo follow it up: chalkgate incident open %s --reason TEXT\n",
               text_of(denial, "case"));
    }
    json_decref(denial);
    return EXIT_DONE;
}

const struct verb verb_case = {"case", "one refusal by its code", run};
