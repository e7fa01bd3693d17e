/* Text that others made: names, titles, what a program printed, on its way to a log, a terminal, a
 * collector or JSON.
 *
 * Any thread; no state.
 */
#ifndef RESOLVER_BASE_TEXT_H
#define RESOLVER_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads one character of UTF-8 (RFC 3629: shortest form, no surrogates). Returns its octets, 0 if
 * invalid. */
size_t text_utf8_read(const char *text, uint32_t *out_character);

/* Characters that move the cursor, end a line, hide themselves or turn the reading direction
 * round. */
bool text_is_unsafe(uint32_t character);

/* Puts '?' in place of each such character and each octet that is no UTF-8, so that what is left is
 * valid and one line. Returns `text`, which never grows. */
char *text_clean(char *text);

#endif
