/* A segment opened for reading: one consistent snapshot, in this or another process than the
 * writer's.
 *
 * Every function that touches the map runs inside guard_run(); see guard.h. Borrowed pointers live
 * until segment_reader_close().
 *
 * Threads: a reader belongs to the thread that opened it.
 */
#ifndef RESOLVER_DENIALS_SEGMENT_READ_H
#define RESOLVER_DENIALS_SEGMENT_READ_H

#include <stdbool.h>

#include "resolver/denials/segment_internal.h"

struct segment_string {
    const uint8_t *bytes; /* NULL: not asked for yet */
    uint32_t len, attribute;
};

struct segment_reader {
    struct day day;
    MDB_env *env;
    MDB_txn *txn;
    MDB_cursor *cursor; /* of the walk that is under way */
    struct segment_tables tables;
    struct segment_meta meta;
    struct segment_string *strings[SEGMENT_DICTIONARIES]; /* met so far; NULL: none yet */
    int snapshot_fd;                                      /* of a private copy, −1: none */
    struct segment_reader *abandoned_next;
    char path[PATH_MAX];
};

/* 0, -ENOENT, -EPROTO (another version), -EBADMSG (damaged), -EAGAIN (a snapshot could not be had)
 * or another negative errno with a sentence. Not inside a guard: brings its own. */
int segment_reader_open(const char *state, const struct day *day, bool copy,
                        struct segment_reader **out_reader, struct bl_error *error);
void segment_reader_close(struct segment_reader *reader);

/* Instead of closing, after a fault was met in it: nothing of LMDB's can be trusted to be freed. */
void segment_reader_abandon(struct segment_reader *reader);

/* A dictionary's string by its number; false: there is none. */
bool segment_reader_string(struct segment_reader *reader, enum segment_dictionary which,
                           uint32_t id, const uint8_t **out_bytes, size_t *out_len,
                           uint32_t *out_attribute);

/* A name by its number: a whole wire name, or NULL. */
const uint8_t *segment_reader_name(struct segment_reader *reader, uint32_t id,
                                   uint32_t *out_domain);
/* `out_device` may be NULL. */
bool segment_reader_client(struct segment_reader *reader, uint32_t id,
                           struct segment_client *out_client, struct denial_device *out_device);

/* For each of the first `count` clients the first one that is the same device by its MAC address,
 * or itself. 0 or -ENOMEM. `reader` may be NULL where `count` is 0. */
int segment_reader_same(struct segment_reader *reader, uint32_t count, uint32_t *out_same);

struct segment_word {
    char kind;
    uint8_t severity;
    const char *name, *title;
};
bool segment_reader_word(struct segment_reader *reader, uint32_t id, struct segment_word *out_word);
bool segment_reader_rule(struct segment_reader *reader, uint32_t id, struct segment_rule *out_rule);

/* How much of a journal file is in this segment. */
uint64_t segment_reader_drained(struct segment_reader *reader, uint64_t sequence);

/* Calls each(user, key, value) for a table's entries from `first` on (NULL: the start) until
 * non-zero. */
int segment_reader_walk(struct segment_reader *reader, MDB_dbi table, const MDB_val *first,
                        int (*each)(void *user, const MDB_val *key, const MDB_val *value),
                        void *user);

/* Who met what, into the bits, as far as the segment says so by itself; the rest is in the runs of
 * roll-ups from the number on that it returns, and in the records that no run holds. */
uint32_t segment_reader_met(struct segment_reader *reader, const struct segment_bits *bits);

/* Calls each(user, rollup) for all roll-ups: those written, from run `first` on, and those summed
 * from the records that none holds yet, until non-zero. *out_damaged counts blocks that were left
 * out. */
int segment_reader_rollups(struct segment_reader *reader, uint32_t first,
                           int (*each)(void *user, const struct segment_rollup *rollup), void *user,
                           unsigned *out_damaged);

#endif
