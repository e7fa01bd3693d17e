#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/policy/inside.h"

static int sealed_check(const struct config *config, const struct bl_store *store,
                        struct bl_error *error)
{
    for (size_t i = 0; i < config->category_count; i++) {
        const struct config_category *category = &config->categories[i];
        const struct bl_category *listed = NULL;
        int index;
        if (!category->sealed)
            continue;
        index = bl_store_category_find(store, category->name);
        if (index >= 0)
            listed = bl_store_category(store, (unsigned)index);
        if (!listed || (listed->names == 0 && listed->addresses == 0))
            return bl_error_set(
                error, -ENODATA,
                "category \"%s\" is sealed, but generation %llu of the lists has no "
                "names for it; import its list before the filter can start",
                category->name, (unsigned long long)bl_store_generation(store));
    }
    return 0;
}

/* Answer forms get their numbers before rows are filled, which may happen on any worker. */
static int answers_number(struct policy *policy)
{
    const struct config *config = policy->config;
    uint8_t number;
    int code = answer_number(policy, &config->answer, &number);

    for (size_t i = 0; code == 0 && i <= SEVERITY_URGENT; i++) {
        if (config->answers[i].set)
            code = answer_number(policy, &config->answers[i], &number);
    }
    for (size_t i = 0; code == 0 && i < config->category_count; i++) {
        if (config->categories[i].answer.set)
            code = answer_number(policy, &config->categories[i].answer, &number);
    }
    for (size_t i = 0; code == 0 && i < policy_group_count(policy); i++) {
        uint16_t base = policy_group_base(policy, (uint16_t)i);
        code = answer_number(policy, answer_form(config, base, POLICY_NO_CATEGORY),
                             &policy->group_answers[i]);
    }
    return code;
}

static int groups_fill(struct policy *policy)
{
    size_t groups;
    int code;

    policy->conditions = arena_grow(&policy->arena, NULL, 0, sizeof *policy->conditions);
    policy->origins = arena_grow(&policy->arena, NULL, 0, sizeof *policy->origins);
    policy->condition_count = policy->origin_count = 1; /* "always" and "nowhere" */
    if (policy->arena.failed || policy_subnets_build(policy) < 0 || policy_facts_build(policy) < 0)
        return -ENOMEM;
    code = policy_grants_number(policy);
    if (code == 0)
        code = policy_clients_build(policy);
    if (code < 0)
        return code;
    groups = policy_group_count(policy);
    policy->profiles = arena_take(&policy->arena, groups, sizeof *policy->profiles);
    policy->group_profiles = arena_take(&policy->arena, groups, sizeof *policy->group_profiles);
    policy->group_answers = arena_take(&policy->arena, groups, 1);
    if (policy->arena.failed)
        return -ENOMEM;
    code = answers_number(policy);
    return code < 0 ? code : policy_profiles_build(policy);
}

static int policy_fill(struct policy *policy, struct bl_error *error)
{
    int code = calendar_create(&policy->config->calendar, &policy->calendar, error);

    if (code < 0)
        return code;
    code = groups_fill(policy);
    if (code == -EOVERFLOW)
        bl_error_set(error, code,
                     "there are more than 256 different answers, or more than 65,000 schedules, "
                     "grants and special groups together, which cannot be numbered");
    else if (code < 0)
        bl_error_set(error, code, "no memory for the policy");
    return code;
}

int policy_build_with(const struct config *config, const struct bl_store *store,
                      struct policy_rules *rules, struct policy **out_policy,
                      struct bl_error *error)
{
    struct policy *policy = NULL;
    int code = sealed_check(config, store, error);

    if (!rules)
        rules = calloc(1, sizeof *rules);
    if (code == 0 && rules)
        policy = calloc(1, sizeof *policy);
    if (!policy) {
        policy_rules_free(rules);
        return code < 0 ? code : bl_error_set(error, -ENOMEM, "no memory for the policy");
    }
    policy->config = config;
    policy->store = store;
    policy->rules = rules;
    code = policy_fill(policy, error);
    if (code < 0) {
        policy_free(policy);
        return code;
    }
    *out_policy = policy;
    return 0;
}

int policy_build(const struct config *config, const struct bl_store *store, uint32_t version,
                 struct policy **out_policy, struct bl_error *error)
{
    struct policy_rules *rules = calloc(1, sizeof *rules);

    if (!rules)
        return bl_error_set(error, -ENOMEM, "no memory for the policy");
    rules->version = version;
    return policy_build_with(config, store, rules, out_policy, error);
}

void policy_free(struct policy *policy)
{
    if (!policy)
        return;
    calendar_free(policy->calendar);
    policy_rules_free(policy->rules);
    arena_free(&policy->arena);
    free(policy);
}

uint32_t policy_version(const struct policy *policy)
{
    return policy->rules->version;
}

const struct policy_rules *policy_rules(const struct policy *policy)
{
    return policy->rules;
}

size_t policy_group_count(const struct policy *policy)
{
    return policy->config->group_count + policy->special_count;
}

uint16_t policy_group_base(const struct policy *policy, uint16_t group)
{
    size_t configured = policy->config->group_count;

    if (group < configured || group - configured >= policy->special_count)
        return group;
    return policy->specials[group - configured].base;
}
