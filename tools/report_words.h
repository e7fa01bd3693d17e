/* The sentences of a report, the same in text and HTML. */
#ifndef TOOLS_REPORT_WORDS_H
#define TOOLS_REPORT_WORDS_H

#include "tools/report.h"

enum { REPORT_WORDS_MAX = 2048 };

/* "13:05", or with the day where the report spans several; "13:05 to 13:24". */
char *report_when(const struct report *report, const struct finding *finding,
                  char out[REPORT_WORDS_MAX]);

/* The first of them only. */
char *report_since(const struct report *report, const struct finding *finding,
                   char out[REPORT_WORDS_MAX]);

/* "6 sites, 18 look-ups: alone0.example, …". Names are hostile: escape for where it goes. */
char *report_what(const struct finding *finding, char out[REPORT_WORDS_MAX]);

/* "Looks like visits (several sites of the kind within minutes). First time in four weeks. …" */
char *report_why(const struct report *report, const struct finding *finding,
                 char out[REPORT_WORDS_MAX]);

/* Nothing was refused, and nothing observed. */
bool report_is_quiet(const struct report *report);

/* The opening sentences, by audience. */
char *report_summary(const struct report *report, char out[REPORT_WORDS_MAX]);

/* How this span compares with the four weeks before; "" where there is nothing to compare with. */
char *report_compared(const struct report *report, char out[REPORT_WORDS_MAX]);

/* A category's title as this report has it; its name where there is none; "" for NULL. */
const char *report_title_of(const struct report *report, const char *category);

/* How many lists are out of date, and what to do; "" where none is. */
char *report_stale(const struct report *report, char out[REPORT_WORDS_MAX]);

/* Words folded to lines of 78 columns, made safe for a terminal; `indent` before each. */
void report_wrap(FILE *out, const char *words, const char *indent);

extern const char *const report_limits[]; /* paragraphs; NULL ends */
extern const char report_method[];        /* how background is told from visits */

/* Told in full: visits, and whatever is of high severity; the rest in a line. */
bool report_is_serious(const struct finding *finding);
size_t report_serious(const struct report *report);

/* Background by category, most serious first. */
enum { REPORT_BACKGROUND_MAX = 40 };
struct report_background {
    const char *category, *title, *device; /* of the first */
    uint8_t severity;
    uint64_t count, devices;
    unsigned why; /* the reasons of most */
};
size_t report_background(const struct report *report,
                         struct report_background list[REPORT_BACKGROUND_MAX]);

size_t report_attention(const struct report *report); /* findings that are not background */
bool report_has_details(const struct report *report); /* names and addresses: for the dsl only */

#endif
