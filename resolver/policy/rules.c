#include "resolver/policy/rules.h"

#include <stdlib.h>

void policy_rules_free(struct policy_rules *rules)
{
    struct arena arena;

    if (!rules)
        return;
    arena = rules->arena;
    arena_free(&arena);
    free(rules);
}
