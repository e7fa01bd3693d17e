/* One world: everything a batch of queries is judged by, immutable and reference-counted.
 *
 * The main thread builds a new world off the loops (a reload, an adopted generation, a grant),
 * announces it with uv_async_send(), and each worker takes it between two batches with
 * pipeline_enter(): one batch sees one world. The last reference frees the store's map, the policy
 * and the configuration.
 *
 * Epochs. The number of a generation stands in its file, and people do things to files: another one
 * may come to have the number, or be written over and put back. So look-ups that are kept go by the
 * epoch, which a world takes over from the one before only with the very same file, untouched, and
 * which never comes again while the program runs. A file that bears the number in force and was
 * touched is read whole, and has to say what was in force, before it is believed. Where it does
 * not, or was taken away, while what was mapped before is whole, that goes on.
 *
 * Threads: world_ref/world_unref from any; the contents are read-only.
 */
#ifndef RESOLVER_QUERY_WORLD_H
#define RESOLVER_QUERY_WORLD_H

#include "blocklists/error.h"
#include "blocklists/store.h"
#include "resolver/config/config.h"
#include "resolver/denials/journal.h"
#include "resolver/policy/policy.h"

struct local_names;
struct safe_search;

struct world {
    struct config *config;
    unsigned *config_worlds; /* how many worlds share it; atomic; world.c only */
    struct bl_store *store;
    uint64_t epoch; /* of the lists: what was looked up in one of its worlds holds in all of them */
    struct bl_error lists_trouble; /* why the store is still that of the world before: the file in
                                      force cannot be used. Empty when it can */
    struct policy *policy;
    struct legend *legend;
    struct local_names *local; /* names that are answered here */
    struct safe_search *safe_search;
    unsigned references; /* atomic; world.c only */
};

/* No epoch has this number. */
#define WORLD_NO_EPOCH 0

/* Takes `config` (also on failure) and opens the generation in force under config->state. */
int world_create(struct config *config, uint32_t policy_version, struct world **out_world,
                 struct bl_error *error);
/* Another one of the same configuration, with the generation that is in force now. */
int world_renew(const struct world *world, uint32_t policy_version, struct world **out_world,
                struct bl_error *error);

/* The same with grants, sessions and devices; `rules` are taken, also on failure, and their version
 * counts. `before` is the world that this one takes the place of, or NULL. */
int world_create_with(struct config *config, struct policy_rules *rules, const struct world *before,
                      struct world **out_world, struct bl_error *error);
int world_renew_with(const struct world *world, struct policy_rules *rules,
                     struct world **out_world, struct bl_error *error);

struct world *world_ref(struct world *world);
void world_unref(struct world *world);

#endif
