#include "resolver/query/way.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "resolver/denials/words.h"
#include "resolver/query/local.h"
#include "resolver/query/rebinding.h"
#include "resolver/query/rewrite.h"

enum { TEXT_MAX = 1024 };

struct walked { /* one question on its way */
    const struct story_world *world;
    const struct way *way;
    const struct story_scene *scene;
    const struct config_group *group;
    const struct config_zone *zone;
    struct dns_question question;
    json_t *story;
};

const struct config_zone *way_zone(const struct config *config, const uint8_t *name)
{
    const struct config_zone *best = NULL;

    for (size_t i = 0; i < config->forward_zone_count; i++) {
        const struct config_zone *zone = &config->forward_zones[i];
        if (bl_name_is_below(name, zone->wire) &&
            (!best || bl_name_is_below(zone->wire, best->wire)))
            best = zone;
    }
    return best;
}

static void handled(const struct walked *walked, const char *text)
{
    json_object_set_new(walked->story, "handled", json_string(text));
}

/* A rule of the query path's own, or what the policy says of something that the answer leads to. */
static void overrule(const struct walked *walked, struct ruling ruling, const char *because)
{
    story_overrule(walked->world, &ruling, because, walked->story);
    json_object_del(walked->story, "handled");
}

static struct ruling own_ruling(const struct policy_now *now, const struct walked *walked,
                                enum rule_kind rule)
{
    return policy_own_ruling(now, walked->scene->group, rule);
}

/* True where nothing is left to tell. */
static bool safe_search_tell(const struct walked *walked, const struct policy_now *now)
{
    char text[TEXT_MAX], host[BL_NAME_TEXT_MAX];
    struct safe_form form;

    switch (rewrite_find(walked->way->safe_search, walked->group, &walked->question, &form)) {
    case REWRITE_ALIAS:
        bl_name_text(form.host->wire, host);
        snprintf(text, sizeof text, "safe search: answered as an alias of %s (%s)", host,
                 form.engine);
        handled(walked, text);
        return true;
    case REWRITE_DENY:
        snprintf(text, sizeof text,
                 "%s has no safe form, and safe search is strict for %s: no exception changes that",
                 form.engine, walked->group->title);
        overrule(walked, own_ruling(now, walked, RULE_SAFE_SEARCH), text);
        return true;
    default:
        return false;
    }
}

static void servers_tell(const struct walked *walked)
{
    const struct config *config = walked->world->config;
    const struct config_upstream *upstreams =
        walked->zone ? walked->zone->upstreams : config->upstreams;
    size_t count = walked->zone ? walked->zone->upstream_count : config->upstream_count, len;
    char text[TEXT_MAX], address[ADDRESS_TEXT_MAX];

    if (walked->zone)
        snprintf(text, sizeof text, "forward-zone %s: asked of", walked->zone->name);
    else
        snprintf(text, sizeof text, "asked of the upstreams");
    for (size_t i = 0; i < count; i++) {
        len = strlen(text);
        snprintf(text + len, sizeof text - len, "%s %s", i ? "," : "",
                 upstreams[i].host ? upstreams[i].host
                                   : address_text_port(&upstreams[i].address, address));
    }
    handled(walked, text);
}

/* A ruling on what the answer leads to. Whoever allowed a site meant it to work: then only sealed
 * categories count (judge.h). */
static bool target_counts(const struct walked *walked, const struct ruling *ruling)
{
    const struct ruling *asked = &walked->scene->ruling;
    bool only_sealed = asked->verdict == VERDICT_ALLOW &&
                       (asked->rule == RULE_EXCEPTION || asked->rule == RULE_LIST_ALLOW);

    return ruling->verdict == VERDICT_DENY && ruling->rule != RULE_GARDEN &&
           (!only_sealed || ruling->rule == RULE_SEALED);
}

static bool leads_to(const struct walked *walked, const char *what, const struct ruling *ruling)
{
    char because[512], text[TEXT_MAX];

    if (!target_counts(walked, ruling))
        return false;
    story_because(walked->world, walked->scene->group, ruling, because, sizeof because);
    snprintf(text, sizeof text, "its answer leads to %s: %s", what, because);
    overrule(walked, *ruling, text);
    return true;
}

static bool name_tell(const struct walked *walked, const struct policy_now *now, const char *text)
{
    struct ruling ruling;
    struct bl_found found;
    struct bl_name name;

    if (bl_name_parse(text, strlen(text), &name) != BL_NAME_FINE)
        return false;
    found = bl_store_find(walked->world->store, name.wire, name.len, walked->question.type);
    ruling = policy_judge(now, walked->scene->group, name.wire, name.len, found.fact);
    if (!leads_to(walked, text, &ruling))
        return false;
    if (ruling.rule == RULE_CATEGORY || ruling.rule == RULE_SEALED)
        story_answer_by_type(walked->world, &ruling, name.wire, walked->story);
    return true;
}

