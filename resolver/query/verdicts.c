#include "resolver/query/verdicts.h"

#include <stdlib.h>
#include <string.h>

#include "resolver/query/query.h"

const uint32_t LATENCY_BOUNDS_US[LATENCY_BOUNDS] = {
    50,    100,   250,    500,    1000,   2500,    5000,    10000,
    25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000};

enum { PLACE_UNKNOWN = UINT16_MAX };

void verdicts_leave(struct pipeline *pipeline)
{
    free(pipeline->verdict_places);
    pipeline->verdict_places = NULL;
}

void verdicts_enter(struct pipeline *pipeline)
{
    const struct config *config = pipeline->world->config;
    size_t count = config->group_count * (config->category_count + 1);

    verdicts_leave(pipeline);
    if (!pipeline->verdicts)
        return;
    pipeline->verdict_places = malloc(count * sizeof *pipeline->verdict_places);
    for (size_t i = 0; pipeline->verdict_places && i < count; i++)
        pipeline->verdict_places[i] = PLACE_UNKNOWN;
}

/* VERDICTS_MAX: there is none left. */
static uint16_t place_find(struct verdicts *verdicts, const char *group, const char *category)
{
    char short_group[TALLY_WORD_MAX], short_category[TALLY_WORD_MAX];
    uint32_t count = verdicts->count;

    tally_shorten(short_group, group);
    tally_shorten(short_category, category);
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(verdicts->places[i].category, short_category) == 0 &&
            strcmp(verdicts->places[i].group, short_group) == 0)
            return (uint16_t)i;
    if (count == VERDICTS_MAX)
        return VERDICTS_MAX;
    strcpy(verdicts->places[count].group, short_group);
    strcpy(verdicts->places[count].category, short_category);
    /* The words are there before a reader goes so far. */
    __atomic_store_n(&verdicts->count, count + 1, __ATOMIC_RELEASE);
    return (uint16_t)count;
}

static void count_add(uint64_t *count, uint64_t by)
{
    __atomic_store_n(count, __atomic_load_n(count, __ATOMIC_RELAXED) + by, __ATOMIC_RELAXED);
}

static uint64_t *counts_at(struct verdicts *verdicts, uint16_t place)
{
    return place < VERDICTS_MAX ? verdicts->places[place].counts : verdicts->other;
}

void verdict_note(struct pipeline *pipeline, uint16_t group, uint16_t category,
                  enum verdict_kind kind)
{
    const struct world *world = pipeline->world;
    const struct config *config = world->config;
    struct verdicts *verdicts = pipeline->verdicts;
    uint16_t *place;

    if (!verdicts)
        return;
    group = policy_group_base(world->policy, group);
    if (!pipeline->verdict_places || group >= config->group_count) {
        count_add(&verdicts->other[kind], 1);
        return;
    }
    if (category > config->category_count)
        category = (uint16_t)config->category_count; /* none */
    place = &pipeline->verdict_places[group * (config->category_count + 1) + category];
    if (*place == PLACE_UNKNOWN)
        *place =
            place_find(verdicts, config->groups[group].name,
                       category < config->category_count ? config->categories[category].name : "");
    count_add(&counts_at(verdicts, *place)[kind], 1);
}

void latency_note(struct verdicts *verdicts, enum latency_from from, int64_t took_us,
                  uint64_t count)
{
    unsigned at = 0;

    if (!verdicts || !count)
        return;
    if (took_us < 0)
        took_us = 0;
    while (at < LATENCY_BOUNDS && took_us > LATENCY_BOUNDS_US[at])
        at++;
    count_add(&verdicts->latencies[from].buckets[at], count);
    count_add(&verdicts->latencies[from].sum_us, (uint64_t)took_us * count);
}

static void counts_sum(uint64_t *sum, const uint64_t *worker, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        sum[i] += __atomic_load_n(&worker[i], __ATOMIC_RELAXED);
}

void verdicts_sum(struct verdicts *sum, const struct verdicts *worker)
{
    uint32_t count = __atomic_load_n(&worker->count, __ATOMIC_ACQUIRE);

    for (uint32_t i = 0; i < count; i++) {
        const struct verdict_counts *place = &worker->places[i];
        counts_sum(counts_at(sum, place_find(sum, place->group, place->category)), place->counts,
                   VERDICT_KINDS);
    }
    counts_sum(sum->other, worker->other, VERDICT_KINDS);
    for (unsigned i = 0; i < LATENCY_FROMS; i++) {
        counts_sum(sum->latencies[i].buckets, worker->latencies[i].buckets, LATENCY_BOUNDS + 1);
        counts_sum(&sum->latencies[i].sum_us, &worker->latencies[i].sum_us, 1);
    }
}
