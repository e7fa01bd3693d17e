#include "blocklists/diff.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "blocklists/layout.h"
#include "blocklists/store_inside.h"

/* One of the two stores, at one of its keys. */
struct side {
    const struct bl_store *store; /* NULL: an empty one */
    struct bl_cursor cursor;
    int has;          /* as bl_cursor_next() */
    uint16_t *common; /* its categories as numbers that both sides share */
    uint16_t conditions[BL_CONDITIONS_MAX + 1]; /* likewise; 0 is none */
    uint32_t *says;  /* at the current key: say_of(), sorted, each once */
    uint8_t *scopes; /* of each: the name itself, what is below it, or both (enum bl_scope) */
    size_t say_count, say_room;
};

struct diff {
    struct side older, newer;
    const char **names; /* of the common categories */
    unsigned name_count;
    struct bl_types *conditions; /* the common ones, by number − 1 */
    unsigned condition_count;
    struct bl_entry entry;
    int (*each)(void *user, const struct bl_change *change);
    void *user;
    struct bl_error *error;
};

/* A category and an action, and for which types: conditions of two stores have nine bits. */
static uint32_t say_of(uint16_t category, unsigned action, unsigned condition)
{
    return ((uint32_t)category << 1 | action) << 9 | condition;
}

static uint16_t say_category(uint32_t say)
{
    return (uint16_t)(say >> 10);
}

static enum bl_action say_action(uint32_t say)
{
    return say >> 9 & 1 ? BL_ALLOW : BL_BLOCK;
}

static unsigned say_condition(uint32_t say)
{
    return say & 511;
}

static int no_memory(struct bl_error *error)
{
    return bl_error_set(error, -ENOMEM, "not enough memory to compare generations");
}

static void side_conditions(struct diff *diff, struct side *side)
{
    const struct bl_types *types;

    for (unsigned i = 1; (types = bl_store_condition(side->store, i)); i++) {
        unsigned at = 0;

        while (at < diff->condition_count && !bl_types_equal(&diff->conditions[at], types))
            at++;
        if (at == diff->condition_count)
            diff->conditions[diff->condition_count++] = *types;
        side->conditions[i] = (uint16_t)(at + 1);
    }
}

static int side_open(struct diff *diff, struct side *side, const struct bl_store *store)
{
    unsigned count = store ? bl_store_category_count(store) : 0;

    side->store = store;
    if (!store)
        return 0;
    side->common = calloc(count + 1u, sizeof *side->common);
    if (!side->common)
        return no_memory(diff->error);
    for (unsigned i = 0; i < count; i++) {
        const char *name = bl_store_category(store, i)->name;
        unsigned at = 0;

        while (at < diff->name_count && strcmp(diff->names[at], name) != 0)
            at++;
        if (at == diff->name_count)
            diff->names[diff->name_count++] = name;
        side->common[i] = (uint16_t)at;
    }
    side_conditions(diff, side);
    return bl_cursor_open(store, &side->cursor, diff->error);
}

static void side_close(struct side *side)
{
    if (side->store)
        bl_cursor_close(&side->cursor);
    free(side->common);
    free(side->says);
    free(side->scopes);
}

static int say_add(struct side *side, uint32_t say, uint8_t scope)
{
    size_t at = side->say_count;

    while (at > 0 && side->says[at - 1] > say)
        at--;
    if (at > 0 && side->says[at - 1] == say) {
        side->scopes[at - 1] |= scope;
        return 0;
    }
    if (side->say_count == side->say_room) {
        size_t room = side->say_room ? 2 * side->say_room : 16;
        void *says = realloc(side->says, room * sizeof *side->says);
        void *scopes = realloc(side->scopes, room * sizeof *side->scopes);

        side->says = says ? says : side->says;
        side->scopes = scopes ? scopes : side->scopes;
        if (!says || !scopes)
            return -ENOMEM;
        side->say_room = room;
    }
    memmove(side->says + at + 1, side->says + at, (side->say_count - at) * sizeof *side->says);
    memmove(side->scopes + at + 1, side->scopes + at, side->say_count - at);
    side->says[at] = say;
    side->scopes[at] = scope;
    side->say_count++;
    return 0;
}

/* Moves to the next key and takes in what is said there. */
static int side_next(struct side *side, struct bl_error *error)
{
    const uint8_t *at, *end;
    struct bl_packed_entry entry;

    side->say_count = 0;
    side->has = side->store ? bl_cursor_next(&side->cursor, error) : 0;
    if (side->has <= 0)
        return side->has;
    at = (const uint8_t *)side->cursor.value.mv_data + 2;
    end = (const uint8_t *)side->cursor.value.mv_data + side->cursor.value.mv_size;
    while (bl_packed_next(&at, end, &entry)) {
        const struct bl_source *source = bl_store_source(side->store, entry.source);

        if (!source || entry.condition > side->store->conditions.count)
            break;
        if (say_add(side,
                    say_of(side->common[source->category], (entry.flags & BL_ENTRY_ALLOW) != 0,
                           side->conditions[entry.condition]),
                    entry.flags & BL_ENTRY_SCOPE) < 0)
            return no_memory(error);
    }
    if (at != end)
        return bl_error_set(error, -EBADMSG, "%s is damaged: an entry cannot be read",
                            side->store->path);
    return 1;
}

