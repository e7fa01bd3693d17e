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

static const char *keeping_why(const struct update *update, const char *category)
{
    for (size_t i = 0; i < update->keeping_count; i++)
        if (strcmp(update->keeping[i].category, category) == 0)
            return update->keeping[i].why.text;
    return NULL;
}

/* False when memory is short. */
static bool keeping_add(struct update *update, const char *category, const struct bl_error *why)
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
    keeping[update->keeping_count++] = (struct keeping){copy, *why};
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
            !keeping_why(update, update->subscriptions[i].category->name))
            keeping_add(update, update->subscriptions[i].category->name, &why);
    for (unsigned i = 0; import->base && i < bl_store_source_count(import->base); i++)
        if (removed_find(update, import, i, &state) && !keeping_why(update, state.category))
            count += bl_compile_drop(import->compile, state.category, state.source->location);
    return count;
}

/* Notes the categories that the guard does not let shrink so, of those that lists were taken out
 * of. Returns how many. */
unsigned update_find_refused(struct update *update, const struct import *import)
{
    unsigned count = 0;

    for (size_t i = 0; i < import->change_count; i++) {
        struct bl_error why = {""};
        struct list_state state;
        bool dropped = false;

        for (unsigned s = 0; import->base && s < bl_store_source_count(import->base); s++)
            dropped |= removed_find(update, import, s, &state) &&
                       strcmp(state.category, import->changes[i].category) == 0;
        if (dropped && !keeping_why(update, import->changes[i].category) &&
            import_judge(import, &import->changes[i], &why) < 0)
            count += keeping_add(update, import->changes[i].category, &why);
    }
    return count;
}

void update_tell_removed(const struct update *update, const struct import *import)
{
    struct list_state state;

    for (unsigned i = 0; import->base && i < bl_store_source_count(import->base); i++) {
        const char *why;

        if (!removed_find(update, import, i, &state))
            continue;
        why = keeping_why(update, state.category);
        if (why)
            command_fail(EXIT_DONE, "%s is no longer in the configuration, but stays in force: %s",
                         state.source->location, why);
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
