#include "resolver/denials/drain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/denials/segments.h"

void drain_init(struct drain *drain, const char *state)
{
    *drain = (struct drain){0};
    snprintf(drain->state, sizeof(drain->state), "%s", state);
}

void drain_close_segments(struct drain *drain)
{
    for (int i = 0; i < DRAIN_SEGMENTS; i++) {
        segment_close(drain->segments[i]);
        drain->segments[i] = NULL;
        drain->touched[i] = false;
    }
}

void drain_fini(struct drain *drain)
{
    drain_close_segments(drain);
}

enum {
    DRAIN_AHEAD = 16, /* items between asking for a name's slot and using it */
    DRAIN_NEAR = DRAIN_AHEAD / 2,
};

static void segment_to_front(struct drain *drain, int at, struct segment *segment, bool touched)
{
    for (int i = at; i > 0; i--) {
        drain->segments[i] = drain->segments[i - 1];
        drain->touched[i] = drain->touched[i - 1];
    }
    drain->segments[0] = segment;
    drain->touched[0] = touched;
}

/* The open segment of a moment. DRAIN_MORE: the batch must be committed before another can be
 * opened. */
static enum drain_result segment_at(struct drain *drain, int64_t wall_ms,
                                    struct segment **out_segment, struct bl_error *error)
{
    enum { LAST = DRAIN_SEGMENTS - 1 };
    struct segment *segment;
    struct day day;

    for (int i = 0; i < DRAIN_SEGMENTS && drain->segments[i] != NULL; i++) {
        const struct day *open_day = segment_day(drain->segments[i]);
        if (wall_ms < open_day->start_ms || wall_ms >= open_day->end_ms)
            continue;
        if (i > 0)
            segment_to_front(drain, i, drain->segments[i], drain->touched[i]);
        *out_segment = drain->segments[0];
        return DRAIN_DONE;
    }
    day_of(wall_ms, &day);
    for (int i = 0; i < DRAIN_SEGMENTS && drain->segments[i] != NULL; i++)
        if (strcmp(segment_day(drain->segments[i])->text, day.text) == 0) {
            *out_segment =
                drain->segments[i]; /* its bounds come from another zone: still its day */
            return DRAIN_DONE;
        }
    if (drain->segments[LAST] != NULL && drain->touched[LAST])
        return DRAIN_MORE;
    if (segment_open(drain->state, &day, &segment, error) < 0)
        return DRAIN_FAILED;
    segment_close(drain->segments[LAST]);
    segment_to_front(drain, LAST, segment, false);
    *out_segment = segment;
    return DRAIN_DONE;
}

static void touch(struct drain *drain, const struct segment *segment)
{
    for (int i = 0; i < DRAIN_SEGMENTS; i++)
        if (drain->segments[i] == segment)
            drain->touched[i] = true;
}

static const struct legend_names *legend_find(const struct journal_file *file, uint16_t id)
{
    for (size_t i = file->legend_count; i > 0; i--)
        if (file->legends[i - 1]->id == id)
            return file->legends[i - 1];
    return NULL;
}

/* A legend that lies about itself is left out: its records are then of unknown groups. */
static int legend_keep(struct journal_file *file, const struct journal_legend *record)
{
    struct legend_names *names;

    if (legend_find(file, record->id) != NULL)
        return 0;
    int code = legend_read(record, &names);
    if (code < 0)
        return code == -EBADMSG ? 0 : code;
    struct legend_names **more =
        realloc(file->legends, (file->legend_count + 1) * sizeof(*file->legends));
    if (more == NULL) {
        legend_names_free(names);
        return -ENOMEM;
    }
    file->legends = more;
    file->legends[file->legend_count++] = names;
    return 0;
}

static void observers_tell(struct drain *drain, struct journal_file *file,
                           const struct journal_item *item, const struct legend_names *legend)
{
    if (item->offset < file->observed)
        return; /* told before a batch that failed */
    for (size_t i = 0; i < drain->observer_count; i++)
        drain->observers[i].each(drain->observers[i].user, item, legend);
    file->observed = item->offset + 1;
}

/* Whose it is, as far as is known now: a moment after it was written. */
static void device_find(struct drain *drain, struct journal_item *item)
{
    const struct denial *denial = &item->denial;

    if (denial->mac != NULL) {
        memcpy(item->device.mac, denial->mac, MAC_LEN);
        item->device.has_mac = 1;
    }
    if (drain->namer.name == NULL)
        return;
    if (denial->mac != NULL || !drain->last.known ||
        !address_equal_host(&drain->last.client, &denial->client)) {
        drain->namer.name(drain->namer.user, denial, &item->device);
        drain->last.client = denial->client;
        drain->last.device = item->device;
        drain->last.known = denial->mac == NULL;
    }
    item->device = drain->last.device;
}

/* An item that was read ahead of its turn. */
struct drain_ahead {
    struct journal_item item;
    uint64_t skipped;               /* by the scan, up to here */
    const struct segment *expected; /* the segment that `keys` are of */
    struct segment_keys keys;
};

