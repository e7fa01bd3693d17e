/* Journal files: made, mapped and removed by the writer, appended to by a worker.
 *
 * A file is made whole (allocated, written, mapped, its pages touched) before a worker sees it, so
 * that appending never waits for a disk or meets a full one. Names are
 * STATE/journal/SEQUENCE-WORKER.journal, and those that are spent are used again under the next;
 * who reads one holds a shared flock(2) on it, which keeps it as it is. Sequences come from
 * STATE/journal/sequence, a counter under flock(2) that is synced before a number is used.
 *
 * Threads: struct journal_file is handed from its maker to a worker through journal->spares, and
 * back by header->closed; the writer alone walks the list of files of a journal.
 */
#ifndef RESOLVER_DENIALS_JOURNAL_FILE_H
#define RESOLVER_DENIALS_JOURNAL_FILE_H

#include <limits.h>
#include <stdbool.h>

#include "resolver/denials/journal.h"
#include "resolver/denials/journal_format.h"

enum { JOURNAL_SPARES = 2 };

struct journal_file {
    uint8_t *base; /* struct journal_header, then records */
    size_t size;
    uint64_t sequence;
    unsigned worker;
    int fd;                    /* −1: anonymous memory, where the disk was full from the start */
    bool read_only;            /* left by an earlier run */
    bool forgets;              /* to be removed when it is moved, not used again */
    struct journal_file *next; /* by age; the writer's */
    struct journal_scan scan;  /* how far the writer came */
    uint64_t synced;           /* how far it was synced */
    uint64_t *moved;           /* by slot: counts that are in segments already; NULL: none yet */
    uint64_t moved_total;      /* their sum; atomic, for status */
    uint64_t observed;         /* how far observers were told */
    struct legend_names **legends; /* met so far */
    size_t legend_count;
    char path[PATH_MAX];
};

struct journal {
    /* The worker's. */
    struct journal_file *current;
    uint64_t used, limit;
    uint32_t index;
    unsigned take;
    const struct legend *legend;
    bool legend_written;

    /* Shared: a ring of spares, filled by the writer, emptied by the worker. */
    struct journal_file *spares[JOURNAL_SPARES] __attribute__((aligned(64)));
    bool turn_wanted; /* atomic: set by the writer, cleared by the worker */

    /* The writer's. */
    unsigned fill;
    unsigned file_count;
    struct journal_file *files, **files_end;
    unsigned worker;
    char state[PATH_MAX];
};

static inline struct journal_header *journal_file_header(const struct journal_file *file)
{
    return (struct journal_header *)(void *)file->base;
}

static inline struct journal_count *journal_file_counts(const struct journal_file *file)
{
    return (struct journal_count *)(void *)(file->base + 4096);
}

/* Makes, allocates and maps the next file. 0, -ENOSPC or another negative errno. */
int journal_file_create(const char *state, unsigned worker, struct journal_file **out_file,
                        struct bl_error *error);

/* Makes a file that is full and drained the next one, under a new number and name: its pages are
 * there already. 0; -EBUSY while somebody reads it; or another negative errno. On failure the file
 * is as it was, or closed and unlinked when *file is NULL. */
int journal_file_renew(const char *state, unsigned worker, struct journal_file **file,
                       struct bl_error *error);

/* The same as journal_file_create() in anonymous memory and without room for records: only counts,
 * lost with the process. */
int journal_file_create_counting(const char *state, unsigned worker, struct journal_file **out_file,
                                 struct bl_error *error);

/* Maps a file of an earlier run for reading. -EBADMSG: it is no journal, or was cut before its
 * first record; then there is nothing to be had from it. -ENODATA: it was made, but never used. */
int journal_file_open(const char *path, struct journal_file **out_file, struct bl_error *error);

void journal_file_close(struct journal_file *file);  /* unmaps; the file stays */
void journal_file_remove(struct journal_file *file); /* unlinks, then closes */

/* Every journal file in STATE/journal by sequence: 0 and a NULL-ended array (free it with
 * journal_paths_free), or a negative errno; an absent folder has none. */
int journal_paths(const char *state, char ***out_paths, size_t *out_count, struct bl_error *error);
void journal_paths_free(char **paths);

/* The sequence in a journal file's name; 0 when it is none. */
uint64_t journal_path_sequence(const char *path);

#endif
