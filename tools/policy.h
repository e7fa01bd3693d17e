/* The policy as a document for people, from the reply of `policy show`. */
#ifndef TOOLS_POLICY_H
#define TOOLS_POLICY_H

#include <jansson.h>

#include "resolver/config/config.h"

/* Markdown that reads well as plain text of 80 columns: the school's time, who is denied what and
 * when, exceptions with reason and end, kinds of content, limits, and the table of revisions. */
void policy_document_print(const json_t *reply, const struct config *config);

#endif
