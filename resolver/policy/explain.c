/* The rules of policy.h once more, told from the configuration and the lists' entries as they are.
 * Nothing here looks at fact views, profiles or rows, so that a fault in those cannot hide itself.
 */
#include <errno.h>
#include <string.h>

#include "resolver/policy/inside.h"

struct asked {
    const struct policy *policy;
    const struct config *config;
    const struct config_group *group;
    const uint8_t *name;
    int64_t wall_ms, wall_s;
    struct policy_explanation *told;
};

static bool lasts_one(const struct asked *asked, const uint16_t *periods, size_t count)
{
    bool lasts = false;

    for (size_t i = 0; i < count; i++)
        lasts |= calendar_in_period(asked->policy->calendar, periods[i], asked->wall_s);
    return lasts;
}

static bool schedule_is_on(const struct asked *asked, const struct config_schedule *schedule)
{
    if (schedule->outside_count && lasts_one(asked, schedule->outside, schedule->outside_count))
        return false;
    return !schedule->during_count || lasts_one(asked, schedule->during, schedule->during_count);
}

static bool claims_tell(struct asked *asked)
{
    struct policy_explanation *told = asked->told;
    const struct bl_store *store = asked->policy->store;
    size_t count = 0;
    const struct bl_fact_rule *rules = bl_store_fact(store, told->found.fact, &count);

    told->claims = arena_take(&told->arena, count, sizeof *told->claims);
    if (!told->claims)
        return false;
    told->claim_count = count;
    for (size_t i = 0; i < count; i++) {
        const char *name = bl_store_category(store, rules[i].category)->name;
        int category = config_category_find(asked->config, name);
        told->claims[i] = (struct policy_claim){.rule = rules[i],
                                                .store_category = name,
                                                .category = category < 0 ? POLICY_NO_CATEGORY
                                                                         : (uint16_t)category};
    }
    for (size_t i = 0; i < count; i++) {
        struct policy_claim *block = &told->claims[i];
        if (block->rule.action != BL_BLOCK || block->category == POLICY_NO_CATEGORY)
            continue;
        block->stands = true;
        for (size_t j = 0; j < count && !asked->config->categories[block->category].sealed; j++) {
            struct policy_claim *allow = &told->claims[j];
            bool related = strcmp(allow->store_category, block->store_category) == 0 ||
                           (allow->category != POLICY_NO_CATEGORY &&
                            asked->config->categories[allow->category].exempts_all);
            bool wins =
                allow->rule.tier > block->rule.tier ||
                (allow->rule.tier == block->rule.tier && allow->rule.depth <= block->rule.depth &&
                 (!block->rule.important || allow->rule.important));
            if (allow->rule.action == BL_ALLOW && related && wins) {
                block->stands = false;
                allow->stands = true;
            }
        }
    }
    return true;
}

static bool index_among(const uint16_t *indices, size_t count, uint16_t index)
{
    for (size_t i = 0; i < count; i++) {
        if (indices[i] == index)
            return true;
    }
    return false;
}

static bool grant_is_on(const struct asked *asked, const struct policy_grant *grant)
{
    return asked->wall_ms >= grant->start_ms && asked->wall_ms < grant->end_ms;
}

/* Is the grant for this group, or for the device that has this special group? */
static bool grant_is_meant(const struct asked *asked, uint32_t index)
{
    const struct policy *policy = asked->policy;
    const struct policy_grant *grant = &policy->rules->grants[index];
    size_t special = (size_t)asked->told->group - asked->config->group_count;

    if (grant->kind == GRANT_SESSION)
        return false;
    if (!grant->device_text)
        return grant->group && strcmp(grant->group, asked->group->name) == 0;
    if (asked->told->group < asked->config->group_count)
        return false;
    for (size_t i = 0; i < policy->specials[special].grant_count; i++) {
        if (policy->specials[special].grants[i] == index)
            return true;
    }
    return false;
}

static void state_from(struct policy_stance *stance, const struct config_targets *targets,
                       enum category_state state, struct policy_origin origin)
{
    if (!index_among(targets->categories, targets->category_count, stance->category))
        return;
    stance->state = (uint8_t)state;
    stance->origin = origin;
}

