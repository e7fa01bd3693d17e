/* What an import has to say: what was read, what was not and why, and what changes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/ask.h"
#include "tools/import.h"
#include "tools/import_effect.h"
#include "tools/import_overlap.h"
#include "tools/lists.h"
#include "tools/table.h"

enum { SAMPLES = 3, LINE_WIDTH = 79 };

/* A few of the names that come and go, by category. */
struct category_samples {
    char *category;
    char *added[SAMPLES], *removed[SAMPLES];
    unsigned added_count, removed_count;
};

struct import_samples {
    struct category_samples *categories;
    size_t count;
};

struct import_samples *import_samples_create(void)
{
    struct import_samples *samples = calloc(1, sizeof *samples);

    if (!samples)
        exit((int)command_fail(EXIT_FAILED, "there is not enough memory"));
    return samples;
}

void import_samples_destroy(struct import_samples *samples)
{
    if (!samples)
        return;
    for (size_t i = 0; i < samples->count; i++) {
        for (unsigned s = 0; s < SAMPLES; s++) {
            free(samples->categories[i].added[s]);
            free(samples->categories[i].removed[s]);
        }
        free(samples->categories[i].category);
    }
    free(samples->categories);
    free(samples);
}

static struct category_samples *samples_find(const struct import_samples *samples,
                                             const char *category)
{
    for (size_t i = 0; i < samples->count; i++)
        if (strcmp(samples->categories[i].category, category) == 0)
            return &samples->categories[i];
    return NULL;
}

int import_samples_note(void *user, const struct bl_change *change)
{
    struct import_samples *samples = user;
    struct category_samples *found = samples_find(samples, change->category);
    char text[BL_NAME_TEXT_MAX + ENTRY_TYPES_TEXT_MAX], types[ENTRY_TYPES_TEXT_MAX];
    size_t len;

    if (!found) {
        samples->categories =
            realloc(samples->categories, (samples->count + 1) * sizeof *samples->categories);
        if (!samples->categories)
            return -1;
        found = &samples->categories[samples->count++];
        memset(found, 0, sizeof *found);
        found->category = strdup(change->category);
    }
    if (change->added ? found->added_count == SAMPLES : found->removed_count == SAMPLES)
        return 0;
    len = strlen(entry_text(change->entry, text, BL_NAME_TEXT_MAX));
    snprintf(text + len, sizeof text - len, "%s", entry_types_text(change->entry, types));
    if (change->added)
        found->added[found->added_count++] = strdup(text);
    else
        found->removed[found->removed_count++] = strdup(text);
    return 0;
}

static void samples_print(const char *what, char *const *names, unsigned count, uint64_t all)
{
    if (count == 0)
        return;
    printf("  %s ", what);
    for (unsigned i = 0; i < count; i++)
        printf("%s%s", i ? ", " : "", names[i]);
    printf("%s\n", all > count ? ", …" : "");
}

/* Of a long path the end says most: "gambling/domains". */
static const char *location_end(const char *location)
{
    const char *end = location + strlen(location);

    for (unsigned slashes = 0; end > location; end--)
        if (end[-1] == '/' && ++slashes == 2)
            break;
    return end;
}

static void parts_print(const struct import *import)
{
    struct table *table = table_create();
    char text[32];

    table_column(table, "Category", TABLE_LEFT);
    table_column(table, "List", TABLE_LEFT);
    table_column(table, "Read", TABLE_RIGHT);
    table_column(table, "Taken", TABLE_RIGHT);
    table_column(table, "Malformed", TABLE_RIGHT);
    table_column(table, "Not used", TABLE_RIGHT);
    for (size_t i = 0; i < import->part_count; i++) {
        const struct import_part *part = &import->parts[i];

        table_cell(table, "%s", part->category);
        table_cell(table, "%s", location_end(part->location));
        table_cell(table, "%s", number_text(part->report.read, text));
        table_cell(table, "%s", number_text(part->report.taken, text));
        table_cell(table, "%s", number_text(part->report.malformed, text));
        table_cell(table, "%s", number_text(part->report.unused, text));
    }
    table_print(table, stdout);
}

/* "pаypal.com" (xn--pypal-4ve.com): a name that is warned of, as people see it where the terminal
 * can show that, and as DNS has it. */
static void warned_print(const struct bl_name *name, bool unicode)
{
    char ascii[BL_NAME_TEXT_MAX], seen[BL_NAME_TEXT_MAX], safe[4 * BL_NAME_TEXT_MAX];

    bl_name_text(name->wire, ascii);
    if (unicode && bl_name_unicode(name->wire, seen))
        printf("\"%s\" (%s)", text_safe(seen, safe, sizeof safe), ascii);
    else
        printf("\"%s\"", ascii);
}

