#include <errno.h>
#include <stdlib.h>

#include "blocklists/guard.h"
#include "resolver/config/config.h"

int config_guard(const struct config *config, bool allow_shrink, struct bl_guard *out_guard)
{
    const char **sealed = calloc(config->category_count + 1, sizeof *sealed);
    size_t count = 0;

    if (!sealed)
        return -ENOMEM;
    for (size_t i = 0; i < config->category_count; i++)
        if (config->categories[i].sealed)
            sealed[count++] = config->categories[i].name;
    *out_guard =
        (struct bl_guard){.sealed = sealed, .sealed_count = count, .allow_shrink = allow_shrink};
    return 0;
}
