/* Parts of a story, for story.c: what the lists have of a name, what the group says of their
 * categories, and which exceptions there are. */
#ifndef RESOLVER_POLICY_STORY_PARTS_H
#define RESOLVER_POLICY_STORY_PARTS_H

#include "resolver/policy/story.h"

/* Arrays, for the story to keep. Every entry that covers the name: its own and its parents'. */
json_t *story_entries(const struct story_world *world, const struct bl_name *name, unsigned type);
json_t *story_categories(const struct story_world *world, const struct policy_explanation *told);
json_t *story_exceptions(const struct story_world *world, const struct policy_explanation *told);

/* "grant 17 of mary: …", "the configuration, group "pupils"", "the schedule of group …". */
void story_origin(const struct story_world *world, uint16_t group, struct policy_origin origin,
                  char *text, size_t size);

#endif
