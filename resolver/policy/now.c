#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/policy/inside.h"

static int64_t floor_seconds(int64_t ms)
{
    return ms / 1000 - (ms % 1000 < 0);
}

static bool any_lasts(const struct policy *policy, const uint16_t *periods, size_t count,
                      int64_t wall_s)
{
    for (size_t i = 0; i < count; i++) {
        if (calendar_in_period(policy->calendar, periods[i], wall_s))
            return true;
    }
    return false;
}

static bool schedule_holds(const struct policy *policy, const struct config_schedule *schedule,
                           int64_t wall_s)
{
    if (schedule->during_count &&
        !any_lasts(policy, schedule->during, schedule->during_count, wall_s))
        return false;
    return !any_lasts(policy, schedule->outside, schedule->outside_count, wall_s);
}

static int64_t periods_next(const struct policy *policy, const uint16_t *periods, size_t count,
                            int64_t wall_s)
{
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < count; i++) {
        int64_t change = calendar_next_change(policy->calendar, periods[i], wall_s);
        if (change < next)
            next = change;
    }
    return next;
}

/* From bell to bell of its periods until the schedule as a whole changes. */
static int64_t schedule_next(const struct policy *policy, const struct config_schedule *schedule,
                             int64_t wall_s)
{
    bool holds = schedule_holds(policy, schedule, wall_s);
    int64_t at = wall_s;

    while (at < wall_s + CALENDAR_HORIZON_S && schedule_holds(policy, schedule, at) == holds) {
        int64_t during = periods_next(policy, schedule->during, schedule->during_count, at);
        int64_t outside = periods_next(policy, schedule->outside, schedule->outside_count, at);
        at = during < outside ? during : outside;
    }
    return at;
}

bool condition_holds(const struct policy *policy, uint16_t index, int64_t wall_ms,
                     int64_t *out_until_ms)
{
    const struct condition *condition = &policy->conditions[index];
    int64_t wall_s = floor_seconds(wall_ms);

    *out_until_ms = INT64_MAX;
    if (condition->kind == CONDITION_ALWAYS)
        return true;
    if (condition->kind == CONDITION_SPAN) { /* a clock that is set back makes it hold again */
        if (wall_ms < condition->start_ms)
            *out_until_ms = condition->start_ms;
        else if (wall_ms < condition->end_ms)
            *out_until_ms = condition->end_ms;
        return wall_ms >= condition->start_ms && wall_ms < condition->end_ms;
    }
    *out_until_ms = schedule_next(policy, condition->schedule, wall_s) * 1000;
    return schedule_holds(policy, condition->schedule, wall_s);
}

int policy_now_init(struct policy_now *out_now, const struct policy *policy)
{
    struct policy_now now = {.policy = policy, .since_wall_ms = INT64_MAX};
    size_t groups = policy_group_count(policy);
    bool fine;

    now.rows = calloc(groups + 1, sizeof *now.rows);
    now.group_until_wall_ms = calloc(groups + 1, sizeof *now.group_until_wall_ms);
    now.own = calloc(policy->profile_count + 1, sizeof *now.own);
    now.profile_until_wall_ms = calloc(policy->profile_count + 1, sizeof(int64_t));
    now.condition_until_wall_ms = calloc(policy->condition_count, sizeof(int64_t));
    now.active = calloc(policy->condition_count, 2); /* what holds, and what changed */
    now.states = calloc(policy->config->category_count + 1, 2);
    fine = now.rows && now.group_until_wall_ms && now.own && now.profile_until_wall_ms &&
           now.condition_until_wall_ms && now.active && now.states;
    for (size_t i = 0; fine && i < policy->profile_count; i++) {
        if (policy->profiles[i].row)
            continue;
        now.own[i] = calloc(policy->fact_count, sizeof **now.own);
        fine = now.own[i] != NULL;
    }
    if (!fine) {
        policy_now_fini(&now);
        return -ENOMEM;
    }
    for (size_t i = 0; i < groups; i++) {
        uint16_t profile = policy->group_profiles[i];
        now.rows[i] = now.own[profile] ? now.own[profile] : policy->profiles[profile].row;
    }
    *out_now = now;
    return 0;
}

void policy_now_fini(struct policy_now *now)
{
    if (now->policy && now->own) {
        for (size_t i = 0; i < now->policy->profile_count; i++)
            free(now->own[i]);
    }
    free(now->own);
    free(now->rows);
    free(now->group_until_wall_ms);
    free(now->profile_until_wall_ms);
    free(now->condition_until_wall_ms);
    free(now->active);
    free(now->states);
    *now = (struct policy_now){0};
}

static bool profile_changed(const struct profile *profile, const uint8_t *changed)
{
    for (size_t i = 0; i < profile->condition_count; i++) {
        if (changed[profile->conditions[i]])
            return true;
    }
    return false;
}

/* The clock is compared with both ends, so that one that is set back is noticed as well. */
void policy_now_update(struct policy_now *now, struct moment moment)
{
    const struct policy *policy = now->policy;
    uint8_t *changed = now->active + policy->condition_count;
    bool first = now->since_wall_ms == INT64_MAX;
    int64_t *until = now->group_until_wall_ms;

    if (moment.wall_ms >= now->since_wall_ms && moment.wall_ms < now->until_wall_ms)
        return;
    now->since_wall_ms = moment.wall_ms;
    now->until_wall_ms = INT64_MAX;
    for (size_t i = 0; i < policy->profile_count; i++)
        now->profile_until_wall_ms[i] = INT64_MAX;
    for (size_t i = 0; i < policy->condition_count; i++) {
        int64_t next;
        uint8_t holds = condition_holds(policy, (uint16_t)i, moment.wall_ms, &next);
        changed[i] = first || holds != now->active[i];
        now->active[i] = holds;
        now->condition_until_wall_ms[i] = next;
        if (next < now->until_wall_ms)
            now->until_wall_ms = next;
    }
    for (size_t i = 0; i < policy->profile_count; i++) {
        const struct profile *profile = &policy->profiles[i];
        for (size_t j = 0; j < profile->condition_count; j++) {
            int64_t next = now->condition_until_wall_ms[profile->conditions[j]];
            if (next < now->profile_until_wall_ms[i])
                now->profile_until_wall_ms[i] = next;
        }
        if (now->own[i] && profile_changed(profile, changed))
            row_fill(policy, profile, now->active, now->states, now->own[i]);
    }
    for (size_t i = 0; i < policy_group_count(policy); i++)
        until[i] = now->profile_until_wall_ms[policy->group_profiles[i]];
}

uint32_t policy_ttl_limit(const struct policy_now *now, uint16_t group, struct moment moment)
{
    int64_t left_ms = now->group_until_wall_ms[group] - moment.wall_ms;

    if (left_ms >= (int64_t)UINT32_MAX * 1000)
        return UINT32_MAX;
    return left_ms > 0 ? (uint32_t)(left_ms / 1000) : 0;
}
