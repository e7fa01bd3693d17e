/* `chalkgate lists diff`: what changed from one generation to another. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "blocklists/lists.h"
#include "tools/import_effect.h"
#include "tools/lists.h"

struct diff_arguments {
    uint64_t generations[2];
    unsigned count;
    bool names;
};

static error_t diff_parse(int key, char *value, struct argp_state *state)
{
    struct diff_arguments *arguments = state->input;

    switch (key) {
    case 'n':
        arguments->names = true;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->count == 2)
            argp_error(state, "two generations at most, please");
        arguments->generations[arguments->count++] = generation_parse(value, state);
        if (arguments->count == 2 && arguments->generations[0] == arguments->generations[1])
            argp_error(state, "generation %s is named twice; please name two that differ", value);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option diff_table[] = {
    {"names", 'n', NULL, 0, "every name that came or went", 0},
    {0},
};

static const struct argp diff_argp = {
    .options = diff_table,
    .parser = diff_parse,
    .args_doc = "[A [B]]",
    .doc =
        "Shows what changed between two generations: from A to B, from A to the one in force, or "
        "from the one before to the one in force. Also which of the last week's refusals, and of "
        "the names that groups asked most, are judged otherwise.",
};

static int name_print(void *user, const struct bl_change *change)
{
    char text[BL_NAME_TEXT_MAX + 8], types[ENTRY_TYPES_TEXT_MAX];

    (void)user;
    entry_text(change->entry, text, sizeof text);
    printf("%c %s %s%s%s%s\n", change->added ? '+' : '-', change->category, text,
           entry_types_text(change->entry, types), change->action == BL_ALLOW ? " (allowed)" : "",
           change->still_covered ? " (still covered)" : "");
    return 0;
}

static int name_append(void *user, const struct bl_change *change)
{
    char text[BL_NAME_TEXT_MAX + 8], types[BL_TYPES_TEXT_MAX];
    json_t *told;

    entry_text(change->entry, text, sizeof text);
    told = json_pack("{s:s, s:s, s:s, s:s}", "change", change->added ? "added" : "removed",
                     "category", change->category, "name", text, "action",
                     change->action == BL_ALLOW ? "allow" : "block");
    if (change->entry->types.count > 0)
        json_object_set_new(told, "types",
                            json_string(bl_types_text(&change->entry->types, types)));
    json_array_append_new(user, told);
    return 0;
}

static void counts_print(const struct bl_store *older, const struct bl_store *newer,
                         const struct bl_diff_count *counts, size_t count)
{
    bool changed = diff_counts_are_changed(counts, count);

    printf("From generation %" PRIu64 " to %" PRIu64 "%s\n%s", bl_store_generation(older),
           bl_store_generation(newer), changed ? "" : ": no name changes.", changed ? "\n" : "");
    diff_counts_print(counts, count, "After");
}

/* How to have the other of the two, where one is in force. */
static void next_step_print(struct command *command, uint64_t older, uint64_t newer)
{
    char path[BL_PATH_MAX];
    uint64_t current = 0;

    if (bl_lists_current(command_state(command), &current, path, NULL) < 0)
        return;
    puts("\n`--names` tells every name.");
    if (current == newer)
        printf("`chalkgate lists rollback %" PRIu64 "` goes back to generation %" PRIu64 ".\n",
               older, older);
    else if (current == older)
        printf("Generation %" PRIu64 " is in force; `chalkgate lists rollback %" PRIu64
               "` puts generation %" PRIu64 " in its place.\n",
               current, newer, newer);
    else
        printf("In force is generation %" PRIu64 ".\n", current);
}

static enum exit_code diff_show(struct command *command, const struct diff_arguments *arguments,
                                const struct bl_store *older, const struct bl_store *newer)
{
    struct bl_error error = {""};
    struct effects *effects = NULL;
    struct bl_diff_count *counts;
    json_t *names = json_array(), *categories = json_array();
    size_t count;
    int rc;

    rc = bl_diff_count(older, newer,
                       !arguments->names ? NULL
                       : command->json   ? name_append
                                         : name_print,
                       names, &counts, &count, &error);
    if (rc < 0) {
        json_decref(names);
        json_decref(categories);
        return command_fail(EXIT_FAILED, "%s", error.text);
    }
    for (size_t i = 0; i < count; i++)
        json_array_append_new(categories, diff_count_json(&counts[i]));
    /* Without a configuration there are no groups to judge for; the lists differ all the same. */
    if (command_zone(command) && !(arguments->names && !command->json))
        effects = effects_find(command, older, newer);
    if (command->json) {
        json_t *object =
            json_pack("{s:I, s:I, s:O, s:o}", "from", (json_int_t)bl_store_generation(older), "to",
                      (json_int_t)bl_store_generation(newer), "categories", categories, "effects",
                      effects_json(effects));

        if (arguments->names)
            json_object_set(object, "names", names);
        json_print(object);
    } else if (!arguments->names) {
        counts_print(older, newer, counts, count);
        effects_print(effects);
        next_step_print(command, bl_store_generation(older), bl_store_generation(newer));
    }
    effects_destroy(effects);
    json_decref(names);
    json_decref(categories);
    free(counts);
    return EXIT_DONE;
}

enum exit_code lists_diff_run(struct command *command, int argc, char **argv)
{
    struct diff_arguments arguments = {.count = 0};
    struct bl_store *older = NULL, *newer = NULL;
    int failed = verb_parse(&diff_argp, argc, argv, &arguments);
    enum exit_code code = EXIT_DONE;

    if (failed)
        return (enum exit_code)(failed - 1);
    if (!command_state(command))
        return EXIT_USAGE;
    if (arguments.count == 0)
        code = generation_before(command, "compare it with", &arguments.generations[0]);
    if (code == EXIT_DONE)
        code = lists_open(command, arguments.generations[0], &older);
    if (code == EXIT_DONE)
        code = lists_open(command, arguments.generations[1], &newer);
    if (code == EXIT_DONE && !command->json && !arguments.names &&
        bl_store_generation(older) == bl_store_generation(newer))
        printf("Generation %" PRIu64 " is the one in force: nothing has changed since.\n",
               bl_store_generation(older));
    else if (code == EXIT_DONE)
        code = diff_show(command, &arguments, older, newer);
    bl_store_close(older);
    bl_store_close(newer);
    return code;
}
