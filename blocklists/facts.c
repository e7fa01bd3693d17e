#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "blocklists/facts_inside.h"
#include "blocklists/layout.h"

struct bl_facts *bl_facts_create(void)
{
    struct bl_facts *facts = calloc(1, sizeof *facts);

    if (!facts)
        return NULL;
    facts->facts = calloc(FACTS_MAX, sizeof *facts->facts);
    facts->slots = calloc(SLOTS, sizeof *facts->slots);
    if (!facts->facts || !facts->slots) {
        bl_facts_destroy(facts);
        return NULL;
    }
    facts->count = 1; /* fact 0: on no list */
    return facts;
}

void bl_facts_destroy(struct bl_facts *facts)
{
    if (!facts)
        return;
    free(facts->facts);
    free(facts->rules);
    free(facts->slots);
    free(facts->variants);
    free(facts);
}

int facts_rules_reserve(struct bl_facts *facts, size_t count, struct bl_error *error)
{
    size_t room = facts->rule_room ? facts->rule_room : 1024;
    struct bl_fact_rule *rules;

    if (facts->rule_count + count > RULES_MAX)
        return bl_error_set(
            error, -EOVERFLOW,
            "the lists combine categories, tiers and exceptions in more ways than one "
            "generation can hold (%d rules)",
            RULES_MAX);
    while (room < facts->rule_count + count)
        room *= 2;
    if (room == facts->rule_room)
        return 0;
    rules = realloc(facts->rules, room * sizeof *rules);
    if (!rules)
        return bl_error_set(error, -ENOMEM, "not enough memory for what the lists say");
    facts->rules = rules;
    facts->rule_room = room;
    return 0;
}

static uint32_t rules_hash(const struct bl_fact_rule *rules, size_t count)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ rules[i].category) * 16777619u;
        hash = (hash ^ (uint32_t)(rules[i].condition << 16 | rules[i].depth << 8 |
                                  rules[i].tier << 4 | rules[i].action << 1 | rules[i].important)) *
               16777619u;
    }
    return hash ^ hash >> 15;
}

static bool rules_equal(const struct bl_fact_rule *a, const struct bl_fact_rule *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (a[i].category != b[i].category || a[i].depth != b[i].depth || a[i].tier != b[i].tier ||
            a[i].action != b[i].action || a[i].important != b[i].important ||
            a[i].condition != b[i].condition)
            return false;
    return true;
}

int facts_intern(struct bl_facts *facts, size_t count, const bl_fact *below, uint8_t flags,
                 bl_fact *out_fact, struct bl_error *error)
{
    const struct bl_fact_rule *rules = facts->rules + facts->rule_count - count;
    uint32_t hash = rules_hash(rules, count);
    struct fact *fact;

    for (;; hash++) {
        bl_fact number = facts->slots[hash % SLOTS];

        if (number == 0)
            break;
        fact = &facts->facts[number];
        if (fact->count == count && fact->flags == flags &&
            fact->below == (below ? *below : number) &&
            rules_equal(facts->rules + fact->first, rules, count)) {
            facts->rule_count -= count;
            *out_fact = number;
            return 0;
        }
    }
    if (facts->count == FACTS_MAX || count > UINT16_MAX)
        return bl_error_set(
            error, -EOVERFLOW,
            "the lists combine categories, tiers and exceptions in more ways than one "
            "generation can number (65,535)");
    fact = &facts->facts[facts->count];
    fact->first = (uint32_t)(facts->rule_count - count);
    fact->count = (uint16_t)count;
    fact->below = below ? *below : (bl_fact)facts->count;
    fact->flags = flags;
    facts->slots[hash % SLOTS] = (bl_fact)facts->count;
    *out_fact = (bl_fact)facts->count++;
    return 0;
}

static struct bl_fact_rule rule_of(uint32_t say)
{
    return (struct bl_fact_rule){
        .category = (uint16_t)(say >> 16),
        .condition = (uint8_t)(say >> 8),
        .tier = say >> 4 & 3,
        .action = say >> 3 & 1,
        .important = say >> 2 & 1,
    };
}

/* Adds the rules of `above` one level further down. */
static int rules_add_above(struct bl_facts *facts, bl_fact above, unsigned depth, size_t *count,
                           struct bl_error *error)
{
    const struct fact *fact = &facts->facts[above];
    int rc = facts_rules_reserve(facts, fact->count, error);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < fact->count; i++) {
        struct bl_fact_rule rule = facts->rules[fact->first + i];

        rule.depth = (uint8_t)(rule.depth + depth);
        facts->rules[facts->rule_count++] = rule;
    }
    *count += fact->count;
    return 0;
}

/* What lies at the end of the rules: a level of a name's own over what is above it. */
struct stacked {
    size_t count;
    bool own;  /* the name's entries say something for this scope … */
    bool adds; /* … that the first level above does not */
};

