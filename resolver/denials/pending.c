#include "resolver/denials/pending.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/denials/guard.h"

static const struct legend_names *legend_find(const struct journal_file *file, uint16_t id)
{
    for (size_t i = file->legend_count; i > 0; i--)
        if (file->legends[i - 1]->id == id)
            return file->legends[i - 1];
    return NULL;
}

static void legend_keep(struct journal_file *file, const struct journal_legend *record)
{
    struct legend_names *names;

    if (legend_find(file, record->id) != NULL || legend_read(record, &names) < 0)
        return;
    struct legend_names **more =
        realloc(file->legends, (file->legend_count + 1) * sizeof(*file->legends));
    if (more == NULL) {
        legend_names_free(names);
        return;
    }
    file->legends = more;
    file->legends[file->legend_count++] = names;
}

static int item_keep(struct pending *pending, const struct journal_file *file,
                     const struct journal_item *item)
{
    if (pending->item_count == pending->item_room) {
        size_t room = pending->item_room * 2 + 1024;
        struct pending_item *more = realloc(pending->items, room * sizeof(*more));
        if (more == NULL)
            return -ENOMEM;
        pending->items = more;
        pending->item_room = room;
    }
    pending->items[pending->item_count++] = (struct pending_item){
        .item = *item, .sequence = file->sequence, .legend = legend_find(file, item->legend)};
    return 0;
}

struct reading {
    struct pending *pending;
    struct journal_file *file;
    int code;
};

/* Legends stand before what is still to be moved, so a file is read from its start. */
static void file_read(void *user)
{
    struct reading *reading = user;
    struct journal_file *file = reading->file;
    const struct journal_header *header = journal_file_header(file);
    uint64_t drained = __atomic_load_n(&header->drained, __ATOMIC_ACQUIRE);
    const struct journal_legend *legend;
    struct journal_item item;
    int type;

    while ((type = journal_scan_next(&file->scan, &item, &legend)) != 0 && reading->code == 0)
        if (type == JOURNAL_LEGEND)
            legend_keep(file, legend);
        else if (item.offset >= drained)
            reading->code = item_keep(reading->pending, file, &item);
}

static void counts_read(void *user)
{
    struct reading *reading = user;
    struct pending *pending = reading->pending;
    const struct journal_file *file = reading->file;
    const struct journal_count *slots = journal_file_counts(file);

    if (journal_file_header(file)->counted == 0)
        return;
    struct pending_count *more = realloc(
        pending->counts, (pending->count_count + JOURNAL_COUNT_SLOTS) * sizeof(*pending->counts));
    if (more == NULL) {
        reading->code = -ENOMEM;
        return;
    }
    pending->counts = more;
    for (unsigned i = 0; i < JOURNAL_COUNT_SLOTS; i++)
        if (slots[i].used)
            pending->counts[pending->count_count++] =
                (struct pending_count){.sequence = file->sequence,
                                       .slot = i,
                                       .legend = legend_find(file, slots[i].legend),
                                       .group = slots[i].group,
                                       .category = slots[i].category,
                                       .count = slots[i].count,
                                       .last_ms = slots[i].last_ms};
}

static int item_compare(const void *a, const void *b)
{
    const struct journal_item *x = &((const struct pending_item *)a)->item;
    const struct journal_item *y = &((const struct pending_item *)b)->item;

    if (x->denial.wall_ms != y->denial.wall_ms)
        return x->denial.wall_ms < y->denial.wall_ms ? -1 : 1;
    return x->case_number < y->case_number ? -1 : x->case_number > y->case_number;
}

static void pending_warn(const struct pending *pending, const char *sentence)
{
    if (pending->warn != NULL)
        pending->warn(pending->warn_user, sentence);
}

int pending_open(const char *state, struct pending *pending, struct bl_error *error)
{
    char **paths;
    size_t count;
    int code = journal_paths(state, &paths, &count, error);

    if (code < 0)
        return code;
    for (size_t i = 0; i < count && code == 0; i++) {
        struct reading reading = {.pending = pending};
        struct bl_error why = {""};
        int opened = journal_file_open(paths[i], &reading.file, &why);
        if (opened < 0) {
            if (opened != -ENOENT && opened != -ENODATA) /* else moved, or made, just now */
                pending_warn(pending, why.text);
            continue;
        }
        reading.file->next = pending->files;
        pending->files = reading.file;
        if (!guard_run(file_read, &reading) || !guard_run(counts_read, &reading)) {
            bl_error_set(&why, -EBADMSG, "%s: cut while it was read", paths[i]);
            pending_warn(pending, why.text);
        } else if (reading.file->scan.skipped > 0) {
            bl_error_set(&why, -EBADMSG, "%s: %llu octets are damaged; the rest was read", paths[i],
                         (unsigned long long)reading.file->scan.skipped);
            pending_warn(pending, why.text);
        }
        code = reading.code;
    }
    journal_paths_free(paths);
    if (code < 0)
        return bl_error_set(error, code, "out of memory while reading the journals");
    if (pending->item_count > 0)
        qsort(pending->items, pending->item_count, sizeof(*pending->items), item_compare);
    return 0;
}

void pending_close(struct pending *pending)
{
    for (struct journal_file *file = pending->files, *next; file != NULL; file = next) {
        next = file->next;
        journal_file_close(file);
    }
    free(pending->items);
    free(pending->counts);
}
