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

static bool indices_equal(const uint16_t *a, size_t a_count, const uint16_t *b, size_t b_count)
{
    return a_count == b_count && (!a_count || memcmp(a, b, a_count * sizeof *a) == 0);
}

static bool targets_equal(const struct config_targets *a, const struct config_targets *b)
{
    if (!indices_equal(a->categories, a->category_count, b->categories, b->category_count) ||
        !indices_equal(a->services, a->service_count, b->services, b->service_count) ||
        a->name_count != b->name_count)
        return false;
    for (size_t i = 0; i < a->name_count; i++) {
        if (!bl_name_equal(a->names[i], b->names[i]))
            return false;
    }
    return true;
}

static bool times_equal(const struct config_schedule *a, const struct config_schedule *b)
{
    return indices_equal(a->during, a->during_count, b->during, b->during_count) &&
           indices_equal(a->outside, a->outside_count, b->outside, b->outside_count);
}

static bool groups_equal(const struct policy *policy, uint16_t left, uint16_t right)
{
    const struct config_group *a = &policy->config->groups[left],
                              *b = &policy->config->groups[right];

    if (policy->group_answers[left] != policy->group_answers[right] ||
        a->walled_garden != b->walled_garden || !targets_equal(&a->deny, &b->deny) ||
        !targets_equal(&a->observe, &b->observe) || !targets_equal(&a->allow, &b->allow) ||
        a->schedule_count != b->schedule_count)
        return false;
    for (size_t i = 0; i < a->schedule_count; i++) {
        const struct config_schedule *one = &a->schedule[i], *other = &b->schedule[i];
        if (one->internet != other->internet || !times_equal(one, other) ||
            !targets_equal(&one->deny, &other->deny) ||
            !targets_equal(&one->observe, &other->observe) ||
            !targets_equal(&one->allow, &other->allow))
            return false;
    }
    return true;
}

static uint64_t hash_add(uint64_t hash, const void *octets, size_t len)
{
    const uint8_t *at = octets;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ at[i]) * UINT64_C(1099511628211);
    return hash;
}

/* Equal groups have equal hashes; groups_equal() decides. */
static uint64_t group_hash(const struct policy *policy, uint16_t group)
{
    const struct config_group *said = &policy->config->groups[group];
    uint64_t hash = UINT64_C(14695981039346656037);

    hash = hash_add(hash, &policy->group_answers[group], 1);
    hash = hash_add(hash, said->deny.categories,
                    said->deny.category_count * sizeof *said->deny.categories);
    hash = hash_add(hash, &said->deny.name_count, sizeof said->deny.name_count);
    hash = hash_add(hash, &said->allow.name_count, sizeof said->allow.name_count);
    if (said->allow.name_count)
        hash = hash_add(hash, said->allow.names[0], bl_name_length(said->allow.names[0]));
    return hash_add(hash, &said->schedule_count, sizeof said->schedule_count);
}

static int condition_of(struct policy *policy, const struct config_schedule *schedule,
                        uint16_t *out_condition)
{
    struct condition *conditions;

    for (size_t i = 1; i < policy->condition_count; i++) {
        if (policy->conditions[i].kind == CONDITION_SCHEDULE &&
            times_equal(policy->conditions[i].schedule, schedule)) {
            *out_condition = (uint16_t)i;
            return 0;
        }
    }
    if (policy->condition_count > UINT16_MAX)
        return -EOVERFLOW;
    conditions =
        arena_grow(&policy->arena, policy->conditions, policy->condition_count, sizeof *conditions);
    if (!conditions)
        return -ENOMEM;
    policy->conditions = conditions;
    *out_condition = (uint16_t)policy->condition_count;
    conditions[policy->condition_count++] =
        (struct condition){.kind = CONDITION_SCHEDULE, .schedule = schedule};
    return 0;
}

static int origin_of(struct policy *policy, struct policy_origin origin, uint16_t *out_detail)
{
    struct policy_origin *origins;

    for (size_t i = 0; i < policy->origin_count; i++) {
        if (policy->origins[i].kind == origin.kind && policy->origins[i].index == origin.index) {
            *out_detail = (uint16_t)i;
            return 0;
        }
    }
    if (policy->origin_count > UINT16_MAX)
        return -EOVERFLOW;
    origins = arena_grow(&policy->arena, policy->origins, policy->origin_count, sizeof *origins);
    if (!origins)
        return -ENOMEM;
    policy->origins = origins;
    *out_detail = (uint16_t)policy->origin_count;
    origins[policy->origin_count++] = origin;
    return 0;
}