/* DRAIN_MORE: not taken, commit first. */
static enum drain_result item_take(struct drain *drain, struct journal_file *file,
                                   struct drain_ahead *ahead, struct bl_error *error)
{
    struct journal_item *item = &ahead->item;
    struct segment_item added = {.item = item,
                                 .keys = ahead->keys,
                                 .sequence = file->sequence,
                                 .legend = legend_find(file, item->legend)};
    struct segment *segment;
    uint64_t drained;
    enum drain_result result = segment_at(drain, item->denial.wall_ms, &segment, error);

    if (result != DRAIN_DONE)
        return result;
    if (segment_is_full(segment))
        return DRAIN_MORE;
    if (segment_drained(segment, file->sequence, &drained, error) < 0)
        return DRAIN_FAILED;
    if (item->offset < drained)
        return DRAIN_DONE;
    device_find(drain, item);
    if (segment != ahead->expected)
        added.keys = segment_expect(segment, item);
    if (segment_add(segment, &added, error) < 0)
        return DRAIN_FAILED;
    touch(drain, segment);
    observers_tell(drain, file, item, added.legend);
    drain->batch_records++;
    return DRAIN_DONE;
}

/* What a live file holds now; a file of an earlier run keeps the limit that its header and size
 * gave. */
static void limit_refresh(struct journal_file *file)
{
    if (!file->read_only)
        file->scan.limit = __atomic_load_n(&journal_file_header(file)->end, __ATOMIC_ACQUIRE);
}

/* Reads the next item, and the legends before it: 1, 0 at the end, or -ENOMEM. */
static int item_read(const struct drain *drain, struct journal_file *file, struct drain_ahead *out)
{
    const struct journal_legend *legend;
    int type;

    do {
        type = journal_scan_next(&file->scan, &out->item, &legend);
        out->skipped = file->scan.skipped;
        if (type == JOURNAL_LEGEND && legend_keep(file, legend) < 0)
            return -ENOMEM;
    } while (type == JOURNAL_LEGEND);
    if (type == 0)
        return 0;
    out->expected = drain->segments[0];
    if (out->expected != NULL)
        out->keys = segment_expect(out->expected, &out->item);
    return 1;
}

/* Of one whose segment is still the one in use; another may be closed by now. */
static void item_approach(const struct drain *drain, const struct drain_ahead *ahead)
{
    if (ahead->expected != NULL && ahead->expected == drain->segments[0])
        segment_approach(ahead->expected, &ahead->keys);
}

enum drain_result drain_file(struct drain *drain, struct journal_file *file, struct bl_error *error)
{
    struct drain_ahead ahead[DRAIN_AHEAD];
    enum drain_result result = DRAIN_DONE;
    size_t read = 0, near = 0, taken = 0;

    drain->last.known = false;
    limit_refresh(file);
    if (file->scan.offset >= file->scan.limit)
        return DRAIN_DONE;
    if (drain->batch_count == DRAIN_FILES)
        return DRAIN_MORE;
    drain->batch[drain->batch_count].file = file;
    drain->batch[drain->batch_count++].start = file->scan.offset;
    uint64_t skipped = file->scan.skipped;
    while (result == DRAIN_DONE) {
        int got = 1;
        while (got > 0 && read - taken < DRAIN_AHEAD) {
            got = item_read(drain, file, &ahead[read % DRAIN_AHEAD]);
            read += got > 0;
        }
        if (got < 0) {
            bl_error_set(error, got, "out of memory for a legend");
            return DRAIN_FAILED;
        }
        if (read == taken)
            break;
        for (; near < read && near - taken < DRAIN_NEAR; near++)
            item_approach(drain, &ahead[near % DRAIN_AHEAD]);
        struct drain_ahead *next = &ahead[taken++ % DRAIN_AHEAD];
        result = item_take(drain, file, next, error);
        if (result == DRAIN_MORE) { /* it and those after it are read again */
            file->scan.offset = next->item.offset;
            file->scan.skipped = next->skipped;
        }
    }
    drain->damaged += file->scan.skipped - skipped;
    return result;
}

/* What an earlier run already moved of a file's counts, from all segments that there are. */
static int moved_load(struct drain *drain, struct journal_file *file, struct bl_error *error)
{
    struct segment_list list;
    uint64_t *moved = calloc(JOURNAL_COUNT_SLOTS, sizeof(*moved)), total = 0;
    int code = moved == NULL ? bl_error_set(error, -ENOMEM, "out of memory for counts") : 0;

    if (code == 0 && file->read_only)
        code = segments_list(drain->state, NULL, NULL, &list, error);
    if (code < 0 || !file->read_only)
        goto out;
    for (size_t i = 0; i < list.count && code == 0; i++) {
        struct segment *segment;
        /* Noon: within the day whatever the zone was when the segment was begun. */
        enum drain_result result =
            segment_at(drain, list.days[i].start_ms + 12 * 3600000, &segment, error);
        if (result != DRAIN_DONE)
            code = result == DRAIN_FAILED ? -EIO : -EAGAIN;
        else
            code = segment_counted(segment, file->sequence, moved, JOURNAL_COUNT_SLOTS, error);
    }
    segments_list_free(&list);
out:
    if (code < 0) {
        free(moved);
        return code;
    }
    file->moved = moved;
    for (unsigned i = 0; i < JOURNAL_COUNT_SLOTS; i++)
        total += moved[i];
    /* Where denials_writer_status() may look meanwhile. */
    __atomic_store_n(&file->moved_total, total, __ATOMIC_RELAXED);
    return 0;
}

