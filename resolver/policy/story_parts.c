#include "resolver/policy/story_parts.h"

#include <stdio.h>

#include "blocklists/types.h"
#include "resolver/policy/calendar.h"

static const char *const TIERS[] = {"school", "regional", "national"};

struct telling {
    const struct story_world *world;
    json_t *entries;
    const uint8_t *listed; /* the name whose entries are being told */
    bool is_itself;
    unsigned type; /* of the question */
};

static int entry_tell(void *user, unsigned source_index, const struct bl_entry *entry)
{
    const struct telling *telling = user;
    const struct bl_store *store = telling->world->store;
    const struct bl_source *source = bl_store_source(store, source_index);
    char name[BL_NAME_TEXT_MAX], types[BL_TYPES_TEXT_MAX];
    json_t *told;

    if (entry->is_address || (entry->scope == BL_EXACT && !telling->is_itself) ||
        (entry->scope == BL_BELOW && telling->is_itself))
        return 0;
    bl_name_text(telling->listed, name);
    told = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:I}", "name", name, "scope",
                     entry->scope == BL_EXACT   ? "exact"
                     : entry->scope == BL_BELOW ? "below"
                                                : "subtree",
                     "category", bl_store_category(store, source->category)->name, "action",
                     entry->action == BL_ALLOW ? "allow" : "block", "tier",
                     source->tier < 3 ? TIERS[source->tier] : "unknown", "important",
                     (int)entry->important, "source", source->location, "line",
                     (json_int_t)entry->line);
    if (entry->types.count > 0) {
        json_object_set_new(told, "types", json_string(bl_types_text(&entry->types, types)));
        json_object_set_new(told, "counts",
                            json_boolean(bl_types_cover(&entry->types, telling->type)));
    }
    json_array_append_new(telling->entries, told);
    return 0;
}

/* Every entry that covers the name: its own and those of its parents. */
json_t *story_entries(const struct story_world *world, const struct bl_name *name, unsigned type)
{
    struct telling telling = {.world = world, .entries = json_array(), .type = type};

    for (const uint8_t *at = name->wire; *at; at += 1 + *at) {
        telling.listed = at;
        telling.is_itself = at == name->wire;
        (void)bl_store_entries(world->store, at, entry_tell, &telling);
    }
    return telling.entries;
}

void story_origin(const struct story_world *world, uint16_t group, struct policy_origin origin,
                  char *text, size_t size)
{
    const struct config_group *said =
        &world->config->groups[policy_group_base(world->policy, group)];
    const struct policy_grant *grant;
    const struct config_schedule *schedule;

    if (origin.kind == ORIGIN_GRANT) {
        grant = &policy_rules(world->policy)->grants[origin.index];
        snprintf(text, size, "%s %u of %s: %s", grant->kind == GRANT_BLOCK ? "block" : "grant",
                 grant->id, grant->by, grant->reason);
        return;
    }
    if (origin.kind != ORIGIN_SCHEDULE) {
        snprintf(text, size, "the configuration, group \"%s\"", said->name);
        return;
    }
    schedule = &said->schedule[origin.index];
    snprintf(text, size, "the schedule of group \"%s\" %s \"%s\"", said->name,
             schedule->during_count ? "during" : "outside",
             world->config->calendar
                 .periods[schedule->during_count ? schedule->during[0] : schedule->outside[0]]
                 .name);
}

static bool claim_of(const struct policy_explanation *told, uint16_t category, bool stands,
                     const struct policy_claim **out_claim)
{
    for (size_t i = 0; i < told->claim_count; i++) {
        const struct policy_claim *claim = &told->claims[i];
        if (claim->rule.action == BL_BLOCK && claim->category == category &&
            claim->stands == stands) {
            *out_claim = claim;
            return true;
        }
    }
    return false;
}

/* "blocked by the school tier; the group denies it", in words. */
static void category_story(const struct story_world *world, const struct policy_explanation *told,
                           const struct policy_stance *stance, char *text, size_t size)
{
    const struct config_category *category = &world->config->categories[stance->category];
    const struct policy_claim *claim;
    char by[256] = "";

    if (!claim_of(told, stance->category, true, &claim)) {
        bool is_listed = claim_of(told, stance->category, false, &claim);
        snprintf(text, size,
                 is_listed ? "an allow entry of the lists beats the block" : "only allow entries");
        return;
    }
    if (category->sealed) {
        snprintf(text, size, "sealed, denied to everyone");
        return;
    }
    if (stance->state != STATE_UNSAID)
        story_origin(world, told->group, stance->origin, by, sizeof by);
    if (stance->state == STATE_UNSAID)
        snprintf(text, size, "not denied to this group");
    else
        snprintf(text, size, "%s by %s",
                 stance->state == STATE_DENY      ? "denied"
                 : stance->state == STATE_OBSERVE ? "observed"
                                                  : "allowed",
                 by);
}

json_t *story_categories(const struct story_world *world, const struct policy_explanation *told)
{
    json_t *categories = json_array();

    for (size_t i = 0; i < told->stance_count; i++) {
        const struct config_category *category =
            &world->config->categories[told->stances[i].category];
        char story[512];
        category_story(world, told, &told->stances[i], story, sizeof story);
        json_array_append_new(categories,
                              json_pack("{s:s, s:s, s:s, s:b, s:s, s:s}", "name", category->name,
                                        "title", category->title, "severity",
                                        config_severity_text(category->severity), "sealed",
                                        (int)category->sealed, "group_says",
                                        policy_state_text(told->stances[i].state), "story", story));
    }
    return categories;
}

/* From and until when a grant holds. */
static void span_tell(const struct story_world *world, struct policy_origin origin, json_t *item)
{
    const struct calendar *calendar = policy_calendar(world->policy);
    const struct policy_grant *grant;
    char text[CALENDAR_TEXT_MAX];

    if (origin.kind != ORIGIN_GRANT)
        return;
    grant = &policy_rules(world->policy)->grants[origin.index];
    if (grant->start_ms > 0)
        json_object_set_new(
            item, "from",
            json_string(calendar_text(calendar, grant->start_ms / 1000, false, text)));
    if (grant->end_ms != INT64_MAX)
        json_object_set_new(
            item, "until", json_string(calendar_text(calendar, grant->end_ms / 1000, false, text)));
}

json_t *story_exceptions(const struct story_world *world, const struct policy_explanation *told)
{
    json_t *exceptions = json_array();

    for (size_t i = 0; i < told->mention_count; i++) {
        const struct policy_mention *mention = &told->mentions[i];
        char name[BL_NAME_TEXT_MAX], by[256];
        json_t *item;
        bl_name_text(mention->name, name);
        story_origin(world, told->group, mention->origin, by, sizeof by);
        item = json_pack("{s:s, s:s, s:s, s:b, s:b}", "name", name, "action",
                         mention->verdict == VERDICT_DENY ? "deny" : "allow", "by", by, "holds",
                         (int)mention->holds, "decides", (int)mention->decides);
        span_tell(world, mention->origin, item);
        if (mention->service != CONFIG_NONE)
            json_object_set_new(item, "service",
                                json_string(world->config->services[mention->service].name));
        json_array_append_new(exceptions, item);
    }
    return exceptions;
}
