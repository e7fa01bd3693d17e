/* Grants, blocks and sessions as the state keeps them: JSON objects by id.
 *
 *   {"id": 17, "kind": "allow", "target": "chess.test", "target_kind": "name", "group": "pupils",
 *    "end": 1795435200000, "state": "active", "reason": "…", "by": "mary",
 *    "user": "root", "approved_by": "head", "at": 1795432500000}
 *
 * "kind" is allow, deny, block or session; "state" active or pending (waits for a second manager),
 * and in the past ended or revoked; without "end" it is for good, with "start" it begins later. A
 * device has "device" as it was named, and "mac" or "address" as far as known. Times are
 * milliseconds of wall time. "at" is when it was made; "approved_at" when it ceased to wait, and in
 * the past "ended_at" when it ended and "was" the state that it had until then. One that waits has
 * "seconds" where its time begins with the approval, and a session what it "loosens": sentences.
 *
 * A reload that loosens the policy waits here, too, with kind "reload", the SHA-256 of the
 * effective configuration ("sha256"), the "role" of who asked, and what it would loosen ("loosens":
 * sentences); approved, it is past. So do lists, with kind "lists": acts_lists.h.
 */
#ifndef RESOLVER_POLICY_GRANTS_H
#define RESOLVER_POLICY_GRANTS_H

#include "resolver/policy/rules.h"
#include "resolver/policy/state.h"

/* Adds a grant under the next free id, which is written into it ("id"). Borrowed. */
int grant_add(struct change *change, json_t *grant, struct bl_error *error);

/* One that is active, to come or pending: a new reference; -ENOENT with a sentence. */
int grant_get(struct change *change, uint32_t id, json_t **out_grant, struct bl_error *error);

/* One that waited has been approved. */
int grant_replace(struct change *change, json_t *grant, struct bl_error *error);

/* One that goes on waiting, written anew. */
int grant_rewrite(struct change *change, const json_t *grant, struct bl_error *error);

/* Moves it to the past, with "state" set to `state`. Borrowed. */
int grant_end(struct change *change, json_t *grant, const char *state, struct bl_error *error);

/* Those in the table (TABLE_GRANTS or TABLE_PAST), by id. */
int grants_read(struct change *change, enum state_table table, json_t **out_grants,
                struct bl_error *error);

/* Moves what has ended to the past. */
int grants_sweep(struct change *change, struct bl_error *error);

/* What policy_build_with() takes: the version, and the grants that hold or will. */
int policy_rules_read(struct change *change, struct policy_rules **out_rules,
                      struct bl_error *error);

/* The same as it was at a moment of the past, of what has ended since, too; `version` was the
 * policy's then. */
int policy_rules_read_at(struct change *change, int64_t at_ms, uint32_t version,
                         struct policy_rules **out_rules, struct bl_error *error);

#endif
