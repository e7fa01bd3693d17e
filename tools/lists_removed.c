/* Lists that `lists update` read before and that the configuration names no more. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "resolver/config/subscribed.h"
#include "tools/lists_update.h"

bool update_asks(const struct update *update, const char *category)
{
    for (size_t i = 0; i < update->only_count; i++)
        if (strcmp(update->only[i], category) == 0)
            return true;
    return update->only_count == 0;
}

bool update_has_removed(const char *state, const struct config *config)
{
    struct lists_state lists = {0};
    struct bl_store *store;
    char path[BL_PATH_MAX];
    uint64_t generation;

    if (bl_lists_current(state, &generation, path, NULL) < 0 ||
        bl_store_open(path, &store, NULL) < 0)
        return false;
    lists_state_find(config, store, (int64_t)time(NULL), &lists);
    bl_store_close(store);
    return lists.removed_count > 0;
}

/* Whether the update is about this list, which it read before and the configuration names no more.
 */
static bool removed_find(const struct update *update, const struct import *import, unsigned index,
                         struct list_state *out_state)
{
    list_state_find(update->command->config, import->base, index, (int64_t)time(NULL), out_state);
    return out_state->removed && update_asks(update, out_state->category);
}

static struct keeping *keeping_find(const struct update *update, const char *category)
{
    for (size_t i = 0; i < update->keeping_count; i++)
        if (strcmp(update->keeping[i].category, category) == 0)
            return &update->keeping[i];
    return NULL;
}

/* False when memory is short. */
static bool keeping_add(struct update *update, const char *category, bool whole,
                        const struct bl_error *why)
{
    struct keeping *keeping =
        realloc(update->keeping, (update->keeping_count + 1) * sizeof *keeping);
    char *copy = strdup(category);

    if (keeping)
        update->keeping = keeping;
    if (!keeping || !copy) {
        free(copy);
        return false;
    }
    keeping[update->keeping_count++] = (struct keeping){copy, whole, *why};
    update->held += whole;
    return true;
}

/* Takes out what the configuration names no more; returns how many lists that is. A category of
 * which a source fails keeps all: the new address of a list may be the one that fails. */
unsigned update_drop_removed(struct update *update, struct import *import)
{
    struct bl_error why = {""};
    struct list_state state;
    unsigned count = 0;

    bl_error_set(&why, -EAGAIN, "another source of its category could not be read");
    for (size_t i = 0; i < update->count; i++)
        if (update->subscriptions[i].outcome == UPDATE_FAILED &&
            !keeping_find(update, update->subscriptions[i].category->name))
            keeping_add(update, update->subscriptions[i].category->name, false, &why);
    for (unsigned i = 0; import->base && i < bl_store_source_count(import->base); i++)
        if (removed_find(update, import, i, &state) && !keeping_find(update, state.category))
            count += bl_compile_drop(import->compile, state.category, state.source->location);
    return count;
}

/* Whether lists of a category are taken out. */
static bool is_dropped_from(const struct update *update, const struct import *import,
                            const char *category)
{
    struct list_state state;

    for (unsigned i = 0; import->base && i < bl_store_source_count(import->base); i++)
        if (removed_find(update, import, i, &state) && strcmp(state.category, category) == 0)
            return true;
    return false;
}

unsigned update_find_refused(struct update *update, const struct import *import)
{
    unsigned count = 0;

    for (size_t i = 0; i < import->change_count; i++) {
        const char *category = import->changes[i].category;
        struct keeping *keeping = keeping_find(update, category);
        bool whole = keeping || !is_dropped_from(update, import, category);
        struct bl_error why = {""};

        if ((keeping && keeping->whole) || (whole && update->options.preview) ||
            import_judge(import, &import->changes[i], &why) == 0)
            continue;
        if (!keeping) {
            count += keeping_add(update, category, whole, &why);
            continue;
        }
        keeping->whole = true;
        keeping->why = why;
        update->held++;
        count++;
    }
    return count;
}

const struct bl_error *update_held(const struct update *update, const char *category)
{
    const struct keeping *keeping = keeping_find(update, category);

    return keeping && keeping->whole ? &keeping->why : NULL;
}

void update_tell_held(const struct update *update)
{
    for (size_t i = 0; i < update->keeping_count; i++)
        if (update->keeping[i].whole)
            command_fail(EXIT_FAILED,
                         "%s. It keeps what it has; `chalkgate lists update "
                         "--preview %s` shows which names would go",
                         update->keeping[i].why.text, update->keeping[i].category);
}

void update_tell_removed(const struct update *update, const struct import *import)
{
    struct list_state state;

    for (unsigned i = 0; import->base && i < bl_store_source_count(import->base); i++) {
        const struct keeping *keeping;

        if (!removed_find(update, import, i, &state))
            continue;
        keeping = keeping_find(update, state.category);
        if (keeping)
            command_fail(EXIT_DONE, "%s is no longer in the configuration, but stays in force: %s",
                         state.source->location, keeping->why.text);
        else if (!update->command->json)
            printf("%s is no longer in the configuration: %s\n", state.source->location,
                   update->options.preview ? "it would be taken out" : "it is taken out");
    }
}

void update_forget_removed(struct update *update)
{
    for (size_t i = 0; i < update->keeping_count; i++)
        free(update->keeping[i].category);
    free(update->keeping);
}
