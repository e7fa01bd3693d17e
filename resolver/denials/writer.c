#include "resolver/denials/writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "resolver/base/log.h"
#include "resolver/base/thread.h"

enum {
    KEEPER_MS = 50,
    TROUBLE_MS = 1000,   /* between two tries to make a spare on a full disk */
    READERS_MS = 60000,  /* between two looks for readers that are gone */
    BACKLOG_FILES = 128, /* per journal: one gigabyte */
    LEND_FILES = BACKLOG_FILES / 2,
};

struct denials_writer {
    char state[PATH_MAX];
    struct journal *const *journals;
    size_t journal_count;
    unsigned interval_ms;

    pthread_mutex_t drain_lock; /* who moves: `drain`, the files' positions, `leftovers` */
    struct drain drain;
    struct journal_file *leftovers; /* of earlier runs, oldest first */

    pthread_mutex_t list_lock;  /* the lists of files; never held across a system call */
    struct journal_file *spent; /* to be used again */
    unsigned spent_count;

    pthread_mutex_t lock; /* `stopping` and `status` */
    pthread_cond_t wake;
    bool stopping;
    struct denials_status status;
    struct bl_error drain_trouble, spare_trouble;

    struct denials_turns turns; /* atomic, each for itself */

    pthread_t writer, keeper;
    bool writer_runs, keeper_runs;
};

static int64_t now_ms(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits; true when it is time to stop. */
static bool writer_sleep(struct denials_writer *writer, unsigned ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&writer->lock);
    while (!writer->stopping &&
           pthread_cond_timedwait(&writer->wake, &writer->lock, &until) != ETIMEDOUT) {
    }
    bool stopping = writer->stopping;
    pthread_mutex_unlock(&writer->lock);
    return stopping;
}

/* Keeps the last trouble for the status, and logs it when it is news. */
static void trouble_set(struct denials_writer *writer, struct bl_error *slot,
                        const struct bl_error *error)
{
    pthread_mutex_lock(&writer->lock);
    bool news = strcmp(slot->text, error->text) != 0;
    *slot = *error;
    pthread_mutex_unlock(&writer->lock);
    if (news && error->text[0] != '\0')
        log_warning("denials wait in the journal or are only counted: %s", error->text);
    else if (news)
        log_notice("denials are moved into the day's segment again");
}

static struct journal_file *file_next(struct denials_writer *writer, struct journal_file *file)
{
    pthread_mutex_lock(&writer->list_lock);
    struct journal_file *next = file->next;
    pthread_mutex_unlock(&writer->list_lock);
    return next;
}

/* Pages that are allocated and mapped are worth keeping: at full speed a file is full in half a
 * second. */
static bool spent_put(struct denials_writer *writer, struct journal_file *file)
{
    pthread_mutex_lock(&writer->list_lock);
    bool room = writer->spent_count < JOURNAL_SPARES * writer->journal_count;
    if (room) {
        file->next = writer->spent;
        writer->spent = file;
        writer->spent_count++;
    }
    pthread_mutex_unlock(&writer->list_lock);
    return room;
}

static struct journal_file *spent_take(struct denials_writer *writer)
{
    pthread_mutex_lock(&writer->list_lock);
    struct journal_file *file = writer->spent;
    if (file != NULL) {
        writer->spent = file->next;
        writer->spent_count--;
        file->next = NULL;
    }
    pthread_mutex_unlock(&writer->list_lock);
    return file;
}

/* Files that are full and moved go, oldest first. A damaged one is kept under another name. */
static void file_retire(struct denials_writer *writer, struct journal_file *file)
{
    char kept[PATH_MAX + 16];

    if (!file->read_only && !file->forgets && file->fd >= 0 && spent_put(writer, file))
        return;

    if (file->read_only && file->scan.skipped > 0) {
        snprintf(kept, sizeof(kept), "%s.damaged", file->path);
        if (rename(file->path, kept) == 0)
            log_warning("%s: %llu octets were no whole record; the file is kept as %s", file->path,
                        (unsigned long long)file->scan.skipped, kept);
        journal_file_close(file);
        return;
    }
    journal_file_remove(file);
}

static void files_retire(struct denials_writer *writer)
{
    while (writer->leftovers != NULL && drain_is_done(writer->leftovers)) {
        struct journal_file *done = writer->leftovers;
        writer->leftovers = done->next;
        file_retire(writer, done);
    }
    for (size_t i = 0; i < writer->journal_count; i++) {
        struct journal *journal = writer->journals[i];
        for (;;) {
            pthread_mutex_lock(&writer->list_lock);
            struct journal_file *done = journal->files;
            bool retire = done->next != NULL && drain_is_done(done);
            if (retire) {
                journal->files = done->next;
                journal->file_count--;
            }
            pthread_mutex_unlock(&writer->list_lock);
            if (!retire)
                break;
            file_retire(writer, done);
        }
    }
}