static void lines_print(const struct bl_sample *samples, unsigned count, const char *prefix,
                        bool unicode)
{
    char safe[4 * BL_SAMPLE_TEXT_MAX];

    for (unsigned i = 0; i < count; i++) {
        printf("  line %llu: ", (unsigned long long)samples[i].line);
        if (samples[i].name.len > 0)
            warned_print(&samples[i].name, unicode);
        else
            printf("\"%s\"", text_safe(samples[i].text, safe, sizeof safe));
        printf(": %s%s\n", prefix, samples[i].reason);
    }
}

static void faults_print(const struct import_part *part, bool unicode)
{
    const struct bl_read_report *report = &part->report;
    char text[32];

    if (report->malformed) {
        printf("\n%s: %s malformed line%s", part->location, number_text(report->malformed, text),
               report->malformed == 1 ? "" : "s");
        printf("%s\n", report->malformed > report->malformed_sample_count ? ", the first:" : ":");
        lines_print(report->malformed_samples, report->malformed_sample_count, "", unicode);
    }
    if (part->refused) {
        printf(
            "\n%s: %s entr%s refused, as they would deny a protected name (--force takes them)\n",
            part->location, number_text(part->refused, text), part->refused == 1 ? "y" : "ies");
        lines_print(part->refused_samples, part->refused_sample_count, "would deny ", unicode);
    }
    if (report->warned) {
        printf("\n%s: %s taken with a warning\n", part->location,
               number_text(report->warned, text));
        lines_print(report->warned_samples, report->warned_sample_count, "", unicode);
    }
    if (report->unused_reasons.count) {
        printf("\n%s: not used:\n", part->location);
        for (unsigned i = 0; i < report->unused_reasons.count; i++)
            printf("  %s: %s\n", number_text(report->unused_reasons.each[i].count, text),
                   report->unused_reasons.each[i].reason);
    }
}

/* The files of one reason, wrapped. */
static void skipped_print_reason(const struct import *import, const char *reason)
{
    size_t column = LINE_WIDTH;
    char safe[1024];

    printf("\nNot used (%s):", reason);
    for (size_t i = 0; i < import->skipped_count; i++) {
        size_t len;

        if (strcmp(import->skipped[i].reason, reason) != 0)
            continue;
        text_safe(import->skipped[i].location, safe, sizeof safe);
        len = strlen(safe);
        if (column + len + 2 > LINE_WIDTH) {
            printf("\n ");
            column = 1;
        }
        printf(" %s", safe);
        column += len + 1;
    }
    putchar('\n');
}

static void skipped_print(const struct import *import)
{
    for (size_t i = 0; i < import->skipped_count; i++) {
        size_t before = 0;

        while (before < i && strcmp(import->skipped[before].reason, import->skipped[i].reason) != 0)
            before++;
        if (before == i)
            skipped_print_reason(import, import->skipped[i].reason);
    }
}

static void changes_print(const struct import *import, const struct import_samples *samples)
{
    putchar('\n');
    if (!diff_counts_are_changed(import->changes, import->change_count))
        puts("Nothing changes: all of this was there already.");
    diff_counts_print(import->changes, import->change_count,
                      import->generation ? "After" : "Would be");
    for (size_t i = 0; samples && i < import->change_count; i++) {
        const struct bl_diff_count *count = &import->changes[i];
        const struct category_samples *found = samples_find(samples, count->category);

        if (!found)
            continue;
        printf("\n%s\n", count->category);
        samples_print("+", found->added, found->added_count, count->added + count->allows_added);
        samples_print("-", found->removed, found->removed_count,
                      count->removed + count->allows_removed);
    }
}

/* Categories that the configuration has never heard of deny nobody. */
static void strangers_print(const struct import *import)
{
    unsigned count = 0;

    for (unsigned i = 0; i < bl_store_category_count(import->staged); i++) {
        const char *name = bl_store_category(import->staged, i)->name;

        if (config_category_find(import->command->config, name) >= 0)
            continue;
        printf("%s%s",
               count++ ? ", " : "\nNot in the configuration, so that no group is denied them yet: ",
               name);
    }
    if (count)
        putchar('\n');
}

