/* Denials for people, spreadsheets and programs. What comes from queries (names) and from journals
 * (words) is hostile text: it is escaped for where it goes, here and nowhere else.
 */
#ifndef TOOLS_DENIAL_SHOW_H
#define TOOLS_DENIAL_SHOW_H

#include <jansson.h>
#include <stdio.h>

#include "resolver/denials/journal.h"
#include "resolver/denials/words.h"

enum { SHOW_TIME_MAX = DENIAL_TIME_MAX, SHOW_TYPE_MAX = DENIAL_TYPE_MAX };

/* "2026-11-23T11:15:02.123+00:00": local time with its zone. */
char *show_time(int64_t wall_ms, char out[SHOW_TIME_MAX]);

/* "Monday 23 November 2026". */
char *show_day(int64_t wall_ms, char out[SHOW_TIME_MAX]);

/* "AAAA", or "TYPE65280" (RFC 3597 section 5). */
char *show_type(uint16_t type, char out[SHOW_TYPE_MAX]);

/* "1,234,567". */
char *show_count(uint64_t count, char out[32]);

const char *show_via(uint8_t via);
const char *show_transport(uint8_t transport);
const char *show_severity(uint8_t severity);
const char *show_rule(uint8_t rule);

/* A cell of CSV by RFC 4180, made harmless for spreadsheets and terminals: what they would take for
 * a formula gets an apostrophe before it, control and turning characters are escaped as in tables.
 */
void show_csv_cell(FILE *out, const char *text);

/* Text for HTML, in content and in quoted attributes. */
void show_html(FILE *out, const char *text);

void denial_csv_head(FILE *out);
void denial_csv(FILE *out, const struct denial_record *record);
json_t *denial_json(const struct denial_record *record); /* a new reference, NULL: no memory */

/* One line a denial. Columns are as wide as what denial_widths_see() met, within what a line holds.
 */
struct denial_widths {
    int group, category, client;
    int line; /* columns of the terminal, 80 elsewhere */
};

void denial_widths_init(struct denial_widths *widths, FILE *out);
void denial_widths_see(struct denial_widths *widths, const struct denial_record *record);
void denial_line_head(FILE *out, const struct denial_widths *widths);
void denial_line(FILE *out, const struct denial_widths *widths, const struct denial_record *record);

#endif
