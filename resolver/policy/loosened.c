#include "resolver/policy/loosened.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/policy/loosened_inside.h"

enum { YEAR_S = 366 * 86400, SENTENCE_MAX = 512 };

/* From loose to strict. */
enum stance { STANCE_ALLOWED, STANCE_UNSAID, STANCE_OBSERVED, STANCE_DENIED };

static const char *const STANCES[] = {"allowed", "not denied", "observed only", "denied"};

struct statement {
    const char *target;                     /* "category:games", "service:tiktok", "x.test" */
    const struct config_schedule *schedule; /* NULL: always */
    enum stance stance;
};

struct statements {
    struct statement *items;
    size_t count;
};

void loosened_tell(struct comparison *comparison, const char *format, ...)
{
    char sentence[SENTENCE_MAX];
    const char **told;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    for (size_t i = 0; i < comparison->told_count; i++) {
        if (strcmp(comparison->told[i], sentence) == 0)
            return;
    }
    told = arena_grow(&comparison->arena, comparison->told, comparison->told_count, sizeof *told);
    if (told) {
        comparison->told = told;
        told[comparison->told_count++] = arena_text(&comparison->arena, sentence, strlen(sentence));
    }
    comparison->each(comparison->user, sentence);
}

static bool any_lasts(const struct side *side, const uint16_t *periods, size_t count, int64_t at)
{
    for (size_t i = 0; i < count; i++) {
        if (calendar_in_period(side->calendar, periods[i], at))
            return true;
    }
    return false;
}

static bool schedule_holds(const struct side *side, const struct config_schedule *schedule,
                           int64_t at)
{
    if (!schedule)
        return true;
    if (schedule->during_count && !any_lasts(side, schedule->during, schedule->during_count, at))
        return false;
    return !any_lasts(side, schedule->outside, schedule->outside_count, at);
}

static void statement_add(struct arena *arena, struct statements *statements, const char *target,
                          const struct config_schedule *schedule, enum stance stance)
{
    struct statement *items =
        arena_grow(arena, statements->items, statements->count, sizeof *items);

    if (!items)
        return;
    statements->items = items;
    items[statements->count++] =
        (struct statement){.target = target, .schedule = schedule, .stance = stance};
}

static const char *prefixed(struct arena *arena, const char *prefix, const char *name)
{
    char text[BL_NAME_TEXT_MAX + 16];

    snprintf(text, sizeof text, "%s%s", prefix, name);
    return arena_text(arena, text, strlen(text));
}

static void targets_add(struct arena *arena, const struct config *config,
                        const struct config_targets *targets,
                        const struct config_schedule *schedule, enum stance stance,
                        struct statements *statements)
{
    char name[BL_NAME_TEXT_MAX];

    for (size_t i = 0; i < targets->category_count; i++) {
        const char *category = config->categories[targets->categories[i]].name;
        statement_add(arena, statements, prefixed(arena, "category:", category), schedule, stance);
    }
    for (size_t i = 0; i < targets->service_count; i++) {
        const struct config_service *service = &config->services[targets->services[i]];
        statement_add(arena, statements, prefixed(arena, "service:", service->name), schedule,
                      stance);
        /* A bundle's names count each, so that one with fewer names is found. */
        for (size_t j = 0; j < service->name_count; j++) {
            bl_name_text(service->names[j], name);
            statement_add(arena, statements, prefixed(arena, "", name), schedule, stance);
        }
    }
    for (size_t i = 0; i < targets->name_count; i++) {
        bl_name_text(targets->names[i], name);
        statement_add(arena, statements, prefixed(arena, "", name), schedule, stance);
    }
}

/* In the order in which later ones outweigh earlier ones; of the same list, what denies is last. */
static struct statements statements_of(struct arena *arena, const struct config *config,
                                       const struct config_group *group)
{
    struct statements all = {0};

    targets_add(arena, config, &group->allow, NULL, STANCE_ALLOWED, &all);
    targets_add(arena, config, &group->observe, NULL, STANCE_OBSERVED, &all);
    targets_add(arena, config, &group->deny, NULL, STANCE_DENIED, &all);
    for (size_t i = 0; i < group->schedule_count; i++) {
        const struct config_schedule *schedule = &group->schedule[i];
        targets_add(arena, config, &schedule->allow, schedule, STANCE_ALLOWED, &all);
        targets_add(arena, config, &schedule->observe, schedule, STANCE_OBSERVED, &all);
        targets_add(arena, config, &schedule->deny, schedule, STANCE_DENIED, &all);
    }
    return all;
}