static void state_from_grants(const struct asked *asked, struct policy_stance *stance,
                              enum grant_kind kind, enum category_state state)
{
    const struct policy_rules *rules = asked->policy->rules;
    const char *category = asked->config->categories[stance->category].name;

    for (uint32_t i = 0; i < rules->grant_count; i++) {
        const struct policy_grant *grant = &rules->grants[i];
        if (grant->kind != kind || grant->target_kind != TARGET_CATEGORY ||
            strcmp(grant->target, category) != 0 || !grant_is_on(asked, grant) ||
            !grant_is_meant(asked, i))
            continue;
        stance->state = (uint8_t)state;
        stance->origin = (struct policy_origin){ORIGIN_GRANT, i};
    }
}

static struct policy_stance stance_of(const struct asked *asked, uint16_t category)
{
    struct policy_stance stance = {.category = category};
    const struct config_group *group = asked->group;
    struct policy_origin origin = {ORIGIN_GROUP, 0};

    state_from(&stance, &group->deny, STATE_DENY, origin);
    state_from(&stance, &group->observe, STATE_OBSERVE, origin);
    state_from(&stance, &group->allow, STATE_ALLOW, origin);
    for (uint32_t i = 0; i < group->schedule_count; i++) {
        const struct config_schedule *schedule = &group->schedule[i];
        origin = (struct policy_origin){ORIGIN_SCHEDULE, i};
        if (!schedule_is_on(asked, schedule))
            continue;
        state_from(&stance, &schedule->deny, STATE_DENY, origin);
        state_from(&stance, &schedule->observe, STATE_OBSERVE, origin);
        state_from(&stance, &schedule->allow, STATE_ALLOW, origin);
    }
    state_from_grants(asked, &stance, GRANT_ALLOW, STATE_ALLOW);
    state_from_grants(asked, &stance, GRANT_DENY, STATE_DENY);
    return stance;
}

static bool stances_tell(struct asked *asked)
{
    struct policy_explanation *told = asked->told;

    told->stances = arena_take(&told->arena, told->claim_count, sizeof *told->stances);
    if (!told->stances)
        return false;
    for (size_t i = 0; i < told->claim_count; i++) {
        uint16_t category = told->claims[i].category;
        bool there = category == POLICY_NO_CATEGORY;
        for (size_t j = 0; j < told->stance_count; j++)
            there |= told->stances[j].category == category;
        if (!there)
            told->stances[told->stance_count++] = stance_of(asked, category);
    }
    return true;
}

static bool mention_add(struct asked *asked, const uint8_t *name, uint16_t service,
                        enum verdict verdict, bool holds, struct policy_origin origin)
{
    struct policy_explanation *told = asked->told;
    struct policy_mention *mentions;
    size_t at = told->mention_count;

    if (!bl_name_is_below(asked->name, name))
        return true;
    mentions = arena_grow(&told->arena, told->mentions, told->mention_count, sizeof *mentions);
    if (!mentions)
        return false;
    told->mentions = mentions;
    told->mention_count++;
    for (; at > 0 && bl_name_length(mentions[at - 1].name) < bl_name_length(name); at--)
        mentions[at] = mentions[at - 1];
    mentions[at] = (struct policy_mention){.name = name,
                                           .service = service,
                                           .verdict = (uint8_t)verdict,
                                           .holds = holds,
                                           .origin = origin};
    return true;
}

static bool service_mention(struct asked *asked, uint16_t index, enum verdict verdict, bool holds,
                            struct policy_origin origin)
{
    const struct config_service *service = &asked->config->services[index];
    bool fine = true;

    for (size_t i = 0; i < service->name_count; i++)
        fine &= mention_add(asked, service->names[i], index, verdict, holds, origin);
    return fine;
}

static bool targets_mention(struct asked *asked, const struct config_targets *targets,
                            enum verdict verdict, bool holds, struct policy_origin origin)
{
    bool fine = true;

