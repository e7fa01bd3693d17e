#include "resolver/policy/lists_loosened.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocklists/diff.h"
#include "resolver/config/subscribed.h"
#include "resolver/policy/inside.h"

enum { SAMPLES = 3, SAMPLE_TEXT_MAX = 120, SENTENCE_MAX = 1024 };
enum kind { KIND_LOST, KIND_ALLOWED, KIND_BEATEN, KIND_LISTED, KINDS };

static const char *const KIND_WORDS[KINDS] = {
    "would not be denied any more",
    "to allow would be new",
    "would not be denied any more, as other lists allow it",
    "would be allowed to those who are allowed the category",
};

/* What a category loses. */
struct loss {
    const char *category; /* borrowed from a store */
    bool is_allowed;      /* to some: is_allowed_to_some() */
    uint64_t counts[KINDS];
    char samples[KINDS][SAMPLES][SAMPLE_TEXT_MAX];
};

struct comparison {
    const struct config *config;
    const json_t *grants;
    const struct bl_store *before, *after;
    uint16_t before_map[BL_CATEGORY_MAX], after_map[BL_CATEGORY_MAX];
    struct loss *losses;
    size_t loss_count;
    struct bl_entry last;               /* looked at; one name may have many entries */
    const char *noted[BL_CATEGORY_MAX]; /* its categories that were noted */
    size_t noted_count;
};

static const char *entry_text(const struct bl_entry *entry, char text[BL_NAME_TEXT_MAX])
{
    char address[INET6_ADDRSTRLEN] = "";

    if (!entry->is_address) {
        bl_name_text(entry->name.wire, text);
        return text;
    }
    inet_ntop(entry->prefix.family == 4 ? AF_INET : AF_INET6, entry->prefix.address, address,
              sizeof address);
    snprintf(text, BL_NAME_TEXT_MAX, "%s/%u", address, entry->prefix.length);
    return text;
}

static bool targets_have(const struct config_targets *targets, int category)
{
    for (size_t i = 0; i < targets->category_count; i++)
        if (targets->categories[i] == category)
            return true;
    return false;
}

static bool is_granted(const json_t *grants, const char *category)
{
    const json_t *grant;
    size_t index;

    json_array_foreach(grants, index, grant)
    {
        const char *kind = NULL, *state = NULL, *target_kind = NULL, *target = NULL;
        if (json_unpack((json_t *)(uintptr_t)grant, "{s:s, s:s, s:s, s:s}", "kind", &kind, "state",
                        &state, "target_kind", &target_kind, "target", &target) == 0 &&
            strcmp(kind, "allow") == 0 && strcmp(state, "active") == 0 &&
            strcmp(target_kind, "category") == 0 && strcmp(target, category) == 0)
            return true;
    }
    return false;
}

/* Whether anybody is allowed the category itself, at any time: then what is new on its lists is an
 * exception. */
static bool is_allowed_to_some(const struct comparison *comparison, const char *name)
{
    const struct config *config = comparison->config;
    int category = config_category_find(config, name);

    for (size_t i = 0; category >= 0 && i < config->group_count; i++) {
        const struct config_group *group = &config->groups[i];
        if (targets_have(&group->allow, category))
            return true;
        for (size_t j = 0; j < group->schedule_count; j++)
            if (targets_have(&group->schedule[j].allow, category))
                return true;
    }
    return is_granted(comparison->grants, name);
}

/* NULL where there is no room for one more category. Borrowed until the next call. */
static struct loss *loss_find(struct comparison *comparison, const char *category)
{
    struct loss *losses;
    size_t at = 0;

    while (at < comparison->loss_count && strcmp(comparison->losses[at].category, category) != 0)
        at++;
    if (at < comparison->loss_count)
        return &comparison->losses[at];
    losses = reallocarray(comparison->losses, at + 1, sizeof *losses);
    if (!losses)
        return NULL;
    comparison->losses = losses;
    losses[comparison->loss_count++] =
        (struct loss){.category = category, .is_allowed = is_allowed_to_some(comparison, category)};
    return &losses[at];
}

static void loss_note(struct loss *loss, enum kind kind, const struct bl_entry *entry)
{
    char text[BL_NAME_TEXT_MAX];

    if (loss->counts[kind] < SAMPLES)
        snprintf(loss->samples[kind][loss->counts[kind]], SAMPLE_TEXT_MAX, "%.119s",
                 entry_text(entry, text));
    loss->counts[kind]++;
}

