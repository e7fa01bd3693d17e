#include "tools/verb.h"

/* One to a line, so that two branches add verbs side by side. */
/* clang-format off */
const struct verb *const verbs[] = {
    &verb_backup,
    &verb_denials,
    &verb_flush,
    &verb_lists,
    &verb_reload,
    &verb_report,
    &verb_restore,
    &verb_selftest,
    &verb_status,
    &verb_why,
    NULL,
};
/* clang-format on */
