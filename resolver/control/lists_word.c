#include "resolver/control/lists_word.h"

#include <errno.h>
#include <unistd.h>

#include "resolver/base/clock.h"
#include "resolver/base/log.h"
#include "resolver/control/rules.h"
#include "resolver/policy/acts_lists.h"
#include "resolver/policy/grants.h"
#include "resolver/policy/held.h"

static uint64_t generation_now(struct daemon *daemon)
{
    struct world *world = daemon_world(daemon);
    uint64_t generation = bl_store_generation(world->store);

    world_unref(world);
    return generation;
}

void lists_word_tell(struct daemon *daemon, json_t *reply)
{
    struct world *world = daemon_world(daemon);

    json_object_set_new(reply, "generation",
                        json_integer((json_int_t)bl_store_generation(world->store)));
    json_object_set_new(reply, "names",
                        json_integer((json_int_t)bl_store_name_count(world->store)));
    world_unref(world);
}

/* Whether the lists in force can be read from their file as well. */
static bool is_on_the_disk(const char *state, const struct bl_store *store)
{
    struct bl_store *read = NULL;
    bool is = !bl_store_is_damaged(store) && bl_lists_open_again(state, store, &read, NULL) == 0;

    bl_store_close(read);
    return is;
}

/* The guard over the lists, of this configuration; `store` NULL: none is in use yet. */
static int guard_make(const struct daemon *daemon, const struct config *config,
                      const struct bl_store *store, bool allow_shrink, struct bl_guard *out_guard,
                      struct bl_error *error)
{
    int code;

    *out_guard = (struct bl_guard){0};
    code = config_guard(config, allow_shrink, out_guard);
    if (code < 0)
        bl_error_set(error, code, "there is not enough memory");
    else if ((code = held_most_read(daemon->state, out_guard, error)) == 0 && store &&
             !is_on_the_disk(daemon->state, store) && (code = bl_guard_hold(out_guard, store)) < 0)
        bl_error_set(error, code, "there is not enough memory");
    if (store)
        out_guard->above = bl_store_generation(store);
    if (code < 0)
        bl_guard_fini(out_guard);
    return code;
}

/* The new generation is on the disk: lets the workers have it, or puts the one before back. */
static int generation_enter(struct daemon *daemon, uint64_t before, struct bl_error *error)
{
    struct bl_error ignored;
    struct world *world;
    uint64_t generation;
    int code = daemon_renew(daemon, error);

    if (code == 0) { /* one gone back to may bear the number in force, and not be that */
        world = daemon_world(daemon);
        if (world->lists_trouble.text[0])
            code = bl_error_set(error, -EBADMSG, "%s", world->lists_trouble.text);
        world_unref(world);
    }
    if (code < 0 && before)
        (void)bl_lists_rollback(daemon->state, before, &generation, &ignored);
    return code;
}

void lists_word_sweep(struct daemon *daemon)
{
    struct change *change;

    if (!daemon->rules ||
        change_begin(daemon->rules, NULL, clock_read().wall_ms, &change, NULL) < 0)
        return;
    lists_waiting_sweep(change);
    change_abort(change);
}

static bool is_nobody(const struct caller *caller)
{
    return caller->login_uid == (uid_t)-1 && (caller->uid == geteuid() || caller->uid == 0);
}

/* 1: they wait. */
static int wait_begin(struct daemon *daemon, const struct caller *caller,
                      const struct lists_wanted *wanted, const struct lists_weighed *weighed,
                      const char *reason, json_t *reply, struct bl_error *error)
{
    struct actor actor = rules_actor(caller);
    struct change *change;
    int code;

    if (!daemon->rules)
        return bl_error_set(error, -EIO,
                            "this would loosen the policy, and nobody can be asked, as changes "
                            "cannot be recorded: %s",
                            daemon->rules_fault);
    if (is_nobody(caller) && caller->uid != 0)
        actor.role = "system"; /* a timer: two managers have to want it all the same */
    code = change_begin(daemon->rules, &actor, clock_read().wall_ms, &change, error);
    if (code < 0)
        return code;
    code = act_lists_ask(change, wanted, weighed, reason, reply, error);
    if (code < 0)
        change_abort(change);
    else
        code = change_commit(change, error);
    lists_word_sweep(daemon);
    if (code < 0)
        return code;
    log_notice("the lists that %s wants would loosen the policy: they wait for a second manager, "
               "and what was in force stays in force",
               caller->login);
    lists_word_tell(daemon, reply);
    return 1;
}