/* Whether the `count` last rules are the first level of the fact, no more and no less. */
static bool level_repeats(const struct bl_facts *facts, const struct fact *fact, size_t count)
{
    const struct bl_fact_rule *first = facts->rules + fact->first;
    size_t level = 0;

    while (level < fact->count && first[level].depth == 0)
        level++;
    return level == count && rules_equal(facts->rules + facts->rule_count - count, first, count);
}

/* Puts the rules of `says` with this scope over those of `above`, at the end of the rules. */
static int rules_stack(struct bl_facts *facts, bl_fact above, const uint32_t *says, size_t count,
                       unsigned scope, struct stacked *out_stacked, struct bl_error *error)
{
    uint32_t last = UINT32_MAX;
    size_t own = 0;
    int rc = facts_rules_reserve(facts, count, error);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count; i++) {
        if (!(says[i] & scope) || says[i] >> 2 == last)
            continue;
        last = says[i] >> 2;
        facts->rules[facts->rule_count++] = rule_of(says[i]);
        own++;
    }
    out_stacked->own = own > 0;
    out_stacked->adds = own > 0 && !level_repeats(facts, &facts->facts[above], own);
    if (!out_stacked->adds) {
        facts->rule_count -= own;
        own = 0;
    }
    out_stacked->count = own;
    return rules_add_above(facts, above, own > 0, &out_stacked->count, error);
}

static int say_order(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

static int fact_close(struct bl_facts *facts, bl_fact above, const uint32_t *says, size_t count,
                      bl_fact *out_fact, struct bl_error *error)
{
    bl_fact below = above;
    struct stacked for_below, for_self;
    int rc = rules_stack(facts, above, says, count, BL_BELOW, &for_below, error);

    if (rc < 0)
        return rc;
    if (for_below.adds)
        rc = facts_intern(facts, for_below.count, NULL, BL_FACT_OWN_SELF | BL_FACT_OWN_BELOW,
                          &below, error);
    else
        facts->rule_count -= for_below.count;
    if (rc == 0)
        rc = rules_stack(facts, above, says, count, BL_EXACT, &for_self, error);
    if (rc < 0)
        return rc;
    return facts_intern(
        facts, for_self.count, &below,
        (uint8_t)((for_self.own ? BL_FACT_OWN_SELF : 0) | (for_below.own ? BL_FACT_OWN_BELOW : 0)),
        out_fact, error);
}

int bl_facts_close(struct bl_facts *facts, bl_fact above, uint32_t *says, size_t count,
                   bl_fact *out_fact, struct bl_error *error)
{
    size_t slot = (says[0] * 2654435761u >> 16 ^ above * 40503u) % CACHE_SLOTS;
    int rc;

    if (count == 1 && facts->cache[slot].fact != 0 && facts->cache[slot].say == says[0] &&
        facts->cache[slot].above == above) {
        *out_fact = facts->cache[slot].fact;
        return 0;
    }
    if (count > 1)
        qsort(says, count, sizeof *says, say_order);
    rc = fact_close(facts, above, says, count, out_fact, error);
    if (rc == 0 && count == 1) {
        facts->cache[slot].say = says[0];
        facts->cache[slot].above = above;
        facts->cache[slot].fact = *out_fact;
    }
    return rc;
}

bl_fact bl_facts_below(const struct bl_facts *facts, bl_fact fact)
{
    return facts->facts[fact].below;
}

unsigned bl_facts_count(const struct bl_facts *facts)
{
    return facts->count;
}

size_t bl_facts_rule_count(const struct bl_facts *facts)
{
    return facts->rule_count;
}

size_t bl_facts_size(const struct bl_facts *facts)
{
    return BL_FACTS_HEAD + facts->count * (size_t)BL_FACT_SIZE + facts->rule_count * BL_RULE_SIZE;
}

void bl_facts_write(const struct bl_facts *facts, uint8_t *out)
{
    bl_put32(out, facts->count);
    bl_put32(out + 4, (uint32_t)facts->rule_count);
    out += BL_FACTS_HEAD;
    for (unsigned i = 0; i < facts->count; i++, out += BL_FACT_SIZE) {
        bl_put32(out, facts->facts[i].first);
        bl_put16(out + 4, facts->facts[i].count);
        bl_put16(out + 6, facts->facts[i].below);
        bl_put32(out + 8, facts->facts[i].flags);
    }
    for (size_t i = 0; i < facts->rule_count; i++, out += BL_RULE_SIZE) {
        const struct bl_fact_rule *rule = &facts->rules[i];

        bl_put16(out, rule->category);
        out[2] = rule->depth;
        out[3] = rule->tier;
        out[4] = rule->action;
        out[5] = rule->important;
        out[6] = rule->condition;
    }
}
