/* Denials in the order in which they were written, from a place on: for whoever carries them
 * elsewhere and must know how far it came.
 *
 * A segment only grows at its end and what a commit put there does not change any more, so that a
 * place (block and record) stays good over restarts of reader and writer. Only retention writes a
 * day anew, long after its end: a place beyond the end then means that all of it was read.
 *
 * Threads, access and damage: as with denials_search() of records.h, but for journals: what is not
 * in a segment yet is told when it is. In a process of its own only.
 */
#ifndef RESOLVER_DENIALS_FEED_H
#define RESOLVER_DENIALS_FEED_H

#include "resolver/denials/records.h"

struct feed_place {
    uint32_t block, record; /* what is read next */
    uint64_t read;          /* records before it, folds not counted */
};

/* Tells at most `most` records of a day from *place on, and moves *place behind those told. `each`
 * stops it by returning non-zero: that record is not counted as told. *out_left: how many records
 * are behind the place then. How many were told, or a negative errno; -ENOENT: the day has no
 * segment. */
int feed_read(const char *state, const struct day *day, struct feed_place *place, unsigned most,
              int (*each)(void *user, const struct denial_record *record), void *user,
              uint64_t *out_left, struct bl_error *error);

/* What a day has of denials that were counted, but not itemised, as no record could be made: one
 * sum for each hour, group and category. Sums grow while the day's journals are moved; what is told
 * has no place, and whoever carries it elsewhere keeps what of each it told before. */
struct feed_counted {
    unsigned hour;                /* since the day's start */
    int64_t from_ms, until_ms;    /* of that hour */
    const char *group;            /* borrowed for the call; "" where it is not known */
    const char *category, *title; /* likewise */
    uint8_t severity;
    uint64_t count;
};

/* Tells each sum, by hour, group and category, until `each` returns non-zero. 0, what `each`
 * returned, -ENOENT: the day has no segment, or another negative errno. */
int feed_counted(const char *state, const struct day *day,
                 int (*each)(void *user, const struct feed_counted *counted), void *user,
                 struct bl_error *error);

/* The place behind all that the day has. 0, -ENOENT or another negative errno. */
int feed_end(const char *state, const struct day *day, struct feed_place *out_place,
             struct bl_error *error);

#endif
