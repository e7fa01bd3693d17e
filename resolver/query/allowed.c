#include "resolver/query/allowed.h"

#include <stdlib.h>

static void groups_enter(struct pipeline *pipeline, const struct config *config)
{
    const char **names = malloc((config->group_count + 1) * sizeof *names);

    for (size_t i = 0; names && i < config->group_count; i++)
        names[i] = config->groups[i].name;
    /* Without memory nothing is counted until the next world: no answer fails for it. */
    if (!names || asked_groups(pipeline->asked, names, config->group_count) < 0)
        pipeline->asked = NULL;
    free(names);
}

void allowed_enter(struct pipeline *pipeline, const struct config *before)
{
    const struct world *world = pipeline->world;

    if (world->config != before) {
        pipeline->asked =
            world->config->recording.allowed == ALLOWED_NONE ? NULL : pipeline->asked_given;
        if (pipeline->asked)
            groups_enter(pipeline, world->config);
    }
    pipeline->questions = NULL;
    if (pipeline->questions_given && world->config->recording.allowed == ALLOWED_ALL)
        pipeline->questions = __atomic_load_n(pipeline->questions_given, __ATOMIC_ACQUIRE);
    if (pipeline->questions)
        journal_legend(pipeline->questions, world->legend);
}

static void record(struct pipeline *pipeline, const struct query *query)
{
    const struct denial question = {
        .wall_ms = pipeline->moment.wall_ms,
        .client = pipeline_recorded(pipeline, &query->client),
        .group = policy_group_base(pipeline->world->policy, query->group),
        .category = query->ruling.category,
        .qtype = query->question.type,
        .rule = query->ruling.rule,
        .via = VIA_QUESTION,
        .transport = query->transport,
        .observed = query->ruling.verdict == VERDICT_OBSERVE,
        .policy_version = policy_version(pipeline->world->policy),
        .generation = bl_store_generation(pipeline->world->store),
        .qname = query->question.name,
    };

    journal_append(pipeline->questions, &question);
}

void allowed_note(struct pipeline *pipeline, const struct query *query)
{
    const struct dns_question *question = &query->question;

    /* What is observed is among the denials already. */
    if (query->ruling.verdict == VERDICT_ALLOW)
        asked_note(pipeline->asked, query->cache_hash,
                   policy_group_base(pipeline->world->policy, query->group), question->name,
                   question->asked_len, &query->client);
    if (pipeline->questions)
        record(pipeline, query);
}
