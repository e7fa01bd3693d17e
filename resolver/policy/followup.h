/* What incidents and faults have in common: each is a JSON object with a number and a state in a
 * table of state.mdb, followed up by people who say why, each step of it an entry of the change
 * log.
 *
 * For incidents.c and faults.c alone. Threads and failures: as with state.h; codes are negative
 * errnos, each with a sentence.
 */
#ifndef RESOLVER_POLICY_FOLLOWUP_H
#define RESOLVER_POLICY_FOLLOWUP_H

#include <jansson.h>

#include "resolver/policy/acts.h"
#include "resolver/policy/state.h"

json_t *followup_moment(const struct act *act); /* of the change, in seconds; the caller's */
json_t *followup_person(const struct act *act); /* whose login it is; the caller's */

/* A text that must be there, borrowed from the request; NULL with a sentence that asks for `what`.
 */
const char *followup_text(const json_t *request, const char *key, const char *what,
                          struct bl_error *error);
uint32_t followup_id(const json_t *request); /* 0: none */

/* One record, the caller's. -ENOENT, -EBADMSG. */
int followup_read(struct act *act, enum state_table table, uint32_t id, const char *what,
                  json_t **out_record, struct bl_error *error);
int followup_write(struct act *act, enum state_table table, const json_t *record,
                   struct bl_error *error);
int followup_id_next(struct act *act, const char *counter, uint32_t *out_id,
                     struct bl_error *error);

/* The step's entry in the change log; `after` is taken, NULL is fine. */
int followup_log(struct act *act, const char *action, const char *what, uint32_t id, json_t *after,
                 const char *text, struct bl_error *error);

bool followup_is_open(const json_t *record);

/* Appends to `list` what is open in a table, or `all`, oldest first; what cannot be read is left
 * out. */
int followup_read_all(struct change *change, enum state_table table, bool all, json_t *list,
                      struct bl_error *error);

/* {"id"} or {"all"}: `reply` gets a list at `key`. */
int followup_show(struct act *act, enum state_table table, const char *what, const char *key,
                  const json_t *request, json_t *reply, struct bl_error *error);

#endif