struct saying { /* on whose word something is added to a profile */
    uint16_t condition, detail;
};

static bool effect_add(struct policy *policy, struct profile *profile, struct saying saying,
                       uint16_t category, enum category_state state)
{
    struct effect *effects =
        arena_grow(&policy->arena, profile->effects, profile->effect_count, sizeof *effects);

    if (!effects)
        return false;
    profile->effects = effects;
    effects[profile->effect_count++] = (struct effect){.category = category,
                                                       .condition = saying.condition,
                                                       .detail = saying.detail,
                                                       .state = (uint8_t)state};
    return true;
}

static bool targets_add(struct policy *policy, struct profile *profile, struct saying saying,
                        const struct config_targets *targets, enum category_state state)
{
    const struct config *config = policy->config;
    enum verdict verdict = state == STATE_DENY ? VERDICT_DENY : VERDICT_ALLOW;

    for (size_t i = 0; i < targets->category_count; i++) {
        if (!effect_add(policy, profile, saying, targets->categories[i], state))
            return false;
    }
    for (size_t i = 0; i < targets->service_count; i++) {
        const struct config_service *service = &config->services[targets->services[i]];
        for (size_t j = 0; j < service->name_count; j++) {
            if (!names_add(&policy->arena, &profile->names, service->names[j], verdict,
                           saying.condition, saying.detail))
                return false;
        }
    }
    for (size_t i = 0; i < targets->name_count; i++) {
        if (!names_add(&policy->arena, &profile->names, targets->names[i], verdict,
                       saying.condition, saying.detail))
            return false;
    }
    return true;
}

static bool closure_add(struct policy *policy, struct profile *profile, struct saying saying)
{
    struct closure *closures =
        arena_grow(&policy->arena, profile->closures, profile->closure_count, sizeof *closures);

    if (!closures)
        return false;
    profile->closures = closures;
    closures[profile->closure_count++] =
        (struct closure){.condition = saying.condition, .detail = saying.detail};
    return true;
}

static bool condition_add(struct policy *policy, struct profile *profile, uint16_t condition)
{
    uint16_t *conditions;

    for (size_t i = 0; i < profile->condition_count; i++) {
        if (profile->conditions[i] == condition)
            return true;
    }
    conditions = arena_grow(&policy->arena, profile->conditions, profile->condition_count,
                            sizeof *conditions);
    if (!conditions)
        return false;
    profile->conditions = conditions;
    conditions[profile->condition_count++] = condition;
    return true;
}

static int said_add(struct policy *policy, struct profile *profile, struct saying saying,
                    const struct config_targets *deny, const struct config_targets *observe,
                    const struct config_targets *allow)
{
    return targets_add(policy, profile, saying, deny, STATE_DENY) &&
                   targets_add(policy, profile, saying, observe, STATE_OBSERVE) &&
                   targets_add(policy, profile, saying, allow, STATE_ALLOW)
               ? 0
               : -ENOMEM;
}

static int schedule_add(struct policy *policy, struct profile *profile,
                        const struct config_schedule *schedule, uint32_t index)
{
    struct saying saying;
    int code = condition_of(policy, schedule, &saying.condition);

    if (code == 0)
        code = origin_of(policy, (struct policy_origin){ORIGIN_SCHEDULE, index}, &saying.detail);
    if (code == 0 && !condition_add(policy, profile, saying.condition))
        code = -ENOMEM;
    if (code == 0)
        code = said_add(policy, profile, saying, &schedule->deny, &schedule->observe,
                        &schedule->allow);
    if (code == 0 && !schedule->internet && !closure_add(policy, profile, saying))
        code = -ENOMEM;
    return code;
}

static int profile_build(struct policy *policy, struct profile *profile, uint16_t group)
{
    const struct config_group *said = &policy->config->groups[group];
    struct saying saying = {0};
    int code;

    profile->group = group;
    profile->walled_garden = said->walled_garden;
    code = origin_of(policy, (struct policy_origin){ORIGIN_GROUP, 0}, &saying.detail);
    if (code == 0)
        code = said_add(policy, profile, saying, &said->deny, &said->observe, &said->allow);
    for (uint32_t i = 0; code == 0 && i < said->schedule_count; i++)
        code = schedule_add(policy, profile, &said->schedule[i], i);
    if (code == 0 && !names_finish(&policy->arena, &profile->names))
        code = -ENOMEM;
    policy->has_names |= profile->names.entry_count > 0;
    return code;
}

