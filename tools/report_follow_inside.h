/* What people did, between those who gather it (report_follow.c), lay it out in rows
 * (report_follow_rows.c) and write it (report_follow_write.c); for these three alone. */
#ifndef TOOLS_REPORT_FOLLOW_INSIDE_H
#define TOOLS_REPORT_FOLLOW_INSIDE_H

#include "tools/report.h"

enum { REPORT_CELL_MAX = 400, REPORT_COLUMNS_MAX = 5, REPORT_SECTIONS = 8 };

/* A table for every form: a heading, its columns, and a row for each record. */
struct report_section {
    const char *key; /* in CSV; NULL: told there in a way of its own */
    const char *title, *nothing;
    const char *const *columns; /* NULL ends; the last one is the longest */
    void (*row)(const struct report *report, const json_t *record, char cells[][REPORT_CELL_MAX]);
    json_t *records; /* NULL: not to be known */
};

enum { REPORT_INCIDENTS, REPORT_FAULTS, REPORT_GRANTED, REPORT_CHANGES, REPORT_GRANTS };

/* All of them, those above first; the caller puts each one's records back. */
void report_sections(const struct report *report, struct report_section out[REPORT_SECTIONS]);

/* What was changed; the head is not told of which device that was. */
const char *report_change_target(const struct report *report, const json_t *change,
                                 char out[REPORT_CELL_MAX]);

/* Of the changes: those that people made, and the self-tests; the caller's. */
json_t *report_changes_of_people(const struct report *report);
json_t *report_selftests(const struct report *report);

#endif
