/* What `why` knows, as JSON: one story for each question, the same from the daemon and from the
 * command. */
#ifndef RESOLVER_POLICY_STORY_H
#define RESOLVER_POLICY_STORY_H

#include <jansson.h>

#include "blocklists/error.h"
#include "blocklists/store.h"
#include "resolver/config/config.h"
#include "resolver/policy/policy.h"

struct devices;

struct story_world { /* borrowed */
    const struct config *config;
    const struct bl_store *store;
    const struct policy *policy;
    struct devices *devices; /* what is known of clients; may be NULL */
};

struct story_question {
    const char *name; /* as it was typed */
    const char *type;
    uint16_t group; /* POLICY_NO_GROUP: that of the client */
    bool has_client;
    struct address client;
    int64_t wall_s;
};

/* Appends the story to `stories`. 0; -EINVAL when the name cannot be one; -ENOMEM. */
int story_tell(const struct story_world *world, const struct story_question *question,
               json_t *stories, struct bl_error *error);

/* The whole of a request, {"names": […], "type", "client" or "group", "at" (seconds since 1970)},
 * for every group where neither is named: {"stories": […]}. */
int story_answer(const struct story_world *world, const json_t *request, int64_t now_s,
                 json_t *reply, struct bl_error *error);

#endif
