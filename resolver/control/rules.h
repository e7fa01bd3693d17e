/* The daemon's hold on state.mdb: grants, policy versions and the change log, and worlds made with
 * them.
 *
 * Threads: with daemon->change held (rules_world(), rules_act() and rules_note() are parts of
 * changes), but for rules_read(), which runs beside them and waits for its turn in the database.
 */
#ifndef RESOLVER_CONTROL_RULES_H
#define RESOLVER_CONTROL_RULES_H

#include "resolver/control/control.h"
#include "resolver/control/daemon.h"
#include "resolver/policy/acts.h"

/* Opens STATE/state.mdb. A file that cannot be used is logged; the daemon goes on with the
 * configuration's rules, and changes are refused with the reason: a filter that runs is worth more
 * than one that can be changed. */
void rules_open(struct daemon *daemon);
void rules_close(struct daemon *daemon);

struct actor rules_actor(const struct caller *caller);
struct actor rules_actor_system(const char *user); /* NULL: who we are */

/* Who changes the configuration in force, and why. */
struct rules_change {
    const struct actor *actor;
    const char *action, *reason;
    uint32_t approves; /* the request of another manager that this confirms; 0: none */
};

/* A world of `config` (taken, also on failure) and the grants on record. What the configuration
 * says anew becomes a version, and the change an entry of the change log, with the difference from
 * `before` (may be NULL). Nothing is recorded when the world cannot be made. */
int rules_world(struct daemon *daemon, struct config *config, const struct config *before,
                const struct rules_change *change, struct world **out_world,
                struct bl_error *error);

/* Where `before` wants a second manager for what loosens it, and `config` does: 1, and {"grant"} in
 * the reply, which waits for approval. 0: nothing stands in its way. */
int rules_reload_ask(struct daemon *daemon, const struct config *config,
                     const struct config *before, const struct rules_change *change, json_t *reply,
                     struct bl_error *error);

/* The same configuration with the generation and the grants that are in force now. */
int rules_world_renew(struct daemon *daemon, const struct world *from, struct world **out_world,
                      struct bl_error *error);

/* An act of a caller: done, recorded and in force, or none of these. */
typedef int rules_function(struct act *act, const json_t *request, json_t *reply,
                           struct bl_error *error);
int rules_act(struct daemon *daemon, const struct caller *caller, rules_function *function,
              const json_t *request, json_t *reply, struct bl_error *error);
int rules_read(struct daemon *daemon, rules_function *function, const json_t *request,
               json_t *reply, struct bl_error *error);

/* An entry for what is done already (lists adopted, the end of the process). What cannot be
 * recorded is logged. `before` and `after` are taken and may be NULL. 0, or a negative errno where
 * there is no entry. */
int rules_note(struct daemon *daemon, const struct actor *actor, const char *action,
               const char *target, json_t *before, json_t *after, const char *reason);

/* The same for other lists; and for those that are in force without anybody having noted it. */
void rules_note_lists(struct daemon *daemon, const struct actor *actor, const char *action,
                      uint64_t before, uint64_t now, const char *reason);
void rules_find_lists(struct daemon *daemon, uint64_t generation);

/* Somebody asked for what they may not: recorded, the same verb of the same user once in ten
 * minutes. `verb` is of the tables of verbs. */
void rules_note_refusal(struct daemon *daemon, const struct caller *caller, const char *verb);

#endif
