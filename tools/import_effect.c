/* What a change of the lists does to what was really asked: the names that were refused in the last
 * days, and those that groups were answered most, judged with the lists as they are and as they
 * would be. By group and name, never by client. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/base/clock.h"
#include "resolver/denials/asked_sums.h"
#include "resolver/denials/records.h"
#include "resolver/dns/message.h"
#include "resolver/policy/policy.h"
#include "tools/import_effect.h"
#include "tools/lists.h"
#include "tools/table.h"

enum { DAYS = 7, SHOWN = 10, KEPT_MAX = 4096, SLOTS = 4 * KEPT_MAX };

/* A name that a group was refused, and would not be; or the other way round. */
struct effect {
    char *name, *group, *category;
    uint64_t count;
    bool denied; /* would be */
};

struct effects {
    struct effect *items;
    size_t count, room;
    uint64_t refusals, answers; /* looked at */
    uint16_t slots[SLOTS];      /* items by name and group, plus 1; before they are sorted */
};

struct judge {
    const struct bl_store *store;
    struct policy *policy;
    struct policy_now now;
};

struct walk {
    const struct config *config;
    struct judge before, after;
    struct effects *effects;
};

static int judge_open(struct judge *judge, const struct config *config,
                      const struct bl_store *store, struct bl_error *error)
{
    int rc = policy_build(config, store, 1, &judge->policy, error);

    judge->store = store;
    if (rc < 0)
        return rc;
    rc = policy_now_init(&judge->now, judge->policy);
    if (rc < 0) {
        policy_free(judge->policy);
        judge->policy = NULL;
        return rc;
    }
    policy_now_update(&judge->now, clock_read());
    return 0;
}

static void judge_close(struct judge *judge)
{
    if (!judge->policy)
        return;
    policy_now_fini(&judge->now);
    policy_free(judge->policy);
}

static struct ruling judge_ask(const struct judge *judge, uint16_t group, const uint8_t *name,
                               size_t len, unsigned type)
{
    struct bl_found found = bl_store_find(judge->store, name, len, type);

    return policy_judge(&judge->now, group, name, len, found.fact);
}

