/* `extends`: a group starts from all that another one says, but for its subnets and title.
 *
 * Targets add up; what the group says itself outweighs what it inherits, so `allow:
 * [category:games]` takes games out of the inherited `deny`. A schedule, answer, safe search or
 * walled garden of its own replaces the inherited one. What comes out stands in the group's own
 * fields, and inheriting again changes nothing, so that a printed configuration loads to the same.
 */
#include <stdio.h>
#include <string.h>

#include "resolver/config/read.h"

static bool index_in(const uint16_t *indices, size_t count, uint16_t index)
{
    for (size_t i = 0; i < count; i++) {
        if (indices[i] == index)
            return true;
    }
    return false;
}

static bool name_in(uint8_t (*names)[BL_NAME_MAX], size_t count, const uint8_t *name)
{
    for (size_t i = 0; i < count; i++) {
        if (bl_name_equal(names[i], name))
            return true;
    }
    return false;
}

/* Ascending own ∪ (inherited ∖ spoken for otherwise). */
static bool indices_merge(struct arena *arena, uint16_t **own, size_t *own_count,
                          const uint16_t *inherited, size_t inherited_count,
                          const struct config_targets *others[2], bool services)
{
    uint16_t *merged = arena_take(arena, *own_count + inherited_count, sizeof *merged);
    size_t count = 0, i = 0;

    if (!merged)
        return false;
    for (size_t j = 0; i < *own_count || j < inherited_count;) {
        if (j == inherited_count || (i < *own_count && (*own)[i] <= inherited[j])) {
            j += j < inherited_count && (*own)[i] == inherited[j];
            merged[count++] = (*own)[i++];
            continue;
        }
        bool spoken_for = false;
        for (size_t other = 0; other < 2; other++) {
            const struct config_targets *targets = others[other];
            spoken_for |=
                services ? index_in(targets->services, targets->service_count, inherited[j])
                         : index_in(targets->categories, targets->category_count, inherited[j]);
        }
        if (!spoken_for)
            merged[count++] = inherited[j];
        j++;
    }
    *own = merged;
    *own_count = count;
    return true;
}

static bool names_merge(struct arena *arena, struct config_targets *own,
                        const struct config_targets *inherited,
                        const struct config_targets *others[2])
{
    uint8_t(*merged)[BL_NAME_MAX] =
        arena_take(arena, own->name_count + inherited->name_count, BL_NAME_MAX);
    size_t count = own->name_count;

    if (!merged)
        return false;
    if (count)
        memcpy(merged, own->names, count * BL_NAME_MAX);
    for (size_t i = 0; i < inherited->name_count; i++) {
        const uint8_t *name = inherited->names[i];
        if (!name_in(own->names, own->name_count, name) &&
            !name_in(others[0]->names, others[0]->name_count, name) &&
            !name_in(others[1]->names, others[1]->name_count, name))
            memcpy(merged[count++], name, BL_NAME_MAX);
    }
    own->names = merged;
    own->name_count = count;
    return true;
}

static void targets_merge(struct arena *arena, struct config_targets *own,
                          const struct config_targets *inherited,
                          const struct config_targets *other, const struct config_targets *another)
{
    const struct config_targets *others[2] = {other, another};

    if (indices_merge(arena, &own->categories, &own->category_count, inherited->categories,
                      inherited->category_count, others, false) &&
        indices_merge(arena, &own->services, &own->service_count, inherited->services,
                      inherited->service_count, others, true))
        names_merge(arena, own, inherited, others);
}

static void group_inherit(struct reader *reader, struct config_group *group,
                          const struct config_group *parent)
{
    const struct config_targets deny = group->deny, observe = group->observe, allow = group->allow;

    targets_merge(reader->arena, &group->deny, &parent->deny, &observe, &allow);
    targets_merge(reader->arena, &group->observe, &parent->observe, &deny, &allow);
    targets_merge(reader->arena, &group->allow, &parent->allow, &deny, &observe);
    if (!group->schedule_count) {
        group->schedule = parent->schedule;
        group->schedule_count = parent->schedule_count;
    }
    if (!group->answer.set)
        group->answer = parent->answer;
    if (!reader_place_of(reader, &group->safe_search))
        group->safe_search = parent->safe_search;
    if (!reader_place_of(reader, &group->walled_garden))
        group->walled_garden = parent->walled_garden;
    if (group->hours == CONFIG_NONE)
        group->hours = parent->hours;
}