static void words_show(const struct import *import, const struct import_samples *samples)
{
    uint64_t count = bl_store_name_count(import->staged);
    char names[48];

    parts_print(import);
    for (size_t i = 0; i < import->part_count; i++)
        faults_print(&import->parts[i], import->command->unicode);
    skipped_print(import);
    changes_print(import, samples);
    if (samples) {
        struct effects *effects = effects_find(import->command, import->base, import->staged);

        overlaps_print(import);
        effects_print(effects);
        effects_destroy(effects);
    }
    strangers_print(import);
    strcat(number_text(count, names), count == 1 ? " name" : " names");
    if (import->generation) {
        printf("\nGeneration %llu is in force: %s in %u categor%s.\n",
               (unsigned long long)import->generation, names,
               bl_store_category_count(import->staged),
               bl_store_category_count(import->staged) == 1 ? "y" : "ies");
        if (import->base)
            puts(
                "`chalkgate lists diff` shows what changed, `chalkgate lists rollback` goes back.");
    } else if (import->waiting) {
        putchar('\n');
        ask_waiting_print(import->waiting);
    } else if (import->options.preview) {
        printf("\nA preview: nothing was changed. There would be %s.%s\n", names,
               import->refused ? "" : "\nThe same command without --preview puts them in force.");
    }
}

static json_t *samples_json(const struct bl_sample *samples, unsigned count)
{
    char ascii[BL_NAME_TEXT_MAX], seen[BL_NAME_TEXT_MAX];
    json_t *array = json_array();

    for (unsigned i = 0; i < count; i++) {
        json_t *sample = json_pack("{s:I, s:s, s:s}", "line", (json_int_t)samples[i].line, "text",
                                   samples[i].text, "reason", samples[i].reason);

        if (samples[i].name.len > 0) {
            bl_name_text(samples[i].name.wire, ascii);
            json_object_set_new(sample, "name", json_string(ascii));
            if (bl_name_unicode(samples[i].name.wire, seen))
                json_object_set_new(sample, "unicode", json_string(seen));
        }
        json_array_append_new(array, sample);
    }
    return array;
}

static json_t *reasons_json(const struct bl_reasons *reasons)
{
    json_t *object = json_object();

    for (unsigned i = 0; i < reasons->count; i++)
        json_object_set_new(object, reasons->each[i].reason,
                            json_integer((json_int_t)reasons->each[i].count));
    return object;
}

static json_t *part_json(const struct import_part *part)
{
    const struct bl_read_report *report = &part->report;

    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}",
        "location", part->location, "category", part->category, "format",
        report->format ? report->format : "", "licence", report->licence, "sha256", report->sha256,
        "read", (json_int_t)report->read, "taken", (json_int_t)report->taken, "malformed",
        (json_int_t)report->malformed, "unused", (json_int_t)report->unused, "warned",
        (json_int_t)report->warned, "refused", (json_int_t)part->refused, "malformed-lines",
        samples_json(report->malformed_samples, report->malformed_sample_count), "warned-lines",
        samples_json(report->warned_samples, report->warned_sample_count), "refused-lines",
        samples_json(part->refused_samples, part->refused_sample_count), "malformed-reasons",
        reasons_json(&report->malformed_reasons), "unused-reasons",
        reasons_json(&report->unused_reasons));
}

static json_t *names_json(char *const *names, unsigned count)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < count; i++)
        json_array_append_new(array, json_string(names[i]));
    return array;
}

static json_t *change_json(const struct bl_diff_count *count, const struct import_samples *samples)
{
    json_t *object = diff_count_json(count);
    const struct category_samples *found = samples ? samples_find(samples, count->category) : NULL;

    if (found) {
        json_object_set_new(object, "added-samples", names_json(found->added, found->added_count));
        json_object_set_new(object, "removed-samples",
                            names_json(found->removed, found->removed_count));
    }
    return object;
}

static void json_show(const struct import *import, const struct import_samples *samples)
{
    json_t *parts = json_array(), *skipped = json_array(), *changes = json_array();
    json_t *overlaps = samples ? overlaps_find(import) : json_array();
    struct effects *effects = NULL;

    for (size_t i = 0; i < import->part_count; i++)
        json_array_append_new(parts, part_json(&import->parts[i]));
    for (size_t i = 0; i < import->skipped_count; i++)
        json_array_append_new(skipped,
                              json_pack("{s:s, s:s}", "location", import->skipped[i].location,
                                        "reason", import->skipped[i].reason));
    for (size_t i = 0; i < import->change_count; i++)
        if (diff_counts_are_changed(&import->changes[i], 1))
            json_array_append_new(changes, change_json(&import->changes[i], samples));
    if (samples)
        effects = effects_find(import->command, import->base, import->staged);
    json_print(json_pack("{s:b, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:O*, s:O*}", "preview",
                         import->options.preview, "generation", (json_int_t)import->generation,
                         "names", (json_int_t)bl_store_name_count(import->staged), "categories",
                         (json_int_t)bl_store_category_count(import->staged), "sources", parts,
                         "skipped", skipped, "changes", changes, "overlaps", overlaps, "refusals",
                         effects_json(effects), "downloads", import->downloads, "waiting",
                         import->waiting));
    effects_destroy(effects);
}

void import_show(const struct import *import, const struct import_samples *samples)
{
    if (import->command->json)
        json_show(import, samples);
    else
        words_show(import, samples);
}
