/* Journals into segments, a batch at a time, each record exactly once.
 *
 * A batch goes through the files in order until a segment's buffers are full, then commits every
 * segment it touched. Each segment keeps, in the same transaction as the records, how far each
 * journal file has come; so when one of two segments cannot be written, or a kill falls between two
 * commits, the next try steps over what is there. On failure the files' positions go back to where
 * the batch began.
 *
 * Threads: one at a time; the writer guards it.
 */
#ifndef RESOLVER_DENIALS_DRAIN_H
#define RESOLVER_DENIALS_DRAIN_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "blocklists/error.h"
#include "resolver/denials/journal_file.h"
#include "resolver/denials/legend.h"
#include "resolver/denials/segment.h"

enum { DRAIN_SEGMENTS = 3, DRAIN_FILES = 64 };

/* Told of each record once, as it is moved: for alerts and logs to the outside. `legend` may be
 * NULL. */
struct denials_observer {
    void (*each)(void *user, const struct journal_item *item, const struct legend_names *legend);
    void *user;
};

/* Asked what is known of the device behind a record, as it is moved: leaves what it does not know
 * zero. */
struct denials_namer {
    void (*name)(void *user, const struct denial *denial, struct denial_device *out_device);
    void *user;
};

struct drain_count {
    struct journal_file *file;
    struct segment *segment;
    unsigned slot;
    uint64_t amount;
};

struct drain {
    char state[PATH_MAX];
    const struct denials_observer *observers;
    size_t observer_count;
    struct denials_namer namer; /* `name` NULL: nothing is known */
    struct {
        struct address client;
        struct denial_device device;
        bool known;
    } last;                                   /* of this batch: denials come in runs of the same */
    struct segment *segments[DRAIN_SEGMENTS]; /* the one used last first */
    bool touched[DRAIN_SEGMENTS];
    struct {
        struct journal_file *file;
        uint64_t start;
    } batch[DRAIN_FILES];
    size_t batch_count;
    struct drain_count counts[JOURNAL_COUNT_SLOTS];
    size_t count_count;
    uint64_t batch_records;
    uint64_t moved_records; /* journal records moved, before folding */
    uint64_t moved_counts;
    uint64_t damaged; /* octets of journals that were no whole record */
};

void drain_init(struct drain *drain, const char *state);
void drain_fini(struct drain *drain);

/* Between two batches: closes every segment; they are opened again when they are needed. */
void drain_close_segments(struct drain *drain);

enum drain_result { DRAIN_FAILED = -1, DRAIN_DONE, DRAIN_MORE };

/* Takes what `file` holds now into the batch; DRAIN_MORE: the batch is full, commit and call again.
 */
enum drain_result drain_file(struct drain *drain, struct journal_file *file,
                             struct bl_error *error);

/* The same for what it only counted. */
enum drain_result drain_counts(struct drain *drain, struct journal_file *file,
                               struct bl_error *error);

/* Commits the batch: 0, or a negative errno and everything is as before the batch. */
int drain_commit(struct drain *drain, struct bl_error *error);

/* Forgets the batch, after drain_file() or drain_counts() failed. */
void drain_abort(struct drain *drain);

/* True when everything that `file` will ever hold is in segments. */
bool drain_is_done(const struct journal_file *file);

#endif
