#include "resolver/query/rewrite.h"

#include <string.h>

#include "resolver/query/safe_search.h"
#include "resolver/query/tally.h"

/* The types that lead a browser to a server. Others of these names (mail, keys, proofs of
 * ownership) are answered as they are. */
static bool leads_to_server(const struct dns_question *question)
{
    return question->class == DNS_CLASS_IN &&
           (question->type == DNS_A || question->type == DNS_AAAA || question->type == DNS_HTTPS);
}

static void seek(struct pipeline *pipeline, struct query *query, const struct bl_name *host)
{
    struct dns_question *sought = &pipeline->sought;

    sought->flags = query->question.flags;
    sought->type = query->question.type;
    sought->class = query->question.class;
    sought->wants_dnssec = query->question.wants_dnssec;
    sought->asked_len = host->len;
    memcpy(sought->name, host->wire, host->len);
    query->sought = sought;
}

void rewrite_tally(struct pipeline *pipeline, const struct query *query)
{
    const struct world *world = pipeline->world;
    const struct config_group *group =
        &world->config->groups[policy_group_base(world->policy, query->group)];
    struct safe_form form;

    /* A world that came since may know the engine no more. */
    if (group->safe_search != SAFE_SEARCH_OFF &&
        safe_search_find(world->safe_search, query->question.name, query->question.asked_len,
                         (enum config_safe_search)group->safe_search, &form))
        tally_add(pipeline->tallies, group->name, form.engine);
}

enum rewrite rewrite_find(const struct safe_search *search, const struct config_group *group,
                          const struct dns_question *question, struct safe_form *out_form)
{
    struct safe_form form;

    if (group->safe_search == SAFE_SEARCH_OFF ||
        !safe_search_find(search, question->name, question->asked_len,
                          (enum config_safe_search)group->safe_search, &form) ||
        (form.host && !leads_to_server(question)))
        return REWRITE_NONE;
    *out_form = form;
    return form.host ? REWRITE_ALIAS : REWRITE_DENY;
}

enum rewrite rewrite_question(struct pipeline *pipeline, struct query *query)
{
    const struct world *world = pipeline->world;
    const struct config_group *group =
        &world->config->groups[policy_group_base(world->policy, query->group)];
    enum rewrite rewrite;
    struct safe_form form;

    query->sought = &query->question;
    rewrite = rewrite_find(world->safe_search, group, &query->question, &form);
    if (rewrite == REWRITE_ALIAS)
        seek(pipeline, query, form.host);
    return rewrite;
}