/* In a category that is allowed, an entry to allow takes names out of it: without it they are in.
 */
static int change_look(void *user, const struct bl_change *change)
{
    struct loss *loss = loss_find(user, change->category);
    bool is_gone = !change->added && !change->still_covered;

    if (!loss)
        return -ENOMEM;
    if (change->action == BL_ALLOW && change->added)
        loss_note(loss, KIND_ALLOWED, change->entry);
    else if (change->action == BL_BLOCK && is_gone)
        loss_note(loss, KIND_LOST, change->entry);
    else if (loss->is_allowed && (change->action == BL_BLOCK ? change->added : is_gone))
        loss_note(loss, KIND_LISTED, change->entry);
    return 0;
}

/* Of its name or prefix, or of names below. */
static bl_fact fact_of(const struct bl_store *store, const struct bl_entry *entry, bool below)
{
    if (entry->is_address)
        return bl_store_find_address(store, entry->prefix.address,
                                     entry->prefix.family == 4 ? 4 : 16, NULL);
    return below ? bl_store_find_below(store, &entry->name)
                 : bl_store_find(store, entry->name.wire, entry->name.len, BL_ALL_TYPES).fact;
}

/* What lists make of a name in a category, from loose to strict. */
enum standing { NOT_LISTED, BEATEN, STANDING };

static enum standing standing_of(const struct config *config, const uint16_t *map,
                                 const struct bl_store *store, bl_fact fact, int category)
{
    enum standing standing = NOT_LISTED;
    size_t count;
    const struct bl_fact_rule *rules = bl_store_fact(store, fact, &count);

    for (size_t i = 0; i < count; i++) {
        if (rules[i].action != BL_BLOCK || rules[i].category != category)
            continue;
        if (!facts_block_is_beaten(config, map, rules, count, &rules[i]))
            return STANDING;
        standing = BEATEN;
    }
    return standing;
}

static bool is_noted(const struct comparison *comparison, const char *category)
{
    for (size_t i = 0; i < comparison->noted_count; i++)
        if (strcmp(comparison->noted[i], category) == 0)
            return true;
    return false;
}

/* Notes each category in which something beats by now what nothing beat. */
static int facts_compare(struct comparison *comparison, const struct bl_entry *entry, bl_fact was,
                         bl_fact is)
{
    const struct bl_store *before = comparison->before, *after = comparison->after;
    size_t count;
    const struct bl_fact_rule *rules = bl_store_fact(before, was, &count);

    for (size_t i = 0; i < count; i++) {
        const char *category = bl_store_category(before, rules[i].category)->name;
        struct loss *loss;
        if (rules[i].action != BL_BLOCK || is_noted(comparison, category) ||
            standing_of(comparison->config, comparison->before_map, before, was,
                        rules[i].category) != STANDING ||
            standing_of(comparison->config, comparison->after_map, after, is,
                        bl_store_category_find(after, category)) != BEATEN)
            continue;
        loss = loss_find(comparison, category);
        if (!loss)
            return -ENOMEM;
        loss_note(loss, KIND_BEATEN, entry);
        comparison->noted[comparison->noted_count++] = category;
    }
    return 0;
}

static bool allows(const struct bl_store *store, bl_fact fact)
{
    size_t count;
    const struct bl_fact_rule *rules = bl_store_fact(store, fact, &count);

    for (size_t i = 0; i < count; i++)
        if (rules[i].action == BL_ALLOW)
            return true;
    return false;
}

/* Most names are allowed by nothing. What allows those below one is above it, or said of it as
 * well, or an entry of its own. */
static int entry_look(void *user, unsigned source, const struct bl_entry *entry)
{
    struct comparison *comparison = user;
    const struct bl_store *before = comparison->before, *after = comparison->after;
    bool below = !entry->is_address && entry->scope == BL_BELOW;
    bl_fact is;
    int rc;

    (void)source;
    if (!entry->is_address && !comparison->last.is_address &&
        entry->scope == comparison->last.scope && entry->name.len == comparison->last.name.len &&
        memcmp(entry->name.wire, comparison->last.name.wire, entry->name.len) == 0)
        return 0;
    comparison->last = *entry;
    comparison->noted_count = 0;
    is = fact_of(after, entry, below);
    if (!allows(after, is))
        return 0;
    rc = facts_compare(comparison, entry, fact_of(before, entry, below), is);
    return rc < 0 || entry->is_address || entry->scope != BL_SUBTREE
               ? rc
               : facts_compare(comparison, entry, fact_of(before, entry, true),
                               fact_of(after, entry, true));
}

