#include "tools/verb.h"

const struct verb *const verbs[] = {
    &verb_flush,
    &verb_reload,
    &verb_status,
    &verb_why,
    NULL,
};