/* The slot of the name in this group: its own, or the free one where it belongs. */
static uint16_t *slot_find(struct effects *effects, const char *name, const char *group)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (const char *at = name; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    for (const char *at = group; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    for (;; hash++) {
        uint16_t *slot = &effects->slots[hash % SLOTS];
        const struct effect *effect = *slot ? &effects->items[*slot - 1] : NULL;

        if (!effect || (strcmp(effect->name, name) == 0 && strcmp(effect->group, group) == 0))
            return slot;
    }
}

static int effect_note(struct effects *effects, const char *name, const char *group,
                       const char *category, uint64_t count, bool denied)
{
    uint16_t *slot = slot_find(effects, name, group);
    struct effect *effect;

    if (*slot) {
        effects->items[*slot - 1].count += count;
        return 0;
    }
    if (effects->count == KEPT_MAX)
        return 0;
    if (effects->count == effects->room) {
        size_t room = effects->room ? 2 * effects->room : 64;
        void *items = realloc(effects->items, room * sizeof *effects->items);

        if (!items)
            return -1;
        effects->items = items;
        effects->room = room;
    }
    effect = &effects->items[effects->count++];
    *effect = (struct effect){strdup(name), strdup(group), strdup(category), count, denied};
    if (!effect->name || !effect->group || !effect->category)
        return -1;
    *slot = (uint16_t)effects->count;
    return 0;
}

/* A group asked for a name so many times. */
static int name_judge(struct walk *walk, const char *group_name, const uint8_t *qname,
                      unsigned type, uint64_t count)
{
    int group = config_group_find(walk->config, group_name);
    size_t len = bl_name_length(qname);
    uint8_t name[BL_NAME_MAX];
    struct ruling before, after;
    char text[BL_NAME_TEXT_MAX];

    if (group < 0)
        return 0;
    /* As it was asked, 0x20 and all; lists are lower-case. */
    for (size_t i = 0; i < len; i++)
        name[i] = (uint8_t)(qname[i] >= 'A' && qname[i] <= 'Z' ? qname[i] | 0x20 : qname[i]);
    before = judge_ask(&walk->before, (uint16_t)group, name, len, type);
    after = judge_ask(&walk->after, (uint16_t)group, name, len, type);
    if ((before.verdict == VERDICT_DENY) == (after.verdict == VERDICT_DENY))
        return 0;
    bl_name_text(name, text);
    return effect_note(walk->effects, text, group_name,
                       after.verdict == VERDICT_DENY
                           ? policy_category_name(walk->after.policy, after.category)
                           : policy_category_name(walk->before.policy, before.category),
                       count, after.verdict == VERDICT_DENY);
}

static int record_judge(void *user, const struct denial_record *record)
{
    struct walk *walk = user;

    walk->effects->refusals += record->count;
    return name_judge(walk, record->group, record->qname, record->qtype, record->count);
}

static int asked_judge(void *user, const struct asked_count *count)
{
    struct walk *walk = user;

    walk->effects->answers += count->count;
    /* Counts are of names; most questions are for an address. */
    return name_judge(walk, count->group, count->name, DNS_A, count->count);
}

static int effect_order(const void *a, const void *b)
{
    const struct effect *left = a, *right = b;

    if (left->count != right->count)
        return left->count < right->count ? 1 : -1;
    return strcmp(left->name, right->name);
}

struct effects *effects_find(struct command *command, const struct bl_store *before,
                             const struct bl_store *after)
{
    struct walk walk = {.config = command_config(command)};
    struct denials_filter filter = {0};
    struct bl_error error = {""};
    int rc = -1;

    walk.effects = calloc(1, sizeof *walk.effects);
    if (!walk.effects || !before || !after || !walk.config)
        goto out;
    filter.until_ms = clock_read().wall_ms + 1;
    filter.since_ms = filter.until_ms - (int64_t)DAYS * 86400 * 1000;
    rc = judge_open(&walk.before, walk.config, before, &error);
    if (rc == 0)
        rc = judge_open(&walk.after, walk.config, after, &error);
    if (rc == 0)
        rc = denials_search(command_state(command), &filter, record_judge, &walk, &error);
    if (rc == 0)
        rc = asked_read(command_state(command), filter.since_ms, filter.until_ms, asked_judge,
                        &walk, NULL, NULL, &error);
    judge_close(&walk.before);
    judge_close(&walk.after);
    if (rc < 0)
        command_fail(EXIT_DONE, "what would change of last week's look-ups is not known: %s",
                     error.text);
out:
    if (rc != 0) {
        effects_destroy(walk.effects);
        return NULL;
    }
    if (walk.effects->count > 0)
        qsort(walk.effects->items, walk.effects->count, sizeof *walk.effects->items, effect_order);
    return walk.effects;
}

void effects_destroy(struct effects *effects)
{
    if (!effects)
        return;
    for (size_t i = 0; i < effects->count; i++) {
        free(effects->items[i].name);
        free(effects->items[i].group);
        free(effects->items[i].category);
    }
    free(effects->items);
    free(effects);
}

void effects_print(const struct effects *effects)
{
    struct table *table;
    char text[32];

    if (!effects || effects->refusals + effects->answers == 0)
        return;
    printf("\nOf the %s refusals", number_text(effects->refusals, text));
    if (effects->answers > 0)
        printf(" and the %s answers to the names asked most", number_text(effects->answers, text));
    printf(" of the last %d days, judged anew:\n", DAYS);
    if (effects->count == 0) {
        puts("nothing would change.");
        return;
    }
    table = table_create();
    table_column(table, "Name", TABLE_LEFT);
    table_column(table, "Group", TABLE_LEFT);
    table_column(table, "Category", TABLE_LEFT);
    table_column(table, "Times", TABLE_RIGHT);
    table_column(table, "Would be", TABLE_LEFT);
    for (size_t i = 0; i < effects->count && i < SHOWN; i++) {
        const struct effect *effect = &effects->items[i];

        table_cell(table, "%s", effect->name);
        table_cell(table, "%s", effect->group);
        table_cell(table, "%s", effect->category);
        table_cell(table, "%s", number_text(effect->count, text));
        table_cell(table, "%s", effect->denied ? "refused" : "answered");
    }
    table_print(table, stdout);
    if (effects->count > SHOWN)
        printf("and %s names more.\n", number_text(effects->count - SHOWN, text));
}

json_t *effects_json(const struct effects *effects)
{
    json_t *array = json_array();

    for (size_t i = 0; effects && i < effects->count; i++)
        json_array_append_new(
            array,
            json_pack("{s:s, s:s, s:s, s:I, s:b}", "name", effects->items[i].name, "group",
                      effects->items[i].group, "category", effects->items[i].category, "times",
                      (json_int_t)effects->items[i].count, "denied", effects->items[i].denied));
    return array;
}
