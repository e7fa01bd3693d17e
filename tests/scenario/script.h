/* A scenario's text: lines, words, and telling what did not come out as the text says.
 *
 * A line is a verb and its words; '#' at the beginning or after a space begins a comment. One
 * scenario is played by one process, on one thread; the first line that does not come out ends it.
 */
#ifndef TESTS_SCENARIO_SCRIPT_H
#define TESTS_SCENARIO_SCRIPT_H

#include <stdbool.h>
#include <stdint.h>

/* Where we are: for messages. */
void script_begin(const char *path);
void script_line(unsigned line, const char *text);

/* "FILE:LINE: what", the line itself, and the end. */
_Noreturn void script_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same with two lines, "expected: …" and "got: …". */
_Noreturn void script_differ(const char *expected, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Called before the process ends by script_fail(): prints what would help, and cleans up. */
void script_on_fail(void (*explain)(void));

/* The next word of *rest, which moves behind it; NULL at the end. Changes the text. */
char *word_next(char **rest);

/* The next word, which must be there: "an address" for the message. */
char *word_must(char **rest, const char *what);

/* The next part of *rest up to a ';' of its own, trimmed; NULL at the end. */
char *part_next(char **rest);

/* If `word` is `key=value`: the value; else NULL. */
const char *word_value(const char *word, const char *key);

/* "61s", "500ms", "2h" in milliseconds; −1 where it is none. */
int64_t span_ms(const char *text);

#endif