    for (size_t i = 0; i < targets->name_count; i++)
        fine &= mention_add(asked, targets->names[i], CONFIG_NONE, verdict, holds, origin);
    for (size_t i = 0; i < targets->service_count; i++)
        fine &= service_mention(asked, targets->services[i], verdict, holds, origin);
    return fine;
}

static bool grants_mention(struct asked *asked, enum grant_kind kind, enum verdict verdict)
{
    const struct policy_rules *rules = asked->policy->rules;
    bool fine = true;

    for (uint32_t i = 0; i < rules->grant_count; i++) {
        const struct policy_grant *grant = &rules->grants[i];
        struct policy_origin origin = {ORIGIN_GRANT, i};
        bool holds = grant_is_on(asked, grant);
        int service;
        if (grant->kind != kind || !grant_is_meant(asked, i))
            continue;
        if (grant->target_kind == TARGET_NAME) {
            fine &= mention_add(asked, grant->name, CONFIG_NONE, verdict, holds, origin);
        } else if (grant->target_kind == TARGET_SERVICE) {
            service = config_service_find(asked->config, grant->target);
            if (service >= 0)
                fine &= service_mention(asked, (uint16_t)service, verdict, holds, origin);
        }
    }
    return fine;
}

static void close_tell(struct asked *asked, struct policy_origin origin)
{
    if (asked->told->closed)
        return;
    asked->told->closed = true;
    asked->told->closed_by = origin;
}

static bool mentions_tell(struct asked *asked)
{
    const struct config_group *group = asked->group;
    const struct policy_rules *rules = asked->policy->rules;
    struct policy_origin origin = {ORIGIN_GROUP, 0};
    bool fine = targets_mention(asked, &group->allow, VERDICT_ALLOW, true, origin) &&
                targets_mention(asked, &group->deny, VERDICT_DENY, true, origin);

    for (uint32_t i = 0; i < group->schedule_count; i++) {
        const struct config_schedule *schedule = &group->schedule[i];
        bool holds = schedule_is_on(asked, schedule);
        origin = (struct policy_origin){ORIGIN_SCHEDULE, i};
        fine = fine && targets_mention(asked, &schedule->allow, VERDICT_ALLOW, holds, origin) &&
               targets_mention(asked, &schedule->deny, VERDICT_DENY, holds, origin);
        if (holds && !schedule->internet)
            close_tell(asked, origin);
    }
    for (uint32_t i = 0; i < rules->grant_count; i++) {
        const struct policy_grant *grant = &rules->grants[i];
        if (grant->kind == GRANT_BLOCK && grant_is_on(asked, grant) && grant_is_meant(asked, i))
            close_tell(asked, (struct policy_origin){ORIGIN_GRANT, i});
    }
    return fine && grants_mention(asked, GRANT_ALLOW, VERDICT_ALLOW) &&
           grants_mention(asked, GRANT_DENY, VERDICT_DENY);
}

static const struct policy_stance *stance_find(const struct policy_explanation *told,
                                               uint16_t category)
{
    for (size_t i = 0; i < told->stance_count; i++) {
        if (told->stances[i].category == category)
            return &told->stances[i];
    }
    return NULL;
}

static bool category_has(const struct policy_explanation *told, uint16_t category, bool stands)
{
    for (size_t i = 0; i < told->claim_count; i++) {
        const struct policy_claim *claim = &told->claims[i];
        if (claim->rule.action == BL_BLOCK && claim->category == category &&
            claim->stands == stands)
            return true;
    }
    return false;
}

enum { ANY_STATE = 100, ONLY_SEALED = 101 };

/* Of the categories whose block stands (or is beaten altogether), the most severe one in the wanted
 * state. */
