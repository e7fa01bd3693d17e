#include "resolver/base/check.h"
#include "resolver/policy/inside.h"

static struct ruling row_ruling(const struct policy_now *now, uint16_t group, bl_fact fact)
{
    if (!EXPECT(fact < now->policy->fact_count))
        fact = BL_FACT_NONE;
    return now->rows[group][fact];
}

struct ruling policy_judge(const struct policy_now *now, uint16_t group, const uint8_t *name,
                           size_t len, bl_fact fact)
{
    const struct policy *policy = now->policy;
    const struct name_table *names = &policy->profiles[policy->group_profiles[group]].names;
    struct ruling ruling = row_ruling(now, group, fact);
    const struct name_entry *entry;

    if (!names->entry_count || ruling.rule == RULE_SEALED || ruling.rule == RULE_HOURS)
        return ruling;
    entry = names_find(names, now->active, name, len);
    if (!entry)
        return ruling;
    /* A name that its category denies anyway is recorded under the category: it says more. */
    if (entry->verdict == VERDICT_DENY && ruling.verdict == VERDICT_DENY &&
        ruling.rule == RULE_CATEGORY)
        return ruling;
    return (struct ruling){.verdict = entry->verdict,
                           .rule = RULE_EXCEPTION,
                           .answer = policy->group_answers[group],
                           .category = POLICY_NO_CATEGORY,
                           .detail = entry->detail};
}

struct ruling policy_judge_fact(const struct policy_now *now, uint16_t group, bl_fact fact)
{
    struct ruling ruling = row_ruling(now, group, fact);

    if (ruling.rule == RULE_GARDEN)
        return (struct ruling){
            .verdict = VERDICT_ALLOW, .rule = RULE_UNFILTERED, .category = POLICY_NO_CATEGORY};
    return ruling;
}

struct ruling policy_own_ruling(const struct policy_now *now, uint16_t group, enum rule_kind rule)
{
    return (struct ruling){.verdict = VERDICT_DENY,
                           .rule = (uint8_t)rule,
                           .answer = now->policy->group_answers[group],
                           .category = POLICY_NO_CATEGORY};
}

bool policy_has_names(const struct policy *policy)
{
    return policy->has_names;
}

struct policy_origin policy_origin(const struct policy *policy, uint16_t detail)
{
    return detail < policy->origin_count ? policy->origins[detail] : policy->origins[0];
}

const struct config_answer *policy_answer(const struct policy *policy, uint8_t answer)
{
    return policy->answers[answer < policy->answer_count ? answer : 0];
}

const char *policy_category_name(const struct policy *policy, uint16_t category)
{
    return category < policy->config->category_count ? policy->config->categories[category].name
                                                     : "";
}

const char *policy_category_title(const struct policy *policy, uint16_t category)
{
    return category < policy->config->category_count ? policy->config->categories[category].title
                                                     : "";
}

const char *policy_group_name(const struct policy *policy, uint16_t group)
{
    group = policy_group_base(policy, group);
    return group < policy->config->group_count ? policy->config->groups[group].name : "";
}

const char *policy_rule_text(enum rule_kind rule)
{
    static const char *const WORDS[RULE_KINDS] = {
        [RULE_NONE] = "not listed",
        [RULE_CATEGORY] = "category",
        [RULE_SEALED] = "sealed category",
        [RULE_LIST_ALLOW] = "allowed by a list",
        [RULE_EXCEPTION] = "exception",
        [RULE_UNFILTERED] = "category not denied",
        [RULE_HOURS] = "no internet now",
        [RULE_GARDEN] = "walled garden",
        [RULE_SAFE_SEARCH] = "safe search",
        [RULE_REBINDING] = "address of the inside",
        [RULE_TUNNEL] = "looks like a tunnel",
    };

    return (unsigned)rule < RULE_KINDS ? WORDS[rule] : "unknown";
}

const char *policy_verdict_text(enum verdict verdict)
{
    static const char *const WORDS[] = {"allowed", "denied", "rewritten", "observed"};

    return (unsigned)verdict <= VERDICT_OBSERVE ? WORDS[verdict] : "unknown";
}

const char *policy_state_text(enum category_state state)
{
    static const char *const WORDS[] = {"", "allow", "observe", "deny"};

    return (unsigned)state <= STATE_DENY ? WORDS[state] : "";
}

const struct calendar *policy_calendar(const struct policy *policy)
{
    return policy->calendar;
}
