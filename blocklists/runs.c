/* A block is one allocation: records grow from its front, sixteen octets for each to sort by from
 * its end. Sorting compares eight octets of the keys at a time, kept beside the record's place, so
 * that it rarely leaves the dense array; a group with those eight equal is sorted by the next
 * eight, without recursion.
 */
#include "blocklists/runs.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocklists/key.h"

enum {
    HEAD = 8, /* octets of a record before its key: key_len, flags, source, line */
    RECORD_MAX = HEAD + BL_KEY_MAX,
    SLACK = 8, /* read beyond the last key, by eight octets at a time */
    MEMORY_MIN = 64 * RECORD_MAX,
    RUNS_MAX = 256,       /* of 40 MiB each: some 200 million names */
    RUN_BUFFER = 1 << 17, /* octets read of a run at a time */
    AHEAD = 16,           /* records asked for before they are needed */
    SMALL = 12,           /* groups up to this are sorted by insertion */
    LEVELS_MAX = BL_KEY_MAX / 8 + 3,
};

struct item {
    uint64_t
        head; /* eight octets of the key at the current depth, big-endian, zeros behind its end */
    uint32_t offset; /* of the record in the block */
    uint32_t unused;
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

static uint64_t key_head(const uint8_t *key, size_t key_len, size_t depth)
{
    uint64_t head;
    size_t left;

    if (depth >= key_len)
        return 0;
    memcpy(&head, key + depth, sizeof head);
    head = be64toh(head);
    left = key_len - depth;
    return left >= 8 ? head : head & ~(UINT64_MAX >> (8 * left));
}

static void record_read(const uint8_t *at, struct bl_record *out_record)
{
    out_record->key_len = at[0];
    out_record->flags = at[1];
    memcpy(&out_record->source, at + 2, sizeof out_record->source);
    memcpy(&out_record->line, at + 4, sizeof out_record->line);
    out_record->key = at + HEAD;
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
    runs->block = malloc(runs->size);
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

static struct item *block_items(const struct bl_runs *runs)
{
    return (struct item *)(void *)(runs->block + runs->size) - runs->items;
}

/* Random pivots: no list can be written that makes the sort slow. */
static uint64_t pivot_of(const struct item *items, size_t count, uint64_t *state)
{
    uint64_t a, b, c;

    *state = *state * 6364136223846793005u + 1442695040888963407u;
    a = items[(*state >> 33) % count].head;
    b = items[count / 2].head;
    c = items[(*state >> 17) % count].head;
    if (a > b) {
        uint64_t other = a;
        a = b;
        b = other;
    }
    return c < a ? a : c > b ? b : c;
}

static void swap(struct item *a, struct item *b)
{
    struct item other = *a;

    *a = *b;
    *b = other;
}

static void insertion_sort(struct item *items, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct item moved = items[i];
        size_t at = i;

        while (at > 0 && items[at - 1].head > moved.head) {
            items[at] = items[at - 1];
            at--;
        }
        items[at] = moved;
    }
}

/* Sorts by heads alone. Works on the larger part last, so the stack stays within the logarithm. */
static void heads_sort(struct item *items, size_t count, uint64_t *state)
{
    struct {
        size_t from, count;
    } stack[64];
    unsigned depth = 0;
    size_t from = 0;

    for (;;) {
        while (count > SMALL) {
            struct item *part = items + from;
            uint64_t pivot = pivot_of(part, count, state);
            size_t less = 0, at = 0, more = count;

            while (at < more) {
                if (part[at].head < pivot)
                    swap(&part[less++], &part[at++]);
                else if (part[at].head > pivot)
                    swap(&part[at], &part[--more]);
                else
                    at++;
            }
            if (less > count - more) {
                stack[depth].from = from;
                stack[depth++].count = less;
                from += more;
                count -= more;
            } else {
                stack[depth].from = from + more;
                stack[depth++].count = count - more;
                count = less;
            }
        }
        insertion_sort(items + from, count);
        if (depth == 0)
            return;
        from = stack[--depth].from;
        count = stack[depth].count;
    }
}

/* Gives each item of a group the next eight octets of its key. When the keys of all have ended,
 * they are the same, and get their place, which is the order of adding; returns whether that is so.
 * A parent may end where its children go on: it gets zero, and a name's octet is never zero there.
 */
static bool group_deepen(const struct bl_runs *runs, struct item *items, size_t count, size_t depth)
{
    bool ended = true;

    for (size_t i = 0; i < count; i++) {
        const uint8_t *record = runs->block + items[i].offset;

        items[i].head = key_head(record + HEAD, record[0], depth);
        ended &= depth >= record[0];
    }
    for (size_t i = 0; ended && i < count; i++)
        items[i].head = items[i].offset;
    return ended;
}

/* One level of a group for each eight octets of the keys: groups end where the level above says. */
static void block_sort(struct bl_runs *runs)
{
    struct {
        size_t at, end;
    } levels[LEVELS_MAX];
    struct item *items = block_items(runs);
    uint64_t state = 1;
    unsigned level = 0;

    for (size_t i = 0; i < runs->items; i++)
        items[i].head =
            key_head(runs->block + items[i].offset + HEAD, runs->block[items[i].offset], 0);
    heads_sort(items, runs->items, &state);
    levels[0].at = 0;
    levels[0].end = runs->items;
    for (;;) {
        size_t at = levels[level].at, end = levels[level].end, group;

        if (at >= end) {
            if (level-- == 0)
                return;
            continue;
        }
        for (group = at + 1; group < end && items[group].head == items[at].head; group++)
            ;
        levels[level].at = group;
        if (group - at < 2)
            continue;
        if (group_deepen(runs, items + at, group - at, 8 * (level + (size_t)1))) {
            heads_sort(items + at, group - at, &state);
            continue;
        }
        heads_sort(items + at, group - at, &state);
        level++;
        levels[level].at = at;
        levels[level].end = group;
    }
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
                            strerror(-rc));
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
                            strerror(errno));
    unlink(path);
    return 0;
}

