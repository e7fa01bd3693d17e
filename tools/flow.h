/* Words folded to lines of 78 columns, for people at a terminal, in print and in mail. What cannot
 * be shown is escaped (text_safe()); a word that is longer than a line has one of its own.
 *
 * Happy path: flow_begin(), then flow_words() as often as there is something to say, flow_end().
 */
#ifndef TOOLS_FLOW_H
#define TOOLS_FLOW_H

#include <stddef.h>
#include <stdio.h>

struct flow {
    FILE *out;
    const char *first, *indent; /* before the first line, and before those that follow; borrowed */
    size_t column;
    int begun;
};

void flow_begin(struct flow *flow, FILE *out, const char *first, const char *indent);
void flow_words(struct flow *flow, const char *format, ...) __attribute__((format(printf, 2, 3)));
void flow_end(struct flow *flow); /* the end of the line; nothing where nothing was said */

/* A row of a Markdown table that is as wide as `widths` say: longer cells go on in rows below it,
 * whose other cells are empty. */
void flow_row(FILE *out, size_t count, const char *const *cells, const size_t *widths);

#endif
