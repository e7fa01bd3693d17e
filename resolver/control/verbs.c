#include "resolver/control/control.h"

const struct control_verb *const control_tables[] = {
    control_basic_verbs,
    control_devices_verbs,
    control_evidence_verbs,
    control_lists_verbs,
    control_policy_verbs,
    control_selftest_verbs,
    NULL,
};
