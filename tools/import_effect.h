/* What a change of the lists would do to what was really asked in the last week: every denial on
 * record, and the names that groups were answered most (`recording`), judged by each group's policy
 * with both generations. By group and name, never by client. Reads the state folder, whether the
 * resolver runs or not.
 */
#ifndef TOOLS_IMPORT_EFFECT_H
#define TOOLS_IMPORT_EFFECT_H

#include <jansson.h>

#include "blocklists/store.h"
#include "tools/verb.h"

struct effects;

/* NULL where there is nothing to compare: one of the two is NULL, or no records may be read. */
struct effects *effects_find(struct command *command, const struct bl_store *before,
                             const struct bl_store *after);
void effects_destroy(struct effects *effects); /* NULL is fine, here and below */
void effects_print(const struct effects *effects);
json_t *effects_json(const struct effects *effects);

#endif
