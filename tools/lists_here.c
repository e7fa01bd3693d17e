/* Other lists in force while no daemon runs: done here, under the lock of the state folder, and in
 * the change log as the daemon would put it there. */
#include <errno.h>
#include <stdlib.h>

#include "blocklists/guard.h"
#include "blocklists/lists.h"
#include "blocklists/store.h"
#include "resolver/base/clock.h"
#include "resolver/policy/acts_lists.h"
#include "resolver/policy/grants.h"
#include "resolver/policy/held.h"
#include "tools/act_here.h"
#include "tools/lists_here.h"

/* The generation in force, or NULL where it cannot be read. */
static struct bl_store *store_in_force(const char *state)
{
    struct bl_store *store = NULL;
    char path[BL_PATH_MAX];
    uint64_t generation;

    if (bl_lists_current(state, &generation, path, NULL) == 0)
        (void)bl_lists_open(path, generation, &store, NULL);
    return store;
}

/* Where the lists in force cannot be read, what is on record of their sealed categories guards
 * these. Those that have nothing there, and never had, have nothing to lose. */
static void held_find(const char *state, uint64_t before, struct bl_guard *guard)
{
    struct bl_store *store = store_in_force(state);
    size_t count = 0;

    if (!store)
        held_read(state, before, guard);
    bl_store_close(store);
    if (!guard->held)
        return;
    for (size_t i = 0; i < guard->sealed_count; i++)
        if (guard->held[i].entries > 0) {
            guard->sealed[count] = guard->sealed[i];
            guard->held[count++] = guard->held[i];
        }
    guard->sealed_count = count;
}

/* Leaves that record. Where it fails, the lists are in force all the same. */
static void held_note(const struct act_here *here, const char *state, uint64_t generation)
{
    struct bl_store *store = store_in_force(state);
    struct bl_error error = {""};
    struct bl_guard guard;

    if (store && config_guard(here->act.config, true, &guard) == 0) {
        if (guard.sealed_count > 0 &&
            (bl_guard_hold(&guard, store) < 0 || held_write(state, generation, &guard, &error) < 0))
            command_fail(EXIT_DONE, "%s", error.text[0] ? error.text : "not enough memory");
        bl_guard_fini(&guard);
    }
    bl_store_close(store);
}

static int guard_find(struct act_here *here, const char *state, const struct lists_set *set,
                      uint64_t before, struct bl_guard *out_guard, struct bl_error *error)
{
    int code = config_guard(here->act.config, set->fd < 0 || set->allow_shrink, out_guard);

    if (code < 0)
        return bl_error_set(error, code, "there is not enough memory");
    held_find(state, before, out_guard);
    code = held_most_read(state, out_guard, error);
    if (code < 0)
        bl_guard_fini(out_guard);
    return code;
}

/* Adopts what is staged, or goes back; 1: it has to wait. */
static int generation_set(struct act_here *here, const char *state, const struct lists_set *set,
                          const struct bl_guard *guard, json_t *reply, uint64_t *out_generation,
                          struct bl_error *error)
{
    const struct config *config = here->act.config;
    struct lists_wanted wanted = {.fd = set->fd,
                                  .generation = set->wanted,
                                  .allow_shrink = set->fd < 0 || set->allow_shrink,
                                  .is_refresh = set->is_refresh && act_is_nobody()};
    struct lists_weighed weighed = {.fd = -1};
    json_t *grants = NULL;
    int code = 0, fd = set->fd;

    if (config->roles.requires_approval)
        code = grants_read(here->act.change, TABLE_GRANTS, &grants, error);
    wanted.grants = grants;
    if (code == 0 && config->roles.requires_approval) {
        code = act_lists_weigh(state, config, &wanted, guard, &weighed, error);
        fd = code == 0 ? weighed.fd : fd;
    }
    if (code == 0 && json_array_size(weighed.loosens)) {
        code = act_lists_ask(here->act.change, &wanted, &weighed, set->reason, reply, error);
        code = code < 0 ? code : 1;
    } else if (code == 0 && fd >= 0) {
        code = bl_lists_adopt_guarded(state, fd, config->keep_generations, guard, out_generation,
                                      error);
    } else if (code == 0) {
        code = bl_lists_rollback_guarded(state, set->wanted, guard, out_generation, error);
    }
    lists_weighed_fini(&weighed);
    json_decref(grants);
    return code;
}

/* What is on record is what there is. */
static int change_end(struct act_here *here, struct bl_error *error)
{
    int code = change_commit(here->act.change, error);

    here->act.change = NULL;
    if (code == 0 &&
        change_begin(here->state, NULL, clock_read().wall_ms, &here->act.change, NULL) == 0)
        lists_waiting_sweep(here->act.change);
    return code;
}

static int generation_note(struct act_here *here, const struct lists_set *set, uint64_t before,
                           uint64_t generation, struct bl_error *error)
{
    int code = act_lists(here->act.change, set->fd < 0 ? "lists-rollback" : "lists-adopt", before,
                         generation, set->reason, error);

    if (code < 0)
        return code;
    return change_end(here, error);
}

/* With everything open. */
static int lists_set(struct act_here *here, const char *state, const struct lists_set *set,
                     json_t *reply, uint64_t *out_generation, struct bl_error *error)
{
    uint64_t before = 0, ignored;
    struct bl_guard guard;
    char path[BL_PATH_MAX];
    int code;

    (void)bl_lists_current(state, &before, path, NULL);
    code = act_configuration(&here->act, error);
    if (code == 0 && before) /* whoever put that in force may have been killed before its note */
        code = act_lists_find(here->act.change, before, error);
    if (code == 0)
        code = guard_find(here, state, set, before, &guard, error);
    if (code < 0)
        return code;
    *out_generation = before;
    code = generation_set(here, state, set, &guard, reply, out_generation, error);
    bl_guard_fini(&guard);
    if (code > 0)
        return change_end(here, error) < 0 ? -EIO : 1;
    if (code == 0 && *out_generation != before) {
        code = generation_note(here, set, before, *out_generation, error);
        if (code < 0 && before) /* what cannot be noted is not to be in force, either */
            (void)bl_lists_rollback(state, before, &ignored, NULL);
    }
    if (code == 0)
        held_note(here, state, *out_generation);
    return code;
}

int lists_set_here(struct command *command, const struct lists_set *set, uint64_t *out_generation,
                   json_t **out_reply, struct bl_error *error)
{
    struct act_here here;
    json_t *reply;
    int code = act_here_begin(command, true, &here, error);

    if (code < 0)
        return code;
    reply = json_object();
    code = lists_set(&here, command_state(command), set, reply, out_generation, error);
    act_here_close(&here);
    if (code < 0)
        json_decref(reply);
    else
        *out_reply = reply;
    return code;
}
