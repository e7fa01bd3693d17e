/* One question to an upstream, for `why --resolve`: what an answer leads to. Plain DNS from this
 * process, past the running daemon, so that nothing is filtered and nothing recorded.
 */
#ifndef TOOLS_RESOLVE_H
#define TOOLS_RESOLVE_H

#include <jansson.h>

#include "blocklists/error.h"
#include "resolver/config/config.h"

/* Sets resolved[NAME] to {"targets": […], "addresses": […]}, the records of the answer section. The
 * servers are those of the name's forward-zone, else the upstreams; those over TLS and those by
 * name are not asked. 0, or a negative errno with a sentence. */
int resolve_name(const struct config *config, const char *name, const char *type, json_t *resolved,
                 struct bl_error *error);

#endif
