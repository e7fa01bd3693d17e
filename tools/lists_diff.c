/* `chalkgate lists diff` and `chalkgate lists rollback`. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocklists/lists.h"
#include "tools/ask.h"
#include "tools/import_effect.h"
#include "tools/lists.h"
#include "tools/lists_here.h"
#include "tools/table.h"

enum { GENERATIONS = 64 }; /* looked at, the latest */

struct diff_arguments {
    uint64_t generations[2];
    unsigned count;
    bool names;
    const char *reason;
};

static uint64_t generation_parse(const char *text, struct argp_state *state)
{
    char *end;
    unsigned long long number;

    errno = 0;
    number = strtoull(text, &end, 10);
    if (errno || end == text || *end || number == 0 || *text == '-')
        argp_error(state, "\"%s\" is not the number of a generation; `lists show` has them", text);
    return number;
}

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

/* The generation before the one in force, as `lists rollback` would choose it; 0 when there is
 * none. */
static uint64_t generation_before(const char *state)
{
    uint64_t before = 0;

    return bl_lists_before(state, &before, NULL) < 0 ? 0 : before;
}

static int name_print(void *user, const struct bl_change *change)
{
    char text[BL_NAME_TEXT_MAX + 8];

    (void)user;
    entry_text(change->entry, text, sizeof text);
    printf("%c %s %s%s%s\n", change->added ? '+' : '-', change->category, text,
           change->action == BL_ALLOW ? " (allowed)" : "",
           change->still_covered ? " (still covered by a parent)" : "");
    return 0;
}

static int name_append(void *user, const struct bl_change *change)
{
    char text[BL_NAME_TEXT_MAX + 8];

    entry_text(change->entry, text, sizeof text);
    json_array_append_new(user, json_pack("{s:s, s:s, s:s, s:s}", "change",
                                          change->added ? "added" : "removed", "category",
                                          change->category, "name", text, "action",
                                          change->action == BL_ALLOW ? "allow" : "block"));
    return 0;
}

static void counts_print(const struct bl_store *older, const struct bl_store *newer,
                         const struct bl_diff_count *counts, size_t count)
{
    struct table *table = table_create();
    unsigned changed = 0;
    char text[32];

    table_column(table, "Category", TABLE_LEFT);
    table_column(table, "Before", TABLE_RIGHT);
    table_column(table, "Added", TABLE_RIGHT);
    table_column(table, "Removed", TABLE_RIGHT);
    table_column(table, "After", TABLE_RIGHT);
    for (size_t i = 0; i < count; i++) {
        if (!(counts[i].added | counts[i].removed | counts[i].allows_added |
              counts[i].allows_removed))
            continue;
        changed++;
        table_cell(table, "%s", counts[i].category);
        table_cell(table, "%s", number_text(counts[i].before, text));
        table_cell(table, "%s", number_text(counts[i].added, text));
        table_cell(table, "%s", number_text(counts[i].removed, text));
        table_cell(table, "%s", number_text(counts[i].after, text));
    }
    printf("From generation %llu to %llu%s\n\n", (unsigned long long)bl_store_generation(older),
           (unsigned long long)bl_store_generation(newer), changed ? "" : ": no name changes.");
    table_print(table, changed ? stdout : stderr);
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
    enum exit_code code;

    if (failed)
        return (enum exit_code)(failed - 1);
    if (!command_state(command))
        return EXIT_USAGE;
    if (arguments.count == 0) {
        arguments.generations[0] = generation_before(command_state(command));
        if (arguments.generations[0] == 0)
            return command_fail(EXIT_NOTHING, "there is no generation before the one in force");
    }
    code = lists_open(command, arguments.generations[0], &older);
    if (code == EXIT_DONE)
        code = lists_open(command, arguments.generations[1], &newer);
    if (code == EXIT_DONE)
        code = diff_show(command, &arguments, older, newer);
    bl_store_close(older);
    bl_store_close(newer);
    return code;
}

static error_t rollback_parse(int key, char *value, struct argp_state *state)
{
    struct diff_arguments *arguments = state->input;

    switch (key) {
    case 'r':
        arguments->reason = value;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->count == 1)
            argp_error(state, "one generation, please");
        arguments->generations[arguments->count++] = generation_parse(value, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option rollback_table[] = {
    {"reason", 'r', "TEXT", 0, "why, for the change log", 0},
    {0},
};

static const struct argp rollback_argp = {
    .options = rollback_table,
    .parser = rollback_parse,
    .args_doc = "[GENERATION]",
    .doc =
        "Puts an older generation of the lists back in force: the one named, or the one before. A "
        "sealed category stays as it is: if it would lose names, nothing is changed.",
};

/* Nobody else answers for the state folder: then this command does. */
static enum exit_code rollback_here(struct command *command, uint64_t wanted, const char *reason,
                                    uint64_t *out_generation, struct bl_error *error)
{
    const struct lists_set set = {.fd = -1, .wanted = wanted, .reason = reason};
    int rc = lists_set_here(command, &set, out_generation, error);

    if (rc == 0)
        return EXIT_DONE;
    return rc == -EPERM ? EXIT_NOT_ALLOWED : rc == -ENOENT ? EXIT_NOTHING : EXIT_FAILED;
}

static bool is_kept(const char *state, uint64_t wanted)
{
    uint64_t kept[GENERATIONS];
    int count = bl_lists_kept(state, kept, GENERATIONS, NULL);

    for (int i = 0; i < count; i++)
        if (kept[i] == wanted)
            return true;
    return count < 0; /* the folder is not ours to read: who answers for it will know */
}

enum exit_code lists_rollback_run(struct command *command, int argc, char **argv)
{
    struct diff_arguments arguments = {.count = 0};
    struct bl_error error = {""};
    json_t *reply = NULL;
    uint64_t generation = 0, wanted;
    int failed = verb_parse(&rollback_argp, argc, argv, &arguments);
    enum exit_code code;

    if (failed)
        return (enum exit_code)(failed - 1);
    if (!command_state(command))
        return EXIT_USAGE;
    wanted = arguments.count ? arguments.generations[0] : generation_before(command_state(command));
    if (wanted == 0)
        return command_fail(EXIT_NOTHING, "there is no generation before the one in force");
    if (!is_kept(command_state(command), wanted))
        return command_fail(EXIT_NOTHING, "generation %" PRIu64 " is not kept", wanted);
    code = ask_daemon(
        command, "lists-rollback",
        json_pack("{s:I, s:s*}", "generation", (json_int_t)wanted, "reason", arguments.reason), -1,
        &reply, &error);
    if (code == EXIT_NO_DAEMON)
        code = rollback_here(command, wanted, arguments.reason, &generation, &error);
    else if (code == EXIT_DONE)
        generation = (uint64_t)json_integer_value(json_object_get(reply, "generation"));
    json_decref(reply);
    if (code != EXIT_DONE)
        return error.text[0] ? command_fail(code, "%s", error.text) : code;
    if (command->json)
        json_print(json_pack("{s:I}", "generation", (json_int_t)generation));
    else
        printf("Generation %llu is in force again.\n", (unsigned long long)generation);
    return EXIT_DONE;
}
