/* Allowed questions one by one, where `recording: {allowed: all}` keeps them: STATE/allowed has the
 * form of the state folder's records of denials, and is read by the same code.
 *
 *   {"since_ms", "until_ms", "group", "client", "name", "most"}, none of them needed →
 *   {"questions": [as denial_describe()'s, without a case], "more": whether the oldest were left
 *   out because there are more than "most"}, newest last
 *
 * Who may ask, and that it is on record, is the caller's to see to. Threads, access and damage: as
 * with denials_search() of records.h.
 */
#ifndef RESOLVER_DENIALS_QUESTIONS_H
#define RESOLVER_DENIALS_QUESTIONS_H

#include <jansson.h>
#include <stdbool.h>

#include "blocklists/error.h"

enum { QUESTIONS_MOST = 100000 };

/* 0; -EINVAL: what was asked is not understood; or another negative errno. `copy` within the
 * daemon. */
int questions_find(const char *state, const json_t *request, bool copy, json_t *reply,
                   struct bl_error *error);

#endif
