#include "tools/verb.h"

/* clang-format off */
const struct verb *const verbs[] = {
    &verb_denials,
    &verb_flush,
    &verb_reload,
    &verb_report,
    &verb_status,
    &verb_why,
    NULL,
};
/* clang-format on */