typedef enum drain_result drain_step(struct drain *, struct journal_file *, struct bl_error *);

/* One file after the other, committing whenever a batch is full. */
static int chain_drain(struct denials_writer *writer, struct journal_file *first, drain_step *step,
                       struct bl_error *error)
{
    for (struct journal_file *file = first; file != NULL; file = file_next(writer, file)) {
        enum drain_result result;
        while ((result = step(&writer->drain, file, error)) == DRAIN_MORE) {
            int code = drain_commit(&writer->drain, error);
            if (code < 0)
                return code;
            __atomic_fetch_add(&writer->turns.writer, 1, __ATOMIC_RELAXED);
        }
        if (result == DRAIN_FAILED) {
            drain_abort(&writer->drain);
            return -EIO;
        }
    }
    return 0;
}

static int chains_drain(struct denials_writer *writer, drain_step *step, struct bl_error *error)
{
    int code = chain_drain(writer, writer->leftovers, step, error);

    for (size_t i = 0; i < writer->journal_count && code == 0; i++) {
        pthread_mutex_lock(&writer->list_lock);
        struct journal_file *first = writer->journals[i]->files;
        pthread_mutex_unlock(&writer->list_lock);
        code = chain_drain(writer, first, step, error);
    }
    return code < 0 ? code : drain_commit(&writer->drain, error);
}

static void status_refresh(struct denials_writer *writer)
{
    struct denials_status status = {.recorded = writer->drain.moved_records,
                                    .damaged = writer->drain.damaged,
                                    .counted = writer->drain.moved_counts};

    pthread_mutex_lock(&writer->lock);
    status.last_ms =
        writer->drain_trouble.text[0] == '\0' ? now_ms(CLOCK_REALTIME) : writer->status.last_ms;
    writer->status = status;
    pthread_mutex_unlock(&writer->lock);
}

int denials_writer_flush(struct denials_writer *writer, struct bl_error *error)
{
    struct bl_error own = {""};

    pthread_mutex_lock(&writer->drain_lock);
    /* Counts last: a legend that explains them has been read by then. */
    int code = chains_drain(writer, drain_file, &own);
    if (code == 0)
        code = chains_drain(writer, drain_counts, &own);
    files_retire(writer);
    trouble_set(writer, &writer->drain_trouble, &own);
    status_refresh(writer);
    pthread_mutex_unlock(&writer->drain_lock);
    if (code < 0)
        bl_error_set(error, code, "%s", own.text);
    return code;
}

/* What was destroyed must not go on in a journal file that takes months to fill, or in one that
 * waits to be used again: workers take a fresh file with their next denial. */
static void journals_forget(struct denials_writer *writer)
{
    for (struct journal_file *file; (file = spent_take(writer)) != NULL;)
        journal_file_remove(file);
    for (size_t i = 0; i < writer->journal_count; i++)
        __atomic_store_n(&writer->journals[i]->turn_wanted, true, __ATOMIC_RELAXED);
}

int denials_writer_retain(struct denials_writer *writer, const struct retention *retention,
                          int64_t wall_ms, struct retention_receipt *out_receipt,
                          struct bl_error *error)
{
    pthread_mutex_lock(&writer->drain_lock);
    /* LMDB must not open a file twice in one process, so the writer lets go of its segments. */
    drain_close_segments(&writer->drain);
    __atomic_store_n(&writer->turns.retaining, true, __ATOMIC_RELAXED);
    int code = retention_run(writer->state, retention, wall_ms, out_receipt, error);
    __atomic_store_n(&writer->turns.retaining, false, __ATOMIC_RELAXED);
    journals_forget(writer);
    pthread_mutex_unlock(&writer->drain_lock);
    return code;
}

/* Until the segments have them, records are synced where they are: a power cut costs the last
 * second. */
static void journals_sync(struct denials_writer *writer)
{
    pthread_mutex_lock(&writer->drain_lock);
    for (size_t i = 0; i < writer->journal_count; i++) {
        pthread_mutex_lock(&writer->list_lock);
        struct journal_file *file = writer->journals[i]->files;
        pthread_mutex_unlock(&writer->list_lock);
        for (; file != NULL; file = file_next(writer, file)) {
            uint64_t end = __atomic_load_n(&journal_file_header(file)->end, __ATOMIC_ACQUIRE);
            if (file->fd >= 0 && end > file->synced && file->scan.offset < end)
                fdatasync(file->fd);
            file->synced = end;
        }
    }
    pthread_mutex_unlock(&writer->drain_lock);
}