/* Answer forms get their numbers before rows are filled, which may happen on any worker. */
static int answers_number(struct policy *policy)
{
    const struct config *config = policy->config;
    uint8_t number;
    int code = answer_number(policy, &config->answer, &number);

    for (size_t i = 0; code == 0 && i < config->category_count; i++) {
        if (config->categories[i].answer.set)
            code = answer_number(policy, &config->categories[i].answer, &number);
    }
    for (size_t i = 0; code == 0 && i < config->group_count; i++)
        code = answer_number(policy, answer_form(config, (uint16_t)i, POLICY_NO_CATEGORY),
                             &policy->group_answers[i]);
    return code;
}

/* Profiles by group, shared where groups say the same. */
static int profiles_build(struct policy *policy)
{
    size_t count = policy->config->group_count;
    uint64_t *hashes = calloc(count + 1, sizeof *hashes);
    int code = hashes ? 0 : -ENOMEM;

    for (size_t i = 0; code == 0 && i < count; i++) {
        uint64_t hash = group_hash(policy, (uint16_t)i);
        size_t at = 0;
        while (
            at < policy->profile_count &&
            (hashes[at] != hash || !groups_equal(policy, policy->profiles[at].group, (uint16_t)i)))
            at++;
        if (at == policy->profile_count) {
            hashes[at] = hash;
            code = profile_build(policy, &policy->profiles[policy->profile_count++], (uint16_t)i);
        }
        policy->group_profiles[i] = (uint16_t)at;
    }
    free(hashes);
    return code;
}

static int rows_build(struct policy *policy)
{
    static const uint8_t ALWAYS[] = {1};
    size_t categories = policy->config->category_count;
    uint8_t *states = arena_take(&policy->arena, 2 * categories, 1);

    for (size_t i = 0; states && i < policy->profile_count; i++) {
        struct profile *profile = &policy->profiles[i];
        struct ruling *row;
        if (profile->condition_count)
            continue;
        row = arena_take(&policy->arena, policy->fact_count, sizeof *row);
        if (!row)
            break;
        row_fill(policy, profile, ALWAYS, states, row);
        profile->row = row;
    }
    return policy->arena.failed ? -ENOMEM : 0;
}

static int policy_fill(struct policy *policy, struct bl_error *error)
{
    size_t groups = policy->config->group_count;
    int code = calendar_create(&policy->config->calendar, &policy->calendar, error);

    if (code < 0)
        return code;
    policy->profiles = arena_take(&policy->arena, groups, sizeof *policy->profiles);
    policy->group_profiles = arena_take(&policy->arena, groups, sizeof *policy->group_profiles);
    policy->group_answers = arena_take(&policy->arena, groups, 1);
    policy->conditions = arena_grow(&policy->arena, NULL, 0, sizeof *policy->conditions);
    policy->origins = arena_grow(&policy->arena, NULL, 0, sizeof *policy->origins);
    policy->condition_count = policy->origin_count = 1; /* "always" and "nowhere" */
    if (policy->arena.failed || policy_subnets_build(policy) < 0 || policy_facts_build(policy) < 0)
        return bl_error_set(error, -ENOMEM, "no memory for the policy");
    code = answers_number(policy);
    if (code == 0)
        code = profiles_build(policy);
    if (code == 0)
        code = rows_build(policy);
    if (code == -EOVERFLOW)
        bl_error_set(error, code,
                     "the configuration has more than 256 different answers or more "
                     "than 65,000 schedules, which cannot be numbered");
    else if (code < 0)
        bl_error_set(error, code, "no memory for the policy");
    return code;
}

int policy_build(const struct config *config, const struct bl_store *store, uint32_t version,
                 struct policy **out_policy, struct bl_error *error)
{
    struct policy *policy;
    int code = sealed_check(config, store, error);

    if (code < 0)
        return code;
    policy = calloc(1, sizeof *policy);
    if (!policy)
        return bl_error_set(error, -ENOMEM, "no memory for the policy");
    policy->config = config;
    policy->store = store;
    policy->version = version;
    code = policy_fill(policy, error);
    if (code < 0) {
        policy_free(policy);
        return code;
    }
    *out_policy = policy;
    return 0;
}

void policy_free(struct policy *policy)
{
    if (!policy)
        return;
    calendar_free(policy->calendar);
    arena_free(&policy->arena);
    free(policy);
}

uint32_t policy_version(const struct policy *policy)
{
    return policy->version;
}
