/* `chalkgate why`: the verdict on a name and everything behind it, from the configuration and the
 * compiled lists, whether a daemon runs or not. The story is made as JSON (why_tell.c); the text is
 * printed from that.
 */
#include "tools/why.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "blocklists/lists.h"
#include "tools/table.h"
#include "tools/verb.h"

struct why_options {
    const char *name, *client, *group, *type, *at, *batch;
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
        options->type = value;
        return 0;
    case 'a':
        options->at = value;
        return 0;
    case 'b':
        options->batch = value;
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
    {"at", 'a', "TIME", 0, "at this time instead of now", 0},
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

static void exceptions_print(const json_t *story)
{
    const json_t *exceptions = json_object_get(story, "exceptions");
    char name[BL_NAME_TEXT_MAX];
    size_t index;
    json_t *item;

    json_array_foreach(exceptions, index, item)
    {
        label_print(index ? "" : "Exceptions");
        printf("%s %s, by %s%s\n", text_of(item, "action"),
               text_safe(text_of(item, "name"), name, sizeof name), text_of(item, "by"),
               json_is_true(json_object_get(item, "decides")) ? " (this decides)"
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
        printf("; until %s at least", text_of(story, "until"));
    putchar('\n');
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
    if (!*text_of(story, "group"))
        return;
    groups_print(story);
    lists_print(story);
    exceptions_print(story);
    time_print(story);
    if (*text_of(story, "answer")) {
        label_print("Answer");
        puts(text_of(story, "answer"));
    }
    label_print("Version");
    printf("lists %lld, policy %lld\n",
           (long long)json_integer_value(json_object_get(story, "generation")),
           (long long)json_integer_value(json_object_get(story, "policy_version")));
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
        table_cell(table, "%s", text_of(story, "until"));
    }
    table_print(table, stdout);
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
        json_dumpf(single ? json_array_get(stories, 0) : stories, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (single) {
        story_print(command, json_array_get(stories, 0));
    } else {
        stories_table(stories, by_name);
    }
    json_decref(stories);
    return code;
}

static int groups_tell(const struct why_world *world, struct why_question *question,
                       const struct why_options *options, json_t *stories, struct bl_error *error)
{
    const struct config *config = world->config;
    int group, code = 0;

    if (options->client) {
        question->group = POLICY_NO_GROUP;
        return why_tell(world, question, stories, error);
    }
    if (options->group) {
        group = config_group_find(config, options->group);
        if (group < 0)
            return bl_error_set(error, -EINVAL, "there is no group \"%s\"", options->group);
        question->group = (uint16_t)group;
        return why_tell(world, question, stories, error);
    }
    for (size_t i = 0; code == 0 && i < config->group_count; i++) {
        question->group = (uint16_t)i;
        code = why_tell(world, question, stories, error);
    }
    return code;
}

static int batch_tell(const struct why_world *world, struct why_question *question,
                      const struct why_options *options, json_t *stories, struct bl_error *error)
{
    bool standard = strcmp(options->batch, "-") == 0;
    FILE *file = standard ? stdin : fopen(options->batch, "re");
    char line[NAME_LINE_MAX];
    unsigned number = 0;
    int code = 0;

    if (!file)
        return bl_error_set(error, -errno, "%s: %s", options->batch, strerror(errno));
    while (code == 0 && fgets(line, sizeof line, file)) {
        char *name = line + strspn(line, " \t"), *end;
        number++;
        name[strcspn(name, "#\r\n")] = '\0';
        for (end = name + strlen(name); end > name && (end[-1] == ' ' || end[-1] == '\t');)
            *--end = '\0';
        if (!*name)
            continue;
        question->name = name;
        code = groups_tell(world, question, options, stories, error);
        if (code < 0)
            bl_error_wrap(error, code, "%s:%u", options->batch, number);
    }
    if (!standard)
        fclose(file);
    return code;
}

static enum exit_code question_read(const struct command *command,
                                    const struct why_options *options,
                                    struct why_question *question)
{
    const char *zone = command->config->calendar.time_zone;
    struct bl_error error;
    int64_t now = time(NULL);

    /* What people type and read is the school's time, as the schedules are. */
    if (zone)
        setenv("TZ", zone, 1);
    *question = (struct why_question){
        .name = options->name, .type = options->type ? options->type : "A", .wall_s = now};
    if (options->at && time_parse(options->at, now, &question->wall_s, &error) < 0)
        return command_fail(EXIT_USAGE, "--at: %s", error.text);
    if (options->client && address_parse(options->client, 0, &question->client) < 0)
        return command_fail(EXIT_USAGE, "\"%s\" is no address", options->client);
    question->has_client = options->client != NULL;
    return EXIT_DONE;
}

static enum exit_code run_why(struct command *command, int argc, char **argv)
{
    struct why_options options = {0};
    struct why_world world = {0};
    struct why_question question;
    struct bl_error error = {0};
    json_t *stories;
    enum exit_code exit;
    bool single;
    int code = verb_parse(&why_argp, argc, argv, &options);

    if (code)
        return (enum exit_code)(code - 1);
    if (!command_config(command))
        return EXIT_USAGE;
    exit = question_read(command, &options, &question);
    if (exit != EXIT_DONE)
        return exit;
    if (why_world_open(command->config, command_state(command), &world, &error) < 0)
        return command_fail(EXIT_FAILED, "%s", error.text);
    stories = json_array();
    code = options.batch ? batch_tell(&world, &question, &options, stories, &error)
                         : groups_tell(&world, &question, &options, stories, &error);
    single = !options.batch && (options.client || options.group || json_array_size(stories) == 1);
    if (code < 0) {
        json_decref(stories);
        exit = command_fail(code == -EINVAL ? EXIT_USAGE : EXIT_FAILED, "%s", error.text);
    } else {
        exit = stories_show(command, stories, options.batch != NULL, single);
    }
    why_world_close(&world);
    return exit;
}

const struct verb verb_why = {"why", "whether a name is denied, for whom, and by what", run_why};