static void *writer_run(void *user)
{
    struct denials_writer *writer = user;
    int64_t readers_ms = now_ms(CLOCK_MONOTONIC);
    bool stopping;

    thread_give_way(19);
    do {
        stopping = writer_sleep(writer, writer->interval_ms);
        if (denials_writer_flush(writer, NULL) < 0)
            journals_sync(writer);
        __atomic_fetch_add(&writer->turns.writer, 1, __ATOMIC_RELAXED);
        if (now_ms(CLOCK_MONOTONIC) - readers_ms < READERS_MS)
            continue;
        readers_ms = now_ms(CLOCK_MONOTONIC);
        pthread_mutex_lock(&writer->drain_lock);
        for (int i = 0; i < DRAIN_SEGMENTS; i++)
            if (writer->drain.segments[i] != NULL)
                segment_check_readers(writer->drain.segments[i]);
        pthread_mutex_unlock(&writer->drain_lock);
    } while (!stopping);
    return NULL;
}

/* A file from those that are spent, or a new one. */
static int spare_make(struct denials_writer *writer, unsigned worker, struct journal_file **out,
                      struct bl_error *error)
{
    struct journal_file *file = spent_take(writer);

    if (file != NULL && journal_file_renew(writer->state, worker, &file, error) == 0) {
        *out = file;
        return 0;
    }
    journal_file_remove(
        file); /* somebody reads it, or the disk has trouble: then a new one has it too */
    return journal_file_create(writer->state, worker, out, error);
}

/* Fills a journal's ring of spares: 0, or why a file could not be made. */
static int spares_fill(struct denials_writer *writer, struct journal *journal,
                       struct bl_error *error)
{
    for (;;) {
        struct journal_file **slot = &journal->spares[journal->fill % JOURNAL_SPARES], *file;
        pthread_mutex_lock(&writer->list_lock);
        bool enough = journal->file_count >= BACKLOG_FILES;
        pthread_mutex_unlock(&writer->list_lock);
        if (__atomic_load_n(slot, __ATOMIC_ACQUIRE) != NULL)
            return 0;
        if (enough)
            return bl_error_set(error, -ENOSPC, "the journals have reached their limit of %u files",
                                BACKLOG_FILES);
        int code = spare_make(writer, journal->worker, &file, error);
        if (code < 0)
            return code;
        pthread_mutex_lock(&writer->list_lock);
        *journal->files_end = file;
        journal->files_end = &file->next;
        journal->file_count++;
        pthread_mutex_unlock(&writer->list_lock);
        journal->fill++;
        __atomic_store_n(slot, file, __ATOMIC_RELEASE);
    }
}

static void *keeper_run(void *user)
{
    struct denials_writer *writer = user;
    bool fine = true;

    do {
        struct bl_error error = {""};
        unsigned files = 0;
        fine = true;
        for (size_t i = 0; i < writer->journal_count; i++) {
            struct journal *journal = writer->journals[i];
            fine = spares_fill(writer, journal, &error) == 0 && fine;
            pthread_mutex_lock(&writer->list_lock);
            files = files > journal->file_count ? files : journal->file_count;
            pthread_mutex_unlock(&writer->list_lock);
        }
        trouble_set(writer, &writer->spare_trouble, &error);
        if (files >= LEND_FILES)
            denials_writer_flush(writer, NULL);
        __atomic_fetch_add(&writer->turns.keeper, 1, __ATOMIC_RELAXED);
    } while (!writer_sleep(writer, fine ? KEEPER_MS : TROUBLE_MS));
    return NULL;
}

static bool file_is_live(const struct denials_writer *writer, uint64_t sequence)
{
    for (size_t i = 0; i < writer->journal_count; i++)
        for (const struct journal_file *file = writer->journals[i]->files; file != NULL;
             file = file->next)
            if (file->sequence == sequence)
                return true;
    return false;
}

/* What earlier runs left. A file that is none of ours, or was cut before its first record, is set
 * aside. */
static int leftovers_open(struct denials_writer *writer, struct bl_error *error)
{
    struct journal_file **end = &writer->leftovers;
    char **paths;
    size_t count;
    int code = journal_paths(writer->state, &paths, &count, error);

    if (code < 0)
        return code;
    for (size_t i = 0; i < count; i++) {
        struct bl_error why = {""};
        char aside[PATH_MAX + 16];
        if (file_is_live(writer, journal_path_sequence(paths[i])))
            continue;
        code = journal_file_open(paths[i], end, &why);
        if (code == 0) {
            end = &(*end)->next;
            continue;
        }
        *end = NULL;
        snprintf(aside, sizeof(aside), "%s.damaged", paths[i]);
        if (code == -ENODATA)
            unlink(paths[i]); /* made but never used */
        else if (code == -EBADMSG && rename(paths[i], aside) == 0)
            log_warning("%s; it is kept as %s", why.text, aside);
        else
            log_warning("%s; it stays for the next start", why.text);
    }
    journal_paths_free(paths);
    return 0;
}

