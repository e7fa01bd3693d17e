/* Destroying records whose time is over (a school keeps personal data no longer than it needs it).
 *
 * A day's segment goes whole once nothing in it is to be kept. Where some categories are kept for a
 * shorter time than others, the segment is written anew without them and takes the old one's place
 * by rename; the old file's pages are gone when its last reader closes it. Days that are held (for
 * an incident) stay untouched. The writer's journals turn to fresh files with the next denial, so
 * that nothing destroyed goes on in them.
 *
 * Journals that were set aside as damaged go, too: nobody can tell which categories are in what is
 * not legible, so the shortest time of all counts, from when the file was last written.
 *
 * A kill between any two steps leaves the old segment or the new one, whole; a half-written one
 * lies in STATE/denials/.rewrite and is swept next time. What went is in STATE/.receipt until
 * receipt_told(STATE), see receipt.h.
 *
 * Threads: where segments are written: denials_writer_retain() of writer.h calls it there.
 */
#ifndef RESOLVER_DENIALS_RETENTION_H
#define RESOLVER_DENIALS_RETENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/error.h"
#include "resolver/denials/day.h"
#include "resolver/denials/receipt.h"

struct retention_rule {
    const char *category;
    int64_t keep_ms;
};

struct retention {
    int64_t keep_ms; /* of categories without a rule */
    const struct retention_rule *rules;
    size_t rule_count;
    bool (*held)(void *user, const struct day *day); /* NULL: none is */
    void *user;
};

/* Does all that is due at `now_ms`. Goes on after a day that fails; returns the first failure, with
 * what was destroyed in *out_receipt all the same: by this run, and by earlier ones that came to no
 * receipt_told(). */
int retention_run(const char *state, const struct retention *retention, int64_t now_ms,
                  struct retention_receipt *out_receipt, struct bl_error *error);

#endif
