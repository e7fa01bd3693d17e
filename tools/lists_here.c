/* Other lists in force while no daemon runs: done here, under the lock of the state folder, and in
 * the change log as the daemon would put it there. */
#include <errno.h>
#include <stdlib.h>

#include "blocklists/guard.h"
#include "blocklists/lists.h"
#include "blocklists/store.h"
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
        if (guard->held[i] > 0) {
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

/* Adopts what is staged, or goes back. */
static int generation_set(struct act_here *here, const char *state, const struct lists_set *set,
                          uint64_t before, uint64_t *out_generation, struct bl_error *error)
{
    struct bl_guard guard;
    int code = config_guard(here->act.config, set->fd < 0 || set->allow_shrink, &guard);

    if (code < 0)
        return bl_error_set(error, code, "there is not enough memory");
    held_find(state, before, &guard);
    code = held_most_read(state, &guard, error);
    if (code == 0 && set->fd >= 0)
        code = bl_lists_adopt_guarded(state, set->fd, here->act.config->keep_generations, &guard,
                                      out_generation, error);
    else if (code == 0)
        code = bl_lists_rollback_guarded(state, set->wanted, &guard, out_generation, error);
    bl_guard_fini(&guard);
    return code;
}

static int generation_note(struct act_here *here, const struct lists_set *set, uint64_t before,
                           uint64_t generation, struct bl_error *error)
{
    int code = act_lists(here->act.change, set->fd < 0 ? "lists-rollback" : "lists-adopt", before,
                         generation, set->reason, error);

    if (code < 0)
        return code;
    code = change_commit(here->act.change, error);
    here->act.change = NULL;
    return code;
}

int lists_set_here(struct command *command, const struct lists_set *set, uint64_t *out_generation,
                   struct bl_error *error)
{
    const char *state = command_state(command);
    char path[BL_PATH_MAX];
    uint64_t before = 0, generation = 0, ignored;
    struct act_here here;
    int code = act_here_begin(command, true, &here, error);

    if (code < 0)
        return code;
    (void)bl_lists_current(state, &before, path, NULL);
    code = act_configuration(&here.act, error);
    if (code == 0 && before) /* whoever put that in force may have been killed before its note */
        code = act_lists_find(here.act.change, before, error);
    if (code == 0)
        code = generation_set(&here, state, set, before, &generation, error);
    if (code == 0 && generation != before) {
        code = generation_note(&here, set, before, generation, error);
        if (code < 0 && before) /* what cannot be noted is not to be in force, either */
            (void)bl_lists_rollback(state, before, &ignored, NULL);
    }
    if (code == 0)
        held_note(&here, state, generation);
    act_here_close(&here);
    if (code == 0)
        *out_generation = generation;
    return code;
}
