/* A block is one allocation: records grow from its front, sixteen octets for each to sort by from
 * its end. */
#include "blocklists/runs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "blocklists/key.h"
#include "blocklists/runs_sort.h"

enum {
    RECORD_MAX = BL_SORT_HEAD + BL_KEY_MAX,
    SLACK = 8, /* read beyond the last key, by eight octets at a time */
    MEMORY_MIN = 64 * RECORD_MAX,
    RUNS_MAX = 256,       /* of 40 MiB each: some 200 million names */
    RUN_BUFFER = 1 << 17, /* octets read of a run at a time */
    AHEAD = 16,           /* records asked for before they are needed */
    HUGE_PAGE = 2 << 20,
};

struct run {
    uint64_t offset, end; /* what is left of it in the file */
    uint8_t *buffer;      /* RUN_BUFFER octets and slack */
    size_t at, filled;
    uint64_t head; /* of the current record's key */
    struct bl_record record;
};

struct bl_runs {
    char *folder;
    uint8_t *block;
    size_t size, used; /* octets of the block, and of the records in it */
    size_t items;      /* at the block's end, growing down */
    int fd;
    uint64_t file_len, records, key_octets;
    struct run runs[RUNS_MAX];
    unsigned run_count;
    unsigned heap[RUNS_MAX]; /* runs by their current record, least first */
    unsigned heap_count;
    bool started, one_block;
    struct bl_record before; /* given last, its key below */
    uint8_t before_key[BL_KEY_MAX];
    uint64_t *duplicates; /* by source */
    size_t written;       /* of the write buffer */
    uint8_t write_buffer[1 << 16];
};

static void record_read(const uint8_t *at, struct bl_record *out_record)
{
    out_record->key_len = at[0];
    out_record->flags = at[1];
    memcpy(&out_record->source, at + 2, sizeof out_record->source);
    memcpy(&out_record->line, at + 4, sizeof out_record->line);
    out_record->condition = at[8];
    out_record->key = at + BL_SORT_HEAD;
}

/* Sorting jumps about in the block. In large pages, where the system gives them, the processor
 * finds its way without looking up where each piece of 4 KiB lies. */
static uint8_t *block_create(size_t size)
{
    void *block;

    if (posix_memalign(&block, HUGE_PAGE, size) != 0)
        return NULL;
    (void)madvise(block, size & ~(size_t)(HUGE_PAGE - 1), MADV_HUGEPAGE);
    return block;
}

int bl_runs_create(const char *folder, size_t memory, struct bl_runs **out_runs,
                   struct bl_error *error)
{
    struct bl_runs *runs = calloc(1, sizeof *runs);

    if (!runs)
        goto fail;
    runs->fd = -1;
    /* Offsets in the block are 32 bits wide. */
    runs->size = memory < MEMORY_MIN ? MEMORY_MIN : memory > UINT32_MAX ? UINT32_MAX : memory;
    runs->size &= ~(size_t)15;
    runs->folder = strdup(folder);
    runs->block = block_create(runs->size);
    runs->duplicates = calloc(UINT16_MAX + 1, sizeof *runs->duplicates);
    if (!runs->folder || !runs->block || !runs->duplicates)
        goto fail;
    *out_runs = runs;
    return 0;
fail:
    bl_runs_destroy(runs);
    return bl_error_set(error, -ENOMEM, "not enough memory to sort the lists");
}

void bl_runs_destroy(struct bl_runs *runs)
{
    if (!runs)
        return;
    if (runs->fd >= 0)
        close(runs->fd);
    for (unsigned i = 0; i < runs->run_count; i++)
        free(runs->runs[i].buffer);
    free(runs->folder);
    free(runs->block);
    free(runs->duplicates);
    free(runs);
}

static struct bl_sort_item *block_items(const struct bl_runs *runs)
{
    return (struct bl_sort_item *)(void *)(runs->block + runs->size) - runs->items;
}

static int write_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, bytes, len);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        bytes += written;
        len -= (size_t)written;
    }
    return 0;
}

static int buffer_flush(struct bl_runs *runs, struct bl_error *error)
{
    int rc = write_all(runs->fd, runs->write_buffer, runs->written);

    if (rc < 0)
        return bl_error_set(error, rc, "cannot write to a temporary file in %s: %s", runs->folder,
                            bl_disk_text(-rc));
    runs->file_len += runs->written;
    runs->written = 0;
    return 0;
}