/* An address as `size` octets at *out_octets; false: it is none. */
static bool address_read(const char *text, struct address *out_address, const uint8_t **out_octets,
                         size_t *out_size)
{
    if (address_parse(text, 0, out_address) < 0)
        return false;
    *out_size = address_is_v4(out_address) ? 4 : 16;
    *out_octets = out_address->bytes + sizeof out_address->bytes - *out_size;
    return true;
}

static bool private_tell(const struct walked *walked, const struct policy_now *now,
                         const char *text)
{
    struct address address;
    const uint8_t *octets;
    char because[TEXT_MAX];
    size_t size;

    if (walked->zone || rebinding_is_allowed(walked->world->config, walked->question.name) ||
        !address_read(text, &address, &octets, &size) || !address_is_private(octets, size))
        return false;
    snprintf(because, sizeof because,
             "its answer has %s, an address of the inside, which a public name may not have; "
             "if the name is the school's, list it under \"private-answers-allowed\"",
             text);
    overrule(walked, own_ruling(now, walked, RULE_REBINDING), because);
    return true;
}

static bool address_tell(const struct walked *walked, const struct policy_now *now,
                         const char *text)
{
    struct ruling ruling;
    struct address address;
    const uint8_t *octets;
    size_t size;

    if (!address_read(text, &address, &octets, &size))
        return false;
    ruling = policy_judge_fact(now, walked->scene->group,
                               bl_store_find_address(walked->world->store, octets, size, NULL));
    return leads_to(walked, text, &ruling);
}

static bool
any_tells(const struct walked *walked, const struct policy_now *now, const json_t *items,
          bool (*tell)(const struct walked *walked, const struct policy_now *now, const char *text))
{
    const json_t *item;
    size_t index;

    json_array_foreach(items, index, item)
    {
        if (json_is_string(item) && tell(walked, now, json_string_value(item)))
            return true;
    }
    return false;
}

/* What upstreams answered, in the order in which an answer is judged (judge.h); false: that is not
 * known. */
static bool resolved_tell(const struct walked *walked, const struct policy_now *now)
{
    const char *name = json_string_value(json_object_get(walked->story, "name"));
    const json_t *resolved = json_object_get(walked->scene->question->resolved, name ? name : "");
    const json_t *addresses = json_object_get(resolved, "addresses");

    if (!resolved)
        return false;
    if (!any_tells(walked, now, addresses, private_tell) &&
        !any_tells(walked, now, json_object_get(resolved, "targets"), name_tell))
        (void)any_tells(walked, now, addresses, address_tell);
    return true;
}

static void walk(const struct walked *walked, const struct policy_now *now)
{
    const struct dns_question *question = &walked->question;
    char text[TEXT_MAX];

    if (safe_search_tell(walked, now))
        return;
    if (local_describe(walked->way->local, question->name, question->asked_len,
                       walked->zone != NULL, text, sizeof text)) {
        handled(walked, text);
        return;
    }
    if (question->type == DNS_ANY) {
        handled(walked, "one small record in place of everything (RFC 8482)");
        return;
    }
    if (!query_is_forwardable(question)) {
        handled(walked, "refused: there is no such type to ask others for");
        return;
    }
    servers_tell(walked);
    if (!resolved_tell(walked, now))
        json_object_set_new(walked->story, "judged_later", json_true());
}

void way_tell(const struct story_world *world, const struct story_scene *scene, json_t *story)
{
    struct walked walked = {
        .world = world,
        .way = world->beyond_user,
        .scene = scene,
        .group = &world->config->groups[policy_group_base(world->policy, scene->group)],
        .zone = way_zone(world->config, scene->name->wire),
        .question = {.type = (uint16_t)bl_type_number(scene->question->type,
                                                      strlen(scene->question->type)),
                     .class = DNS_CLASS_IN,
                     .asked_len = scene->name->len},
        .story = story,
    };
    struct policy_now now;

    if (scene->ruling.verdict == VERDICT_DENY || policy_now_init(&now, world->policy) < 0)
        return;
    policy_now_update(&now, (struct moment){.wall_ms = scene->question->wall_s * 1000});
    memcpy(walked.question.name, scene->name->wire, scene->name->len);
    walk(&walked, &now);
    policy_now_fini(&now);
}
