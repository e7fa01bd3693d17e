/* What the configuration has to say of the lists in force: which of them it subscribes to, and from
 * when on they count as out of date.
 *
 * A list in force and a source of the configuration are the same when their category is, and their
 * location or that of the archive or folder that the list was found in. Any thread; looks at the
 * disk where the configuration names paths, for a path may lead over links.
 */
#ifndef RESOLVER_CONFIG_SUBSCRIBED_H
#define RESOLVER_CONFIG_SUBSCRIBED_H

#include "blocklists/store.h"
#include "resolver/config/config.h"

struct list_state {
    const struct bl_source *source; /* borrowed from the store, as is `category` */
    const char *category;
    const struct config_source *named; /* the configuration's; NULL: it does not subscribe to it */
    int64_t age_s;
    int64_t stale_from_s; /* wall time from which on it is out of date; 0: never is */
    bool stale;
    bool removed; /* `lists update` read it, and the configuration names it no more */
};

/* Of one source of a store. `config` may be NULL: then the age is judged as where it says nothing,
 * and nothing is removed. */
void list_state_find(const struct config *config, const struct bl_store *store, unsigned index,
                     int64_t now_s, struct list_state *out_state);

/* All of a store, for those who warn. */
struct lists_state {
    unsigned count, stale_count, removed_count;
    int64_t newest_s, oldest_s; /* when the newest and the oldest was read; 0 where there is none */
    int64_t next_s;             /* the next time at which one more will be out of date; 0: never */
    struct list_state oldest_stale; /* of those out of date the oldest; its source NULL: none is */
};

void lists_state_find(const struct config *config, const struct bl_store *store, int64_t now_s,
                      struct lists_state *out_state);

/* "3 lists are out of date; the oldest, gambling/domains of gambling, is 45 days old", without what
 * to do. */
enum { LISTS_STALE_TEXT_MAX = 512 };
char *lists_stale_text(const struct lists_state *state, char text[LISTS_STALE_TEXT_MAX]);

#endif
