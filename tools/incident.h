/* What the verbs `case`, `incident` and `fault` share. */
#ifndef TOOLS_INCIDENT_H
#define TOOLS_INCIDENT_H

#include <jansson.h>

#include "tools/act_here.h"

/* One denial, a line for each thing that is known of it. */
void case_print(const json_t *denial);

/* An incident in full; all of them in a table; an extract for handing out. */
void incident_print(const json_t *incident);
void incidents_print(const json_t *incidents);
void extract_print(const json_t *reply, FILE *out);

/* "2026-11-23 11:15" */
char *incident_moment(const json_t *record, const char *key, char out[32]);

/* Prints `key` of the reply as JSON. */
void incident_json(const json_t *reply, const char *key);

#endif
