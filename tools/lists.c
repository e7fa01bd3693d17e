/* `chalkgate lists …`: the verbs behind it, and what they share. */
#include "tools/lists.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tools/table.h"

char *number_text(uint64_t number, char text[32])
{
    char digits[32];
    size_t len = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, number), at = 0;

    for (size_t i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    return text;
}

char *moment_text(int64_t wall_s, char text[32])
{
    time_t when = (time_t)wall_s;
    struct tm parts;

    if (!localtime_r(&when, &parts) || !strftime(text, 32, "%Y-%m-%d %H:%M", &parts))
        snprintf(text, 32, "unknown");
    return text;
}

char *entry_text(const struct bl_entry *entry, char *text, size_t size)
{
    char name[BL_NAME_TEXT_MAX];

    if (entry->is_address) {
        if (!inet_ntop(entry->prefix.family == 4 ? AF_INET : AF_INET6, entry->prefix.address, name,
                       sizeof name))
            name[0] = '\0';
        snprintf(text, size, "%s/%u", name, entry->prefix.length);
    } else {
        bl_name_text(entry->name.wire, name);
        snprintf(text, size, "%s%s", entry->scope == BL_BELOW ? "*." : "", name);
    }
    return text;
}

char *entry_types_text(const struct bl_entry *entry, char text[ENTRY_TYPES_TEXT_MAX])
{
    char types[BL_TYPES_TEXT_MAX];

    text[0] = '\0';
    if (entry->types.count > 0)
        snprintf(text, ENTRY_TYPES_TEXT_MAX, " (%s)", bl_types_text(&entry->types, types));
    return text;
}

void json_print(json_t *object)
{
    json_dumpf(object, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    putchar('\n');
    json_decref(object);
}

json_t *diff_count_json(const struct bl_diff_count *count)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "category", count->category,
                     "before", (json_int_t)count->before, "after", (json_int_t)count->after,
                     "added", (json_int_t)count->added, "removed", (json_int_t)count->removed,
                     "lost", (json_int_t)count->lost, "allows-added",
                     (json_int_t)count->allows_added, "allows-removed",
                     (json_int_t)count->allows_removed);
}

bool diff_counts_are_changed(const struct bl_diff_count *counts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (counts[i].added | counts[i].removed | counts[i].allows_added | counts[i].allows_removed)
            return true;
    return false;
}

void diff_counts_print(const struct bl_diff_count *counts, size_t count, const char *after)
{
    struct table *table = table_create();
    char text[32];

    table_column(table, "Category", TABLE_LEFT);
    table_column(table, "Before", TABLE_RIGHT);
    table_column(table, "Added", TABLE_RIGHT);
    table_column(table, "Removed", TABLE_RIGHT);
    table_column(table, after, TABLE_RIGHT);
    for (size_t i = 0; i < count; i++) {
        if (!diff_counts_are_changed(&counts[i], 1))
            continue;
        table_cell(table, "%s", counts[i].category);
        table_cell(table, "%s", number_text(counts[i].before, text));
        table_cell(table, "%s", number_text(counts[i].added, text));
        table_cell(table, "%s", number_text(counts[i].removed, text));
        table_cell(table, "%s", number_text(counts[i].after, text));
    }
    if (diff_counts_are_changed(counts, count))
        table_print(table, stdout);
    else
        table_free(table);
    for (size_t i = 0; i < count; i++) {
        if (!(counts[i].allows_added | counts[i].allows_removed))
            continue;
        printf("%s: of names to allow, %s added", counts[i].category,
               number_text(counts[i].allows_added, text));
        printf(", %s removed\n", number_text(counts[i].allows_removed, text));
    }
}

static const struct {
    const char *name;
    enum exit_code (*run)(struct command *command, int argc, char **argv);
} parts[] = {
    {"import", lists_import_run},       {"show", lists_show_run},     {"diff", lists_diff_run},
    {"rollback", lists_rollback_run},   {"export", lists_export_run}, {"update", lists_update_run},
    {"catalogue", lists_catalogue_run},
};

static const char help[] =
    "Usage: chalkgate lists import [OPTION...] SOURCE...\n"
    "       chalkgate lists show [CATEGORY]\n"
    "       chalkgate lists diff [A [B]]\n"
    "       chalkgate lists rollback [GENERATION]\n"
    "       chalkgate lists export CATEGORY\n"
    "       chalkgate lists update [OPTION...] [CATEGORY...]\n"
    "       chalkgate lists catalogue [CATEGORY|NAME]\n"
    "\n"
    "The category lists: importing them, what is in force, what changed, and going back.\n"
    "`chalkgate lists import --help` and the like tell more.\n";

static enum exit_code lists_run(struct command *command, int argc, char **argv)
{
    char name[64];

    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0)) {
        fputs(help, stdout);
        return EXIT_DONE;
    }
    for (size_t i = 0; argc >= 2 && i < sizeof parts / sizeof *parts; i++)
        if (strcmp(argv[1], parts[i].name) == 0) {
            snprintf(name, sizeof name, "lists %s", parts[i].name);
            argv[1] = name;
            return parts[i].run(command, argc - 1, argv + 1);
        }
    fputs(help, stderr);
    return EXIT_USAGE;
}

const struct verb verb_lists = {"lists", "imports category lists, shows them, goes back",
                                lists_run};
