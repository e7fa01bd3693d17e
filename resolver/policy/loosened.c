#include "resolver/policy/loosened.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/base/arena.h"
#include "resolver/policy/calendar.h"

enum { YEAR_S = 366 * 86400, HOURS_MOST = 400, SENTENCE_MAX = 512 };

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

struct side {
    const struct config *config;
    struct calendar *calendar;
};

struct comparison {
    struct side before, after;
    struct arena arena;
    int64_t hours[HOURS_MOST]; /* moments that stand for all that are like them */
    size_t hour_count;
    const char **told; /* each sentence once */
    size_t told_count;
    void (*each)(void *user, const char *sentence);
    void *user;
};

static void tell(struct comparison *comparison, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void tell(struct comparison *comparison, const char *format, ...)
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

static void target_compare(struct comparison *comparison, const char *group,
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
        tell(comparison, "%s: %s was %s and would be %s, as on %s", group, target, STANCES[was],
             STANCES[is], calendar_text(comparison->after.calendar, at, false, text));
        return;
    }
}

static void hours_compare(struct comparison *comparison, const struct config_group *before,
                          const struct config_group *after)
{
    char text[CALENDAR_TEXT_MAX];

    for (size_t i = 0; i < comparison->hour_count; i++) {
        int64_t at = comparison->hours[i];
        if (!is_closed(&comparison->before, before, at) || is_closed(&comparison->after, after, at))
            continue;
        tell(comparison, "%s: would have internet where it had none, as on %s", before->name,
             calendar_text(comparison->after.calendar, at, false, text));
        return;
    }
}

static void group_compare(struct comparison *comparison, const struct config_group *before)
{
    const struct config *config = comparison->after.config;
    int index = config_group_find(config, before->name);
    const struct config_group *after = index < 0 ? NULL : &config->groups[index];
    struct statements was, is;

    if (!after) {
        tell(comparison, "the group %s is gone", before->name);
        return;
    }
    if (after->safe_search < before->safe_search)
        tell(comparison, "%s: safe search would be weaker", before->name);
    if (before->walled_garden && !after->walled_garden)
        tell(comparison, "%s: would no longer be a walled garden", before->name);
    hours_compare(comparison, before, after);
    was = statements_of(&comparison->arena, comparison->before.config, before);
    is = statements_of(&comparison->arena, config, after);
    for (size_t i = 0; i < was.count; i++) {
        if (!is_said_before(&was, i, was.items[i].target))
            target_compare(comparison, before->name, &was, &is, was.items[i].target);
    }
    for (size_t i = 0; i < is.count; i++) {
        if (!is_said_before(&was, was.count, is.items[i].target) &&
            !is_said_before(&is, i, is.items[i].target))
            target_compare(comparison, before->name, &was, &is, is.items[i].target);
    }
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
        tell(comparison, "the category %s is gone", before->name);
        return;
    }
    if (before->sealed && !after->sealed)
        tell(comparison, "the category %s would no longer be sealed", before->name);
    if (after->exempts_all && !before->exempts_all)
        tell(comparison, "what the lists of %s allow would be allowed in every category",
             before->name);
    for (size_t i = 0; i < before->source_count; i++) {
        if (before->sources[i].action == BL_BLOCK &&
            !has_source(after, before->sources[i].location))
            tell(comparison, "%s: the list %s would not be fetched any more", before->name,
                 before->sources[i].location);
    }
    for (size_t i = 0; i < after->source_count; i++) {
        if (after->sources[i].action == BL_ALLOW && !has_source(before, after->sources[i].location))
            tell(comparison, "%s: the list %s would allow what others block", before->name,
                 after->sources[i].location);
    }
}

/* IPv6 prefixes speak of IPv6 only, ::/0 too. */
static bool is_v4(const uint8_t *bytes)
{
    static const uint8_t MAPPED[12] = {[10] = 0xff, [11] = 0xff};

    return memcmp(bytes, MAPPED, sizeof MAPPED) == 0;
}