static int threads_start(struct denials_writer *writer, struct bl_error *error)
{
    int code = pthread_create(&writer->keeper, NULL, keeper_run, writer);

    writer->keeper_runs = code == 0;
    if (code == 0)
        pthread_setname_np(writer->keeper, "keeper");
    if (code == 0)
        code = pthread_create(&writer->writer, NULL, writer_run, writer);
    writer->writer_runs = writer->keeper_runs && code == 0;
    if (writer->writer_runs)
        pthread_setname_np(writer->writer, "writer");
    return code == 0 ? 0
                     : bl_error_set(error, -code, "no thread for the writer: %s", strerror(code));
}

int denials_writer_start(const struct denials_writer_options *options,
                         struct denials_writer **out_writer, struct bl_error *error)
{
    struct denials_writer *writer = calloc(1, sizeof(*writer));
    pthread_condattr_t attributes;
    int code;

    if (writer == NULL)
        return bl_error_set(error, -ENOMEM, "out of memory for the writer");
    snprintf(writer->state, sizeof(writer->state), "%s", options->state);
    writer->journals = options->journals;
    writer->journal_count = options->journal_count;
    writer->interval_ms = options->interval_ms != 0 ? options->interval_ms : 1000;
    drain_init(&writer->drain, options->state);
    writer->drain.observers = options->observers;
    writer->drain.observer_count = options->observer_count;
    writer->drain.namer = options->namer;
    pthread_mutex_init(&writer->drain_lock, NULL);
    pthread_mutex_init(&writer->list_lock, NULL);
    pthread_mutex_init(&writer->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    code = leftovers_open(writer, error);
    if (code == 0)
        code = threads_start(writer, error);
    if (code < 0) {
        denials_writer_stop(writer);
        return code;
    }
    *out_writer = writer;
    return 0;
}

void denials_writer_stop(struct denials_writer *writer)
{
    if (writer == NULL)
        return;
    pthread_mutex_lock(&writer->lock);
    writer->stopping = true;
    pthread_cond_broadcast(&writer->wake);
    pthread_mutex_unlock(&writer->lock);
    if (writer->keeper_runs)
        pthread_join(writer->keeper, NULL);
    if (writer->writer_runs)
        pthread_join(writer->writer, NULL);
    for (struct journal_file *file = writer->leftovers, *next; file != NULL; file = next) {
        next = file->next;
        journal_file_close(file);
    }
    for (struct journal_file *file; (file = spent_take(writer)) != NULL;)
        journal_file_remove(file);
    drain_fini(&writer->drain);
    pthread_cond_destroy(&writer->wake);
    pthread_mutex_destroy(&writer->lock);
    pthread_mutex_destroy(&writer->list_lock);
    pthread_mutex_destroy(&writer->drain_lock);
    free(writer);
}

void denials_writer_turns(const struct denials_writer *writer, struct denials_turns *out_turns)
{
    out_turns->writer = __atomic_load_n(&writer->turns.writer, __ATOMIC_RELAXED);
    out_turns->keeper = __atomic_load_n(&writer->turns.keeper, __ATOMIC_RELAXED);
    out_turns->retaining = __atomic_load_n(&writer->turns.retaining, __ATOMIC_RELAXED);
}

void denials_writer_status(struct denials_writer *writer, struct denials_status *out_status)
{
    uint64_t pending = 0, files = 0, counted = 0;

    pthread_mutex_lock(&writer->list_lock);
    for (size_t i = 0; i < writer->journal_count; i++) {
        files += writer->journals[i]->file_count;
        for (const struct journal_file *file = writer->journals[i]->files; file != NULL;
             file = file->next) {
            const struct journal_header *header = journal_file_header(file);
            pending += __atomic_load_n(&header->end, __ATOMIC_ACQUIRE) -
                       __atomic_load_n(&header->drained, __ATOMIC_ACQUIRE);
            counted += __atomic_load_n(&header->counted, __ATOMIC_ACQUIRE) -
                       __atomic_load_n(&file->moved_total, __ATOMIC_RELAXED);
        }
    }
    pthread_mutex_unlock(&writer->list_lock);
    pthread_mutex_lock(&writer->lock);
    *out_status = writer->status;
    out_status->trouble =
        writer->drain_trouble.text[0] != '\0' ? writer->drain_trouble : writer->spare_trouble;
    pthread_mutex_unlock(&writer->lock);
    out_status->pending = pending;
    out_status->files = files;
    out_status->counted += counted;
}
