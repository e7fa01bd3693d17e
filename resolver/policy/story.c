#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "blocklists/types.h"
#include "resolver/devices/devices.h"
#include "resolver/policy/calendar.h"
#include "resolver/policy/story.h"
#include "resolver/policy/story_parts.h"

void story_because(const struct story_world *world, uint16_t group_index,
                   const struct ruling *ruling, char *text, size_t size)
{
    const char *title = policy_category_title(world->policy, ruling->category);
    const char *group = world->config->groups[policy_group_base(world->policy, group_index)].title;
    char by[256];

    story_origin(world, group_index, policy_origin(world->policy, ruling->detail), by, sizeof by);
    switch ((enum rule_kind)ruling->rule) {
    case RULE_CATEGORY:
        snprintf(text, size, "%s, %s by %s", title,
                 ruling->verdict == VERDICT_DENY ? "denied" : "observed", by);
        break;
    case RULE_SEALED:
        snprintf(text, size, "%s, sealed: denied to everyone", title);
        break;
    case RULE_LIST_ALLOW:
        snprintf(text, size, "%s would be denied, but an allow entry of the lists beats the block",
                 title);
        break;
    case RULE_EXCEPTION:
        snprintf(text, size, "an exception by %s", by);
        break;
    case RULE_UNFILTERED:
        snprintf(text, size, "%s is not denied to %s", title, group);
        break;
    case RULE_HOURS:
        snprintf(text, size, "no internet at this time, by %s", by);
        break;
    case RULE_GARDEN:
        snprintf(text, size, "%s may use only what the configuration lists", group);
        break;
    default:
        snprintf(text, size, "on no list");
        break;
    }
}

static void answer_text(const struct story_world *world, const struct ruling *ruling, char *text,
                        size_t size)
{
    const struct config_answer *answer = policy_answer(world->policy, ruling->answer);
    char address[ADDRESS_TEXT_MAX];
    size_t len;

    snprintf(text, size, "%s",
             answer->kind == ANSWER_ADDRESSES ? "the addresses" : config_answer_text(answer->kind));
    for (size_t i = 0; i < answer->address_count; i++) {
        len = strlen(text);
        snprintf(text + len, size - len, " %s", address_text(&answer->addresses[i], address));
    }
    len = strlen(text);
    snprintf(text + len, size - len, ", kept at most %u s", world->config->deny_ttl);
}

/* What is known of the client as a device, whether its group comes of that or not: its MAC address,
 * by whose word, and the name that it gives itself. */
static void device_tell(const struct story_world *world, const struct address *client,
                        json_t *story)
{
    struct device device;
    char mac[MAC_TEXT_MAX];

    if (!world->devices || !devices_find(world->devices, client, &device))
        return;
    if (device.has_mac) {
        json_object_set_new(story, "mac", json_string(mac_text(device.mac, mac)));
        json_object_set_new(story, "mac_private", json_boolean(mac_is_private(device.mac)));
    }
    if (device.name[0])
        json_object_set_new(story, "device_name", json_string(device.name));
}

/* "10.1.4.17 has MAC 02:…, seen as neighbour: the device "tablet-7"" */
static json_t *found_by_device(const struct policy_found_by *by, const char *address)
{
    char mac[MAC_TEXT_MAX];

    if (!by->neighbour)
        return json_sprintf("%s is the device \"%s\"", address, by->device->name);
    return json_sprintf(
        "%s has MAC %s, %s: the device \"%s\"", address, mac_text(by->neighbour->mac, mac),
        by->neighbour->by_lease ? "as a DHCP lease says" : "seen as neighbour", by->device->name);
}

/* How the group was found: a session, the device's own, or the subnet. */
static void found_tell(const struct story_world *world, const struct story_question *question,
                       uint16_t group, json_t *story)
{
    const struct policy_found_by by =
        policy_found_by(world->policy, &question->client, group, question->wall_s * 1000);
    char address[ADDRESS_TEXT_MAX], prefix[ADDRESS_TEXT_MAX];

    if (!question->has_client)
        return;
    address_text(&question->client, address);
    json_object_set_new(story, "client", json_string(address));
    device_tell(world, &question->client, story);
    if (by.session) {
        json_object_set_new(story, "user", json_string(by.session->user ? by.session->user : ""));
        json_object_set_new(story, "found_by",
                            json_sprintf("%s signed on at %s", by.session->user, address));
    } else if (by.device) {
        json_object_set_new(story, "device", json_string(by.device->name));
        json_object_set_new(story, "found_by", found_by_device(&by, address));
    } else if (by.subnet) {
        json_object_set_new(story, "subnet", json_string(address_prefix_text(by.subnet, prefix)));
        json_object_set_new(story, "found_by", json_sprintf("%s is in %s", address, prefix));
    }
}