static int sides_order(const struct diff *diff)
{
    const MDB_val *a = &diff->older.cursor.key, *b = &diff->newer.cursor.key;
    int order;

    if (diff->older.has <= 0 || diff->newer.has <= 0)
        return diff->newer.has <= 0 ? -1 : 1;
    order = memcmp(a->mv_data, b->mv_data, a->mv_size < b->mv_size ? a->mv_size : b->mv_size);
    return order != 0 ? order : (a->mv_size > b->mv_size) - (a->mv_size < b->mv_size);
}

/* Whether the newer store says this by a fact, for the same types or for all. */
static bool is_said(const struct diff *diff, bl_fact fact, uint32_t say)
{
    size_t count;
    const struct bl_fact_rule *rules = bl_store_fact(diff->newer.store, fact, &count);

    for (size_t i = 0; i < count; i++)
        if (diff->newer.common[rules[i].category] == say_category(say) &&
            rules[i].action == say_action(say) &&
            (rules[i].condition == 0 ||
             diff->newer.conditions[rules[i].condition] == say_condition(say)))
            return true;
    return false;
}

/* Whether the newer store says this of the prefix, or of all that the name stood for, by what lies
 * above it or by itself. */
static bool is_covered(const struct diff *diff, uint32_t say, unsigned scope)
{
    const struct bl_store *store = diff->newer.store;
    const struct bl_entry *entry = &diff->entry;
    const struct bl_name *name = &entry->name;

    if (entry->is_address)
        return is_said(diff,
                       bl_store_find_address(store, entry->prefix.address,
                                             entry->prefix.family == 4 ? 4 : 16, NULL),
                       say);
    return (!(scope & BL_EXACT) ||
            is_said(diff, bl_store_find(store, name->wire, name->len, BL_ALL_TYPES).fact, say)) &&
           (!(scope & BL_BELOW) || is_said(diff, bl_store_find_below(store, name), say));
}

/* `scope`: of what is gone; 0 where it is new, or now stands for less. */
static int change_tell(struct diff *diff, uint32_t say, bool added, unsigned scope)
{
    struct bl_change change = {.added = added,
                               .category = diff->names[say_category(say)],
                               .action = say_action(say),
                               .still_covered = scope != 0 && is_covered(diff, say, scope),
                               .entry = &diff->entry};

    diff->entry.types.count = 0;
    if (say_condition(say) > 0)
        diff->entry.types = diff->conditions[say_condition(say) - 1];
    return diff->each(diff->user, &change);
}

/* What was said of a name, of those below it or of both, and now of others of these, is gone and
 * new at once: names that a block stood for are not denied any more, or others come in. To allow
 * less is no change. */
static int scopes_compare(struct diff *diff, size_t older, size_t newer)
{
    unsigned was = diff->older.scopes[older], is = diff->newer.scopes[newer];
    uint32_t say = diff->older.says[older];
    bool is_narrowed = (was & ~is) != 0, is_widened = (is & ~was) != 0;
    int rc;

    if (diff->entry.is_address || !(is_widened || (is_narrowed && say_action(say) == BL_BLOCK)))
        return 0;
    rc = change_tell(diff, say, false, is_narrowed ? 0 : was);
    return rc == 0 ? change_tell(diff, say, true, 0) : rc;
}

/* Tells where the two sorted lists of what is said at one key differ. */
static int key_compare(struct diff *diff, const MDB_val *key, bool in_older, bool in_newer)
{
    size_t a = 0, b = 0;
    size_t a_count = in_older ? diff->older.say_count : 0,
           b_count = in_newer ? diff->newer.say_count : 0;
    const uint32_t *olds = diff->older.says, *news = diff->newer.says;
    int rc = 0;

    if (in_older && in_newer && a_count == b_count &&
        memcmp(olds, news, a_count * sizeof *olds) == 0 &&
        memcmp(diff->older.scopes, diff->newer.scopes, a_count) == 0)
        return 0;
    memset(&diff->entry, 0, offsetof(struct bl_entry, name));
    diff->entry.is_address = bl_key_is_prefix(key->mv_data, key->mv_size);
    if (!(diff->entry.is_address ? bl_key_to_prefix(key->mv_data, key->mv_size, &diff->entry.prefix)
                                 : bl_key_to_name(key->mv_data, key->mv_size, &diff->entry.name)))
        return bl_error_set(diff->error, -EBADMSG,
                            "a generation is damaged: an entry cannot be read");
    while (rc == 0 && (a < a_count || b < b_count)) {
        if (b == b_count || (a < a_count && olds[a] < news[b])) {
            rc = change_tell(diff, olds[a], false, diff->older.scopes[a]);
            a++;
        } else if (a == a_count || news[b] < olds[a])
            rc = change_tell(diff, news[b++], true, 0);
        else
            rc = scopes_compare(diff, a++, b++);
    }
    return rc;
}