static int file_open(struct bl_runs *runs, struct bl_error *error)
{
    char path[4096];

    if (runs->fd >= 0)
        return 0;
    if ((size_t)snprintf(path, sizeof path, "%s/staging-runs-XXXXXX", runs->folder) >= sizeof path)
        return bl_error_set(error, -ENAMETOOLONG, "%s: the path is too long", runs->folder);
    runs->fd = mkostemp(path, O_CLOEXEC);
    if (runs->fd < 0)
        return bl_error_set(error, -errno, "cannot make a temporary file in %s: %s", runs->folder,
                            bl_disk_text(errno));
    unlink(path);
    return 0;
}

/* Whether the record repeats the one before: then it only counts. */
static bool is_repeat(struct bl_runs *runs, const struct bl_record *record,
                      const struct bl_record *before)
{
    if (!before->key || record->key_len != before->key_len || record->source != before->source ||
        record->flags != before->flags || record->condition != before->condition ||
        memcmp(record->key, before->key, record->key_len) != 0)
        return false;
    runs->duplicates[record->source]++;
    return true;
}

/* Sorts the block and writes it as a run. */
static int block_spill(struct bl_runs *runs, struct bl_error *error)
{
    const struct bl_sort_item *items = block_items(runs);
    struct bl_record before = {.key = NULL}, record;
    struct run *run;
    int rc = file_open(runs, error);

    if (rc < 0)
        return rc;
    if (runs->run_count == RUNS_MAX)
        return bl_error_set(error, -E2BIG, "more names than one generation can hold");
    bl_sort_items(runs->block, block_items(runs), runs->items);
    run = &runs->runs[runs->run_count];
    run->offset = runs->file_len;
    for (size_t i = 0; i < runs->items; i++) {
        const uint8_t *at = runs->block + items[i].offset;

        /* Records lie in the order of adding: each is somewhere else. */
        if (i + AHEAD < runs->items)
            __builtin_prefetch(runs->block + items[i + AHEAD].offset);
        record_read(at, &record);
        if (is_repeat(runs, &record, &before))
            continue;
        before = record;
        if (runs->written + RECORD_MAX > sizeof runs->write_buffer) {
            rc = buffer_flush(runs, error);
            if (rc < 0)
                return rc;
        }
        memcpy(runs->write_buffer + runs->written, at, BL_SORT_HEAD + record.key_len);
        runs->written += BL_SORT_HEAD + record.key_len;
    }
    rc = buffer_flush(runs, error);
    if (rc < 0)
        return rc;
    run->end = runs->file_len;
    runs->run_count++;
    runs->used = runs->items = 0;
    return 0;
}

int bl_runs_add(struct bl_runs *runs, const struct bl_record *record, struct bl_error *error)
{
    size_t need = BL_SORT_HEAD + record->key_len + SLACK + sizeof(struct bl_sort_item);
    uint8_t *at;
    struct bl_sort_item *item;

    if (runs->used + need + runs->items * sizeof(struct bl_sort_item) > runs->size) {
        int rc = block_spill(runs, error);

        if (rc < 0)
            return rc;
    }
    at = runs->block + runs->used;
    at[0] = (uint8_t)record->key_len;
    at[1] = record->flags;
    memcpy(at + 2, &record->source, sizeof record->source);
    memcpy(at + 4, &record->line, sizeof record->line);
    at[8] = record->condition;
    memcpy(at + BL_SORT_HEAD, record->key, record->key_len);
    runs->items++;
    item = block_items(runs);
    item->offset = (uint32_t)runs->used;
    runs->used += BL_SORT_HEAD + record->key_len;
    runs->records++;
    runs->key_octets += record->key_len;
    return 0;
}

