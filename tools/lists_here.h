/* Lists adopted, or put back in force, while no daemon runs: by the same code, under the state
 * folder's lock, and with an entry in the change log that says who and why.
 */
#ifndef TOOLS_LISTS_HERE_H
#define TOOLS_LISTS_HERE_H

#include <jansson.h>
#include <stdint.h>

#include "tools/verb.h"

/* Other lists, put in force by this command while no daemon runs: those staged at `fd`, or (−1) the
 * generation `wanted`. 0; -EPERM where the guard or a seal refuses, or another negative errno; then
 * nothing has changed. */
struct lists_set {
    int fd;
    uint64_t wanted;
    bool allow_shrink;
    bool is_refresh; /* of what the configuration subscribes to */
    const char *reason;
};

/* With `roles.requires-approval`, what loosens waits as it does where a daemon runs: then 1, and
 * {"grant"} in *out_reply (json_decref() it); the generation is that of before. */
int lists_set_here(struct command *command, const struct lists_set *set, uint64_t *out_generation,
                   json_t **out_reply, struct bl_error *error);

#endif
