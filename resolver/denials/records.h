/* Reading denials back: records by filter, sums from the roll-ups, one case by its number.
 *
 * Works on a state folder, whether the resolver runs or not: what is in day segments and what still
 * waits in journals are put together, each denial once. A damaged or cut segment or journal is read
 * as far as it goes; `warn` is told which, in a sentence, and the rest is still read.
 *
 * Access: segments are read through LMDB's reader slots where the lock file may be written;
 * otherwise a snapshot is copied, checked to be of one state. Within the process that writes them,
 * set `copy`: LMDB must not open a file twice in one process.
 *
 * Threads: any, one call at a time each; no state is kept between calls. Allocates; not for the
 * query path.
 */
#ifndef RESOLVER_DENIALS_RECORDS_H
#define RESOLVER_DENIALS_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/error.h"
#include "resolver/base/address.h"
#include "resolver/denials/day.h"
#include "resolver/denials/device.h"

/* Borrowed for the call it is handed to. */
struct denial_record {
    int64_t wall_ms;
    uint64_t case_number;
    struct address client;
    const struct denial_device *device; /* whose address that was; never NULL */
    const char *group;                  /* "" where not known */
    const char *category;               /* "" where none decided */
    const char *title;
    uint8_t severity; /* enum config_severity */
    uint16_t qtype;
    uint8_t rule, via, transport, observed, answer;
    uint32_t policy_version;
    uint64_t generation;
    const uint8_t *qname;   /* whole wire names */
    const uint8_t *matched; /* NULL: no name of a list, or not known */
    const uint8_t *domain;  /* registrable domain of the name asked */
    const uint8_t *address; /* 16 octets that matched, or NULL */
    uint32_t count;         /* the same within a second */

    /* Small numbers that stand for the strings within one day, for summing up in arrays;
     * UINT32_MAX where there is none yet. */
    const struct day *day;
    uint32_t name_id, domain_id, client_id, word_group, word_category;
};

struct denials_filter {
    int64_t since_ms, until_ms;          /* until: exclusive */
    const char *group;                   /* NULL: all */
    const char *category;                /* NULL: all */
    const struct address_prefix *client; /* NULL: all */
    const char *device;                  /* name or MAC address; NULL: all */
    const uint8_t *name;                 /* wire: it or below it was asked, or matched; NULL: all */
    uint64_t case_number;                /* 0: all; also finds one that was folded */
    bool denied_only;                    /* without those only observed */
    bool by_client;                      /* within a day by client, those of one device together,
                                            each by time; what waits in journals still, and a client
                                            without MAC address that a segment's dictionary holds
                                            twice, comes in parts */
    bool copy;
    void (*warn)(void *user, const char *sentence); /* may be NULL */
    void *warn_user;
};

/* Calls `each` by time, oldest first (but see `by_client`), until it returns non-zero, and returns
 * that; 0 when all were seen; or a negative errno. */
int denials_search(const char *state, const struct denials_filter *filter,
                   int (*each)(void *user, const struct denial_record *record), void *user,
                   struct bl_error *error);

/* One sum of a roll-up: an hour × group × category × registrable domain × client. */
struct denial_sum {
    const struct day *day;
    unsigned hour; /* since the day's start, see day_hour_shown() */
    const char *group, *category, *title;
    uint8_t severity, observed;
    const uint8_t *domain;              /* NULL for what was counted but not itemised */
    const struct address *client;       /* NULL likewise */
    const struct denial_device *device; /* NULL likewise */
    bool itemised;
    uint64_t count;
    /* Small numbers that stand for the strings within one day: for summing up in arrays. */
    uint32_t domain_id, client_id, word_group, word_category;
};

/* The sums of whole hours that touch [since, until), days in order. Only `since_ms`, `until_ms`,
 * `denied_only`, `copy` and `warn` of the filter count. */
int denials_sums(const char *state, const struct denials_filter *filter,
                 int (*each)(void *user, const struct denial_sum *sum), void *user,
                 struct bl_error *error);

/* Which client was refused which category: each once a day, mostly. Days in order; of the filter
 * only `since_ms`, `until_ms`, `copy` and `warn` count, and whole days are told. */
struct denial_met {
    const struct day *day;
    const struct address *client;
    const struct denial_device *device;
    const char *category;
    uint32_t client_id, word_category; /* as in a record */
};

int denials_met(const char *state, const struct denials_filter *filter,
                int (*each)(void *user, const struct denial_met *met), void *user,
                struct bl_error *error);

/* A day's totals, without looking at its records. */
struct denials_day {
    const struct day *day;
    uint64_t denied, observed; /* itemised */
    uint64_t counted;          /* counted but not itemised */
    uint64_t runs;             /* how much there is to sum: blocks of roll-ups */
};

/* Days that touch [since, until), in order. */
int denials_days(const char *state, const struct denials_filter *filter,
                 int (*each)(void *user, const struct denials_day *day), void *user,
                 struct bl_error *error);

#endif