enum drain_result drain_counts(struct drain *drain, struct journal_file *file,
                               struct bl_error *error)
{
    const struct journal_header *header = journal_file_header(file);
    const struct journal_count *slots = journal_file_counts(file);

    if (__atomic_load_n(&header->counted, __ATOMIC_ACQUIRE) == 0)
        return DRAIN_DONE;
    if (file->moved == NULL) {
        int code = moved_load(drain, file, error);
        if (code < 0)
            return code == -EAGAIN ? DRAIN_MORE : DRAIN_FAILED;
    }
    for (unsigned i = 0; i < JOURNAL_COUNT_SLOTS; i++) {
        struct segment *segment;
        if (!__atomic_load_n(&slots[i].used, __ATOMIC_ACQUIRE))
            continue;
        uint64_t count = __atomic_load_n(&slots[i].count, __ATOMIC_RELAXED);
        if (count <= file->moved[i])
            continue;
        if (drain->count_count == JOURNAL_COUNT_SLOTS)
            return DRAIN_MORE;
        int64_t last_ms = __atomic_load_n(&slots[i].last_ms, __ATOMIC_RELAXED);
        enum drain_result result = segment_at(drain, last_ms, &segment, error);
        if (result != DRAIN_DONE)
            return result;
        if (segment_count(segment, file->sequence, i, last_ms, legend_find(file, slots[i].legend),
                          slots[i].group, slots[i].category, count - file->moved[i], error) < 0)
            return DRAIN_FAILED;
        touch(drain, segment);
        drain->counts[drain->count_count++] =
            (struct drain_count){file, segment, i, count - file->moved[i]};
    }
    return DRAIN_DONE;
}

void drain_abort(struct drain *drain)
{
    for (int i = 0; i < DRAIN_SEGMENTS; i++) {
        if (drain->segments[i] != NULL)
            segment_abort(drain->segments[i]);
        drain->touched[i] = false;
    }
    for (size_t i = 0; i < drain->batch_count; i++)
        drain->batch[i].file->scan.offset = drain->batch[i].start;
    drain->batch_count = drain->count_count = 0;
    drain->batch_records = 0;
}

static int segment_finish(struct drain *drain, struct segment *segment, struct bl_error *error)
{
    for (size_t i = 0; i < drain->batch_count; i++) {
        const struct journal_file *file = drain->batch[i].file;
        int code = segment_mark(segment, file->sequence, file->scan.offset, error);
        if (code < 0)
            return code;
    }
    int code = segment_commit(segment, error);
    for (size_t i = 0; i < drain->count_count && code == 0; i++) {
        const struct drain_count *count = &drain->counts[i];
        if (count->segment != segment)
            continue;
        count->file->moved[count->slot] += count->amount;
        __atomic_store_n(&count->file->moved_total, count->file->moved_total + count->amount,
                         __ATOMIC_RELAXED);
        drain->moved_counts += count->amount;
    }
    return code;
}

int drain_commit(struct drain *drain, struct bl_error *error)
{
    for (int i = 0; i < DRAIN_SEGMENTS; i++) {
        if (drain->segments[i] == NULL)
            continue;
        if (!drain->touched[i]) {
            segment_abort(drain->segments[i]); /* at most looked into */
            continue;
        }
        int code = segment_finish(drain, drain->segments[i], error);
        if (code < 0) {
            drain_abort(drain);
            return code;
        }
        drain->touched[i] = false;
    }
    for (size_t i = 0; i < drain->batch_count; i++) {
        struct journal_file *file = drain->batch[i].file;
        if (!file->read_only)
            __atomic_store_n(&journal_file_header(file)->drained, file->scan.offset,
                             __ATOMIC_RELEASE);
    }
    drain->moved_records += drain->batch_records;
    drain->batch_count = drain->count_count = 0;
    drain->batch_records = 0;
    return 0;
}

bool drain_is_done(const struct journal_file *file)
{
    const struct journal_header *header = journal_file_header(file);

    if (!file->read_only) {
        if (!__atomic_load_n(&header->closed, __ATOMIC_ACQUIRE) ||
            __atomic_load_n(&header->end, __ATOMIC_ACQUIRE) != file->scan.offset)
            return false;
    } else if (file->scan.offset + sizeof(struct journal_record_head) <= file->scan.limit) {
        return false;
    }
    return file->read_only ||
           file->moved_total >= __atomic_load_n(&header->counted, __ATOMIC_ACQUIRE);
}
