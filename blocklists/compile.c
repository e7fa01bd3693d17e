/* Sources and their entries, up to the sorted stream; writer.c makes the file of it. */
#include "blocklists/compile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "blocklists/key.h"
#include "blocklists/layout.h"
#include "blocklists/runs.h"
#include "blocklists/types.h"
#include "blocklists/writer.h"

enum { MEMORY_DEFAULT = 40 << 20 };

struct bl_compile {
    struct bl_compile_options options; /* its folder is ours */
    struct bl_runs *runs;
    struct bl_source *sources; /* the base's first; strings are ours */
    char **categories;         /* by source: its category's name */
    bool *dropped;             /* by source */
    unsigned count, room, base_count;
    unsigned firsts[BL_CATEGORY_MAX]; /* the first source of each category met */
    unsigned category_count;
    struct bl_conditions conditions; /* of the entries that are new; the writer adds the base's */
};

static void source_free(struct bl_source *source)
{
    free((void *)(uintptr_t)source->location);
    free((void *)(uintptr_t)source->format);
    free((void *)(uintptr_t)source->licence);
    free((void *)(uintptr_t)source->actor);
    free((void *)(uintptr_t)source->reason);
    free((void *)(uintptr_t)source->reasons);
}

static int no_memory(struct bl_error *error)
{
    return bl_error_set(error, -ENOMEM, "not enough memory to compile the lists");
}

static bool is_category_met(const struct bl_compile *compile, const char *category)
{
    for (unsigned i = 0; i < compile->category_count; i++)
        if (strcmp(compile->categories[compile->firsts[i]], category) == 0)
            return true;
    return false;
}

/* Adds a copy of the source; its strings may be NULL for "". */
static int source_add(struct bl_compile *compile, const struct bl_source *from,
                      const char *category, struct bl_error *error)
{
    bool is_met = is_category_met(compile, category);
    struct bl_source *source;

    if (compile->count == BL_SOURCES_MAX)
        return bl_error_set(error, -E2BIG, "more than %d sources", BL_SOURCES_MAX);
    /* Those dropped meanwhile count as well: a thousand are far more than a school has. */
    if (!is_met && compile->category_count == BL_CATEGORY_MAX)
        return bl_error_set(error, -E2BIG, "more than %d categories", BL_CATEGORY_MAX);
    if (compile->count == compile->room) {
        unsigned room = compile->room ? 2 * compile->room : 64;
        void *sources = realloc(compile->sources, room * sizeof *compile->sources);
        void *categories = sources ? realloc(compile->categories, room * sizeof(char *)) : NULL;
        void *dropped = categories ? realloc(compile->dropped, room * sizeof(bool)) : NULL;

        compile->sources = sources ? sources : compile->sources;
        compile->categories = categories ? categories : compile->categories;
        if (!dropped)
            return no_memory(error);
        compile->dropped = dropped;
        compile->room = room;
    }
    source = &compile->sources[compile->count];
    *source = *from;
    source->location = strdup(from->location);
    source->format = strdup(from->format ? from->format : "");
    source->licence = strdup(from->licence ? from->licence : "");
    source->actor = strdup(from->actor ? from->actor : "");
    source->reason = strdup(from->reason ? from->reason : "");
    source->reasons = strdup(from->reasons ? from->reasons : "");
    compile->categories[compile->count] = strdup(category);
    if (!source->location || !source->format || !source->licence || !source->actor ||
        !source->reason || !source->reasons || !compile->categories[compile->count]) {
        source_free(source);
        free(compile->categories[compile->count]);
        return no_memory(error);
    }
    if (!is_met)
        compile->firsts[compile->category_count++] = compile->count;
    compile->dropped[compile->count++] = false;
    return 0;
}

int bl_compile_open(const struct bl_compile_options *options, struct bl_compile **out_compile,
                    struct bl_error *error)
{
    struct bl_compile *compile = calloc(1, sizeof *compile);
    int rc;

    if (!compile)
        return no_memory(error);
    compile->options = *options;
    compile->options.folder = strdup(options->folder);
    if (!compile->options.folder) {
        bl_compile_close(compile);
        return no_memory(error);
    }
    while (compile->options.seed == 0)
        if (getrandom(&compile->options.seed, sizeof compile->options.seed, 0) < 0)
            compile->options.seed = (uint64_t)options->now | 1;
    rc = bl_runs_create(options->folder, options->memory ? options->memory : MEMORY_DEFAULT,
                        &compile->runs, error);
    for (unsigned i = 0; rc == 0 && options->base && i < bl_store_source_count(options->base);
         i++) {
        const struct bl_source *source = bl_store_source(options->base, i);

        rc = source_add(compile, source, bl_store_category(options->base, source->category)->name,
                        error);
    }
    compile->base_count = compile->count;
    if (rc < 0) {
        bl_compile_close(compile);
        return rc;
    }
    *out_compile = compile;
    return 0;
}

void bl_compile_close(struct bl_compile *compile)
{
    if (!compile)
        return;
    for (unsigned i = 0; i < compile->count; i++) {
        source_free(&compile->sources[i]);
        free(compile->categories[i]);
    }
    free(compile->sources);
    free(compile->categories);
    free(compile->dropped);
    bl_runs_destroy(compile->runs);
    free((void *)(uintptr_t)compile->options.folder);
    free(compile);
}

