/* `chalkgate why`: the verdict on a name and everything behind it, as the running daemon has it;
 * from the configuration, the compiled lists and the grants on record where none runs. The story is
 * JSON (policy/story.h); the text is printed from that. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "blocklists/types.h"
#include "tools/ask.h"
#include "tools/resolve.h"
#include "tools/table.h"
#include "tools/verb.h"
#include "tools/why_here.h"

struct why_options {
    const char *name, *client, *group, *type, *at, *batch;
    bool resolve;
};

enum { LABEL_WIDTH = 12, NAME_LINE_MAX = 4096 };

static error_t why_parse(int key, char *value, struct argp_state *state)
{
    struct why_options *options = state->input;

    switch (key) {
    case 'c':
        options->client = value;
        return 0;
    case 'g':
        options->group = value;
        return 0;
    case 't':
        if (bl_type_number(value, strlen(value)) == 0)
            argp_error(state, "there is no type \"%s\"; as in: --type AAAA", value);
        options->type = value;
        return 0;
    case 'a':
        options->at = value;
        return 0;
    case 'b':
        options->batch = value;
        return 0;
    case 'r':
        options->resolve = true;
        return 0;
    case ARGP_KEY_ARG:
        if (options->name)
            argp_error(state, "one name at a time, please; --batch FILE takes many");
        options->name = value;
        return 0;
    case ARGP_KEY_END:
        if (!options->name == !options->batch)
            argp_error(state, "which name? As in: chalkgate why www.example.com --group pupils");
        if (options->client && options->group)
            argp_error(state, "--client and --group exclude each other");
        if (options->batch && !options->client && !options->group)
            argp_error(state, "--batch needs --group or --client");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option why_table[] = {
    {"client", 'c', "ADDRESS", 0, "for the device at this address", 0},
    {"group", 'g', "NAME", 0, "for a group", 0},
    {"type", 't', "TYPE", 0, "the type asked for, as AAAA or HTTPS (default A)", 0},
    {"at", 'a', "TIME", 0,
     "at this time instead of now; of a time in the past, by the rules and lists in force then", 0},
    {"resolve", 'r', NULL, 0,
     "ask the upstreams what the answer leads to, which is judged as the name itself is", 0},
    {"batch", 'b', "FILE", 0, "for each name in FILE, one to a line; - is standard input", 0},
    {0},
};

static const struct argp why_argp = {
    .options = why_table,
    .parser = why_parse,
    .args_doc = "NAME",
    .doc =
        "Tells whether NAME is denied, and why: the group and how it was found, the entries of the "
        "lists with source and line, exceptions, the time of day, and the rule that decided. "
        "Without --client and --group, for every group.\v"
        "--at yesterday, or another time in the past: the configuration, exceptions and lists as "
        "they stood then. Where a part of that is not kept any more, the answer says so, and by "
        "what it judges instead. Configurations and lists are on record from the first start of a "
        "chalkgated that keeps them; devices behind addresses are today's.\n\n"
        "Exit code 0: allowed; 3: denied (for at least one, where several were asked for).",
};

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static void label_print(const char *label)
{
    printf("%-*s", LABEL_WIDTH, label);
}

static void groups_print(const json_t *story)
{
    const json_t *found = json_object_get(story, "found_by");

    label_print("Group");
    printf("%s (%s)", text_of(story, "group"), text_of(story, "group_title"));
    if (found)
        printf(", because %s", json_string_value(found));
    putchar('\n');
}

static void entry_print(const json_t *entry)
{
    char name[BL_NAME_TEXT_MAX], source[1024];
    long long line = json_integer_value(json_object_get(entry, "line"));

    printf("%s%s, %s: %s%s tier", text_safe(text_of(entry, "name"), name, sizeof name),
           strcmp(text_of(entry, "scope"), "exact") == 0 ? " (itself only)" : "",
           text_of(entry, "category"), text_of(entry, "action"),
           json_is_true(json_object_get(entry, "important")) ? " (important)" : "");
    printf(" %s, %s", text_of(entry, "tier"),
           text_safe(text_of(entry, "source"), source, sizeof source));
    if (line)
        printf(", line %lld", line);
    if (*text_of(entry, "types"))
        printf("; %s%s", text_of(entry, "types"),
               json_is_true(json_object_get(entry, "counts")) ? "" : ", so not for this question");
    putchar('\n');
}

static void lists_print(const json_t *story)
{
    const json_t *entries = json_object_get(story, "entries");
    const json_t *claims = json_object_get(story, "categories");
    size_t index;
    json_t *item;

    if (!json_array_size(entries)) {
        label_print("Lists");
        puts("on none");
    }
    json_array_foreach(entries, index, item)
    {
        label_print(index ? "" : "Lists");
        entry_print(item);
    }
    json_array_foreach(claims, index, item)
    {
        label_print(index ? "" : "Categories");
        printf("%s: %s\n", text_of(item, "title"), text_of(item, "story"));
    }
}

/* "15:30" on the day that is spoken of, else with its date. */
static const char *hour_of(const char *time, const char *at)
{
    const char *hour = strchr(time, 'T');

    return hour && strncmp(time, at, (size_t)(hour - time) + 1) == 0 ? hour + 1 : time;
}

