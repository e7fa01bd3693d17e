#include <errno.h>
#include <string.h>

#include "resolver/policy/inside.h"

const struct config_answer *answer_form(const struct config *config, uint16_t group,
                                        uint16_t category)
{
    const struct config_category *met =
        category != POLICY_NO_CATEGORY ? &config->categories[category] : NULL;

    if (met && met->answer.set)
        return &met->answer;
    if (config->groups[group].answer.set)
        return &config->groups[group].answer;
    if (met && config->answers[met->severity].set)
        return &config->answers[met->severity];
    return &config->answer;
}

static bool answer_equal(const struct config_answer *a, const struct config_answer *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind || a->address_count != b->address_count)
        return false;
    for (size_t i = 0; i < a->address_count; i++) {
        if (!address_equal_host(&a->addresses[i], &b->addresses[i]))
            return false;
    }
    return true;
}

bool answer_find(const struct policy *policy, const struct config_answer *form, uint8_t *out_number)
{
    for (size_t i = 0; i < policy->answer_count; i++) {
        if (answer_equal(policy->answers[i], form)) {
            *out_number = (uint8_t)i;
            return true;
        }
    }
    return false;
}

int answer_number(struct policy *policy, const struct config_answer *form, uint8_t *out_number)
{
    const struct config_answer **answers;

    if (answer_find(policy, form, out_number))
        return 0;
    if (policy->answer_count > UINT8_MAX)
        return -EOVERFLOW;
    answers = arena_grow(&policy->arena, policy->answers, policy->answer_count, sizeof *answers);
    if (!answers)
        return -ENOMEM;
    policy->answers = answers;
    *out_number = (uint8_t)policy->answer_count;
    answers[policy->answer_count++] = form;
    return 0;
}

/* What the profile says of each category now, and which origin says it. */
struct states {
    uint8_t *state;
    uint8_t *answer;
    uint16_t closed; /* detail of the closure that holds; 0: the internet is on */
    bool is_closed;
};

static const uint16_t *category_with(const struct fact_view *view, const uint8_t *state,
                                     enum category_state wanted)
{
    for (size_t i = 0; i < view->standing_count; i++) {
        if (state[view->standing[i]] == wanted)
            return &view->standing[i];
    }
    return NULL;
}

static uint16_t detail_of(const struct profile *profile, const uint8_t *active, uint16_t category)
{
    for (size_t i = profile->effect_count; i-- > 0;) {
        if (profile->effects[i].category == category && active[profile->effects[i].condition])
            return profile->effects[i].detail;
    }
    return 0;
}

static struct ruling ruling_make(const struct policy *policy, const struct states *states,
                                 enum verdict verdict, enum rule_kind rule, uint16_t category,
                                 uint16_t detail)
{
    struct ruling ruling = {
        .verdict = (uint8_t)verdict, .rule = (uint8_t)rule, .category = category, .detail = detail};

    if (category != POLICY_NO_CATEGORY) {
        ruling.severity = (uint8_t)policy->config->categories[category].severity;
        ruling.answer = states->answer[category];
    }
    return ruling;
}

static struct ruling fact_judge(const struct policy *policy, const struct profile *profile,
                                const uint8_t *active, const struct states *states,
                                const struct fact_view *view)
{
    const uint16_t *category, *allowed;

    if (view->sealed != POLICY_NO_CATEGORY)
        return ruling_make(policy, states, VERDICT_DENY, RULE_SEALED, view->sealed, 0);
    if (states->is_closed)
        return ruling_make(policy, states, VERDICT_DENY, RULE_HOURS, POLICY_NO_CATEGORY,
                           states->closed);
    category = category_with(view, states->state, STATE_DENY);
    if (category)
        return ruling_make(policy, states, VERDICT_DENY, RULE_CATEGORY, *category,
                           detail_of(profile, active, *category));
    allowed = category_with(view, states->state, STATE_ALLOW);
    if (profile->walled_garden && !allowed)
        return ruling_make(policy, states, VERDICT_DENY, RULE_GARDEN, POLICY_NO_CATEGORY, 0);
    category = category_with(view, states->state, STATE_OBSERVE);
    if (category)
        return ruling_make(policy, states, VERDICT_OBSERVE, RULE_CATEGORY, *category,
                           detail_of(profile, active, *category));
    for (size_t i = 0; i < view->beaten_count; i++) {
        if (states->state[view->beaten[i]] == STATE_DENY)
            return ruling_make(policy, states, VERDICT_ALLOW, RULE_LIST_ALLOW, view->beaten[i], 0);
    }
    if (allowed)
        return ruling_make(policy, states, VERDICT_ALLOW, RULE_UNFILTERED, *allowed,
                           detail_of(profile, active, *allowed));
    if (view->standing_count)
        return ruling_make(policy, states, VERDICT_ALLOW, RULE_UNFILTERED, view->standing[0], 0);
    return ruling_make(policy, states, VERDICT_ALLOW, RULE_NONE, POLICY_NO_CATEGORY, 0);
}

void row_fill(const struct policy *policy, const struct profile *profile, const uint8_t *active,
              uint8_t *states_room, struct ruling *row)
{
    size_t categories = policy->config->category_count;
    struct states states = {.state = states_room, .answer = states_room + categories};

    memset(states.state, STATE_UNSAID, 2 * categories);
    for (size_t i = 0; i < profile->effect_count; i++) {
        const struct effect *effect = &profile->effects[i];
        if (active[effect->condition])
            states.state[effect->category] = effect->state;
    }
    for (size_t i = 0; i < profile->closure_count && !states.is_closed; i++) {
        states.is_closed = active[profile->closures[i].condition];
        states.closed = profile->closures[i].detail;
    }
    for (size_t i = 0; i < categories; i++)
        (void)answer_find(policy, answer_form(policy->config, profile->group, (uint16_t)i),
                          &states.answer[i]);
    for (size_t i = 0; i < policy->fact_count; i++) {
        row[i] = fact_judge(policy, profile, active, &states, &policy->facts[i]);
        if (row[i].category == POLICY_NO_CATEGORY)
            row[i].answer = policy->group_answers[profile->group];
    }
}
