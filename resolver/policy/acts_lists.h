/* Lists that wait for a second manager, where `roles.requires-approval` is set. They wait among the
 * grants (grants.h) with kind "lists", and those that were imported on the disk
 * (blocklists/lists.h, bl_lists_wait()), so that what is confirmed is what was asked for.
 *
 *   {"kind": "lists", "id": 7, "state": "pending", "target": "import", "base": 12,
 *    "sha256": "…" or "generation": 9, "allow_shrink": false, "loosens": ["…"], …}
 *
 * The way of a request:
 *
 *   act_lists_weigh()    compares; outside of any change, as it takes as long as reading the lists
 *   act_lists_ask()      on record: "lists-asked". Another one that waited is superseded
 *   act_lists_look()     compares again, as the configuration or grants may be others since
 *   act_lists_approve()  "approve": from here on it counts, "state" is "approved"
 *   (the lists come into force, by whoever may write the folder)
 *   act_lists_settle()   it is past; or, where that failed, it waits again: "lists-failed"
 *
 * Killed between the last two, the next start goes on with act_lists_approved_find(). Other lists
 * in force (act_lists()) end what waits, as nobody could tell any more what it loosens:
 * "lists-superseded".
 *
 * Threads: any; acts are parts of a change.
 */
#ifndef RESOLVER_POLICY_ACTS_LISTS_H
#define RESOLVER_POLICY_ACTS_LISTS_H

#include <jansson.h>

#include "blocklists/guard.h"
#include "blocklists/lists.h"
#include "resolver/config/config.h"
#include "resolver/policy/state.h"

/* What somebody wants in force. */
struct lists_wanted {
    int fd;              /* staged; −1: go back to `generation` */
    uint64_t generation; /* 0: the one before */
    bool allow_shrink;
    const json_t
        *grants;     /* those of the table (grants.h): what is allowed beside the configuration */
    bool is_refresh; /* of subscriptions, and by the program's own user with nobody behind it */
};

struct lists_weighed {
    int fd; /* our own copy of what is staged, to adopt from or to keep; −1 for a rollback */
    uint64_t base, generation;
    char sha256[BL_LISTS_HASH_TEXT];
    json_t *loosens; /* sentences; empty: it need not wait */
};

/* 0, -EPERM where the guard objects, or another negative errno with a sentence. */
int act_lists_weigh(const char *state, const struct config *config,
                    const struct lists_wanted *wanted, const struct bl_guard *guard,
                    struct lists_weighed *out_weighed, struct bl_error *error);
void lists_weighed_fini(struct lists_weighed *weighed);

/* What loosens waits from here on: {"grant"} in the reply. Once committed, lists_waiting_sweep().
 */
int act_lists_ask(struct change *change, const struct lists_wanted *wanted,
                  const struct lists_weighed *weighed, const char *reason, json_t *reply,
                  struct bl_error *error);

/* Whether whoever confirms this request was shown all that it would loosen by now, by `config` and
 * the `grants` of the table: 0, -EINVAL with a sentence where not, or -ENOMEM. Outside of any
 * change, as act_lists_weigh(). What cannot be read is not its matter: that cannot come into force.
 */
int act_lists_look(const char *state, const struct config *config, const json_t *grants,
                   const json_t *grant, struct bl_error *error);

/* What was confirmed, and is to be done. */
struct lists_word {
    uint32_t id;
    uint64_t base, generation; /* to go back to; 0: adopt what waits */
    bool allow_shrink;
    char sha256[BL_LISTS_HASH_TEXT];
    char reason[512]; /* of who asked */
};

/* {"id", "reason"}: refuses one's own, and what nobody has asked for but a timer. */
int act_lists_approve(struct change *change, const json_t *request, struct lists_word *out_word,
                      struct bl_error *error);

/* What a process that was killed has left to do. */
bool act_lists_approved_find(struct change *change, struct lists_word *out_word);

/* Does it: adopts or goes back, unless it is done already. `*out_generation` is in force then.
 * -ESTALE where other lists are by now. */
int lists_word_follow(const char *state, const struct lists_word *word, unsigned keep,
                      const struct bl_guard *guard, uint64_t *out_generation,
                      struct bl_error *error);

/* `fault` NULL: `generation` is in force. Else it waits again, or is past where other lists than
 * those it was compared with are in force. -ENOENT where the request is gone. */
int act_lists_settle(struct change *change, const struct lists_word *word, uint64_t generation,
                     const char *fault, struct bl_error *error);

/* Ends what waits, for other lists are in force. A part of act_lists(). */
int act_lists_overtake(struct change *change, uint64_t now, struct bl_error *error);

/* Removes files of what waits no more; with a change of its own for reading. */
void lists_waiting_sweep(struct change *change);

#endif
