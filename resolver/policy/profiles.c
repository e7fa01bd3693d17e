#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/policy/inside.h"

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

/* Groups of the configuration that nobody granted anything. */
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

static int condition_append(struct policy *policy, struct condition condition,
                            uint16_t *out_condition)
{
    struct condition *conditions;

    if (policy->condition_count > UINT16_MAX)
        return -EOVERFLOW;
    conditions =
        arena_grow(&policy->arena, policy->conditions, policy->condition_count, sizeof *conditions);
    if (!conditions)
        return -ENOMEM;
    policy->conditions = conditions;
    *out_condition = (uint16_t)policy->condition_count;
    conditions[policy->condition_count++] = condition;
    return 0;
}

static int condition_of(struct policy *policy, const struct config_schedule *schedule,
                        uint16_t *out_condition)
{
    for (size_t i = 1; i < policy->condition_count; i++) {
        if (policy->conditions[i].kind == CONDITION_SCHEDULE &&
            times_equal(policy->conditions[i].schedule, schedule)) {
            *out_condition = (uint16_t)i;
            return 0;
        }
    }
    return condition_append(policy,
                            (struct condition){.kind = CONDITION_SCHEDULE, .schedule = schedule},
                            out_condition);
}

static int origin_append(struct policy *policy, struct policy_origin origin, uint16_t *out_detail)
{
    struct policy_origin *origins;

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

static int origin_of(struct policy *policy, struct policy_origin origin, uint16_t *out_detail)
{
    for (size_t i = 0; i < policy->origin_count; i++) {
        if (policy->origins[i].kind == origin.kind && policy->origins[i].index == origin.index) {
            *out_detail = (uint16_t)i;
            return 0;
        }
    }
    return origin_append(policy, origin, out_detail);
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
    return targets_add(policy, profile, saying, observe, STATE_OBSERVE) &&
                   targets_add(policy, profile, saying, allow, STATE_ALLOW) &&
                   targets_add(policy, profile, saying, deny, STATE_DENY)
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

static bool service_add(struct policy *policy, struct profile *profile, struct saying saying,
                        const char *name, enum verdict verdict)
{
    int index = config_service_find(policy->config, name);
    const struct config_service *service;

    if (index < 0) /* a service that the configuration has lost since */
        return true;
    service = &policy->config->services[index];
    for (size_t i = 0; i < service->name_count; i++) {
        if (!names_add(&policy->arena, &profile->names, service->names[i], verdict,
                       saying.condition, saying.detail))
            return false;
    }
    return true;
}

/* Sealed categories cannot be granted: state.c refuses to, and here it would not count either. */
static bool grant_target_add(struct policy *policy, struct profile *profile, struct saying saying,
                             const struct policy_grant *grant)
{
    bool deny = grant->kind == GRANT_DENY;
    enum verdict verdict = deny ? VERDICT_DENY : VERDICT_ALLOW;
    int category;

    if (grant->kind == GRANT_BLOCK)
        return closure_add(policy, profile, saying);
    if (grant->target_kind == TARGET_NAME)
        return names_add(&policy->arena, &profile->names, grant->name, verdict, saying.condition,
                         saying.detail);
    if (grant->target_kind == TARGET_SERVICE)
        return service_add(policy, profile, saying, grant->target, verdict);
    category = config_category_find(policy->config, grant->target);
    return category < 0 ||
           effect_add(policy, profile, saying, (uint16_t)category, deny ? STATE_DENY : STATE_ALLOW);
}

static bool condition_append_to(struct policy *policy, struct profile *profile, uint16_t condition)
{
    uint16_t *conditions = arena_grow(&policy->arena, profile->conditions, profile->condition_count,
                                      sizeof *conditions);

    if (!conditions)
        return false;
    profile->conditions = conditions;
    conditions[profile->condition_count++] = condition;
    return true;
}

static int grant_add(struct policy *policy, struct profile *profile, uint32_t index)
{
    struct saying saying = {.condition = policy->grant_conditions[index],
                            .detail = (uint16_t)(1 + index)};

    if (saying.condition && !condition_append_to(policy, profile, saying.condition))
        return -ENOMEM;
    return grant_target_add(policy, profile, saying, &policy->rules->grants[index]) ? 0 : -ENOMEM;
}

/* Each grant has one origin, in its order, and one condition, whatever number of groups it is for.
 */
int policy_grants_number(struct policy *policy)
{
    const struct policy_rules *rules = policy->rules;
    uint16_t *conditions = arena_take(&policy->arena, rules->grant_count, sizeof *conditions);
    int code = conditions ? 0 : -ENOMEM;

    policy->grant_conditions = conditions;
    for (uint32_t i = 0; code == 0 && i < rules->grant_count; i++) {
        const struct policy_grant *grant = &rules->grants[i];
        struct condition span = {
            .kind = CONDITION_SPAN, .start_ms = grant->start_ms, .end_ms = grant->end_ms};
        uint16_t detail;
        code = origin_append(policy, (struct policy_origin){ORIGIN_GRANT, i}, &detail);
        if (code == 0 && (grant->start_ms != INT64_MIN || grant->end_ms != INT64_MAX))
            code = condition_append(policy, span, &conditions[i]);
    }
    return code;
}

static bool special_has(const struct special *special, uint32_t grant)
{
    for (size_t i = 0; special && i < special->grant_count; i++) {
        if (special->grants[i] == grant)
            return true;
    }
    return false;
}

static int grants_add(struct policy *policy, struct profile *profile, const struct special *special,
                      enum grant_kind kind)
{
    const struct config_group *said = &policy->config->groups[profile->group];
    const struct policy_rules *rules = policy->rules;
    int code = 0;

    for (uint32_t i = 0; code == 0 && i < rules->grant_count; i++) {
        const struct policy_grant *grant = &rules->grants[i];
        bool for_group =
            !grant->device_text && grant->group && strcmp(grant->group, said->name) == 0;
        if (grant->kind == kind && (for_group || special_has(special, i)))
            code = grant_add(policy, profile, i);
    }
    return code;
}

/* Later words outweigh earlier ones: the group's lists, schedules, grants that allow, those that
 * deny. */
static int profile_build(struct policy *policy, struct profile *profile, uint16_t group)
{
    size_t configured = policy->config->group_count;
    const struct special *special =
        group >= configured ? &policy->specials[group - configured] : NULL;
    uint16_t base = policy_group_base(policy, group);
    const struct config_group *said = &policy->config->groups[base];
    struct saying saying = {0};
    int code;

    profile->group = base;
    profile->walled_garden = said->walled_garden;
    code = origin_of(policy, (struct policy_origin){ORIGIN_GROUP, 0}, &saying.detail);
    if (code == 0)
        code = said_add(policy, profile, saying, &said->deny, &said->observe, &said->allow);
    for (uint32_t i = 0; code == 0 && i < said->schedule_count; i++)
        code = schedule_add(policy, profile, &said->schedule[i], i);
    if (code == 0)
        code = grants_add(policy, profile, special, GRANT_ALLOW);
    if (code == 0)
        code = grants_add(policy, profile, special, GRANT_DENY);
    if (code == 0)
        code = grants_add(policy, profile, special, GRANT_BLOCK);
    if (code == 0 && special && special->session &&
        !condition_append_to(policy, profile, special->session))
        code = -ENOMEM;
    if (code == 0 && !names_finish(&policy->arena, &profile->names))
        code = -ENOMEM;
    policy->has_names |= profile->names.entry_count > 0;
    return code;
}

static bool *groups_with_grants(const struct policy *policy)
{
    const struct policy_rules *rules = policy->rules;
    bool *granted = calloc(policy->config->group_count + 1, sizeof *granted);

    for (size_t i = 0; granted && i < rules->grant_count; i++) {
        const struct policy_grant *grant = &rules->grants[i];
        int group = grant->group && !grant->device_text
                        ? config_group_find(policy->config, grant->group)
                        : -1;
        if (group >= 0)
            granted[group] = true;
    }
    return granted;
}

/* The profile of an earlier group that says the same; profile_count where there is none. */
static size_t profile_find(const struct policy *policy, const uint64_t *hashes, uint64_t hash,
                           uint16_t group)
{
    for (size_t at = 0; at < policy->profile_count; at++) {
        if (hashes[at] == hash && groups_equal(policy, policy->profiles[at].group, group))
            return at;
    }
    return policy->profile_count;
}

/* Profiles by group, shared where groups say the same. */
static int groups_build(struct policy *policy, uint64_t *hashes, const bool *granted)
{
    size_t configured = policy->config->group_count;
    int code = 0;

    for (size_t i = 0; code == 0 && i < policy_group_count(policy); i++) {
        bool own = i >= configured || granted[i];
        uint64_t hash = own ? 0 : group_hash(policy, (uint16_t)i) | 1;
        size_t at = own ? policy->profile_count : profile_find(policy, hashes, hash, (uint16_t)i);
        if (at == policy->profile_count) {
            hashes[at] = hash;
            code = profile_build(policy, &policy->profiles[policy->profile_count++], (uint16_t)i);
        }
        policy->group_profiles[i] = (uint16_t)at;
    }
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

int policy_profiles_build(struct policy *policy)
{
    uint64_t *hashes = calloc(policy_group_count(policy) + 1, sizeof *hashes);
    bool *granted = groups_with_grants(policy);
    int code = hashes && granted ? groups_build(policy, hashes, granted) : -ENOMEM;

    free(hashes);
    free(granted);
    return code < 0 ? code : rows_build(policy);
}
