/* `chalkgate lists show`: what is in force, and where it came from. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "blocklists/lists.h"
#include "blocklists/reasons.h"
#include "resolver/config/subscribed.h"
#include "tools/lists.h"
#include "tools/table.h"

enum { STALE_SHOWN = 5 };

struct show_arguments {
    const char *category;
};

static error_t show_parse(int key, char *value, struct argp_state *state)
{
    struct show_arguments *arguments = state->input;

    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    if (arguments->category)
        argp_error(state, "one category at a time, please");
    arguments->category = value;
    return 0;
}

static const struct argp show_argp = {
    .parser = show_parse,
    .args_doc = "[CATEGORY]",
    .doc =
        "Shows the lists in force: categories with their counts; of one category, its sources with "
        "path or address, licence, counts, hash, and who imported them when.",
};

static const char *tier_text(unsigned tier)
{
    static const char *const names[] = {"school", "regional", "national"};

    return tier < 3 ? names[tier] : "?";
}

/* {reason: how many lines} of one kind. */
static json_t *reasons_json(const char *reasons, bool malformed)
{
    json_t *object = json_object();
    struct bl_reason_line line;

    while (bl_reasons_next(&reasons, &line))
        if (line.malformed == malformed)
            json_object_setn_new(object, line.reason, (size_t)line.reason_len,
                                 json_integer((json_int_t)line.count));
    return object;
}

static json_t *source_json(const struct list_state *state)
{
    const struct bl_source *source = state->source;

    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:I, "
                     "s:b, s:b, s:b, s:o, s:o}",
                     "location", source->location, "category", state->category, "format",
                     source->format, "licence", source->licence, "sha256", source->sha256, "tier",
                     tier_text(source->tier), "action",
                     source->action == BL_ALLOW ? "allow" : "block", "actor", source->actor,
                     "imported", (json_int_t)source->imported, "reason", source->reason, "read",
                     (json_int_t)source->read, "taken", (json_int_t)source->taken, "duplicate",
                     (json_int_t)source->duplicate, "malformed", (json_int_t)source->malformed,
                     "unused", (json_int_t)source->unused, "stale", (int)state->stale, "subscribed",
                     (int)source->subscribed, "removed", (int)state->removed, "malformed-reasons",
                     reasons_json(source->reasons, true), "unused-reasons",
                     reasons_json(source->reasons, false));
}

static json_t *kept_json(struct command *command)
{
    uint64_t kept[LISTS_KEPT_MAX];
    int count = bl_lists_kept(command_state(command), kept, LISTS_KEPT_MAX, NULL);
    json_t *array = json_array();

    for (int i = 0; i < count; i++)
        json_array_append_new(array, json_integer((json_int_t)kept[i]));
    return array;
}

static void json_show(struct command *command, const struct bl_store *store, int category)
{
    json_t *categories = json_array(), *sources = json_array();
    int64_t now = (int64_t)time(NULL);

    for (unsigned i = 0; i < bl_store_category_count(store); i++) {
        const struct bl_category *item = bl_store_category(store, i);

        if (category < 0 || category == (int)i)
            json_array_append_new(categories, json_pack("{s:s, s:I, s:I}", "name", item->name,
                                                        "names", (json_int_t)item->names,
                                                        "addresses", (json_int_t)item->addresses));
    }
    for (unsigned i = 0; i < bl_store_source_count(store); i++) {
        const struct bl_source *source = bl_store_source(store, i);

        if (category < 0 || category == (int)source->category) {
            struct list_state state;

            list_state_find(command_zone(command), store, i, now, &state);
            json_array_append_new(sources, source_json(&state));
        }
    }
    json_print(json_pack("{s:I, s:I, s:o, s:o, s:o}", "generation",
                         (json_int_t)bl_store_generation(store), "names",
                         (json_int_t)bl_store_name_count(store), "kept", kept_json(command),
                         "categories", categories, "sources", sources));
}

/* Of a category: how many sources it has, and the oldest one. */
static unsigned sources_of(const struct bl_store *store, unsigned category, int64_t *out_oldest)
{
    unsigned count = 0;

    for (unsigned i = 0; i < bl_store_source_count(store); i++) {
        const struct bl_source *source = bl_store_source(store, i);

        if (source->category != category)
            continue;
        if (count++ == 0 || source->imported < *out_oldest)
            *out_oldest = source->imported;
    }
    return count;
}

static void kept_print(struct command *command, const struct bl_store *store)
{
    uint64_t kept[LISTS_KEPT_MAX];
    int count = bl_lists_kept(command_state(command), kept, LISTS_KEPT_MAX, NULL);
    char text[32];

    printf(
        "Generation %llu is in force: %s name%s.", (unsigned long long)bl_store_generation(store),
        number_text(bl_store_name_count(store), text), bl_store_name_count(store) == 1 ? "" : "s");
    for (int i = 0, told = 0; i < count; i++)
        if (kept[i] != bl_store_generation(store))
            printf("%s %llu", told++ ? "," : " Also kept:", (unsigned long long)kept[i]);
    puts("\n");
}

