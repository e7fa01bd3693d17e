/* What a request to change the policy means: its moments, what it is about, and for whom. Found
 * things are written into the grant as the table of grants keeps them. For resolver/policy/acts*.c
 * only.
 *
 * All refuse with -EINVAL and a sentence, or -EPERM where the target is sealed.
 */
#ifndef RESOLVER_POLICY_ACTS_FIND_H
#define RESOLVER_POLICY_ACTS_FIND_H

#include <jansson.h>

#include "resolver/policy/acts.h"

static inline const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* When it begins ("from"): now, or later. */
int act_start_find(const struct act *act, const json_t *request, int64_t *out_start_ms,
                   struct bl_error *error);

/* When it ends: one of "seconds" (from `start_ms` on), "until" and "permanent". *out_end is NULL
 * for good, else the caller's. */
int act_end_find(const struct act *act, const json_t *request, int64_t start_ms,
                 bool may_be_permanent, json_t **out_end, struct bl_error *error);

/* "category:NAME", "service:NAME" or a name; a name that nobody listed is a warning in `reply`. */
int act_target_find(const struct act *act, const char *target, bool deny, json_t *grant,
                    json_t *reply, struct bl_error *error);

/* One of "group" and "device". */
int act_holder_find(const struct act *act, const json_t *request, json_t *grant,
                    struct bl_error *error);
int act_group_find(const struct act *act, const char *name, json_t *grant, struct bl_error *error);
int act_device_find(const struct act *act, const char *text, json_t *grant, struct bl_error *error);

/* The first of these sentences that the request, as it waits, does not show among what it
 * "loosens"; NULL: it shows them all. Borrowed from `loosens`. */
const char *act_unshown_find(const json_t *grant, const json_t *loosens);

/* A session that waited, and which a second manager confirms now: what was at its address ends. The
 * group, or the device at the address, may be another one since. */
int act_session_approve(struct act *act, json_t *session, struct bl_error *error);

#endif