static void span_print(const json_t *item, const char *at)
{
    const char *from = text_of(item, "from"), *until = text_of(item, "until");

    if (*from)
        printf(", from %s", hour_of(from, at));
    if (*until)
        printf(", until %s", hour_of(until, at));
}

static void exceptions_print(const json_t *story)
{
    const json_t *exceptions = json_object_get(story, "exceptions");
    char name[BL_NAME_TEXT_MAX];
    size_t index;
    json_t *item;

    json_array_foreach(exceptions, index, item)
    {
        label_print(index ? "" : "Exceptions");
        printf("%s %s, by %s", text_of(item, "action"),
               text_safe(text_of(item, "name"), name, sizeof name), text_of(item, "by"));
        span_print(item, text_of(story, "at"));
        puts(json_is_true(json_object_get(item, "decides")) ? " (this decides)"
             : json_is_true(json_object_get(item, "holds")) ? ""
                                                            : " (not at this time)");
    }
}

static void time_print(const json_t *story)
{
    const json_t *periods = json_object_get(story, "periods");
    size_t index;
    json_t *item;

    label_print("Time");
    printf("%s", text_of(story, "at"));
    json_array_foreach(periods, index, item)
        printf("%s%s", index ? ", " : ", during ", json_string_value(item));
    if (json_object_get(story, "until"))
        printf("; until %s at least", hour_of(text_of(story, "until"), text_of(story, "at")));
    putchar('\n');
}

/* By which lists and which policy it was judged; of the past, whether these are what was in force.
 */
static void version_print(const json_t *story)
{
    const json_t *then = json_object_get(story, "then");

    printf("lists %lld, policy %lld",
           (long long)json_integer_value(json_object_get(story, "generation")),
           (long long)json_integer_value(json_object_get(story, "policy_version")));
    if (!then)
        putchar('\n');
    else if (strcmp(text_of(then, "rules"), "then") != 0)
        puts(" (today's)");
    else if (strcmp(text_of(then, "lists"), "then") != 0)
        puts(" (the policy as it stood then; the lists of today)");
    else
        puts(" (as they stood then)");
}

static void notes_print(const json_t *story, const char *label)
{
    const json_t *notes = json_object_get(story, "notes");
    size_t index;
    json_t *item;

    json_array_foreach(notes, index, item)
    {
        label_print(label);
        puts(json_string_value(item));
    }
}