static int diff_run(struct diff *diff)
{
    int rc = side_next(&diff->older, diff->error);

    if (rc >= 0)
        rc = side_next(&diff->newer, diff->error);
    while (rc >= 0 && (diff->older.has > 0 || diff->newer.has > 0)) {
        int order = sides_order(diff);

        rc = key_compare(diff, order <= 0 ? &diff->older.cursor.key : &diff->newer.cursor.key,
                         order <= 0, order >= 0);
        if (rc != 0)
            return rc;
        if (order <= 0)
            rc = side_next(&diff->older, diff->error);
        if (rc >= 0 && order >= 0)
            rc = side_next(&diff->newer, diff->error);
    }
    return rc < 0 ? rc : 0;
}

int bl_diff(const struct bl_store *older, const struct bl_store *newer,
            int (*each)(void *user, const struct bl_change *change), void *user,
            struct bl_error *error)
{
    struct diff diff = {.each = each, .user = user, .error = error};
    int rc;

    diff.names = calloc(2 * BL_CATEGORY_MAX, sizeof *diff.names);
    diff.conditions = calloc(2 * BL_CONDITIONS_MAX, sizeof *diff.conditions);
    if (!diff.names || !diff.conditions) {
        free(diff.names);
        free(diff.conditions);
        return no_memory(error);
    }
    rc = side_open(&diff, &diff.older, older);
    if (rc == 0)
        rc = side_open(&diff, &diff.newer, newer);
    if (rc == 0)
        rc = diff_run(&diff);
    side_close(&diff.older);
    side_close(&diff.newer);
    free(diff.names);
    free(diff.conditions);
    return rc;
}

struct counting {
    struct bl_diff_count *counts;
    size_t count;
    int (*each)(void *user, const struct bl_change *change);
    void *user;
};

static struct bl_diff_count *count_find(struct counting *counting, const char *category)
{
    size_t low = 0, high = counting->count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(counting->counts[middle].category, category);

        if (order == 0)
            return &counting->counts[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static int change_count(void *user, const struct bl_change *change)
{
    struct counting *counting = user;
    struct bl_diff_count *count = count_find(counting, change->category);

    if (count && change->action == BL_ALLOW) {
        count->allows_added += change->added;
        count->allows_removed += !change->added;
    } else if (count) {
        count->added += change->added;
        count->removed += !change->added;
        count->lost += !change->added && !change->still_covered;
    }
    return counting->each ? counting->each(counting->user, change) : 0;
}

static int count_order(const void *a, const void *b)
{
    const struct bl_diff_count *left = a, *right = b;

    return strcmp(left->category, right->category);
}

/* The categories of both, each once, sorted. */
static void counts_fill(struct counting *counting, const struct bl_store *older,
                        const struct bl_store *newer)
{
    size_t kept = 0;

    for (unsigned side = 0; side < 2; side++) {
        const struct bl_store *store = side ? newer : older;

        for (unsigned i = 0; store && i < bl_store_category_count(store); i++) {
            const struct bl_category *category = bl_store_category(store, i);
            struct bl_diff_count *count = &counting->counts[counting->count++];

            count->category = category->name;
            *(side ? &count->after : &count->before) = category->names + category->addresses;
            *(side ? &count->whole_after : &count->whole_before) = category->whole;
        }
    }
    qsort(counting->counts, counting->count, sizeof *counting->counts, count_order);
    for (size_t i = 0; i < counting->count; i++) {
        struct bl_diff_count *count = &counting->counts[i];

        if (kept > 0 && strcmp(counting->counts[kept - 1].category, count->category) == 0) {
            counting->counts[kept - 1].before += count->before;
            counting->counts[kept - 1].after += count->after;
            counting->counts[kept - 1].whole_before += count->whole_before;
            counting->counts[kept - 1].whole_after += count->whole_after;
            continue;
        }
        counting->counts[kept++] = *count;
    }
    counting->count = kept;
}

int bl_diff_count(const struct bl_store *older, const struct bl_store *newer,
                  int (*each)(void *user, const struct bl_change *change), void *user,
                  struct bl_diff_count **out_counts, size_t *out_count, struct bl_error *error)
{
    struct counting counting = {.each = each, .user = user};
    int rc;

    counting.counts = calloc(2 * BL_CATEGORY_MAX + 1, sizeof *counting.counts);
    if (!counting.counts)
        return no_memory(error);
    counts_fill(&counting, older, newer);
    /* Of nothing, everything is new: no need to read it all. */
    for (size_t i = 0; !older && !each && i < counting.count; i++)
        counting.counts[i].added = counting.counts[i].after;
    rc = older || each ? bl_diff(older, newer, change_count, &counting, error) : 0;
    if (rc != 0) {
        free(counting.counts);
        return rc;
    }
    *out_counts = counting.counts;
    *out_count = counting.count;
    return 0;
}