static enum stance stance_at(const struct side *side, const struct statements *statements,
                             const char *target, int64_t at)
{
    enum stance stance = STANCE_UNSAID;

    for (size_t i = 0; i < statements->count; i++) {
        const struct statement *statement = &statements->items[i];
        if (strcmp(statement->target, target) == 0 && schedule_holds(side, statement->schedule, at))
            stance = statement->stance;
    }
    return stance;
}

static bool is_closed(const struct side *side, const struct config_group *group, int64_t at)
{
    for (size_t i = 0; i < group->schedule_count; i++) {
        if (!group->schedule[i].internet && schedule_holds(side, &group->schedule[i], at))
            return true;
    }
    return false;
}

/* What is said of a target by either side is compared once: where it is said first. */
static bool is_said_before(const struct statements *statements, size_t count, const char *target)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(statements->items[i].target, target) == 0)
            return true;
    }
    return false;
}

static void target_compare(struct comparison *comparison, const char *whose,
                           const struct statements *before, const struct statements *after,
                           const char *target)
{
    char text[CALENDAR_TEXT_MAX];

    for (size_t i = 0; i < comparison->hour_count; i++) {
        int64_t at = comparison->hours[i];
        enum stance was = stance_at(&comparison->before, before, target, at);
        enum stance is = stance_at(&comparison->after, after, target, at);
        if (is >= was)
            continue;
        loosened_tell(comparison, "%s: %s was %s and would be %s, as on %s", whose, target,
                      STANCES[was], STANCES[is],
                      calendar_text(comparison->after.calendar, at, false, text));
        return;
    }
}

static void hours_compare(struct comparison *comparison, const char *whose,
                          const struct config_group *before, const struct config_group *after)
{
    char text[CALENDAR_TEXT_MAX];

    for (size_t i = 0; i < comparison->hour_count; i++) {
        int64_t at = comparison->hours[i];
        if (!is_closed(&comparison->before, before, at) || is_closed(&comparison->after, after, at))
            continue;
        loosened_tell(comparison, "%s: would have internet where it had none, as on %s", whose,
                      calendar_text(comparison->after.calendar, at, false, text));
        return;
    }
}

/* `whose`: for sentences. */
static void groups_compare(struct comparison *comparison, const char *whose,
                           const struct config_group *before, const struct config_group *after)
{
    struct statements was, is;

    if (after->safe_search < before->safe_search)
        loosened_tell(comparison, "%s: safe search would be weaker", whose);
    if (before->walled_garden && !after->walled_garden)
        loosened_tell(comparison, "%s: would no longer be a walled garden", whose);
    hours_compare(comparison, whose, before, after);
    was = statements_of(&comparison->arena, comparison->before.config, before);
    is = statements_of(&comparison->arena, comparison->after.config, after);
    for (size_t i = 0; i < was.count; i++) {
        if (!is_said_before(&was, i, was.items[i].target))
            target_compare(comparison, whose, &was, &is, was.items[i].target);
    }
    for (size_t i = 0; i < is.count; i++) {
        if (!is_said_before(&was, was.count, is.items[i].target) &&
            !is_said_before(&is, i, is.items[i].target))
            target_compare(comparison, whose, &was, &is, is.items[i].target);
    }
}

static void group_compare(struct comparison *comparison, const struct config_group *before)
{
    const struct config *config = comparison->after.config;
    int index = config_group_find(config, before->name);

    if (index < 0)
        loosened_tell(comparison, "the group %s is gone", before->name);
    else
        groups_compare(comparison, before->name, before, &config->groups[index]);
}

static bool has_source(const struct config_category *category, const char *location)
{
    for (size_t i = 0; i < category->source_count; i++) {
        if (strcmp(category->sources[i].location, location) == 0)
            return true;
    }
    return false;
}

static void category_compare(struct comparison *comparison, const struct config_category *before)
{
    int index = config_category_find(comparison->after.config, before->name);
    const struct config_category *after =
        index < 0 ? NULL : &comparison->after.config->categories[index];

    if (!after) {
        loosened_tell(comparison, "the category %s is gone", before->name);
        return;
    }
    if (before->sealed && !after->sealed)
        loosened_tell(comparison, "the category %s would no longer be sealed", before->name);
    if (after->exempts_all && !before->exempts_all)
        loosened_tell(comparison, "what the lists of %s allow would be allowed in every category",
                      before->name);
    for (size_t i = 0; i < before->source_count; i++) {
        if (before->sources[i].action == BL_BLOCK &&
            !has_source(after, before->sources[i].location))
            loosened_tell(comparison, "%s: the list %s would not be fetched any more", before->name,
                          before->sources[i].location);
    }
    for (size_t i = 0; i < after->source_count; i++) {
        if (after->sources[i].action == BL_ALLOW && !has_source(before, after->sources[i].location))
            loosened_tell(comparison, "%s: the list %s would allow what others block", before->name,
                          after->sources[i].location);
    }
}