static const struct config_group *group_of(const struct config *config,
                                           const struct address *address)
{
    const struct config_group *found = NULL;
    unsigned longest = 0;

    for (size_t i = 0; i < config->group_count; i++) {
        const struct config_group *group = &config->groups[i];
        for (size_t j = 0; j < group->subnet_count; j++) {
            if (!address_in_prefix(address, &group->subnets[j]) ||
                is_v4(address->bytes) != is_v4(group->subnets[j].bytes) ||
                (found && group->subnets[j].length < longest))
                continue;
            found = group;
            longest = group->subnets[j].length;
        }
    }
    return found;
}

static void address_compare(struct comparison *comparison, const struct address *address,
                            const struct address_prefix *prefix)
{
    const struct config_group *was = group_of(comparison->before.config, address);
    const struct config_group *is = group_of(comparison->after.config, address);
    char text[ADDRESS_TEXT_MAX];

    if (!is || (was && strcmp(was->name, is->name) == 0))
        return;
    if (was)
        tell(comparison, "%s: would be of the group %s and was of %s",
             address_prefix_text(prefix, text), is->name, was->name);
    else
        tell(comparison, "%s: might ask for the first time, as group %s",
             address_prefix_text(prefix, text), is->name);
}

static struct address prefix_first(const struct address_prefix *prefix)
{
    struct address address = {0};

    memcpy(address.bytes, prefix->bytes, sizeof address.bytes);
    return address;
}

/* The first address after the prefix; false where there is none. */
static bool address_after(const struct address_prefix *prefix, struct address *out)
{
    unsigned bit = prefix->length;

    *out = prefix_first(prefix);
    for (size_t i = 0; i < sizeof out->bytes; i++) {
        unsigned first = (unsigned)i * 8;
        if (first >= bit)
            out->bytes[i] = 0xff;
        else if (first + 8 > bit)
            out->bytes[i] |= (uint8_t)(0xff >> (bit - first));
    }
    for (size_t i = sizeof out->bytes; i-- > 0;) {
        if (++out->bytes[i] != 0)
            return true;
    }
    return false;
}

/* Groups of addresses change where a prefix begins and behind its end only. */
static void addresses_compare(struct comparison *comparison, const struct config *config)
{
    for (size_t i = 0; i < config->group_count; i++) {
        const struct config_group *group = &config->groups[i];
        for (size_t j = 0; j < group->subnet_count; j++) {
            struct address first = prefix_first(&group->subnets[j]), behind;
            address_compare(comparison, &first, &group->subnets[j]);
            if (address_after(&group->subnets[j], &behind)) {
                struct address_prefix single = {.length = 128};
                memcpy(single.bytes, behind.bytes, sizeof single.bytes);
                address_compare(comparison, &behind, &single);
            }
        }
    }
}

static const struct config_device *device_of(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->device_count; i++) {
        if (strcmp(config->devices[i].name, name) == 0)
            return &config->devices[i];
    }
    return NULL;
}

static const char *device_group(const struct config *config, const struct config_device *device)
{
    return !device || device->group == CONFIG_NONE ? "" : config->groups[device->group].name;
}

static bool has_address(const struct config_device *device, const struct address *address)
{
    for (size_t i = 0; i < device->address_count; i++) {
        if (address_equal_host(&device->addresses[i], address))
            return true;
    }
    return false;
}

/* Whether somebody else may be the device now. Addresses are nobody's word where a MAC address is
 * known to be another's, but it need not be known. */
static bool device_is_other(const struct config_device *was, const struct config_device *is)
{
    if (was->mac.set != is->mac.set ||
        memcmp(was->mac.bytes, is->mac.bytes, sizeof was->mac.bytes) != 0)
        return true;
    for (size_t i = 0; i < is->address_count; i++) {
        if (!has_address(was, &is->addresses[i]))
            return true;
    }
    return false;
}

