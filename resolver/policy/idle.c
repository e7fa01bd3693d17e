#include "resolver/policy/idle.h"

#include <stdio.h>

#include "resolver/policy/inside.h"

/* A name with more below it than this is no slip of the finger. */
enum { BELOW_MOST = 10000, SENTENCE_MAX = 700 };

struct look {
    const struct policy *policy;
    const struct config_group *group;
    size_t seen;
    bool counts;     /* the exception has something to do */
    uint16_t sealed; /* the sealed category that keeps it denied; POLICY_NO_CATEGORY */
};

static bool index_among(const uint16_t *indices, size_t count, uint16_t index)
{
    for (size_t i = 0; i < count; i++) {
        if (indices[i] == index)
            return true;
    }
    return false;
}

static bool targets_have(const struct config_targets *targets, uint16_t category)
{
    return index_among(targets->categories, targets->category_count, category);
}

/* Whether the group denies or observes the category, now or at another time. */
static bool category_counts(const struct config_group *group, uint16_t category)
{
    if (targets_have(&group->deny, category) || targets_have(&group->observe, category))
        return true;
    for (size_t i = 0; i < group->schedule_count; i++) {
        if (targets_have(&group->schedule[i].deny, category) ||
            targets_have(&group->schedule[i].observe, category))
            return true;
    }
    return false;
}

static int fact_look(void *user, bl_fact fact)
{
    struct look *look = user;
    const struct fact_view *view = &look->policy->facts[fact];

    if (view->sealed != POLICY_NO_CATEGORY)
        look->sealed = view->sealed;
    for (size_t i = 0; i < view->standing_count && view->sealed == POLICY_NO_CATEGORY; i++)
        look->counts |= category_counts(look->group, view->standing[i]);
    return look->counts || ++look->seen >= BELOW_MOST;
}

/* Of two exceptions the more specific one wins, so denying what is below takes nothing away. */
static bool targets_cover(const struct config *config, const struct config_targets *targets,
                          const uint8_t *name)
{
    for (size_t i = 0; i < targets->name_count; i++) {
        if (bl_name_is_below(name, targets->names[i]))
            return true;
    }
    for (size_t i = 0; i < targets->service_count; i++) {
        const struct config_service *service = &config->services[targets->services[i]];
        for (size_t j = 0; j < service->name_count; j++) {
            if (bl_name_is_below(name, service->names[j]))
                return true;
        }
    }
    return false;
}

static bool rule_denies(const struct config *config, const struct config_group *group,
                        const uint8_t *name)
{
    if (group->walled_garden || targets_cover(config, &group->deny, name))
        return true;
    for (size_t i = 0; i < group->schedule_count; i++) {
        if (targets_cover(config, &group->schedule[i].deny, name))
            return true;
    }
    return false;
}

static bool name_said(const struct config_targets *targets, size_t count, const uint8_t *name)
{
    for (size_t i = 0; i < count; i++) {
        if (bl_name_equal(targets->names[i], name))
            return true;
    }
    return false;
}

/* Whether the group says it before its schedule number `schedules`. */
static bool group_said(const struct config_group *group, size_t schedules, const uint8_t *name)
{
    if (name_said(&group->allow, group->allow.name_count, name))
        return true;
    for (size_t i = 0; i < schedules; i++) {
        const struct config_targets *allow = &group->schedule[i].allow;
        if (name_said(allow, allow->name_count, name))
            return true;
    }
    return false;
}

static bool is_inherited(const struct config *config, const struct config_group *group,
                         const uint8_t *name)
{
    const struct config_group *parent =
        group->extends == CONFIG_NONE ? NULL : &config->groups[group->extends];

    return parent && group_said(parent, parent->schedule_count, name);
}

struct teller {
    void (*each)(void *user, const char *sentence);
    void *user;
};

static int name_look(const struct policy *policy, const struct config_group *group,
                     const uint8_t *name, const struct teller *teller, struct bl_error *error)
{
    const struct config *config = policy->config;
    struct look look = {.policy = policy, .group = group, .sealed = POLICY_NO_CATEGORY};
    char text[BL_NAME_TEXT_MAX], sentence[SENTENCE_MAX];
    int code;

    if (is_inherited(config, group, name) || rule_denies(config, group, name))
        return 0;
    (void)fact_look(&look,
                    bl_store_find(policy->store, name, bl_name_length(name), BL_ALL_TYPES).fact);
    if (!look.counts) {
        code = bl_store_below(policy->store, name, fact_look, &look, error);
        if (code < 0)
            return code;
    }
    if (look.counts || look.seen >= BELOW_MOST)
        return 0;
    bl_name_text(name, text);
    if (look.sealed != POLICY_NO_CATEGORY)
        snprintf(sentence, sizeof sentence,
                 "group \"%.80s\": %s is in the sealed category \"%.80s\", so it stays denied "
                 "although it stands under \"allow\"",
                 group->name, text, config->categories[look.sealed].name);
    else
        snprintf(sentence, sizeof sentence,
                 "group \"%.80s\": allowing %s changes nothing: no list that counts for the group "
                 "has it or a name below it, and no rule denies it; is it spelt as it should be?",
                 group->name, text);
    teller->each(teller->user, sentence);
    return 0;
}

static int group_look(const struct policy *policy, const struct config_group *group,
                      const struct teller *teller, struct bl_error *error)
{
    int code = 0;

    for (size_t i = 0; code == 0 && i < group->allow.name_count; i++) {
        if (!name_said(&group->allow, i, group->allow.names[i]))
            code = name_look(policy, group, group->allow.names[i], teller, error);
    }
    for (size_t i = 0; code == 0 && i < group->schedule_count; i++) {
        const struct config_targets *allow = &group->schedule[i].allow;
        for (size_t j = 0; code == 0 && j < allow->name_count; j++) {
            if (!name_said(allow, j, allow->names[j]) && !group_said(group, i, allow->names[j]))
                code = name_look(policy, group, allow->names[j], teller, error);
        }
    }
    return code;
}

/* What a grant needs of the configuration and does not find there: "category", or NULL. */
static const char *grant_lacks(const struct config *config, const struct policy_grant *grant,
                               const char **out_name)
{
    *out_name = grant->target;
    if (grant->target_kind == TARGET_CATEGORY && config_category_find(config, grant->target) < 0)
        return "category";
    if (grant->target_kind == TARGET_SERVICE && config_service_find(config, grant->target) < 0)
        return "service";
    *out_name = grant->group;
    if (grant->group && config_group_find(config, grant->group) < 0)
        return "group";
    return NULL;
}

static void grants_look(const struct policy *policy, const struct teller *teller)
{
    char sentence[SENTENCE_MAX];

    for (size_t i = 0; i < policy->rules->grant_count; i++) {
        const struct policy_grant *grant = &policy->rules->grants[i];
        const char *name, *lacks = grant_lacks(policy->config, grant, &name);
        if (!lacks)
            continue;
        snprintf(sentence, sizeof sentence,
                 "%s %u has no effect: there is no %s \"%.80s\" in the configuration any more; "
                 "`chalkgate revoke %u` ends it",
                 grant->kind == GRANT_SESSION ? "session" : "grant", grant->id, lacks, name,
                 grant->id);
        teller->each(teller->user, sentence);
    }
}

int policy_idle(const struct policy *policy, void (*each)(void *user, const char *sentence),
                void *user, struct bl_error *error)
{
    const struct teller teller = {each, user};
    int code = 0;

    for (size_t i = 0; code == 0 && i < policy->config->group_count; i++)
        code = group_look(policy, &policy->config->groups[i], &teller, error);
    grants_look(policy, &teller);
    return code;
}
