/* Reading the reply of `policy show` (resolver/policy/versions.h says what its rows hold). Texts
 * are borrowed from the reply, never NULL, "" where there is nothing.
 */
#ifndef TOOLS_POLICY_ROWS_H
#define TOOLS_POLICY_ROWS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

const char *policy_text(const json_t *object, const char *key);

/* A rule's fields: its action, when, by whose word, and who approved it. */
enum policy_field { POLICY_ACTION, POLICY_WHEN, POLICY_BY, POLICY_APPROVER };
const char *policy_field(const json_t *rule, enum policy_field field);

/* The row that tells of a group itself, and a value of it ("title"). */
bool policy_is_group(const json_t *row);
const char *policy_group_value(const json_t *row, const char *key);

/* Subnets of one group say the same: whether the row's is the first of them. `at` is its index. */
bool policy_is_first(const json_t *rows, size_t at, const json_t *row);

/* What holds for the whole school, as a list or a word of YAML, and whether the row is of that
 * kind. */
bool policy_is_school(const json_t *row);
const char *policy_school(const json_t *rows, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The next word of such a value, without its quotes; `*at` is moved behind it. False at the end. */
bool policy_word(const char **at, char *out, size_t size);

#endif