/* Each step on the way to the verdict. */
static void steps_print(const json_t *story)
{
    groups_print(story);
    lists_print(story);
    exceptions_print(story);
    time_print(story);
    if (*text_of(story, "answer")) {
        label_print("Answer");
        puts(text_of(story, "answer"));
    }
    if (*text_of(story, "handled")) {
        label_print("Handled");
        puts(text_of(story, "handled"));
    }
    if (json_is_true(json_object_get(story, "judged_later"))) {
        label_print("");
        puts("what its answer leads to is judged when it comes; --resolve asks now");
    }
}

static void story_print(const struct command *command, const json_t *story)
{
    const char *verdict = text_of(story, "verdict");
    char name[BL_NAME_TEXT_MAX];
    bool denied = strcmp(verdict, "denied") == 0 || strcmp(verdict, "refused") == 0;

    text_safe(text_of(story, "name"), name, sizeof name);
    printf("%s is %s%s%s%s%s\n", name,
           command->colour ? (denied ? "\033[1;31m" : "\033[1;32m") : "", verdict,
           command->colour ? "\033[0m" : "", *text_of(story, "because") ? ": " : "",
           text_of(story, "because"));
    if (*text_of(story, "group"))
        steps_print(story);
    label_print("Version");
    version_print(story);
    notes_print(story, "Note");
}

static bool story_denies(const json_t *story)
{
    const char *verdict = text_of(story, "verdict");

    return strcmp(verdict, "denied") == 0 || strcmp(verdict, "refused") == 0;
}

static void stories_table(const json_t *stories, bool by_name)
{
    struct table *table = table_create();
    size_t index;
    json_t *story;

    table_column(table, by_name ? "name" : "group", TABLE_LEFT);
    table_column(table, "verdict", TABLE_LEFT);
    table_column(table, "because", TABLE_LEFT);
    table_column(table, "until", TABLE_LEFT);
    json_array_foreach(stories, index, story)
    {
        table_cell(table, "%s", text_of(story, by_name ? "name" : "group"));
        table_cell(table, "%s", text_of(story, "verdict"));
        table_cell(table, "%s", text_of(story, "because"));
        table_cell(table, "%s", hour_of(text_of(story, "until"), text_of(story, "at")));
    }
    table_print(table, stdout);
    story = json_array_get(stories, 0);
    if (!json_object_get(story, "then"))
        return;
    putchar('\n');
    label_print("Judged by");
    version_print(story);
    notes_print(story, "Note");
}

/* Prints and takes `stories`. */
static enum exit_code stories_show(const struct command *command, json_t *stories, bool by_name,
                                   bool single)
{
    enum exit_code code = EXIT_DONE;
    size_t index;
    json_t *story;

    json_array_foreach(stories, index, story)
    {
        if (story_denies(story))
            code = EXIT_NOT_ALLOWED;
    }
    if (command->json) {
        json_dumpf(single ? json_array_get(stories, 0) : stories, stdout,
                   JSON_INDENT(2) | JSON_ENSURE_ASCII);
        putchar('\n');
    } else if (single) {
        story_print(command, json_array_get(stories, 0));
    } else {
        stories_table(stories, by_name);
    }
    json_decref(stories);
    return code;
}

/* A line that is no name is told of and left out: the others are answered all the same. */
static void name_take(const char *path, unsigned number, const char *text, json_t *names)
{
    char safe[NAME_LINE_MAX];
    struct bl_name name;
    enum bl_name_fault fault = bl_name_parse(text, strlen(text), &name);

    if (fault == BL_NAME_FINE)
        json_array_append_new(names, json_string(text));
    else
        fprintf(stderr, "chalkgate: %s:%u: left out, since \"%s\" is no name to ask for: %s\n",
                path, number, text_safe(text, safe, sizeof safe), bl_name_fault_text(fault));
}

