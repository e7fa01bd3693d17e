#include "tools/why_here.h"

#include <errno.h>
#include <time.h>

#include "resolver/policy/grants.h"
#include "resolver/query/local.h"
#include "resolver/query/safe_search.h"
#include "resolver/query/why.h"
#include "tools/act_here.h"

struct why_world { /* what is in force where no daemon runs */
    struct act_here here;
    struct local_names *local;
    struct safe_search *safe_search;
    struct policy *policy;
};

static void world_close(struct why_world *world)
{
    safe_search_free(world->safe_search);
    local_free(world->local);
    policy_free(world->policy);
    act_here_close(&world->here);
}

/* The generation in force with the configuration's rules and the grants on record. */
static int world_open(struct command *command, struct why_world *world, struct bl_error *error)
{
    struct policy_rules *rules = NULL;
    int code = act_here_open(command, false, &world->here, error);

    if (code < 0)
        return code;
    code = world->here.act.store
               ? 0
               : bl_error_set(error, -ENOENT, "no lists have been imported into %s yet",
                              command_state(command));
    if (code == 0 && world->here.act.change)
        code = policy_rules_read(world->here.act.change, &rules, error);
    if (code == 0)
        code =
            policy_build_with(command->config, world->here.act.store, rules, &world->policy, error);
    if (code == 0 && local_create(command->config, &world->local) < 0)
        code = bl_error_set(error, -ENOMEM, "no memory for the names that are answered here");
    if (code == 0)
        code = safe_search_create(safe_search_shipped, safe_search_shipped_len, &world->safe_search,
                                  error);
    if (code < 0)
        world_close(world);
    return code;
}

int why_here(struct command *command, const json_t *request, json_t *reply, struct bl_error *error)
{
    struct why_world world = {.policy = NULL};
    int64_t now_s = time(NULL), at_ms;
    bool is_past = why_is_past(request, now_s, &at_ms);
    struct then then;
    int code = world_open(command, &world, error);

    if (code < 0)
        return code;
    if (is_past && world.here.act.change)
        then_read(world.here.act.change, at_ms, &then);
    else if (is_past)
        then_read_nothing("nothing was ever recorded", at_ms, &then);
    code = why_answer(&(struct why){.today = {.config = command->config,
                                              .store = world.here.act.store,
                                              .policy = world.policy},
                                    .way = {.local = world.local, .safe_search = world.safe_search},
                                    .state = command_state(command)},
                      is_past ? &then : NULL, request, now_s, reply, error);
    world_close(&world);
    return code;
}