int bl_compile_source(struct bl_compile *compile, const struct bl_compile_source *source,
                      struct bl_error *error)
{
    struct bl_source from = {
        .location = source->location,
        .licence = source->licence,
        .actor = source->actor,
        .reason = source->reason,
        .imported = compile->options.now,
        .tier = (uint8_t)source->tier,
        .action = (uint8_t)source->action,
        .subscribed = source->subscribed,
    };

    for (unsigned i = 0; i < compile->count; i++) {
        if (strcmp(compile->sources[i].location, source->location) != 0 ||
            strcmp(compile->categories[i], source->category) != 0)
            continue;
        if (i >= compile->base_count && !compile->dropped[i])
            return bl_error_set(error, -EEXIST, "%s is given twice for category %s",
                                source->location, source->category);
        compile->dropped[i] = true; /* replaced */
    }
    return source_add(compile, &from, source->category, error);
}

static int entry_take(void *user, const struct bl_entry *entry, struct bl_error *error)
{
    struct bl_compile *compile = user;
    uint8_t key[BL_KEY_MAX];
    struct bl_record record = {
        .key = key,
        .line = entry->line,
        .source = (uint16_t)(compile->count - 1),
        .flags = (uint8_t)((entry->is_address ? BL_SUBTREE : entry->scope) |
                           (entry->action == BL_ALLOW ? BL_ENTRY_ALLOW : 0) |
                           (entry->important ? BL_ENTRY_IMPORTANT : 0)),
    };

    record.key_len = entry->is_address ? bl_key_of_prefix(&entry->prefix, key)
                                       : bl_key_of_name(entry->name.wire, key);
    if (record.key_len == 0)
        return bl_error_set(error, -EINVAL, "line %u: a name that a list cannot hold", entry->line);
    if (!entry->is_address) {
        int condition = bl_conditions_add(&compile->conditions, &entry->types);

        if (condition < 0)
            return bl_error_set(error, condition,
                                "line %u: more than %d different sets of types of question "
                                "($dnstype); please leave out lists or rules that have them",
                                entry->line, BL_CONDITIONS_MAX);
        record.condition = (uint8_t)condition;
    }
    return bl_runs_add(compile->runs, &record, error);
}

struct bl_sink bl_compile_sink(struct bl_compile *compile)
{
    return (struct bl_sink){entry_take, compile};
}

void bl_compile_source_end(struct bl_compile *compile, const struct bl_read_report *report)
{
    struct bl_source *source = &compile->sources[compile->count - 1];
    char *format = strdup(report->format ? report->format : "");
    char reasons[BL_REASONS_TEXT_MAX], *reasons_kept;

    bl_reasons_write(&report->malformed_reasons, &report->unused_reasons, reasons);
    reasons_kept = strdup(reasons);
    if (reasons_kept) {
        free((void *)(uintptr_t)source->reasons);
        source->reasons = reasons_kept;
    }
    if (format) {
        free((void *)(uintptr_t)source->format);
        source->format = format;
    }
    if (report->licence[0] != '\0' && source->licence[0] == '\0') {
        char *licence = strdup(report->licence);

        if (licence) {
            free((void *)(uintptr_t)source->licence);
            source->licence = licence;
        }
    }
    memcpy(source->sha256, report->sha256, sizeof source->sha256);
    source->read = report->read;
    source->taken = report->taken;
    source->malformed = report->malformed;
    source->unused = report->unused;
}

struct bl_compile_mark bl_compile_mark(const struct bl_compile *compile)
{
    return (struct bl_compile_mark){compile->count, compile->conditions.count};
}

/* The source of the base that this one is to replace, or base_count. */
static unsigned replaced_find(const struct bl_compile *compile, unsigned source)
{
    unsigned i = 0;

    while (i < compile->base_count &&
           (strcmp(compile->sources[i].location, compile->sources[source].location) != 0 ||
            strcmp(compile->categories[i], compile->categories[source]) != 0))
        i++;
    return i;
}

void bl_compile_rewind(struct bl_compile *compile, struct bl_compile_mark mark)
{
    compile->conditions.count = mark.conditions;
    for (unsigned source = mark.sources; source < compile->count; source++) {
        unsigned replaced = replaced_find(compile, source);

        compile->dropped[source] = true;
        if (replaced < compile->base_count)
            compile->dropped[replaced] = false;
    }
}

unsigned bl_compile_drop(struct bl_compile *compile, const char *category, const char *location)
{
    unsigned count = 0;

    for (unsigned i = 0; i < compile->base_count; i++) {
        if (compile->dropped[i] || (category && strcmp(compile->categories[i], category) != 0) ||
            (location && strcmp(compile->sources[i].location, location) != 0))
            continue;
        compile->dropped[i] = true;
        count++;
    }
    return count;
}

int bl_compile_finish(struct bl_compile *compile, int *out_fd, struct bl_compile_result *out_result,
                      struct bl_error *error)
{
    struct bl_writer writer = {
        .options = &compile->options,
        .runs = compile->runs,
        .sources = compile->sources,
        .category_names = compile->categories,
        .dropped = compile->dropped,
        .source_count = compile->count,
        .base_count = compile->base_count,
        .conditions = &compile->conditions,
    };

    return bl_writer_run(&writer, out_fd, out_result, error);
}