static uint16_t category_pick(const struct asked *asked, bool stands, int state)
{
    const struct config *config = asked->config;
    uint16_t best = POLICY_NO_CATEGORY;

    for (size_t i = 0; i < asked->told->stance_count; i++) {
        const struct policy_stance *stance = &asked->told->stances[i];
        uint16_t category = stance->category;
        if (!category_has(asked->told, category, stands) ||
            (!stands && category_has(asked->told, category, true)))
            continue;
        if (state == ONLY_SEALED ? !config->categories[category].sealed
                                 : state != ANY_STATE && stance->state != state)
            continue;
        if (best == POLICY_NO_CATEGORY ||
            config->categories[category].severity > config->categories[best].severity ||
            (config->categories[category].severity == config->categories[best].severity &&
             category < best))
            best = category;
    }
    return best;
}

static uint16_t detail_number(const struct policy *policy, struct policy_origin origin)
{
    for (size_t i = 1; i < policy->origin_count; i++) {
        if (policy->origins[i].kind == origin.kind && policy->origins[i].index == origin.index)
            return (uint16_t)i;
    }
    return 0;
}

static void rule_tell(struct asked *asked, enum verdict verdict, enum rule_kind rule,
                      uint16_t category, struct policy_origin origin)
{
    const struct config_answer *form =
        answer_form(asked->config, policy_group_base(asked->policy, asked->told->group), category);
    struct ruling *ruling = &asked->told->ruling;

    *ruling = (struct ruling){.verdict = (uint8_t)verdict,
                              .rule = (uint8_t)rule,
                              .category = category,
                              .detail = detail_number(asked->policy, origin)};
    if (category != POLICY_NO_CATEGORY)
        ruling->severity = (uint8_t)asked->config->categories[category].severity;
    (void)answer_find(asked->policy, form, &ruling->answer);
}

static struct policy_mention *mention_that_decides(struct policy_explanation *told)
{
    struct policy_mention *best = NULL;

    for (size_t i = 0; i < told->mention_count; i++) {
        struct policy_mention *mention = &told->mentions[i];
        if (!mention->holds)
            continue;
        if (best && bl_name_length(mention->name) < bl_name_length(best->name))
            break;
        best = mention; /* of the same name the later word counts */
    }
    return best;
}

static struct policy_origin stance_origin(const struct asked *asked, uint16_t category)
{
    const struct policy_stance *stance = stance_find(asked->told, category);

    return stance ? stance->origin : (struct policy_origin){0};
}

/* Rules 5 to 8, without exceptions for names. */
static void lists_decide(struct asked *asked)
{
    const struct policy_origin nowhere = {0};
    uint16_t denied = category_pick(asked, true, STATE_DENY);
    uint16_t allowed = category_pick(asked, true, STATE_ALLOW);
    uint16_t observed = category_pick(asked, true, STATE_OBSERVE);
    uint16_t spared = category_pick(asked, false, STATE_DENY);
    uint16_t any = category_pick(asked, true, ANY_STATE);

    if (denied != POLICY_NO_CATEGORY)
        rule_tell(asked, VERDICT_DENY, RULE_CATEGORY, denied, stance_origin(asked, denied));
    else if (asked->group->walled_garden && allowed == POLICY_NO_CATEGORY)
        rule_tell(asked, VERDICT_DENY, RULE_GARDEN, POLICY_NO_CATEGORY, nowhere);
    else if (observed != POLICY_NO_CATEGORY)
        rule_tell(asked, VERDICT_OBSERVE, RULE_CATEGORY, observed, stance_origin(asked, observed));
    else if (spared != POLICY_NO_CATEGORY)
        rule_tell(asked, VERDICT_ALLOW, RULE_LIST_ALLOW, spared, nowhere);
    else if (allowed != POLICY_NO_CATEGORY)
        rule_tell(asked, VERDICT_ALLOW, RULE_UNFILTERED, allowed, stance_origin(asked, allowed));
    else if (any != POLICY_NO_CATEGORY)
        rule_tell(asked, VERDICT_ALLOW, RULE_UNFILTERED, any, nowhere);
    else
        rule_tell(asked, VERDICT_ALLOW, RULE_NONE, POLICY_NO_CATEGORY, nowhere);
}

