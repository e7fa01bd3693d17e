/* A report's figures: gathered once from the state folder, then written as text, CSV, JSON or HTML.
 *
 * Sums come from roll-ups of whole hours; a span that begins or ends within an hour is summed from
 * the records. One thread; strings live until report_free().
 */
#ifndef TOOLS_REPORT_H
#define TOOLS_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "blocklists/error.h"
#include "resolver/base/address.h"
#include "resolver/config/config.h"
#include "resolver/denials/day.h"
#include "tools/most_asked.h"
#include "tools/report_findings.h"
#include "tools/verb.h"

enum report_audience { REPORT_DSL, REPORT_HEAD, REPORT_GOVERNORS, REPORT_REVIEW };

/* A word with its count: a group, category, registrable domain or device. */
struct report_sum {
    char *name;
    char *key;                          /* of a device: the same over all its addresses */
    char *title;                        /* of a category; "" elsewhere */
    uint8_t severity;                   /* of a category; of a name or device the highest met */
    uint64_t denied, observed, counted; /* counted: not itemised, not among denied */
    uint64_t others;      /* of a name: how many devices asked; of a device: how many names */
    const char *category; /* of a name or device: that most of it was in; a category's name */
    uint64_t category_count;
};

struct report_sums {
    struct report_sum *items; /* most first once gathered */
    size_t count;
};

struct report_day {
    struct day day;
    uint64_t denied, observed;
    bool before; /* of the four weeks before the report's span */
    bool school; /* of the calendar's school days; Monday to Friday where there is none */
};

/* How old what the filter works with is. */
struct report_list {
    char *category, *location;
    int64_t imported_s;
    bool stale; /* older than `stale-after` of the configuration lets it be */
    uint64_t entries;
};

struct report {
    int64_t since_ms, until_ms;
    int64_t made_ms;
    enum report_audience audience;
    char title[96]; /* "Monday 23 November 2026"; ", so far" while it goes on */

    uint64_t denied, observed, counted;
    struct report_sums groups, categories, names, devices;
    struct report_day *days;
    size_t day_count;
    uint64_t hours[24];       /* by what the clock showed */
    struct report_day *trend; /* the four weeks before, and the span, each day that has a record */
    size_t trend_count;
    struct findings *findings_store;
    const struct finding *findings; /* what matters most first; none for spans above a month */
    size_t finding_count;
    bool looked_back;            /* first times are known */
    unsigned totals_only;        /* days of the span whose records are kept no more */
    const struct config *config; /* borrowed; NULL: not known */
    struct report_list *lists;
    size_t list_count;
    uint64_t generation;
    struct most_asked asked;  /* and answered; none for the governors */
    struct report_following { /* what people did; NULL: not to be known */
        json_t *incidents, *faults, *changes;
        json_t *grants, *granted; /* exceptions that hold; and that were granted in the span */
        json_t *exports;          /* how far collectors came */
        json_t *made_safe;        /* what the filter did beside refusing: denials/daily.h */
    } following;
    char **warnings;
    size_t warning_count;
};

struct report_options {
    const char *state;
    const struct config *config; /* for the school's calendar; NULL: Monday to Friday */
    int64_t since_ms, until_ms;
    enum report_audience audience;
    bool sums_only; /* neither findings nor what was before */
};

int report_make(const struct report_options *options, struct report **out_report,
                struct bl_error *error);
void report_free(struct report *report);

void report_sums_sort(struct report_sums *sums); /* most first */

/* Adds the days of the span that have totals (resolver/denials/totals.h) and no records any more.
 */
void report_totals_add(const struct report_options *options, struct report *report);
/* The same for days since `since_ms` of the trend. */
void report_totals_trend(const struct report_options *options, int64_t since_ms,
                         struct report *report);

/* For the yearly review: paragraphs about self-tests, retention, roles and groups; NULL ends. */
enum { REVIEW_PARAGRAPHS = 12 };
size_t report_review(const struct report *report, char *paragraphs[REVIEW_PARAGRAPHS]);

/* Short enough for findings: up to a month. */
bool report_is_short(const struct report_options *options);

/* The second half of report_make(): findings, the weeks before, the lists (report_look.c). */
int report_look_closer(const struct report_options *options, struct report *report,
                       struct bl_error *error);

void report_text(const struct report *report, FILE *out);
/* What people did in the span, from the daemon or the state folder; a report is made without it,
 * too. */
void report_follow(struct command *command, struct report *report);
int64_t report_change_ms(const json_t *change); /* of an entry of the change log */

/* Of exceptions (report_granted.c): for whom one is, without a device's name where the report has
 * none; those granted in the span, by the change log, `grants` telling what became of them (NULL:
 * not known); and of all grants those that hold or will. */
const char *report_holder(const struct report *report, const json_t *grant);
json_t *report_granted(const struct report *report, const json_t *grants);
json_t *report_in_force(const json_t *grants);
/* What was made safe, in words; NULL for a search engine, whose name it is. */
const char *report_made_safe_words(const char *what);
/* The incident that follows a finding up, by its number; 0: none. */
json_int_t report_incident_of(const struct report *report, const struct finding *finding);
bool report_has_followed(const struct report *report); /* whether there is any of the span */
void report_following_text(const struct report *report, FILE *out);
void report_following_html(const struct report *report, FILE *out);
void report_following_csv(const struct report *report, FILE *out);
void report_following_json(const struct report *report, json_t *object);

/* The names that groups asked most (report_asked.c). */
void report_asked_text(const struct report *report, FILE *out);
void report_asked_html(const struct report *report, FILE *out);
void report_asked_csv(const struct report *report, FILE *out);
void report_asked_json(const struct report *report, json_t *object);

enum report_format { REPORT_AS_TEXT, REPORT_AS_HTML, REPORT_AS_CSV, REPORT_AS_JSON };

/* 0 or a negative errno. To a file: whole or not at all, under another name first; CSV with a byte
 * order mark, by which spreadsheets know UTF-8. */
int report_write(const struct report *report, enum report_format format, FILE *out);
int report_write_file(const struct report *report, enum report_format format, const char *path);

/* The week, Monday to Sunday, of a day; and a term of the calendar, by its name, or the one that
 * `today` is in
 * ("current"; between two terms, the last). */
void report_week(const struct day *day, int64_t *out_since_ms, int64_t *out_until_ms);
bool report_term(const struct config_calendar *calendar, const char *name, const struct day *today,
                 int64_t *out_since_ms, int64_t *out_until_ms);

/* Yesterday's report and those that were missed, into the folder and to the command of `reports` in
 * the configuration; prints what went wrong. */
enum exit_code report_nightly(struct command *command, int64_t now_s);

void report_html(const struct report *report, FILE *out);
void report_csv(const struct report *report, FILE *out);
int report_json(const struct report *report, FILE *out); /* 0 or -ENOMEM */

#endif