/* Most lists only ever block: then nothing can beat anything. */
static bool allows_anything(const struct bl_store *store)
{
    for (unsigned fact = 0; fact < bl_store_fact_count(store); fact++)
        if (allows(store, (bl_fact)fact))
            return true;
    return false;
}

static void loss_tell(const struct loss *loss, enum kind kind,
                      void (*each)(void *user, const char *sentence), void *user)
{
    uint64_t count = loss->counts[kind];
    char sentence[SENTENCE_MAX];
    size_t len;

    if (count == 0)
        return;
    len = (size_t)snprintf(sentence, sizeof sentence, "%s: %" PRIu64 " entr%s %s: ", loss->category,
                           count, count == 1 ? "y" : "ies", KIND_WORDS[kind]);
    for (uint64_t i = 0; i < count && i < SAMPLES && len < sizeof sentence; i++)
        len += (size_t)snprintf(sentence + len, sizeof sentence - len, "%s%s", i ? ", " : "",
                                loss->samples[kind][i]);
    if (count > SAMPLES && len < sizeof sentence)
        snprintf(sentence + len, sizeof sentence - len, ", …");
    each(user, sentence);
}

int lists_loosened(const struct config *config, const json_t *grants, const struct bl_store *before,
                   const struct bl_store *after, void (*each)(void *user, const char *sentence),
                   void *user, struct bl_error *error)
{
    struct comparison *comparison = calloc(1, sizeof *comparison);
    int code;

    if (!comparison)
        return bl_error_set(error, -ENOMEM, "no memory to compare the lists");
    comparison->config = config;
    comparison->grants = grants;
    comparison->before = before;
    comparison->after = after;
    comparison->last.is_address = 1; /* none yet */
    facts_categories(config, before, comparison->before_map);
    facts_categories(config, after, comparison->after_map);
    code = bl_diff(before, after, change_look, comparison, error);
    if (code == 0 && allows_anything(after))
        code = bl_store_walk(before, entry_look, comparison, error);
    for (size_t i = 0; code == 0 && i < comparison->loss_count; i++)
        for (unsigned kind = 0; kind < KINDS; kind++)
            loss_tell(&comparison->losses[i], (enum kind)kind, each, user);
    free(comparison->losses);
    free(comparison);
    return code == -ENOMEM ? bl_error_set(error, code, "no memory to compare the lists") : code;
}

static const struct bl_source *source_find(const struct bl_store *store,
                                           const struct list_state *wanted)
{
    for (unsigned i = 0; i < bl_store_source_count(store); i++) {
        const struct bl_source *source = bl_store_source(store, i);
        if (strcmp(source->location, wanted->source->location) == 0 &&
            strcmp(bl_store_category(store, source->category)->name, wanted->category) == 0)
            return source;
    }
    return NULL;
}

static bool is_as_before(const struct bl_source *source, const struct bl_source *before)
{
    return before && strcmp(source->sha256, before->sha256) == 0 && source->tier == before->tier &&
           source->action == before->action && source->subscribed == before->subscribed &&
           strcmp(source->format, before->format) == 0;
}

static bool is_as_named(const struct bl_source *source, const struct config_source *named)
{
    return source->subscribed && named && source->tier == (uint8_t)named->tier &&
           source->action == (uint8_t)named->action &&
           (!named->format || strcmp(source->format, named->format) == 0);
}

bool lists_are_refreshed(const struct config *config, const struct bl_store *before,
                         const struct bl_store *after)
{
    struct list_state state;

    for (unsigned i = 0; i < bl_store_source_count(after); i++) {
        list_state_find(config, after, i, 0, &state);
        if (!is_as_before(state.source, source_find(before, &state)) &&
            !is_as_named(state.source, state.named))
            return false;
    }
    for (unsigned i = 0; i < bl_store_source_count(before); i++) {
        list_state_find(config, before, i, 0, &state);
        if (!state.removed && !source_find(after, &state))
            return false;
    }
    return true;
}
