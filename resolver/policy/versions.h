/* Policy versions: each effective change of the rules makes a numbered one, so that any past day's
 * policy can be printed and any denial explained.
 *
 * A row says what holds for one subnet (or "group:NAME" for a group without subnets, "device:NAME"
 * for a device) and one target ("category:games", "service:tiktok", "name:x.test", "internet",
 * "group"). Rows are kept from the version on in which they came, until a later version of the same
 * row; an empty one ends it. The value is text, a line each, fields separated by tabs:
 *
 *   GROUP
 *   ACTION WHEN BY [APPROVER]   deny, observe, allow, sealed | always, during lessons, outside
 * night, until … | configuration, grant 17: reason
 *
 * and for the target "group": GROUP, then KEY VALUE lines (title, answer, safe-search,
 * walled-garden, extends).
 *
 * What rules refer to, kinds of content with severity and title, the calendar, fixed devices and
 * the school's own services, is in rows of the subnet VERSION_SCHOOL: no group, one target for each
 * line of config_lines() ("calendar.periods.lessons.times") and its value as one line. They are
 * compared as the others are: a bell that is moved makes a version. Versions written before these
 * rows were known have none.
 */
#ifndef RESOLVER_POLICY_VERSIONS_H
#define RESOLVER_POLICY_VERSIONS_H

#include "resolver/config/config.h"
#include "resolver/policy/calendar.h"
#include "resolver/policy/state.h"

#define VERSION_SCHOOL "school"

/* Refuses (-EPERM) a configuration that takes a seal off (seals.h). Compares the rules that follow
 * from the configuration and the grants in the change with those of the last version; where they
 * differ, the next version begins, told as `description` by the change's actor. */
int version_update(struct change *change, const struct config *config,
                   const struct calendar *calendar, const char *description, bool *out_changed,
                   struct bl_error *error);

/* All versions, oldest first: {"version", "time", "author", "role", "description"}. */
int versions_read(struct change *change, json_t **out_versions, struct bl_error *error);

/* The rows in force in a version (0: the last): {"subnet", "target", "group", "rules": [[…], …]}.
 * -ENOENT for a version that never was. */
int version_rows_read(struct change *change, uint32_t version, json_t **out_rows,
                      struct bl_error *error);

#endif