static void devices_compare(struct comparison *comparison, const struct config *config)
{
    for (size_t i = 0; i < config->device_count; i++) {
        const char *name = config->devices[i].name;
        const struct config_device *before = device_of(comparison->before.config, name);
        const struct config_device *after = device_of(comparison->after.config, name);
        const char *was = device_group(comparison->before.config, before);
        const char *is = device_group(comparison->after.config, after);
        if (strcmp(was, is) != 0)
            tell(comparison, "the device %s would be of %s%s and was of %s%s", name,
                 *is ? "the group " : "its subnet's group", is,
                 *was ? "the group " : "its subnet's group", was);
        else if (*is && device_is_other(before, after))
            tell(comparison, "another device would be %s, of the group %s", name, is);
    }
}

/* Whoever may tell a device's MAC address may tell any. */
static void forwarders_compare(struct comparison *comparison)
{
    const struct config *before = comparison->before.config, *after = comparison->after.config;
    char text[ADDRESS_TEXT_MAX];

    for (size_t i = 0; i < after->forwarder_count; i++) {
        const struct address_prefix *is = &after->forwarders[i];
        struct address first = prefix_first(is);
        bool covered = false;
        for (size_t j = 0; j < before->forwarder_count && !covered; j++)
            covered = before->forwarders[j].length <= is->length &&
                      address_in_prefix(&first, &before->forwarders[j]);
        if (!covered)
            tell(comparison, "%s would be believed about which device asks",
                 address_prefix_text(is, text));
    }
}

static bool is_manager(const struct config_roles *roles, const char *group)
{
    for (size_t i = 0; i < roles->manager_count; i++) {
        if (strcmp(roles->manager[i], group) == 0)
            return true;
    }
    return false;
}

static void others_compare(struct comparison *comparison)
{
    const struct config *before = comparison->before.config, *after = comparison->after.config;
    char name[BL_NAME_TEXT_MAX];

    if (!after->roles.requires_approval)
        tell(comparison, "a second manager would no longer be asked");
    for (size_t i = 0; i < after->roles.manager_count; i++) {
        if (!is_manager(&before->roles, after->roles.manager[i]))
            tell(comparison, "members of %s might change the filter", after->roles.manager[i]);
    }
    for (size_t i = 0; i < after->private_allowed_count; i++) {
        bool was = false;
        for (size_t j = 0; j < before->private_allowed_count && !was; j++)
            was = bl_name_equal(before->private_allowed[j], after->private_allowed[i]);
        if (!was)
            tell(comparison, "%s might have addresses of the inside",
                 (bl_name_text(after->private_allowed[i], name), name));
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

int policy_loosened(const struct config *before, const struct config *after, int64_t now_s,
                    void (*each)(void *user, const char *sentence), void *user,
                    struct bl_error *error)
{
    struct comparison comparison = {
        .before.config = before, .after.config = after, .each = each, .user = user};
    int code = calendar_create(&before->calendar, &comparison.before.calendar, error);

    if (code == 0)
        code = calendar_create(&after->calendar, &comparison.after.calendar, error);
    if (code == 0) {
        hours_gather(&comparison, now_s);
        for (size_t i = 0; i < before->category_count; i++)
            category_compare(&comparison, &before->categories[i]);
        for (size_t i = 0; i < before->group_count; i++)
            group_compare(&comparison, &before->groups[i]);
        addresses_compare(&comparison, before);
        addresses_compare(&comparison, after);
        devices_compare(&comparison, before);
        devices_compare(&comparison, after);
        forwarders_compare(&comparison);
        others_compare(&comparison);
        if (comparison.arena.failed)
            code = bl_error_set(error, -ENOMEM, "no memory to compare the configurations");
    }
    calendar_free(comparison.before.calendar);
    calendar_free(comparison.after.calendar);
    arena_free(&comparison.arena);
    return code;
}
