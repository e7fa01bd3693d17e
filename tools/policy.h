/* The policy as a document for people, from the reply of `policy show`. */
#ifndef TOOLS_POLICY_H
#define TOOLS_POLICY_H

#include <jansson.h>

/* Markdown that reads well as plain text: who is denied what, when, and the table of revisions. */
void policy_document_print(const json_t *reply);

#endif
