/* Incidents and faults: what somebody follows up, in state.mdb beside the change log, and each step
 * of it an entry of the change log in the same transaction.
 *
 * An *incident* is opened from a denial (a case) or without one; it gets notes, actions and further
 * cases, and is closed with an outcome. While it is open, the days of its cases are held: retention
 * leaves them alone. A *fault* is something that the filter should have refused and did not, or the
 * reverse.
 *
 * Requests and replies are JSON objects, as with acts.h. What a denial was is looked up by whoever
 * serves the request (the daemon, or the command that holds the state folder's lock) and stands in
 * the request as "denial"; a caller cannot make one up.
 *
 *   incident  {"id", "state": "open" or "closed", "title", "opened", "opened_by", "cases": [denial,
 * …], "notes": [{"time", "by", "kind": "note" or "action", "text"}, …], "outcome", "closed",
 * "closed_by"}                 times in seconds since 1970 fault     {"id", "state", "kind":
 * "should-be-blocked", "should-be-allowed" or "other", "name", "text", "reported", "reported_by",
 * "outcome", "closed", "closed_by"}
 *
 * Threads and failures: as with state.h.
 */
#ifndef RESOLVER_POLICY_INCIDENTS_H
#define RESOLVER_POLICY_INCIDENTS_H

#include <jansson.h>

#include "resolver/policy/acts.h"

enum { INCIDENT_TEXT_MAX = 4000, INCIDENT_CASES_MAX = 500, INCIDENT_NOTES_MAX = 2000 };

/* {"text": why, "title", "denial", "again"}. Reply: {"incident": {…}}. -EEXIST, with the incident's
 * number, where the case is in one already, unless "again" is true. */
int act_incident_open(struct act *act, const json_t *request, json_t *reply,
                      struct bl_error *error);

/* {"id", "text", "kind": "note" (where it is not said) or "action", "denial": a further case} */
int act_incident_note(struct act *act, const json_t *request, json_t *reply,
                      struct bl_error *error);

/* {"id", "text": the outcome} */
int act_incident_close(struct act *act, const json_t *request, json_t *reply,
                       struct bl_error *error);

/* {"id"} or {"all": closed ones too}. Reply: {"incidents": […]}. -ENOENT for an id that is not
 * there. */
int act_incidents(struct act *act, const json_t *request, json_t *reply, struct bl_error *error);

/* {"id", "text": for whom and why}: an extract of one incident for handing out, about the device of
 * its first case only; addresses and codes of other cases are left out of titles and notes too.
 * Reply: {"extract": {…}, "sha256": of the extract as text, "entry": the change log's number}; the
 * entry holds the same hash, so that `changes verify` proves the extract.
 */
int act_incident_export(struct act *act, const json_t *request, json_t *reply,
                        struct bl_error *error);

/* {"name": of a domain, or none, "kind", "text"}; {"id", "text": the outcome}; {"all"}. Replies:
 * {"fault"}, {"faults"}.
 */
int act_fault_report(struct act *act, const json_t *request, json_t *reply, struct bl_error *error);
int act_fault_close(struct act *act, const json_t *request, json_t *reply, struct bl_error *error);
int act_faults(struct act *act, const json_t *request, json_t *reply, struct bl_error *error);

/* Calls `each` with the time (milliseconds since 1970) of each case of each open incident. */
int incidents_held(struct change *change, void (*each)(void *user, int64_t wall_ms), void *user,
                   struct bl_error *error);

#endif
