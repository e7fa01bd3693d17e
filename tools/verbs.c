#include "tools/verb.h"

/* One to a line, so that two branches add verbs side by side. */
/* clang-format off */
const struct verb *const verbs[] = {
    &verb_allow,
    &verb_approve,
    &verb_backup,
    &verb_block_device,
    &verb_case,
    &verb_changes,
    &verb_denials,
    &verb_deny,
    &verb_devices,
    &verb_fault,
    &verb_flush,
    &verb_grants,
    &verb_incident,
    &verb_lists,
    &verb_policy,
    &verb_questions,
    &verb_reload,
    &verb_report,
    &verb_restore,
    &verb_reveal,
    &verb_revoke,
    &verb_selftest,
    &verb_session,
    &verb_status,
    &verb_why,
    NULL,
};
/* clang-format on */
