/* How far a carrier came: a place for each day's segment, a number of the change log, and what it
 * counted; kept in STATE/export/NAME.json.
 *
 * Threads: one.
 */
#ifndef RESOLVER_EXPORT_PLACES_H
#define RESOLVER_EXPORT_PLACES_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>

#include "resolver/denials/feed.h"
#include "resolver/denials/segments.h"

struct day_place {
    char day[DAY_TEXT_MAX];
    struct feed_place place;
    uint64_t left;   /* records behind it, at the last look */
    json_t *counted; /* what was told of denials that were only counted, by hour, group and
                        category; NULL: nothing */
    unsigned faults; /* in a row */
};

struct places {
    char path[PATH_MAX];
    struct day_place *days; /* by date */
    size_t count;
    uint64_t change; /* the last number that was sent */
    bool change_known;
    uint64_t sent, changes, skipped, failures;
    uint64_t counted; /* denials without a record that were told as numbers */
    int64_t last_sent_s;
    struct bl_error trouble; /* empty when all is well */
    char *saved;             /* what the file holds */
};

/* Empty ones, whose file will be STATE/export/NAME.json; makes the folder. */
void places_name(struct places *places, const char *state, const char *name);

/* 0; -ENOENT: there is no file yet, so that everything is new; another negative errno: there is one
 * that cannot be read, and the places are at the beginning of everything, so that some is sent
 * twice but none not at all. */
int places_load(struct places *places);
void places_free(struct places *places);

/* Writes the file, whole, when something changed. 0 or a negative errno. */
int places_save(struct places *places, struct bl_error *error);

/* Forgets days without a segment, and finds or makes that of a day; NULL: no memory. */
void places_prune(struct places *places, const struct segment_list *list);
struct day_place *places_day(struct places *places, const char *day);

/* Records that wait to be sent. */
uint64_t places_waiting(const struct places *places);

#endif