/* Names of the file, one to a line; what follows a # is a remark. */
static int names_read(const char *path, json_t *names, struct bl_error *error)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *file = standard ? stdin : fopen(path, "re");
    char line[NAME_LINE_MAX];
    unsigned number = 0;

    if (!file)
        return bl_error_set(error, -errno, "%s: %s", path, strerror(errno));
    while (fgets(line, sizeof line, file)) {
        char *name = line + strspn(line, " \t"), *end;
        name[strcspn(name, "#\r\n")] = '\0';
        for (end = name + strlen(name); end > name && (end[-1] == ' ' || end[-1] == '\t');)
            *--end = '\0';
        number++;
        if (*name)
            name_take(path, number, name, names);
    }
    if (!standard)
        fclose(file);
    return json_array_size(names) ? 0
                                  : bl_error_set(error, -EINVAL, "%s: no name stands in it", path);
}

static int request_make(const struct why_options *options, json_t *request, struct bl_error *error)
{
    json_t *names = json_array();
    int64_t now = time(NULL), at;

    json_object_set_new(request, "names", names);
    json_object_set_new(request, "type", json_string(options->type ? options->type : "A"));
    if (options->client)
        json_object_set_new(request, "client", json_string(options->client));
    if (options->group)
        json_object_set_new(request, "group", json_string(options->group));
    if (options->at) {
        if (time_parse(options->at, now, &at, error) < 0)
            return bl_error_wrap(error, -EINVAL, "--at");
        json_object_set_new(request, "at", json_integer(at));
    }
    if (options->batch)
        return names_read(options->batch, names, error);
    return json_array_append_new(names, json_string(options->name)) ? -EINVAL : 0;
}

static enum exit_code answer(struct command *command, json_t *request, json_t **out_reply)
{
    struct bl_error error = {0};
    enum exit_code exit;
    int code;

    if (ask_is_answered(command)) {
        exit = ask_daemon(command, "why", json_incref(request), -1, out_reply, &error);
        return exit == EXIT_DONE ? exit : ask_fail(exit, &error);
    }
    *out_reply = json_object();
    code = why_here(command, request, *out_reply, &error);
    if (code == 0)
        return EXIT_DONE;
    json_decref(*out_reply);
    return command_fail(code == -EINVAL ? EXIT_USAGE : EXIT_FAILED, "%s", error.text);
}

/* Adds to the request what upstreams say of each name; what cannot be had is said and left out. */
static void request_resolve(const struct command *command, const struct why_options *options,
                            json_t *request)
{
    json_t *resolved = json_object(), *name;
    struct bl_error error = {0};
    size_t index;

    json_array_foreach(json_object_get(request, "names"), index, name)
    {
        if (resolve_name(command->config, json_string_value(name),
                         options->type ? options->type : "A", resolved, &error) < 0)
            fprintf(stderr, "chalkgate: %s\n", error.text);
    }
    json_object_set_new(request, "resolved", resolved);
}

static enum exit_code run_why(struct command *command, int argc, char **argv)
{
    struct why_options options = {0};
    struct bl_error error = {0};
    json_t *request, *reply, *stories;
    enum exit_code exit;
    bool single;
    int code = verb_parse(&why_argp, argc, argv, &options);

    if (code)
        return (enum exit_code)(code - 1);
    if (!command_config(command) || !command_zone(command))
        return EXIT_USAGE;
    request = json_object();
    code = request_make(&options, request, &error);
    if (code == 0 && options.resolve)
        request_resolve(command, &options, request);
    exit = code < 0 ? command_fail(code == -EINVAL ? EXIT_USAGE : EXIT_FAILED, "%s", error.text)
                    : answer(command, request, &reply);
    json_decref(request);
    if (exit != EXIT_DONE)
        return exit;
    stories = json_incref(json_object_get(reply, "stories"));
    json_decref(reply);
    single = !options.batch && (options.client || options.group || json_array_size(stories) == 1);
    return stories_show(command, stories, options.batch != NULL, single);
}

const struct verb verb_why = {"why", "whether a name is denied, for whom, and by what", run_why};
