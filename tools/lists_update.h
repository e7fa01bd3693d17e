/* Between lists_update.c and lists_removed.c: one `lists update`, and what it does about lists that
 * the configuration names no more. Nobody else includes this.
 */
#ifndef TOOLS_LISTS_UPDATE_H
#define TOOLS_LISTS_UPDATE_H

#include "blocklists/fetch.h"
#include "blocklists/lists.h"
#include "tools/import.h"

enum outcome { UPDATE_FAILED, UPDATE_READ, UPDATE_HELD };

struct subscription {
    const struct config_category *category;
    const struct config_source *source;
    struct bl_fetch *fetch; /* NULL for a path */
    enum outcome outcome;
    bool known, same; /* something of it is in force; all of it is, as it was read now */
    struct bl_error error;
};

/* A category that keeps what the configuration names no more, and why; or (`whole`) all that it has
 * in force, as the guard objects to what was read. */
struct keeping {
    char *category;
    bool whole;
    struct bl_error why;
};

struct update {
    struct command *command;
    struct import_options options;
    const char *ca_file;
    bool insecure;
    char **only; /* categories asked for; all where there are none */
    size_t only_count;
    struct subscription *subscriptions;
    size_t count, failed;
    struct bl_fetch *fetches; /* each address once */
    size_t fetch_count;
    char cache[BL_PATH_MAX];
    bool cache_is_temporary;
    struct keeping *keeping;
    size_t keeping_count, held; /* held: those that keep the whole */
    bool again;                 /* everything is read once more, as something stays */
};

/* Whether the categories asked for have this one among them. */
bool update_asks(const struct update *update, const char *category);

/* Whether there is anything in force that the configuration names no more. */
bool update_has_removed(const char *state, const struct config *config);

/* Takes that out of the import; returns how many lists. Once all sources were read. */
unsigned update_drop_removed(struct update *update, struct import *import);

/* Of a staged import: notes the categories that may not lose what they would, and returns how many.
 * Then everything has to be read again (`again`). Such a category keeps what was taken out of it;
 * and where that is not enough, or not the cause, all that it has. A preview shows that instead. */
unsigned update_find_refused(struct update *update, const struct import *import);

/* Why a category keeps all that it has, or NULL. */
const struct bl_error *update_held(const struct update *update, const char *category);
void update_tell_held(const struct update *update);

/* Says what was taken out, and what stays and why. */
void update_tell_removed(const struct update *update, const struct import *import);
void update_forget_removed(struct update *update);

#endif
