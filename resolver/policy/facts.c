#include <stdlib.h>
#include <string.h>

#include "resolver/policy/inside.h"

/* Does an allow entry beat a block? policy.h, rule 4. What lists say for any type at all is no
 * question's verdict: there an entry for some types beats none for others. */
static bool claim_beats(const struct bl_fact_rule *allow, const struct bl_fact_rule *block)
{
    if (allow->condition != 0 && allow->condition != block->condition)
        return false;
    if (allow->tier != block->tier)
        return allow->tier > block->tier;
    return allow->depth <= block->depth && (allow->important || !block->important);
}

/* Store categories to those of the configuration; POLICY_NO_CATEGORY where it has none. */
void facts_categories(const struct config *config, const struct bl_store *store, uint16_t *map)
{
    for (unsigned i = 0; i < bl_store_category_count(store); i++) {
        int index = config_category_find(config, bl_store_category(store, i)->name);
        map[i] = index < 0 ? POLICY_NO_CATEGORY : (uint16_t)index;
    }
}

bool facts_block_is_beaten(const struct config *config, const uint16_t *map,
                           const struct bl_fact_rule *rules, size_t count,
                           const struct bl_fact_rule *block)
{
    uint16_t category = map[block->category];

    if (category != POLICY_NO_CATEGORY && config->categories[category].sealed)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct bl_fact_rule *allow = &rules[i];
        bool about_it;
        if (allow->action != BL_ALLOW)
            continue;
        about_it = allow->category == block->category ||
                   (map[allow->category] != POLICY_NO_CATEGORY &&
                    config->categories[map[allow->category]].exempts_all);
        if (about_it && claim_beats(allow, block))
            return true;
    }
    return false;
}

static void category_insert(const struct config *config, uint16_t *list, uint16_t *count,
                            uint16_t category)
{
    size_t at = *count;

    for (size_t i = 0; i < *count; i++) {
        if (list[i] == category)
            return;
    }
    while (at > 0 &&
           (config->categories[list[at - 1]].severity < config->categories[category].severity ||
            (config->categories[list[at - 1]].severity == config->categories[category].severity &&
             list[at - 1] > category))) {
        list[at] = list[at - 1];
        at--;
    }
    list[at] = category;
    (*count)++;
}

static bool list_has(const uint16_t *list, uint16_t count, uint16_t category)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] == category)
            return true;
    }
    return false;
}

static bool fact_view_build(struct policy *policy, const uint16_t *map, bl_fact fact)
{
    const struct config *config = policy->config;
    struct fact_view *view = &policy->facts[fact];
    size_t count = 0;
    const struct bl_fact_rule *rules = bl_store_fact(policy->store, fact, &count);
    uint16_t *standing = arena_take(&policy->arena, count, sizeof *standing);
    uint16_t *beaten = arena_take(&policy->arena, count, sizeof *beaten);

    view->sealed = POLICY_NO_CATEGORY;
    if (!standing || !beaten)
        return false;
    for (size_t i = 0; i < count; i++) {
        uint16_t category = map[rules[i].category];
        if (rules[i].action != BL_BLOCK || category == POLICY_NO_CATEGORY)
            continue;
        if (!facts_block_is_beaten(config, map, rules, count, &rules[i]))
            category_insert(config, standing, &view->standing_count, category);
        else
            category_insert(config, beaten, &view->beaten_count, category);
    }
    for (size_t i = 0; i < view->standing_count && view->sealed == POLICY_NO_CATEGORY; i++) {
        if (config->categories[standing[i]].sealed)
            view->sealed = standing[i];
    }
    for (uint16_t i = 0; i < view->beaten_count;) { /* beaten here, standing by another entry */
        if (list_has(standing, view->standing_count, beaten[i]))
            memmove(&beaten[i], &beaten[i + 1],
                    sizeof *beaten * (size_t)(--view->beaten_count - i));
        else
            i++;
    }
    view->standing = standing;
    view->beaten = beaten;
    return true;
}

int policy_facts_build(struct policy *policy)
{
    uint16_t *map = arena_take(&policy->arena, bl_store_category_count(policy->store), sizeof *map);

    if (map)
        facts_categories(policy->config, policy->store, map);
    policy->fact_count = bl_store_fact_count(policy->store);
    if (policy->fact_count == 0)
        policy->fact_count = 1;
    policy->facts = arena_take(&policy->arena, policy->fact_count, sizeof *policy->facts);
    if (!map || !policy->facts)
        return -1;
    for (size_t i = 0; i < policy->fact_count; i++) {
        if (!fact_view_build(policy, map, (bl_fact)i))
            return -1;
    }
    return 0;
}
