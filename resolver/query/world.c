#include "resolver/query/world.h"

#include <errno.h>
#include <stdlib.h>

#include "blocklists/lists.h"
#include "resolver/query/local.h"
#include "resolver/query/safe_search.h"

static int legend_of(const struct config *config, const struct bl_store *store, uint32_t version,
                     struct legend **out_legend)
{
    const char **groups = calloc(config->group_count + 1, sizeof *groups);
    const char **categories = calloc(config->category_count + 1, sizeof *categories);
    const char **titles = calloc(config->category_count + 1, sizeof *titles);
    uint8_t *severities = calloc(config->category_count + 1, 1);
    int code = -ENOMEM;

    if (groups && categories && titles && severities) {
        for (size_t i = 0; i < config->group_count; i++)
            groups[i] = config->groups[i].name;
        for (size_t i = 0; i < config->category_count; i++) {
            categories[i] = config->categories[i].name;
            titles[i] = config->categories[i].title;
            severities[i] = (uint8_t)config->categories[i].severity;
        }
        code = legend_create(&(struct legend_input){.groups = groups,
                                                    .group_count = config->group_count,
                                                    .categories = categories,
                                                    .category_titles = titles,
                                                    .severities = severities,
                                                    .category_count = config->category_count,
                                                    .policy_version = version,
                                                    .generation = bl_store_generation(store)},
                             out_legend);
    }
    free(groups);
    free(categories);
    free(titles);
    free(severities);
    return code;
}

static void world_free(struct world *world)
{
    legend_free(world->legend);
    safe_search_free(world->safe_search);
    local_free(world->local);
    policy_free(world->policy);
    bl_store_close(world->store);
    if (__atomic_sub_fetch(world->config_worlds, 1, __ATOMIC_ACQ_REL) == 0) {
        config_free(world->config);
        free(world->config_worlds);
    }
    free(world);
}

/* The lists in force, which must be the generation that their name says. */
static int lists_open(const char *path, uint64_t generation, struct bl_store **out_store,
                      struct bl_error *error)
{
    int code = bl_lists_open(path, generation, out_store, error);

    return code == -ENOENT
               ? bl_error_set(error, -EBADMSG,
                              "%s, which has the lists in force, is not there any more: please put "
                              "it back, or choose another generation with `chalkgate lists "
                              "rollback`",
                              path)
               : code;
}

static uint64_t epoch_next(void)
{
    static uint64_t last = WORLD_NO_EPOCH; /* atomic */

    return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

/* The very same file goes on; one that was touched has to prove whole, and to say the same: other
 * lists come by adoption alone, under numbers of their own. */
static int lists_reopen(struct world *world, const struct world *before, struct bl_error *error)
{
    struct bl_store *store;
    int code = bl_lists_open_again(world->config->state, before->store, &store, error);

    if (code < 0)
        return code;
    if (bl_store_is_as_before(store, before->store)) {
        bl_store_close(store);
        world->store = bl_store_share(before->store);
        world->epoch = before->epoch;
        return 0;
    }
    code = bl_store_compare(store, error);
    if (code < 0) {
        bl_store_close(store);
        return code;
    }
    world->store = store;
    world->epoch = epoch_next();
    return 0;
}

/* The lists in force. `before` is the world that had those before, or NULL. */
static int lists_take(struct world *world, const struct world *before, struct bl_error *error)
{
    char path[BL_PATH_MAX];
    uint64_t generation;
    int code = bl_lists_current(world->config->state, &generation, path, before ? NULL : error);

    if (!before && code < 0)
        return code;
    if (!before || (code == 0 && generation != bl_store_generation(before->store))) {
        world->epoch = epoch_next(); /* it was read whole when it was adopted, or gone back to */
        return lists_open(path, generation, &world->store, error);
    }
    code = lists_reopen(world, before, &world->lists_trouble);
    if (code == 0)
        return 0;
    if (code == -ENOMEM || bl_store_is_damaged(before->store) ||
        bl_store_compare(before->store, NULL) < 0)
        return bl_error_set(error, code,
                            "%s. `chalkgate status` shows in a few seconds what became of that",
                            world->lists_trouble.text);
    world->store = bl_store_share(before->store);
    world->epoch = epoch_next();
    return 0;
}

/* Everything that follows from a configuration. `world` is freed on failure, `rules` are taken. */
static int world_fill(struct world *world, struct policy_rules *rules, const struct world *before,
                      struct world **out_world, struct bl_error *error)
{
    const struct config *config = world->config;
    int code;

    world->references = 1;
    code = lists_take(world, before, error);
    if (code < 0) {
        policy_rules_free(rules);
        goto fail;
    }
    code = policy_build_with(config, world->store, rules, &world->policy, error);
    if (code < 0)
        goto fail;
    code = safe_search_create(safe_search_shipped, safe_search_shipped_len, &world->safe_search,
                              error);
    if (code < 0)
        goto fail;
    code = bl_error_set(error, -ENOMEM, "no memory for the policy");
    if (local_create(config, &world->local) < 0 ||
        legend_of(config, world->store, policy_version(world->policy), &world->legend) < 0)
        goto fail;
    *out_world = world;
    return 0;
fail:
    world_free(world);
    return code;
}

static struct policy_rules *rules_without_grants(uint32_t version)
{
    struct policy_rules *rules = calloc(1, sizeof *rules);

    if (rules)
        rules->version = version;
    return rules;
}

int world_create_with(struct config *config, struct policy_rules *rules, const struct world *before,
                      struct world **out_world, struct bl_error *error)
{
    struct world *world = calloc(1, sizeof *world);
    unsigned *worlds = malloc(sizeof *worlds);

    if (!world || !worlds || !rules) {
        free(world);
        free(worlds);
        policy_rules_free(rules);
        config_free(config);
        return bl_error_set(error, -ENOMEM, "no memory for the policy");
    }
    *worlds = 1;
    world->config = config;
    world->config_worlds = worlds;
    return world_fill(world, rules, before, out_world, error);
}

int world_create(struct config *config, uint32_t version, struct world **out_world,
                 struct bl_error *error)
{
    return world_create_with(config, rules_without_grants(version), NULL, out_world, error);
}

int world_renew_with(const struct world *from, struct policy_rules *rules, struct world **out_world,
                     struct bl_error *error)
{
    struct world *world = calloc(1, sizeof *world);

    if (!world || !rules) {
        free(world);
        policy_rules_free(rules);
        return bl_error_set(error, -ENOMEM, "no memory for the policy");
    }
    world->config = from->config;
    world->config_worlds = from->config_worlds;
    __atomic_add_fetch(world->config_worlds, 1, __ATOMIC_RELAXED);
    return world_fill(world, rules, from, out_world, error);
}

int world_renew(const struct world *from, uint32_t version, struct world **out_world,
                struct bl_error *error)
{
    return world_renew_with(from, rules_without_grants(version), out_world, error);
}

struct world *world_ref(struct world *world)
{
    __atomic_add_fetch(&world->references, 1, __ATOMIC_RELAXED);
    return world;
}

void world_unref(struct world *world)
{
    if (world && __atomic_sub_fetch(&world->references, 1, __ATOMIC_ACQ_REL) == 0)
        world_free(world);
}
