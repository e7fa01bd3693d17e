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

struct story_world;
struct story_scene;

/* Goes on where the policy's story ends: what is done with a name beyond its verdict. */
typedef void story_beyond(const struct story_world *world, const struct story_scene *scene,
                          json_t *story);

struct story_world { /* borrowed */
    const struct config *config;
    const struct bl_store *store;
    const struct policy *policy;
    struct devices *devices; /* what is known of clients; may be NULL */
    story_beyond *beyond;    /* or NULL */
    const void *beyond_user;
};

struct story_question {
    const char *name; /* as it was typed */
    const char *type;
    uint16_t group; /* POLICY_NO_GROUP: that of the client */
    bool has_client;
    struct address client;
    int64_t wall_s;
    const json_t *resolved; /* what upstreams answered, by name; may be NULL */
};

struct story_scene { /* what the policy says, for story_beyond */
    const struct story_question *question;
    const struct bl_name *name;
    uint16_t group;
    struct ruling ruling;
};

/* Appends the story to `stories`. 0; -EINVAL when the name cannot be one; -ENOMEM. */
int story_tell(const struct story_world *world, const struct story_question *question,
               json_t *stories, struct bl_error *error);

/* The whole of a request, {"names": […], "type", "client" or "group", "at" (seconds since 1970),
 * "resolved" {NAME: {"targets": […], "addresses": […]}}},
 * for every group where neither is named: {"stories": […]}. */
int story_answer(const struct story_world *world, const json_t *request, int64_t now_s,
                 json_t *reply, struct bl_error *error);

/* One clause for people: why a ruling is what it is. */
void story_because(const struct story_world *world, uint16_t group, const struct ruling *ruling,
                   char *text, size_t size);

/* Puts another ruling with its reason in the place of the policy's own. */
void story_overrule(const struct story_world *world, const struct ruling *ruling,
                    const char *because, json_t *story);

/* What is denied because of a name that is listed for some types of question only is answered
 * "nodata" in place of "nxdomain" (deny.c): puts that in the story. */
void story_answer_by_type(const struct story_world *world, const struct ruling *ruling,
                          const uint8_t *name, json_t *story);

#endif
