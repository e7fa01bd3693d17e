/* Reading denials sensibly: what looks like somebody's visits, and what programs do by themselves.
 *
 * Records are met in order of time, or of each device's time (that is quicker). For each device and
 * registrable domain the way of asking is followed (when, how regularly, by which names, together
 * with what), then judged by points, each with its reason, so that a report can say how it was
 * decided. Nothing is proved by it: the words say "looks like".
 *
 * One thread. Memory grows with pairs of device and domain, to FINDINGS_PAIRS_MAX; what comes
 * beyond that is in the sums only, and said so.
 */
#ifndef TOOLS_REPORT_FINDINGS_H
#define TOOLS_REPORT_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/base/address.h"
#include "resolver/denials/records.h"

enum { FINDINGS_PAIRS_MAX = 2000000, FINDING_SITES_MAX = 5 };

enum finding_kind { FINDING_VISITS, FINDING_UNCLEAR, FINDING_BACKGROUND };

/* Why; a bit each. */
enum finding_why {
    WHY_PAGES = 1 << 0,       /* main pages of sites: the domain itself or www. */
    WHY_SEVERAL = 1 << 1,     /* several sites of the kind within minutes */
    WHY_RETURNED = 1 << 2,    /* came back after a while, at no fixed interval */
    WHY_PERIODIC = 1 << 3,    /* at a fixed interval */
    WHY_NIGHT = 1 << 4,       /* by day and at night alike */
    WHY_ALL_DAY = 1 << 5,     /* in most hours of the day */
    WHY_APP_NAMES = 1 << 6,   /* names that only programs ask */
    WHY_WITH_OTHERS = 1 << 7, /* always together with other refused sites: parts of pages */
    WHY_ONCE = 1 << 8,        /* a single look-up */
    WHY_ADVERTS = 1 << 9,     /* a kind that pages and programs fetch by themselves */
};

struct finding_site {
    const char *name; /* registrable domain, as text */
    uint64_t count;
};

/* What one device did in one category, of one kind. */
struct finding {
    struct address client;
    const char *device; /* its name, MAC address or address, as text */
    const char *group, *category, *title;
    uint8_t severity;
    enum finding_kind kind;
    unsigned why;
    uint64_t count, site_count;
    unsigned episodes;     /* spells of asking, five minutes apart at least */
    unsigned out_of_hours; /* look-ups then */
    bool observed_only;
    bool first_time; /* of this device and category, within what was looked back at */
    int64_t first_ms, last_ms;
    uint64_t case_number;                         /* of the first look-up */
    struct finding_site sites[FINDING_SITES_MAX]; /* most first */
    double score;
    uint32_t device_number, category_number; /* the findings' own */
};

struct findings;

/* `in_hours` tells whether a moment lies within the hours of a group. */
struct findings *findings_create(bool (*in_hours)(void *user, const char *group, int64_t wall_ms),
                                 void *user);
void findings_free(struct findings *findings);

/* Meets a record. */
void findings_meet(struct findings *findings, const struct denial_record *record);

/* Judges; the list is the findings' own, what matters most first, background last. */
const struct finding *findings_judge(struct findings *findings, size_t *out_count);

/* What each device asked of each site: after findings_judge(), by device. */
struct finding_pair {
    const char *device; /* as report_sum.key */
    const char *domain, *group, *category;
    uint32_t domain_number, group_number, category_number; /* small ones, for arrays */
    uint64_t count;
};
void findings_pairs(const struct findings *findings,
                    void (*each)(void *user, const struct finding_pair *pair), void *user);

uint64_t
findings_left_out(const struct findings *findings); /* look-ups beyond the limit of memory */

/* Between meeting and judging: the device was refused the category before, which is no first time
 * then. */
void findings_seen_before(struct findings *findings, const struct denial_met *met);

/* "at a fixed interval, by day and at night alike": the reasons in words. */
char *finding_why_text(unsigned why, char *out, size_t size);
const char *finding_kind_text(enum finding_kind kind);

#endif