/* One thing said twice in different ways. */
static void targets_conflict(struct reader *reader, const struct config_targets *a,
                             const char *a_word, const struct config_targets *b, const char *b_word)
{
    const struct config *config = reader->config;
    char text[BL_NAME_TEXT_MAX];

    for (size_t i = 0; i < a->category_count; i++) {
        if (index_in(b->categories, b->category_count, a->categories[i]))
            reader_fault_of(reader, b, "category \"%s\" stands under \"%s\" and under \"%s\"",
                            config->categories[a->categories[i]].name, a_word, b_word);
    }
    for (size_t i = 0; i < a->service_count; i++) {
        if (index_in(b->services, b->service_count, a->services[i]))
            reader_fault_of(reader, b, "service \"%s\" stands under \"%s\" and under \"%s\"",
                            config->services[a->services[i]].name, a_word, b_word);
    }
    for (size_t i = 0; i < a->name_count; i++) {
        if (!name_in(b->names, b->name_count, a->names[i]))
            continue;
        bl_name_text(a->names[i], text);
        reader_fault_of(reader, b, "\"%.255s\" stands under \"%s\" and under \"%s\"", text, a_word,
                        b_word);
    }
}

static void conflicts_check(struct reader *reader, const struct config_group *group)
{
    snprintf(reader->where, sizeof reader->where, "group \"%.80s\": ", group->name);
    targets_conflict(reader, &group->deny, "deny", &group->allow, "allow");
    targets_conflict(reader, &group->deny, "deny", &group->observe, "observe");
    targets_conflict(reader, &group->observe, "observe", &group->allow, "allow");
    for (size_t i = 0; i < group->schedule_count; i++) {
        const struct config_schedule *schedule = &group->schedule[i];
        targets_conflict(reader, &schedule->deny, "deny", &schedule->allow, "allow");
        targets_conflict(reader, &schedule->deny, "deny", &schedule->observe, "observe");
        targets_conflict(reader, &schedule->observe, "observe", &schedule->allow, "allow");
    }
    reader->where[0] = '\0';
}

enum { UNSEEN, ON_THE_WAY, DONE };

/* Parents first: walks up from each group to one that is done, then back down by a list of those
 * passed. */
void config_inherit(struct reader *reader)
{
    struct config *config = reader->config;
    uint8_t *states = arena_take(reader->arena, config->group_count, 1);
    uint16_t *passed = arena_take(reader->arena, config->group_count, sizeof *passed);

    if (!states || !passed)
        return;
    for (size_t i = 0; i < config->group_count; i++)
        conflicts_check(reader, &config->groups[i]);
    for (size_t i = 0; i < config->group_count; i++) {
        uint16_t at = (uint16_t)i;
        size_t depth = 0;
        while (at != CONFIG_NONE && states[at] == UNSEEN) {
            states[at] = ON_THE_WAY;
            passed[depth++] = at;
            at = config->groups[at].extends;
        }
        if (at != CONFIG_NONE && states[at] == ON_THE_WAY) {
            struct config_group *group = &config->groups[passed[depth - 1]];
            reader_fault_of(reader, &group->extends, "group \"%s\" extends itself%s%s%s",
                            config->groups[at].name,
                            group == &config->groups[at] ? "" : " through \"",
                            group == &config->groups[at] ? "" : group->name,
                            group == &config->groups[at] ? "" : "\"");
            group->extends = CONFIG_NONE;
        }
        while (depth--) {
            struct config_group *group = &config->groups[passed[depth]];
            if (group->extends != CONFIG_NONE)
                group_inherit(reader, group, &config->groups[group->extends]);
            states[passed[depth]] = DONE;
        }
    }
}
