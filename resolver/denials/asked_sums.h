/* The most-asked names of each group and day: added up in memory, kept in STATE/counts/DAY.mdb.
 *
 * The file is LMDB with one table: group, NUL, wire name → count (uint64_t), and "meta" →
 * struct asked_meta. It holds no client in any form. A name is written once at least `least`
 * different addresses asked for it on that day, so that what only one or two people do stays out.
 *
 * The file is written anew each time, under another name, synced and put in place by rename: it is
 * whole or not there, and readers need no lock. What was not written yet is gone after a kill; how
 * long that is, the caller decides (the daemon: ASKED_WRITE_MS of upkeep.h).
 *
 * Limits: ASKED_SUMS_MAX names at a time, the least asked go first. Which addresses asked is
 * forgotten with the process, so after a restart a name that was not written yet starts anew.
 *
 * Threads: one at a time. asked_read() any, also in other processes.
 */
#ifndef RESOLVER_DENIALS_ASKED_SUMS_H
#define RESOLVER_DENIALS_ASKED_SUMS_H

#include <stdint.h>

#include "blocklists/error.h"
#include "resolver/denials/asked.h"
#include "resolver/denials/day.h"
#include "resolver/denials/retention.h"

enum { ASKED_SUMS_MAX = 32768, ASKED_FORMAT = 1, ASKED_BYTE_ORDER = 0x01020304 };

struct asked_meta {
    uint32_t format;
    uint32_t byte_order;
    uint32_t least;
    uint32_t reserved;
};

struct asked_sums;

int asked_sums_create(const char *state, struct asked_sums **out_sums); /* 0 or -ENOMEM */
void asked_sums_free(struct asked_sums *sums); /* what was not written is gone; NULL is fine */

/* Adds what a worker counted, as of the day of `wall_ms`, and empties the table. A new day forgets
 * the old one: write it first. 0 or -ENOMEM. */
int asked_sums_take(struct asked_sums *sums, const struct asked *asked, struct asked_table *table,
                    int64_t wall_ms);

/* The day that is being added up; "" before the first. */
const char *asked_sums_day(const struct asked_sums *sums);

/* Puts the day's file in place where there is something new. 0 or a negative errno. */
int asked_sums_write(struct asked_sums *sums, unsigned least, struct bl_error *error);

/* Forgets what is in memory. */
void asked_sums_forget(struct asked_sums *sums);

struct asked_count {
    const struct day *day;
    const char *group;
    const uint8_t *name; /* wire */
    uint64_t count;
};

/* Calls `each` for every count of the days that touch [since, until), day by day, until it returns
 * non-zero, and returns that. A damaged file is told to `warn` (may be NULL) and passed over. */
int asked_read(const char *state, int64_t since_ms, int64_t until_ms,
               int (*each)(void *user, const struct asked_count *count), void *user,
               void (*warn)(void *user, const char *sentence), void *warn_user,
               struct bl_error *error);

/* Removes the files of days that ended `keep_ms` ago or earlier and are not held. */
int asked_retain(const char *state, const struct retention *retention, int64_t now_ms,
                 struct retention_receipt *out_receipt, struct bl_error *error);

#endif
