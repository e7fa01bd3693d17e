/* What people do to the policy: one function for each act, the same for the daemon's handlers and
 * for the command that works on the state folder while no daemon runs. Requests and replies are
 * JSON objects.
 *
 * Each act writes into one change: the grant, the policy version that comes of it, and the entry of
 * the change log. The caller then makes a world of policy_rules_read() and commits, or aborts the
 * change.
 *
 * Refusals: -EINVAL for what was asked wrongly, -EPERM for what the policy forbids (a sealed
 * category, one's own approval), -ENOENT for what is not there; each with a sentence.
 */
#ifndef RESOLVER_POLICY_ACTS_H
#define RESOLVER_POLICY_ACTS_H

#include <jansson.h>

#include "blocklists/store.h"
#include "resolver/config/config.h"
#include "resolver/policy/calendar.h"
#include "resolver/policy/state.h"

struct devices;

struct act {
    struct change *change;
    const struct config *config;
    const struct calendar *calendar;
    const struct bl_store *store; /* to warn about names that no list has; may be NULL */

    struct devices *devices; /* who is behind an address, and names; may be NULL */

    bool changed; /* written by acts: a new world is needed */
};

/* A reason that says something, in one line of up to 500 octets. -EINVAL with a sentence. */
int act_reason_check(const char *reason, struct bl_error *error);

/* "allow" or "deny": {"kind", "target", "group" or "device", one of "seconds", "until" (seconds
 * since 1970) and "permanent", optionally "from", "reason", "approved_by"}. Reply: {"grant": {…},
 * "warning": "…"}. */
int act_grant(struct act *act, const json_t *request, json_t *reply, struct bl_error *error);

/* {"device", "seconds" or "until", "reason"} */
int act_block_device(struct act *act, const json_t *request, json_t *reply, struct bl_error *error);

/* {"id", "reason"}: ends a grant, a block or a session, or withdraws one that waits. */
int act_revoke(struct act *act, const json_t *request, json_t *reply, struct bl_error *error);

/* {"id", "reason"}: the second manager's word; the time of a grant begins now. */
int act_approve(struct act *act, const json_t *request, json_t *reply, struct bl_error *error);

/* A reload of `act->config`, where a second manager is wanted for what loosens `before`. Asked:
 * where something would be loosened it waits, and the reply is {"grant": {…, "loosens": […]}};
 * another one that waited is superseded; asked again for the same, it is the one that waits
 * already, but that a manager takes over what only a signal or a start asked for: two people have
 * to want it. Approved: the configuration must be the one that was asked for, and the manager
 * another one; what it leads to is for the caller to record. */
int act_reload_ask(struct act *act, const struct config *before, const char *reason, json_t *reply,
                   struct bl_error *error);
int act_reload_approve(struct act *act, uint32_t id, struct bl_error *error);

/* Whether who asked in this role is no person: a signal, a start or a timer is nobody's word yet.
 */
bool act_is_of_nobody(const char *role);

/* Notes that `act->config` is in force from here on. */
int act_config_keep(struct act *act, struct bl_error *error);

/* {"address", "user", "group", "seconds" or "until", "reason"}; {"address"} or {"user"}. Where a
 * second manager is wanted for what loosens, a session by hand that lets its device do more than
 * the configuration does at any of its addresses, at any time, waits: {"session": {…, "state":
 * "pending", "loosens": […]}}. One by a user of `automatic-sessions` does not, nor does an end:
 * what the configuration says is what is left then. */
int act_session_start(struct act *act, const json_t *request, json_t *reply,
                      struct bl_error *error);
int act_session_end(struct act *act, const json_t *request, json_t *reply, struct bl_error *error);

/* {"all": also the past, "kind"}. Reply: {"grants": […]}, each with "until" in words. */
int act_grants(struct act *act, const json_t *request, json_t *reply, struct bl_error *error);

/* Reply: {"waiting": how many wait for a second manager, reloads aside}. */
int act_waiting(struct act *act, const json_t *request, json_t *reply, struct bl_error *error);

/* {"version"}. Reply: {"version", "now_text", "rows", "versions"}. */
int act_policy_show(struct act *act, const json_t *request, json_t *reply, struct bl_error *error);

/* `head`, where it is not NULL, must be the hash of one of the entries: a log that was written anew
 * would not have the one that was kept on paper.
 *
 * {"since" (seconds since 1970), "from" (a number), "max"}: {"changes": […], "count" (of all)}; and
 * {"count", "head"}, or what is broken. */
int act_changes(struct act *act, const json_t *request, json_t *reply, struct bl_error *error);
int act_changes_verify(struct act *act, const char *head, json_t *reply, struct bl_error *error);

/* Where the configuration says something else than the last version, that is a version of its own.
 */
int act_configuration(struct act *act, struct bl_error *error);

/* For what others do (lists, configuration, start and stop): an entry, and a version where the
 * rules that follow are different now. */
int act_note(struct act *act, const char *action, const char *target, const json_t *before,
             const json_t *after, const char *reason, struct bl_error *error);

/* Other lists are in force: an entry, and their number, so that those nobody has noted are found
 * out. */
int act_lists(struct change *change, const char *action, uint64_t before, uint64_t now,
              const char *reason, struct bl_error *error);
bool act_lists_are_noted(struct change *change, uint64_t generation);

/* An entry "lists-found" where nobody has noted the generation in force: a crash right after
 * adoption, say. */
int act_lists_find(struct change *change, uint64_t generation, struct bl_error *error);

#endif
