#include "tools/verb.h"

const struct verb *const verbs[] = {
    NULL,
};
