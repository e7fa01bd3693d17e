/* Charts as inline SVG: no script, no outside file, a title and a description for those who do not
 * see them, readable in grey on paper. */
#ifndef TOOLS_REPORT_CHART_H
#define TOOLS_REPORT_CHART_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct chart_bar {
    const char *label; /* hostile text is escaped */
    uint64_t value;
    int shade; /* 0: as usual; 1: pale, for what came before; 2: strong */
};

/* Columns side by side, labels below: hours, days. `every` shows each n-th label only. */
void chart_columns(FILE *out, const char *id, const char *title, const struct chart_bar *bars,
                   size_t count, unsigned every);

/* Rows one under another, labels to the left: categories, groups, names. */
void chart_rows(FILE *out, const char *id, const char *title, const struct chart_bar *bars,
                size_t count);

#endif
