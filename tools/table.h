/* Tables that people read on a terminal of 80 columns: columns as wide as their content, numbers to
 * the right, the widest text column shortened with "…" when the line would not fit. Text cells may
 * hold hostile bytes (names from queries): control characters and invalid UTF-8 are shown escaped.
 */
#ifndef TOOLS_TABLE_H
#define TOOLS_TABLE_H

#include <stddef.h>
#include <stdio.h>

struct table;

/* BELOW is of the last column, a text to the left: where not all fits in a line, it is not
 * shortened but told in lines of its own below its row. */
enum table_align { TABLE_LEFT, TABLE_RIGHT, TABLE_BELOW };

struct table *table_create(void); /* never NULL: running out of memory ends the command */
void table_column(struct table *table, const char *heading, enum table_align align);
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Fills cells left to right, then the next row. */
void table_print(struct table *table, FILE *out); /* and frees it */
void table_free(struct table *table);

/* `text` with control characters, invalid UTF-8 and bidirectional overrides escaped, for a
 * terminal. */
char *text_safe(const char *text, char *out, size_t size);

/* Columns that a text takes on a terminal. The text is safe already. */
size_t text_width(const char *text);

#endif
