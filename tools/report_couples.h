/* Which device asked which site: from that, how many devices stand behind a name and a group, how
 * many sites behind a device, and under which category most of either is.
 *
 * One thread; as with tallies, running out of memory ends the command.
 */
#ifndef TOOLS_REPORT_COUPLES_H
#define TOOLS_REPORT_COUPLES_H

#include <stdint.h>

#include "tools/report.h"

struct couples;

struct couples *couples_create(void);

/* Numbers are those of the report's sums, before they are sorted. */
void couples_add(struct couples *couples, uint32_t name, uint32_t device, uint32_t category,
                 uint32_t group, uint64_t count);

/* Writes what is known into the report's sums, and frees. */
void couples_settle(struct couples *couples, struct report *report);

/* The same from the findings of a report that is sorted already. */
void couples_of_findings(struct report *report);

#endif