static void times_tell(const struct story_world *world, const struct policy_explanation *told,
                       int64_t wall_s, json_t *story)
{
    const struct calendar *calendar = policy_calendar(world->policy);
    json_t *periods = json_array();
    char text[CALENDAR_TEXT_MAX];

    json_object_set_new(story, "at", json_string(calendar_text(calendar, wall_s, false, text)));
    for (size_t i = 0; i < told->period_count; i++)
        json_array_append_new(periods,
                              json_string(world->config->calendar.periods[told->periods[i]].name));
    json_object_set_new(story, "periods", periods);
    if (told->until_wall_ms != INT64_MAX &&
        told->until_wall_ms / 1000 < wall_s + CALENDAR_HORIZON_S)
        json_object_set_new(
            story, "until",
            json_string(calendar_text(calendar, told->until_wall_ms / 1000, false, text)));
}

/* Which category decided, and how a denied question is answered. */
static void category_tell(const struct story_world *world, const struct ruling *ruling,
                          json_t *story)
{
    char text[512];

    if (ruling->category != POLICY_NO_CATEGORY) {
        json_object_set_new(story, "category",
                            json_string(policy_category_name(world->policy, ruling->category)));
        json_object_set_new(story, "severity", json_string(config_severity_text(ruling->severity)));
    }
    if (ruling->verdict == VERDICT_DENY) {
        answer_text(world, ruling, text, sizeof text);
        json_object_set_new(story, "answer", json_string(text));
    }
}

void story_overrule(const struct story_world *world, const struct ruling *ruling,
                    const char *because, json_t *story)
{
    json_object_set_new(story, "verdict", json_string(policy_verdict_text(ruling->verdict)));
    json_object_set_new(story, "rule", json_string(policy_rule_text(ruling->rule)));
    json_object_set_new(story, "because", json_string(because));
    json_object_del(story, "category");
    json_object_del(story, "severity");
    category_tell(world, ruling, story);
}

void story_answer_by_type(const struct story_world *world, const struct ruling *ruling,
                          const uint8_t *name, json_t *story)
{
    bl_fact any = bl_store_find(world->store, name, bl_name_length(name), BL_ALL_TYPES).fact;
    char text[128];

    if (ruling->verdict != VERDICT_DENY || !bl_store_fact_by_type(world->store, any) ||
        policy_answer(world->policy, ruling->answer)->kind != ANSWER_NXDOMAIN)
        return;
    snprintf(text, sizeof text, "nodata, for other types are not denied; kept at most %u s",
             world->config->deny_ttl);
    json_object_set_new(story, "answer", json_string(text));
}

/* Whether any entry blocks the name, and whether one does that the configuration has a place for.
 */
static void blocks_find(const struct policy_explanation *told, bool *out_any, bool *out_known)
{
    *out_any = *out_known = false;
    for (size_t i = 0; i < told->claim_count; i++) {
        bool blocks = told->claims[i].rule.action == BL_BLOCK;

        *out_any |= blocks;
        *out_known |= blocks && told->claims[i].category != POLICY_NO_CATEGORY;
    }
}

static bool is_blocked_for_some(const struct bl_store *store, bl_fact fact)
{
    size_t count;
    const struct bl_fact_rule *rules = bl_store_fact(store, fact, &count);

    for (size_t i = 0; i < count; i++)
        if (rules[i].action == BL_BLOCK)
            return true;
    return false;
}

/* Why what is listed counts for nothing: said, for who reads the list expects it to. The block may
 * be beaten by an entry that allows, of a category of the store alone, or for other types of
 * question than this one (`all` has those, too); or there may be none. */
static void unused_tell(const struct bl_store *store, bl_fact all,
                        const struct story_question *question,
                        const struct policy_explanation *told, json_t *story)
{
    bool blocks, known;
    json_t *because;

    blocks_find(told, &blocks, &known);
    if (known)
        because = json_string("an allow entry of the lists beats the block");
    else if (blocks)
        because = json_string("listed, but in no category that the configuration has");
    else if (is_blocked_for_some(store, all))
        because = json_sprintf("listed, but not for questions of type %s", question->type);
    else
        because = json_string("the lists have nothing but an allow entry for it");
    json_object_set_new(story, "because", because);
}

static void types_tell(const struct story_world *world, const struct story_question *question,
                       const struct bl_name *name, const struct policy_explanation *told,
                       json_t *story)
{
    struct bl_found any = bl_store_find(world->store, name->wire, name->len, BL_ALL_TYPES);
    enum rule_kind rule = (enum rule_kind)told->ruling.rule;

    if (rule == RULE_NONE && any.fact != BL_FACT_NONE)
        unused_tell(world->store, any.fact, question, told, story);
    if (rule == RULE_CATEGORY || rule == RULE_SEALED)
        story_answer_by_type(world, &told->ruling, name->wire, story);
}