/* Which periods of both calendars last: equal ones make equal verdicts. */
static void pattern_make(const struct comparison *comparison, int64_t at, uint8_t *out_pattern)
{
    const struct side *sides[] = {&comparison->before, &comparison->after};
    size_t count = 0;

    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < sides[i]->config->calendar.period_count; j++)
            out_pattern[count++] = calendar_in_period(sides[i]->calendar, (uint16_t)j, at);
    }
}

static int64_t bell_after(const struct comparison *comparison, int64_t at)
{
    const struct side *sides[] = {&comparison->before, &comparison->after};
    int64_t next = at + CALENDAR_HORIZON_S;

    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < sides[i]->config->calendar.period_count; j++) {
            int64_t bell = calendar_next_change(sides[i]->calendar, (uint16_t)j, at);
            next = bell < next ? bell : next;
        }
    }
    return next;
}

/* Moments of a year at which different periods last; the same pattern is kept once. */
static void hours_gather(struct comparison *comparison, int64_t now_s)
{
    size_t width = comparison->before.config->calendar.period_count +
                   comparison->after.config->calendar.period_count + 1;
    uint8_t *patterns = arena_take(&comparison->arena, HOURS_MOST, width);

    for (int64_t at = now_s; patterns && at < now_s + YEAR_S && comparison->hour_count < HOURS_MOST;
         at = bell_after(comparison, at)) {
        uint8_t *pattern = patterns + comparison->hour_count * width;
        bool is_new = true;
        pattern_make(comparison, at, pattern);
        for (size_t i = 0; i < comparison->hour_count && is_new; i++)
            is_new = memcmp(patterns + i * width, pattern, width - 1) != 0;
        if (is_new)
            comparison->hours[comparison->hour_count++] = at;
    }
}

static int comparison_begin(struct comparison *comparison, int64_t now_s, struct bl_error *error)
{
    int code =
        calendar_create(&comparison->before.config->calendar, &comparison->before.calendar, error);

    if (code == 0)
        code = calendar_create(&comparison->after.config->calendar, &comparison->after.calendar,
                               error);
    if (code == 0)
        hours_gather(comparison, now_s);
    return code;
}

/* `code`: of what went on so far. */
static int comparison_end(struct comparison *comparison, int code, struct bl_error *error)
{
    if (code == 0 && comparison->arena.failed)
        code = bl_error_set(error, -ENOMEM, "no memory to compare the configurations");
    calendar_free(comparison->before.calendar);
    calendar_free(comparison->after.calendar);
    arena_free(&comparison->arena);
    return code;
}

int policy_loosened(const struct config *before, const struct config *after, int64_t now_s,
                    void (*each)(void *user, const char *sentence), void *user,
                    struct bl_error *error)
{
    struct comparison comparison = {
        .before.config = before, .after.config = after, .each = each, .user = user};
    int code = comparison_begin(&comparison, now_s, error);

    if (code == 0) {
        for (size_t i = 0; i < before->category_count; i++)
            category_compare(&comparison, &before->categories[i]);
        for (size_t i = 0; i < before->group_count; i++)
            group_compare(&comparison, &before->groups[i]);
        loosened_who(&comparison);
    }
    return comparison_end(&comparison, code, error);
}

int policy_loosened_move(const struct config *config, const struct config_group *from,
                         const struct config_group *to, int64_t now_s,
                         void (*each)(void *user, const char *sentence), void *user,
                         struct bl_error *error)
{
    struct comparison comparison = {
        .before.config = config, .after.config = config, .each = each, .user = user};
    char whose[SENTENCE_MAX];
    int code;

    if (from == to)
        return 0;
    code = comparison_begin(&comparison, now_s, error);
    if (code == 0 && !from) {
        loosened_tell(&comparison, "might ask for the first time, as group %s", to->name);
    } else if (code == 0) {
        snprintf(whose, sizeof whose, "%s instead of %s", to->name, from->name);
        groups_compare(&comparison, whose, from, to);
    }
    return comparison_end(&comparison, code, error);
}