/* Makes the next RUN_BUFFER octets of a run readable, what is left of the last ones before them. */
static int run_fill(struct bl_runs *runs, struct run *run, struct bl_error *error)
{
    size_t left = run->filled - run->at;

    memmove(run->buffer, run->buffer + run->at, left);
    run->at = 0;
    run->filled = left;
    while (run->filled < RUN_BUFFER && run->offset < run->end) {
        size_t want = RUN_BUFFER - run->filled;
        ssize_t got;

        if (want > run->end - run->offset)
            want = run->end - run->offset;
        got = pread(runs->fd, run->buffer + run->filled, want, (off_t)run->offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return bl_error_set(error, got < 0 ? -errno : -EIO,
                                "cannot read back a temporary file in %s: %s", runs->folder,
                                got < 0 ? bl_disk_text(errno) : "it is cut off");
        run->filled += (size_t)got;
        run->offset += (size_t)got;
    }
    return 0;
}

/* 1 when the run has a next record, 0 when it has ended. */
static int run_next(struct bl_runs *runs, struct run *run, struct bl_error *error)
{
    if (run->filled - run->at < RECORD_MAX && run->offset < run->end) {
        int rc = run_fill(runs, run, error);

        if (rc < 0)
            return rc;
    }
    if (run->at == run->filled)
        return 0;
    record_read(run->buffer + run->at, &run->record);
    run->head = bl_sort_head(run->record.key, run->record.key_len, 0);
    run->at += BL_SORT_HEAD + run->record.key_len;
    return 1;
}

static bool run_before(const struct bl_runs *runs, unsigned a, unsigned b)
{
    const struct run *left = &runs->runs[a], *right = &runs->runs[b];
    size_t len;
    int order;

    if (left->head != right->head)
        return left->head < right->head;
    len =
        left->record.key_len < right->record.key_len ? left->record.key_len : right->record.key_len;
    order = memcmp(left->record.key, right->record.key, len);
    if (order != 0)
        return order < 0;
    if (left->record.key_len != right->record.key_len)
        return left->record.key_len < right->record.key_len;
    return a < b; /* runs were filled in the order of adding */
}

static void heap_sink(struct bl_runs *runs, unsigned at)
{
    unsigned moved = runs->heap[at];

    for (;;) {
        unsigned child = 2 * at + 1;

        if (child >= runs->heap_count)
            break;
        if (child + 1 < runs->heap_count &&
            run_before(runs, runs->heap[child + 1], runs->heap[child]))
            child++;
        if (!run_before(runs, runs->heap[child], moved))
            break;
        runs->heap[at] = runs->heap[child];
        at = child;
    }
    runs->heap[at] = moved;
}

int bl_runs_finish(struct bl_runs *runs, uint64_t *out_records, uint64_t *out_key_octets,
                   struct bl_error *error)
{
    int rc;

    *out_records = runs->records;
    *out_key_octets = runs->key_octets;
    if (runs->run_count == 0) {
        bl_sort_items(runs->block, block_items(runs), runs->items);
        runs->one_block = true;
        return 0;
    }
    rc = block_spill(runs, error);
    if (rc < 0)
        return rc;
    free(runs->block);
    runs->block = NULL;
    for (unsigned i = 0; i < runs->run_count; i++) {
        runs->runs[i].buffer = malloc(RUN_BUFFER + SLACK);
        if (!runs->runs[i].buffer)
            return bl_error_set(error, -ENOMEM, "not enough memory to merge the lists");
        rc = run_next(runs, &runs->runs[i], error);
        if (rc < 0)
            return rc;
        if (rc > 0)
            runs->heap[runs->heap_count++] = i;
    }
    for (unsigned i = runs->heap_count; i-- > 0;)
        heap_sink(runs, i);
    return 0;
}

/* The next of the records that all fit into one block. */
static int block_next(struct bl_runs *runs, struct bl_record *out_record)
{
    const struct bl_sort_item *item = block_items(runs);

    if (runs->items == 0)
        return 0;
    if (runs->items > AHEAD)
        __builtin_prefetch(runs->block + item[AHEAD].offset);
    record_read(runs->block + item->offset, out_record);
    runs->items--;
    return 1;
}

/* The next record in order, repeats included. */
static int any_next(struct bl_runs *runs, struct bl_record *out_record, struct bl_error *error)
{
    struct run *run;
    int rc;

    if (runs->one_block)
        return block_next(runs, out_record);
    if (runs->started) {
        rc = run_next(runs, &runs->runs[runs->heap[0]], error);
        if (rc < 0)
            return rc;
        if (rc == 0)
            runs->heap[0] = runs->heap[--runs->heap_count];
        if (runs->heap_count > 0)
            heap_sink(runs, 0);
    }
    runs->started = true;
    if (runs->heap_count == 0)
        return 0;
    run = &runs->runs[runs->heap[0]];
    *out_record = run->record;
    return 1;
}

int bl_runs_next(struct bl_runs *runs, struct bl_record *out_record, struct bl_error *error)
{
    struct bl_record record;
    int rc;

    do {
        rc = any_next(runs, &record, error);
        if (rc <= 0)
            return rc;
    } while (is_repeat(runs, &record, &runs->before));
    /* The run's buffer moves on while this one is still asked about. */
    memcpy(runs->before_key, record.key, record.key_len);
    runs->before = record;
    runs->before.key = runs->before_key;
    *out_record = runs->before;
    return 1;
}

uint64_t bl_runs_duplicates(const struct bl_runs *runs, uint16_t source)
{
    return runs->duplicates[source];
}
