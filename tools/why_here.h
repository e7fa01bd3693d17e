/* `why` where no daemon runs: by the configuration, the generation in force, and what state.mdb has
 * on record. */
#ifndef TOOLS_WHY_HERE_H
#define TOOLS_WHY_HERE_H

#include "tools/verb.h"

#include <jansson.h>

/* The daemon's verb "why" (resolver/query/why.h). 0, or a negative errno with a sentence; -EINVAL
 * for what was asked wrongly. */
int why_here(struct command *command, const json_t *request, json_t *reply, struct bl_error *error);

#endif