static void rules_decide(struct asked *asked)
{
    struct policy_explanation *told = asked->told;
    uint16_t sealed = category_pick(asked, true, ONLY_SEALED);
    struct policy_mention *mention = mention_that_decides(told);

    if (sealed != POLICY_NO_CATEGORY) {
        rule_tell(asked, VERDICT_DENY, RULE_SEALED, sealed, (struct policy_origin){0});
        return;
    }
    if (told->closed) {
        rule_tell(asked, VERDICT_DENY, RULE_HOURS, POLICY_NO_CATEGORY, told->closed_by);
        return;
    }
    lists_decide(asked);
    /* Denied both ways, the category is told: it says more. */
    if (!mention || (mention->verdict == VERDICT_DENY && told->ruling.verdict == VERDICT_DENY &&
                     told->ruling.rule == RULE_CATEGORY))
        return;
    mention->decides = true;
    rule_tell(asked, mention->verdict, RULE_EXCEPTION, POLICY_NO_CATEGORY, mention->origin);
}

static bool periods_tell(struct asked *asked)
{
    struct policy_explanation *told = asked->told;
    size_t count = asked->config->calendar.period_count;

    told->periods = arena_take(&told->arena, count, sizeof *told->periods);
    for (size_t i = 0; told->periods && i < count; i++) {
        if (calendar_in_period(asked->policy->calendar, (uint16_t)i, asked->wall_s))
            told->periods[told->period_count++] = (uint16_t)i;
    }
    return told->periods != NULL;
}

int policy_explain(const struct policy *policy, uint16_t group, const uint8_t *name,
                   struct bl_found found, int64_t wall_ms, struct policy_explanation *out)
{
    struct policy_explanation told = {.group = group, .found = found};
    struct asked asked = {.policy = policy,
                          .config = policy->config,
                          .group = &policy->config->groups[policy_group_base(policy, group)],
                          .name = name,
                          .wall_ms = wall_ms,
                          .wall_s = wall_ms / 1000 - (wall_ms % 1000 < 0),
                          .told = &told};
    struct policy_now now;

    if (!claims_tell(&asked) || !stances_tell(&asked) || !mentions_tell(&asked) ||
        !periods_tell(&asked) || policy_now_init(&now, policy) < 0) {
        arena_free(&told.arena);
        return -ENOMEM;
    }
    rules_decide(&asked);
    policy_now_update(&now, (struct moment){.wall_ms = wall_ms});
    told.until_wall_ms = now.group_until_wall_ms[group];
    policy_now_fini(&now);
    *out = told;
    return 0;
}

void policy_explanation_free(struct policy_explanation *explanation)
{
    arena_free(&explanation->arena);
}

static const struct address_prefix *subnet_of(const struct policy *policy,
                                              const struct address *client)
{
    const struct address_prefix *best = NULL;
    bool v4 = address_is_v4(client);

    for (size_t i = 0; i < policy->config->group_count; i++) {
        const struct config_group *group = &policy->config->groups[i];
        for (size_t j = 0; j < group->subnet_count; j++) {
            const struct address_prefix *prefix = &group->subnets[j];
            bool family = v4 ? prefix->length >= 96 : true;
            if (family && address_in_prefix(client, prefix) &&
                (!best || prefix->length > best->length))
                best = prefix;
        }
    }
    return best;
}

struct policy_found_by policy_found_by(const struct policy *policy, const struct address *client,
                                       uint16_t group, int64_t wall_ms)
{
    const char *name = policy_group_name(policy, group);
    const struct policy_neighbour *neighbour;
    const uint8_t *mac = client_mac(policy, client, &neighbour);
    const struct config_device *device = client_device(policy, client, mac);
    struct policy_found_by by = {.neighbour = neighbour};

    for (size_t i = 0; i < policy->rules->grant_count; i++) {
        const struct policy_grant *grant = &policy->rules->grants[i];
        if (grant->kind == GRANT_SESSION && wall_ms >= grant->start_ms && wall_ms < grant->end_ms &&
            strcmp(grant->group, name) == 0 && device_matches(policy, grant, client, mac))
            by.session = grant;
    }
    if (device && device->group != CONFIG_NONE)
        by.device = device;
    by.subnet = subnet_of(policy, client);
    return by;
}
