/* The writer: two plain threads that keep journals supplied and move them into day segments.
 *
 * The *keeper* makes spare journal files, so that no worker ever waits for one. The *writer* moves
 * what the journals hold into segments once a second, at the lowest priority: while the processors
 * are busy answering, records wait in the journals, where nothing can happen to them. When a
 * backlog grows past half of what journals may hold, the keeper, at ordinary priority, lends a
 * hand.
 *
 * Start: files of earlier runs are found and moved first, off the answering path. Stop: everything
 * is moved; call denials_writer_stop() after the workers' last append and before journal_close().
 *
 * Failure modes: disk full: journals go on until they cannot either, then denials are counted only;
 * the writer tries again each second and says so in denials_writer_status(). A segment that cannot
 * be opened keeps its records in the journals.
 *
 * Threads: start, stop and status from any thread; the journals' own functions stay their workers'.
 */
#ifndef RESOLVER_DENIALS_WRITER_H
#define RESOLVER_DENIALS_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/error.h"
#include "resolver/denials/drain.h"
#include "resolver/denials/journal.h"
#include "resolver/denials/retention.h"

struct denials_writer;

struct denials_writer_options {
    const char *state;
    struct journal *const *journals; /* borrowed until stop, the array too */
    size_t journal_count;
    const struct denials_observer *observers; /* borrowed until stop; called by the writer */
    size_t observer_count;
    struct denials_namer namer; /* called by the writer's threads, one at a time */
    unsigned interval_ms;       /* between two moves; 0: one second */
};

int denials_writer_start(const struct denials_writer_options *options,
                         struct denials_writer **out_writer, struct bl_error *error);
void denials_writer_stop(struct denials_writer *writer); /* may be NULL */

struct denials_status {
    uint64_t recorded; /* denials moved into segments since start */
    uint64_t pending;  /* octets of journals not yet moved */
    uint64_t counted;  /* counted, not itemised, since start */
    uint64_t damaged;  /* octets of earlier journals that were no whole record */
    uint64_t files;    /* journal files in use */
    int64_t last_ms;   /* wall time of the last successful move, 0: none yet */
    struct bl_error
        trouble; /* why the last move, or the last spare, failed; empty when all is well */
};

void denials_writer_status(struct denials_writer *writer, struct denials_status *out_status);

/* Whether the two threads still work: numbers that grow with each turn of theirs, every second or
 * so, and with each batch that the writer has moved. Where disks are slow, destroying records keeps
 * the writer waiting for minutes: `retaining` says that this is why. Any thread. */
struct denials_turns {
    uint64_t writer, keeper;
    bool retaining;
};

void denials_writer_turns(const struct denials_writer *writer, struct denials_turns *out_turns);

/* Destroys what is kept no longer, between two moves; see retention.h. */
int denials_writer_retain(struct denials_writer *writer, const struct retention *retention,
                          int64_t wall_ms, struct retention_receipt *out_receipt,
                          struct bl_error *error);

/* Moves what there is now, in the calling thread: for tests, and where an answer must be on record.
 */
int denials_writer_flush(struct denials_writer *writer, struct bl_error *error);

#endif
