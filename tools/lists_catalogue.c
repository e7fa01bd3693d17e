/* `chalkgate lists catalogue`: published lists that schools use, with licence and address. */
#include <stdio.h>
#include <string.h>

#include "blocklists/catalogue.h"
#include "tools/lists.h"

struct catalogue_arguments {
    const char *wanted;
};

static error_t catalogue_parse(int key, char *value, struct argp_state *state)
{
    struct catalogue_arguments *arguments = state->input;

    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    if (arguments->wanted)
        argp_error(state, "one category or name at a time, please");
    arguments->wanted = value;
    return 0;
}

static const struct argp catalogue_argp = {
    .parser = catalogue_parse,
    .args_doc = "[CATEGORY|NAME]",
    .doc = "Shows published lists that schools use, by category, with licence and address; of one, "
           "how to subscribe to it. They are their makers': look at a list and its licence before "
           "you rely on it.\vWith --json, an array of objects: name, category (empty where the "
           "list brings its categories along), format, licence, url, title.",
};

static bool is_wanted(const struct catalogue_source *source, const char *wanted)
{
    return !wanted || strcmp(source->name, wanted) == 0 || strcmp(source->category, wanted) == 0;
}

static void source_print(const struct catalogue_source *source)
{
    printf("%s\n  %s\n  licence  %s\n  address  %s\n", source->name, source->title, source->licence,
           source->url);
    if (source->category[0])
        printf("\n  categories:\n    %s:\n      sources:\n        - location: %s\n",
               source->category, source->url);
    else
        printf("\n  chalkgate lists import %s\n", source->url);
}

static json_t *source_json(const struct catalogue_source *source)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "name", source->name, "category",
                     source->category, "format", source->format, "licence", source->licence, "url",
                     source->url, "title", source->title);
}

/* The first wanted one, and how many there are. */
static size_t sources_count(const char *wanted, struct catalogue_source *out_first)
{
    struct catalogue_source source;
    const char *at = NULL;
    size_t count = 0;

    while (catalogue_next(&at, &source))
        if (is_wanted(&source, wanted) && count++ == 0)
            *out_first = source;
    return count;
}

/* Whether a wanted list before `source` is of the same category, so that this was told with it. */
static bool is_told(const struct catalogue_source *source, const char *wanted)
{
    struct catalogue_source before;
    const char *at = NULL;

    while (catalogue_next(&at, &before) && strcmp(before.name, source->name) != 0)
        if (is_wanted(&before, wanted) && strcmp(before.category, source->category) == 0)
            return true;
    return false;
}

/* Three lines for each list, as an address in a table's column would be cut on a terminal of 80
 * columns; nobody could copy it then. */
static void category_print(const char *category, const char *wanted)
{
    struct catalogue_source source;
    const char *at = NULL;

    printf("%s\n", category[0] ? category : "every list in a category of its own");
    while (catalogue_next(&at, &source)) {
        if (!is_wanted(&source, wanted) || strcmp(source.category, category) != 0)
            continue;
        printf("  %s  (%s)\n", source.name, source.licence);
        printf("    %s\n", source.title);
        printf("    %s\n", source.url);
    }
    putchar('\n');
}

static void sources_print(const char *wanted)
{
    struct catalogue_source source;
    const char *at = NULL;

    while (catalogue_next(&at, &source))
        if (is_wanted(&source, wanted) && !is_told(&source, wanted))
            category_print(source.category, wanted);
    puts("`chalkgate lists catalogue NAME` shows how to subscribe to one of them.");
}

static void json_show(const char *wanted)
{
    json_t *array = json_array();
    struct catalogue_source source;
    const char *at = NULL;

    while (catalogue_next(&at, &source))
        if (is_wanted(&source, wanted))
            json_array_append_new(array, source_json(&source));
    json_print(array);
}

enum exit_code lists_catalogue_run(struct command *command, int argc, char **argv)
{
    struct catalogue_arguments arguments = {0};
    struct catalogue_source first;
    int failed = verb_parse(&catalogue_argp, argc, argv, &arguments);
    size_t count;

    if (failed)
        return (enum exit_code)(failed - 1);
    count = sources_count(arguments.wanted, &first);
    if (command->json)
        json_show(arguments.wanted);
    else if (count == 1)
        source_print(&first);
    else if (count > 1)
        sources_print(arguments.wanted);
    return count > 0 ? EXIT_DONE
                     : command_fail(EXIT_NOTHING, "the catalogue has no list or category \"%s\"",
                                    arguments.wanted);
}