static json_t *story_make(const struct story_world *world, const struct story_question *question,
                          const struct bl_name *name, unsigned type,
                          const struct policy_explanation *told)
{
    const struct config_group *group =
        &world->config->groups[policy_group_base(world->policy, told->group)];
    const struct ruling *ruling = &told->ruling;
    char text[BL_NAME_TEXT_MAX], because[512];
    json_t *story;

    bl_name_text(name->wire, text);
    story_because(world, told->group, ruling, because, sizeof because);
    story = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "name", text, "type", question->type,
                      "group", group->name, "group_title", group->title, "verdict",
                      policy_verdict_text(ruling->verdict), "rule", policy_rule_text(ruling->rule),
                      "because", because);
    found_tell(world, question, told->group, story);
    category_tell(world, ruling, story);
    if (told->found.fact != BL_FACT_NONE) {
        bl_name_text(name->wire + told->found.matched, text);
        json_object_set_new(story, "listed", json_string(text));
    }
    json_object_set_new(story, "entries", story_entries(world, name, type));
    types_tell(world, question, name, told, story);
    json_object_set_new(story, "categories", story_categories(world, told));
    json_object_set_new(story, "exceptions", story_exceptions(world, told));
    times_tell(world, told, question->wall_s, story);
    json_object_set_new(story, "generation",
                        json_integer((json_int_t)bl_store_generation(world->store)));
    json_object_set_new(story, "policy_version", json_integer(policy_version(world->policy)));
    return story;
}

static json_t *refused_tell(const struct story_world *world, const struct story_question *question,
                            const struct bl_name *name)
{
    char text[BL_NAME_TEXT_MAX], address[ADDRESS_TEXT_MAX];

    bl_name_text(name->wire, text);
    address_text(&question->client, address);
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:I, s:I}", "name", text, "type", question->type,
                     "client", address, "verdict", "refused", "because",
                     json_sprintf("%s is in no group's subnets, so it may not ask", address),
                     "generation", (json_int_t)bl_store_generation(world->store), "policy_version",
                     (json_int_t)policy_version(world->policy));
}

static int client_group(const struct story_world *world, const struct story_question *question,
                        uint16_t *out_group)
{
    struct policy_now now;

    if (policy_now_init(&now, world->policy) < 0)
        return -ENOMEM;
    policy_now_update(&now, (struct moment){.wall_ms = question->wall_s * 1000});
    *out_group = policy_client_group(&now, &question->client, NULL, 0);
    policy_now_fini(&now);
    return 0;
}

int story_tell(const struct story_world *world, const struct story_question *question,
               json_t *stories, struct bl_error *error)
{
    struct policy_explanation told;
    struct bl_name name;
    enum bl_name_fault fault = bl_name_parse(question->name, strlen(question->name), &name);
    uint16_t group = question->group;
    struct story_scene scene;
    unsigned type = bl_type_number(question->type, strlen(question->type));
    struct bl_found found;
    json_t *story;

    if (fault != BL_NAME_FINE)
        return bl_error_set(error, -EINVAL, "\"%s\" is no name to ask for: %s", question->name,
                            bl_name_fault_text(fault));
    if (group == POLICY_NO_GROUP && client_group(world, question, &group) < 0)
        return bl_error_set(error, -ENOMEM, "no memory to work it out");
    if (group == POLICY_NO_GROUP)
        return json_array_append_new(stories, refused_tell(world, question, &name)) ? -ENOMEM : 0;
    found = bl_store_find(world->store, name.wire, name.len, type);
    if (policy_explain(world->policy, group, name.wire, found, question->wall_s * 1000, &told) < 0)
        return bl_error_set(error, -ENOMEM, "no memory to work it out");
    scene = (struct story_scene){
        .question = question, .name = &name, .group = group, .ruling = told.ruling};
    story = story_make(world, question, &name, type, &told);
    if (world->beyond && story)
        world->beyond(world, &scene, story);
    json_array_append_new(stories, story);
    policy_explanation_free(&told);
    return 0;
}

static int group_asked(const struct story_world *world, const json_t *request,
                       struct story_question *question, bool *out_all, struct bl_error *error)
{
    const char *client = json_string_value(json_object_get(request, "client"));
    const char *group = json_string_value(json_object_get(request, "group"));
    int index;

    *out_all = !client && !group;
    question->has_client = client != NULL;
    question->group = POLICY_NO_GROUP;
    if (client && address_parse(client, 0, &question->client) < 0)
        return bl_error_set(error, -EINVAL, "\"%.80s\" is no address", client);
    if (!group)
        return 0;
    index = config_group_find(world->config, group);
    if (index < 0)
        return bl_error_set(error, -EINVAL, "there is no group \"%.80s\"", group);
    question->group = (uint16_t)index;
    return 0;
}

int story_answer(const struct story_world *world, const json_t *request, int64_t now_s,
                 json_t *reply, struct bl_error *error)
{
    const char *type = json_string_value(json_object_get(request, "type"));
    const json_t *at = json_object_get(request, "at");
    struct story_question question = {
        .type = type ? type : "A",
        .wall_s = json_is_integer(at) ? json_integer_value(at) : now_s,
        .resolved = json_object_get(request, "resolved"),
    };
    json_t *stories = json_array(), *name;
    size_t index;
    bool all;
    int code = group_asked(world, request, &question, &all, error);

    json_array_foreach(json_object_get(request, "names"), index, name)
    {
        question.name = json_is_string(name) ? json_string_value(name) : "";
        for (size_t i = 0; code == 0 && i < (all ? world->config->group_count : 1); i++) {
            if (all)
                question.group = (uint16_t)i;
            code = story_tell(world, &question, stories, error);
        }
    }
    json_object_set_new(reply, "stories", stories);
    return code;
}
