#include "resolver/config/subscribed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_S = 86400, STALE_S = 30 * DAY_S };

/* Whether a list at `found` came from `named`: it is that, or a part of that archive or folder. */
static bool is_part(const char *found, const char *named, bool is_url)
{
    size_t len = strlen(named);

    while (len > 1 && named[len - 1] == '/')
        len--;
    if (strncmp(found, named, len) != 0)
        return false;
    return found[len] == '\0' || found[len] == '#' || (found[len] == '/' && !is_url);
}

static const struct config_source *subscription_find(const struct config *config,
                                                     const char *category, const char *location)
{
    int index = config_category_find(config, category);

    if (index < 0)
        return NULL;
    for (size_t i = 0; i < config->categories[index].source_count; i++) {
        const struct config_source *source = &config->categories[index].sources[i];
        bool is_url = strstr(source->location, "://") != NULL, found;
        /* Imports note a path without its links. */
        char *path = is_url ? NULL : realpath(source->location, NULL);

        found =
            is_part(location, source->location, is_url) || (path && is_part(location, path, false));
        free(path);
        if (found)
            return source;
    }
    return NULL;
}

void list_state_find(const struct config *config, const struct bl_store *store, unsigned index,
                     int64_t now_s, struct list_state *out_state)
{
    const struct bl_source *source = bl_store_source(store, index);
    const char *category = bl_store_category(store, source->category)->name;
    const struct config_source *named =
        config ? subscription_find(config, category, source->location) : NULL;
    int64_t stale_s = named && named->stale_s ? named->stale_s
                      : config                ? config->lists_stale_s
                                              : STALE_S;

    *out_state = (struct list_state){
        .source = source,
        .category = category,
        .named = named,
        .age_s = now_s > source->imported ? now_s - source->imported : 0,
        .stale_from_s = stale_s > 0 ? source->imported + stale_s : 0,
        .removed = config && source->subscribed && !named,
    };
    out_state->stale = stale_s > 0 && now_s >= out_state->stale_from_s;
}

void lists_state_find(const struct config *config, const struct bl_store *store, int64_t now_s,
                      struct lists_state *out_state)
{
    struct lists_state state = {.count = bl_store_source_count(store)};

    for (unsigned i = 0; i < state.count; i++) {
        struct list_state one;

        list_state_find(config, store, i, now_s, &one);
        state.stale_count += one.stale;
        state.removed_count += one.removed;
        if (one.source->imported > state.newest_s)
            state.newest_s = one.source->imported;
        if (i == 0 || one.source->imported < state.oldest_s)
            state.oldest_s = one.source->imported;
        if (one.stale && (!state.oldest_stale.source || one.age_s > state.oldest_stale.age_s))
            state.oldest_stale = one;
        if (!one.stale && one.stale_from_s > 0 &&
            (state.next_s == 0 || one.stale_from_s < state.next_s))
            state.next_s = one.stale_from_s;
    }
    *out_state = state;
}

static void age_text(int64_t age_s, char *text, size_t size)
{
    static const struct {
        int64_t seconds;
        const char *name;
    } units[] = {{DAY_S, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    size_t unit = 0;

    while (unit + 1 < sizeof units / sizeof *units && age_s < units[unit].seconds)
        unit++;
    snprintf(text, size, "%lld %s%s", (long long)(age_s / units[unit].seconds), units[unit].name,
             age_s / units[unit].seconds == 1 ? "" : "s");
}

char *lists_stale_text(const struct lists_state *state, char text[LISTS_STALE_TEXT_MAX])
{
    const struct list_state *oldest = &state->oldest_stale;
    const char *location = oldest->source->location;
    size_t len = strlen(location);
    char age[32];

    /* Of a long path the end says more. */
    if (len > 200)
        location += len - 200;
    age_text(oldest->age_s, age, sizeof age);
    if (state->stale_count == 1)
        snprintf(text, LISTS_STALE_TEXT_MAX, "the list %s of %s is out of date: %s old", location,
                 oldest->category, age);
    else
        snprintf(text, LISTS_STALE_TEXT_MAX,
                 "%u lists are out of date; the oldest, %s of %s, is %s old", state->stale_count,
                 location, oldest->category, age);
    return text;
}
