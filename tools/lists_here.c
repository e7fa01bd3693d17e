#include "tools/lists_here.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "blocklists/lists.h"
#include "resolver/base/clock.h"
#include "tools/act_here.h"

struct here {
    const char *state;
    int lock_fd;
    uint64_t before; /* the generation in force; 0: none */
};

static int here_begin(struct command *command, struct here *here, struct bl_error *error)
{
    char path[BL_PATH_MAX];
    int code;

    here->state = command_state(command);
    act_owner_enter(here->state);
    code = bl_lists_lock(here->state, &here->lock_fd, error);
    if (code < 0) {
        act_owner_leave();
        return code;
    }
    if (bl_lists_current(here->state, &here->before, path, NULL) < 0)
        here->before = 0;
    return 0;
}

static int note_write(const struct here *here, const char *action, uint64_t now, const char *reason,
                      struct bl_error *error)
{
    struct actor actor = act_actor();
    struct state *state = NULL;
    struct change *change;
    json_t *before = json_pack("{s:I}", "generation", (json_int_t)here->before);
    json_t *after = json_pack("{s:I}", "generation", (json_int_t)now);
    char target[32];
    int code = state_open(here->state, true, &state, error);

    snprintf(target, sizeof target, "generation %" PRIu64, now);
    if (code == 0)
        code = change_begin(state, &actor, clock_read().wall_ms, &change, error);
    if (code == 0) {
        code = change_log(change, action, target, before, after, reason, error);
        if (code == 0)
            code = change_commit(change, error);
        else
            change_abort(change);
    }
    state_close(state);
    json_decref(before);
    json_decref(after);
    return code;
}

static void here_end(const struct here *here, int code, const char *action, uint64_t now,
                     const char *reason)
{
    struct bl_error error = {""};

    if (code == 0 && note_write(here, action, now, reason, &error) < 0)
        command_fail(EXIT_FAILED,
                     "the lists are in force, but the change log has no entry of it: %s",
                     error.text);
    close(here->lock_fd);
    act_owner_leave();
}

int lists_adopt_here(struct command *command, int staged_fd, const char *reason,
                     uint64_t *out_generation, struct bl_error *error)
{
    struct here here;
    int code = here_begin(command, &here, error);

    if (code < 0)
        return code;
    code = bl_lists_adopt(here.state, staged_fd, command_config(command)->keep_generations,
                          out_generation, error);
    here_end(&here, code, "lists-adopt", *out_generation, reason);
    return code;
}

int lists_rollback_here(struct command *command, uint64_t wanted, const struct bl_guard *guard,
                        const char *reason, uint64_t *out_generation, struct bl_error *error)
{
    struct here here;
    int code = here_begin(command, &here, error);

    if (code < 0)
        return code;
    code = bl_lists_rollback_guarded(here.state, wanted, guard, out_generation, error);
    here_end(&here, code, "lists-rollback", *out_generation, reason);
    return code;
}
