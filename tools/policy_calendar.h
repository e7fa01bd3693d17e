/* The school's time in words: of `policy show --document`. */
#ifndef TOOLS_POLICY_CALENDAR_H
#define TOOLS_POLICY_CALENDAR_H

#include <jansson.h>
#include <stddef.h>

/* The section on periods, terms, holidays and days that differ; nothing where rows tell none. */
void policy_calendar_print(const json_t *rows);

/* "2026-11-23T11:15" or "2026-11-23" as "23 November 2026, 11:15". Other text is given back. */
const char *policy_date_text(const char *text, char *out, size_t size);

/* "from … until …" of a rule with its moments in words; "for good" for "always". */
const char *policy_when_text(const char *when, char *out, size_t size);

#endif