/* Puts them in force, with an entry. */
static int lists_enter(struct daemon *daemon, const struct caller *caller,
                       const struct lists_wanted *wanted, const struct bl_guard *guard,
                       unsigned keep, const char *reason, struct bl_error *error)
{
    struct actor actor = rules_actor(caller);
    uint64_t generation, before = generation_now(daemon);
    int code = wanted->fd >= 0 ? bl_lists_adopt_guarded(daemon->state, wanted->fd, keep, guard,
                                                        &generation, error)
                               : bl_lists_rollback_guarded(daemon->state, wanted->generation, guard,
                                                           &generation, error);

    if (code == 0)
        code = generation_enter(daemon, before, error);
    if (code < 0 || generation == before)
        return code;
    rules_note_lists(daemon, &actor, wanted->fd >= 0 ? "lists-adopt" : "lists-rollback", before,
                     generation_now(daemon), reason);
    log_notice("lists of generation %llu %s by %s%s%s", (unsigned long long)generation,
               wanted->fd >= 0 ? "adopted, imported" : "put back in force", caller->login,
               reason ? ": " : "", reason ? reason : "");
    lists_word_sweep(daemon);
    return 0;
}

/* *out_grants is NULL where none are in force, as there is no record. */
static int grants_now(struct daemon *daemon, json_t **out_grants, struct bl_error *error)
{
    struct change *change;
    int code;

    *out_grants = NULL;
    if (!daemon->rules)
        return 0;
    code = change_begin(daemon->rules, NULL, clock_read().wall_ms, &change, error);
    if (code < 0)
        return code;
    code = grants_read(change, TABLE_GRANTS, out_grants, error);
    change_abort(change);
    return code;
}

/* `wanted` may come to be a copy of our own. */
static int lists_weigh(struct daemon *daemon, const struct caller *caller,
                       const struct config *config, const struct bl_guard *guard,
                       struct lists_wanted *wanted, struct lists_weighed *out_weighed,
                       struct bl_error *error)
{
    json_t *grants;
    int code = grants_now(daemon, &grants, error);

    if (code < 0)
        return code;
    wanted->is_refresh &= is_nobody(caller);
    wanted->grants = grants;
    code = act_lists_weigh(daemon->state, config, wanted, guard, out_weighed, error);
    wanted->grants = NULL;
    json_decref(grants);
    if (code == 0 && wanted->fd >= 0)
        wanted->fd = out_weighed->fd;
    return code;
}

int lists_word_enter(struct daemon *daemon, const struct caller *caller,
                     const struct lists_wanted *wanted, const char *reason, json_t *reply,
                     struct bl_error *error)
{
    struct world *world = daemon_world(daemon); /* the guard's names are its configuration's */
    struct lists_weighed weighed = {.fd = -1};
    struct lists_wanted ours = *wanted;
    struct bl_guard guard;
    int code = guard_make(daemon, world->config, world->store, wanted->allow_shrink, &guard, error);

    if (code < 0) {
        world_unref(world);
        return code;
    }
    if (world->config->roles.requires_approval)
        code = lists_weigh(daemon, caller, world->config, &guard, &ours, &weighed, error);
    if (code == 0 && json_array_size(weighed.loosens))
        code = wait_begin(daemon, caller, &ours, &weighed, reason, reply, error);
    else if (code == 0)
        code = lists_enter(daemon, caller, &ours, &guard, world->config->keep_generations, reason,
                           error);
    lists_weighed_fini(&weighed);
    bl_guard_fini(&guard);
    world_unref(world);
    if (code == 0)
        lists_word_tell(daemon, reply);
    return code;
}