static void categories_print(const struct bl_store *store)
{
    struct table *table = table_create();
    char text[32];

    table_column(table, "Category", TABLE_LEFT);
    table_column(table, "Names", TABLE_RIGHT);
    table_column(table, "Addresses", TABLE_RIGHT);
    table_column(table, "Sources", TABLE_RIGHT);
    table_column(table, "Oldest of", TABLE_LEFT);
    for (unsigned i = 0; i < bl_store_category_count(store); i++) {
        const struct bl_category *category = bl_store_category(store, i);
        int64_t oldest = 0;
        unsigned sources = sources_of(store, i, &oldest);

        table_cell(table, "%s", category->name);
        table_cell(table, "%s", number_text(category->names, text));
        table_cell(table, "%s", number_text(category->addresses, text));
        table_cell(table, "%u", sources);
        table_cell(table, "%s", moment_text(oldest, text));
    }
    table_print(table, stdout);
}

/* Which lines were not taken, and why, one reason a line. */
static void reasons_print(const char *reasons)
{
    struct bl_reason_line line;
    char reason[256], safe[1024], text[32];

    while (bl_reasons_next(&reasons, &line)) {
        snprintf(reason, sizeof reason, "%.*s", line.reason_len, line.reason);
        printf("    %-9s  %s: %s\n", line.malformed ? "malformed" : "not used",
               number_text(line.count, text), text_safe(reason, safe, sizeof safe));
    }
}

static void source_print(const struct bl_source *source)
{
    char safe[4096], text[32];

    printf("\n%s\n", text_safe(source->location, safe, sizeof safe));
    printf("  imported   %s by %s", moment_text(source->imported, text),
           text_safe(source->actor, safe, sizeof safe));
    printf("%s%s\n", source->reason[0] ? ": " : "", text_safe(source->reason, safe, sizeof safe));
    printf("  form       %s, names to %s, tier %s\n", source->format,
           source->action == BL_ALLOW ? "allow" : "block", tier_text(source->tier));
    if (source->licence[0])
        printf("  licence    %s\n", text_safe(source->licence, safe, sizeof safe));
    printf("  lines      %s read", number_text(source->read, text));
    printf(", %s taken", number_text(source->taken, text));
    printf(" (%s twice)", number_text(source->duplicate, text));
    printf(", %s malformed", number_text(source->malformed, text));
    printf(", %s not used\n", number_text(source->unused, text));
    reasons_print(source->reasons);
    printf("  SHA-256    %s\n", source->sha256);
}

/* What somebody should see to: lists out of date, and those that nobody subscribes to any more. */
static void states_print(struct command *command, const struct bl_store *store, int category)
{
    int64_t now = (int64_t)time(NULL);
    unsigned stale = 0;
    char safe[4096];

    for (unsigned i = 0; i < bl_store_source_count(store); i++) {
        struct list_state state;

        list_state_find(command_zone(command), store, i, now, &state);
        if (category >= 0 && category != (int)state.source->category)
            continue;
        text_safe(state.source->location, safe, sizeof safe);
        if (state.stale && stale++ < STALE_SHOWN)
            printf("\nWarning: %s is out of date, %llu day%s old; `chalkgate lists update` or "
                   "`lists import` refreshes it.\n",
                   safe, (unsigned long long)state.age_s / 86400,
                   state.age_s / 86400 == 1 ? "" : "s");
        if (state.removed)
            printf("\n%s (%s) is no longer in the configuration; the next `chalkgate lists "
                   "update` takes it out.\n",
                   safe, state.category);
    }
    if (stale > STALE_SHOWN)
        printf("\nWarning: %u more lists are out of date.\n", stale - STALE_SHOWN);
}

static void words_show(struct command *command, const struct bl_store *store, int category)
{
    char text[32];

    if (category < 0) {
        kept_print(command, store);
        categories_print(store);
    } else {
        const struct bl_category *item = bl_store_category(store, (unsigned)category);

        printf("%s: %s name%s", item->name, number_text(item->names, text),
               item->names == 1 ? "" : "s");
        printf(", %s address%s\n", number_text(item->addresses, text),
               item->addresses == 1 ? "" : "es");
        for (unsigned i = 0; i < bl_store_source_count(store); i++)
            if (bl_store_source(store, i)->category == category)
                source_print(bl_store_source(store, i));
    }
    states_print(command, store, category);
}

enum exit_code lists_show_run(struct command *command, int argc, char **argv)
{
    struct show_arguments arguments = {NULL};
    struct bl_store *store = NULL;
    int failed = verb_parse(&show_argp, argc, argv, &arguments);
    int category = -1;
    enum exit_code code;

    if (failed)
        return (enum exit_code)(failed - 1);
    code = lists_open(command, 0, &store);
    if (code != EXIT_DONE)
        return code;
    if (arguments.category) {
        category = bl_store_category_find(store, arguments.category);
        if (category < 0)
            code = command_fail(EXIT_NOTHING, "no list of category \"%s\" was imported",
                                arguments.category);
    }
    if (code == EXIT_DONE && command->json)
        json_show(command, store, category);
    else if (code == EXIT_DONE)
        words_show(command, store, category);
    bl_store_close(store);
    return code;
}