/* Whether the record repeats the one before: then it only counts. */
static bool is_repeat(struct bl_runs *runs, const struct bl_record *record,
                      const struct bl_record *before)
{
    if (!before->key || record->key_len != before->key_len || record->source != before->source ||
        record->flags != before->flags || memcmp(record->key, before->key, record->key_len) != 0)
        return false;
    runs->duplicates[record->source]++;
    return true;
}

/* Sorts the block and writes it as a run. */
static int block_spill(struct bl_runs *runs, struct bl_error *error)
{
    const struct item *items = block_items(runs);
    struct bl_record before = {.key = NULL}, record;
    struct run *run;
    int rc = file_open(runs, error);

    if (rc < 0)
        return rc;
    if (runs->run_count == RUNS_MAX)
        return bl_error_set(error, -E2BIG, "more names than one generation can hold");
    block_sort(runs);
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
        memcpy(runs->write_buffer + runs->written, at, HEAD + record.key_len);
        runs->written += HEAD + record.key_len;
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
    size_t need = HEAD + record->key_len + SLACK + sizeof(struct item);
    uint8_t *at;
    struct item *item;

    if (runs->used + need + runs->items * sizeof(struct item) > runs->size) {
        int rc = block_spill(runs, error);

        if (rc < 0)
            return rc;
    }
    at = runs->block + runs->used;
    at[0] = (uint8_t)record->key_len;
    at[1] = record->flags;
    memcpy(at + 2, &record->source, sizeof record->source);
    memcpy(at + 4, &record->line, sizeof record->line);
    memcpy(at + HEAD, record->key, record->key_len);
    runs->items++;
    item = block_items(runs);
    item->offset = (uint32_t)runs->used;
    runs->used += HEAD + record->key_len;
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
                                got < 0 ? strerror(errno) : "it is cut off");
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
    run->head = key_head(run->record.key, run->record.key_len, 0);
    run->at += HEAD + run->record.key_len;
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
        block_sort(runs);
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

/* The next record in order, repeats included. */
static int any_next(struct bl_runs *runs, struct bl_record *out_record, struct bl_error *error)
{
    struct run *run;
    int rc;

    if (runs->one_block) {
        if (runs->items == 0)
            return 0;
        record_read(runs->block + block_items(runs)->offset, out_record);
        runs->items--;
        return 1;
    }
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
