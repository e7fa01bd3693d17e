/* What `why` knows, as JSON: one story for each question. Shared with other verbs that show a
 * verdict. */
#ifndef TOOLS_WHY_H
#define TOOLS_WHY_H

#include <jansson.h>

#include "blocklists/error.h"
#include "blocklists/store.h"
#include "resolver/config/config.h"
#include "resolver/policy/policy.h"

struct why_world {
    const struct config *config; /* borrowed */
    struct bl_store *store;
    struct policy *policy;
};

struct why_question {
    const char *name; /* as it was typed */
    const char *type;
    uint16_t group; /* POLICY_NO_GROUP: that of the client */
    bool has_client;
    struct address client;
    int64_t wall_s;
};

/* The generation in force under `state`, with the configuration's rules. 0 or a negative errno. */
int why_world_open(const struct config *config, const char *state, struct why_world *out_world,
                   struct bl_error *error);
void why_world_close(struct why_world *world);

/* Appends the story to `stories`. 0; -EINVAL when the name cannot be one; -ENOMEM. */
int why_tell(const struct why_world *world, const struct why_question *question, json_t *stories,
             struct bl_error *error);

#endif