/* In force or not, the record says so. */
static void word_settle(struct daemon *daemon, const struct actor *actor,
                        const struct lists_word *word, uint64_t generation, const char *fault)
{
    struct bl_error error = {0};
    struct change *change;
    int code = change_begin(daemon->rules, actor, clock_read().wall_ms, &change, &error);

    if (code == 0) {
        code = act_lists_settle(change, word, generation, fault, &error);
        if (code == 0)
            code = change_commit(change, &error);
        else
            change_abort(change);
    }
    if (code < 0)
        log_error("what became of request %u is not on record: %s", word->id, error.text);
    lists_word_sweep(daemon);
}

static int word_follow(struct daemon *daemon, const struct lists_word *word,
                       uint64_t *out_generation, struct bl_error *error)
{
    struct world *world = daemon_world(daemon);
    struct bl_guard guard;
    int code = guard_make(daemon, world->config, world->store,
                          word->generation || word->allow_shrink, &guard, error);

    if (code == 0) {
        code = lists_word_follow(daemon->state, word, world->config->keep_generations, &guard,
                                 out_generation, error);
        bl_guard_fini(&guard);
    }
    world_unref(world);
    return code < 0 ? code : generation_enter(daemon, word->base, error);
}

static int word_look(struct daemon *daemon, const json_t *grant, struct bl_error *error)
{
    struct world *world = daemon_world(daemon);
    json_t *grants;
    int code = grants_now(daemon, &grants, error);

    if (code == 0)
        code = act_lists_look(daemon->state, world->config, grants, grant, error);
    json_decref(grants);
    world_unref(world);
    return code;
}

int lists_word_approve(struct daemon *daemon, const struct caller *caller, const json_t *request,
                       json_t *reply, struct bl_error *error)
{
    struct actor actor = rules_actor(caller);
    struct lists_word word;
    struct change *change;
    uint64_t generation = 0;
    int code = word_look(daemon, json_object_get(reply, "grant"), error);

    if (code == 0)
        code = change_begin(daemon->rules, &actor, clock_read().wall_ms, &change, error);
    if (code < 0)
        return code;
    code = act_lists_approve(change, request, &word, error);
    if (code < 0) {
        change_abort(change);
        return code;
    }
    code = change_commit(change, error);
    if (code < 0)
        return code;
    code = word_follow(daemon, &word, &generation, error);
    word_settle(daemon, &actor, &word, generation, code < 0 ? error->text : NULL);
    if (code < 0)
        return bl_error_wrap(error, code, "it cannot be put in force");
    log_notice("lists of generation %llu were approved by %s", (unsigned long long)generation,
               caller->login);
    json_object_set_new(json_object_get(reply, "grant"), "state", json_string("approved"));
    lists_word_tell(daemon, reply);
    return 0;
}

void lists_word_resume(struct daemon *daemon, const struct config *config)
{
    struct actor actor = rules_actor_system(NULL);
    struct bl_error error = {0};
    struct lists_word word;
    struct bl_guard guard;
    struct change *change;
    uint64_t generation = 0;
    bool found;
    int code;

    if (!daemon->rules ||
        change_begin(daemon->rules, NULL, clock_read().wall_ms, &change, &error) < 0)
        return;
    found = act_lists_approved_find(change, &word);
    change_abort(change);
    if (!found) {
        lists_word_sweep(daemon);
        return;
    }
    code = guard_make(daemon, config, NULL, word.generation || word.allow_shrink, &guard, &error);
    if (code == 0) {
        code = lists_word_follow(daemon->state, &word, config->keep_generations, &guard,
                                 &generation, &error);
        bl_guard_fini(&guard);
    }
    if (code < 0)
        log_error("the lists of request %u, which were approved, cannot be put in force: %s",
                  word.id, error.text);
    word_settle(daemon, &actor, &word, generation, code < 0 ? error.text : NULL);
}
