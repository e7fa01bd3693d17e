/* Facts by the type of question: for each fact with conditions, the facts that it stands for. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "blocklists/facts_inside.h"
#include "blocklists/layout.h"

enum {
    WORK_MAX = 1 << 24, /* rules looked at, for all types of all facts; real lists need a few */
    WORD_BITS = 64,
    TYPE_WORDS = (UINT16_MAX + 1) / WORD_BITS,
};

/* The rules of a fact that stand for one type, at the end of all rules. */
struct typed {
    size_t count;
    bool own; /* any of its first level are among them */
};

static uint32_t rule_order(const struct bl_fact_rule *rule)
{
    return (uint32_t)rule->category << 8 | (uint32_t)rule->tier << 4 | (uint32_t)rule->action << 1 |
           rule->important;
}

/* Puts a rule among those from `first` on, which are in order; not where it is there already. */
static void rule_insert(struct bl_facts *facts, size_t first, struct bl_fact_rule rule)
{
    size_t at = facts->rule_count;

    while (at > first && rule_order(&facts->rules[at - 1]) > rule_order(&rule))
        at--;
    if (at > first && rule_order(&facts->rules[at - 1]) == rule_order(&rule))
        return;
    for (size_t i = facts->rule_count++; i > at; i--)
        facts->rules[i] = facts->rules[i - 1];
    facts->rules[at] = rule;
}

/* Adds those rules from `at` to `end` that stand for the type, as a level of this depth. */
static size_t level_add(struct bl_facts *facts, size_t at, size_t end, unsigned type,
                        unsigned depth)
{
    size_t first = facts->rule_count;

    for (; at < end; at++) {
        struct bl_fact_rule rule = facts->rules[at];

        if (rule.condition != 0 &&
            !bl_types_cover(&facts->conditions->items[rule.condition - 1], type))
            continue;
        rule.condition = 0;
        rule.depth = (uint8_t)depth;
        rule_insert(facts, first, rule);
    }
    return facts->rule_count - first;
}

/* Whether the last level added says what the one before it says. */
static bool level_repeats(const struct bl_facts *facts, size_t before, size_t count)
{
    const struct bl_fact_rule *last = facts->rules + facts->rule_count - count;

    if (before != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (rule_order(&last[i]) != rule_order(&last[i] - before))
            return false;
    return true;
}

/* Levels of which nothing stands are no levels, and one that now repeats the next is left out, as
 * if the name had been closed without the other entries. */
static int rules_for_type(struct bl_facts *facts, bl_fact number, unsigned type,
                          struct typed *out_typed, struct bl_error *error)
{
    const struct fact fact = facts->facts[number];
    size_t at = fact.first, end = fact.first + (size_t)fact.count, before = 0;
    unsigned depth = 0;
    int rc = facts_rules_reserve(facts, fact.count, error);

    *out_typed = (struct typed){0};
    while (rc == 0 && at < end) {
        size_t next = at, added;

        while (next < end && facts->rules[next].depth == facts->rules[at].depth)
            next++;
        added = level_add(facts, at, next, type, depth);
        if (at == fact.first)
            out_typed->own = added > 0;
        at = next;
        if (added == 0)
            continue;
        if (level_repeats(facts, before, added)) {
            facts->rule_count -= added;
            continue;
        }
        out_typed->count += added;
        before = added;
        depth++;
    }
    return rc;
}

/* The fact that takes the place of this one for a type; 0 where nothing stands of what the name's
 * own entries say. */
static int variant_find(struct bl_facts *facts, bl_fact number, unsigned type, bl_fact *out_fact,
                        struct bl_error *error)
{
    const struct fact fact = facts->facts[number];
    bl_fact below = BL_FACT_NONE;
    struct typed for_below, for_self;
    uint8_t flags;
    int rc = rules_for_type(facts, fact.below, type, &for_below, error);

    if (rc == 0 && for_below.count > 0)
        rc = facts_intern(facts, for_below.count, NULL, BL_FACT_OWN_SELF | BL_FACT_OWN_BELOW,
                          &below, error);
    if (rc == 0)
        rc = rules_for_type(facts, number, type, &for_self, error);
    if (rc < 0)
        return rc;
    flags = (uint8_t)((for_self.own ? fact.flags & BL_FACT_OWN_SELF : 0) |
                      (for_below.own ? fact.flags & BL_FACT_OWN_BELOW : 0));
    if (flags == 0) {
        facts->rule_count -= for_self.count;
        *out_fact = BL_FACT_NONE;
        return 0;
    }
    return facts_intern(facts, for_self.count, &below, flags, out_fact, error);
}

static int variant_add(struct bl_facts *facts, bl_fact fact, unsigned type, bl_fact variant,
                       struct bl_error *error)
{
    if (facts->variant_count == facts->variant_room) {
        size_t room = facts->variant_room ? 2 * facts->variant_room : 64;
        void *variants = realloc(facts->variants, room * sizeof *facts->variants);

        if (!variants)
            return bl_error_set(error, -ENOMEM, "not enough memory for what the lists say");
        facts->variants = variants;
        facts->variant_room = room;
    }
    facts->variants[facts->variant_count++] =
        (struct fact_variant){.fact = fact, .type = (uint16_t)type, .variant = variant};
    return 0;
}

/* Marks the types that the conditions of a fact name; false: it has none. */
static bool types_mark(const struct bl_facts *facts, bl_fact number, uint64_t *marks)
{
    const struct fact *fact = &facts->facts[number];
    bool any = false;

    for (size_t i = fact->first; i < fact->first + (size_t)fact->count; i++) {
        unsigned condition = facts->rules[i].condition;

        for (unsigned j = 0; condition > 0 && j < facts->conditions->items[condition - 1].count;
             j++) {
            unsigned type = facts->conditions->items[condition - 1].types[j];

            marks[type / WORD_BITS] |= 1ull << type % WORD_BITS;
            any = true;
        }
    }
    return any;
}

/* The rows of one fact. */
static int variants_make(struct bl_facts *facts, bl_fact number, size_t *work,
                         struct bl_error *error)
{
    size_t rules = 1u + facts->facts[number].count + facts->facts[facts->facts[number].below].count;
    uint64_t marks[TYPE_WORDS] = {1}; /* 0, for the types that no condition names, is first */
    bl_fact others = BL_FACT_NONE, variant;
    bool any = types_mark(facts, number, marks);
    int rc = 0;

    any |= types_mark(facts, facts->facts[number].below, marks);
    if (!any)
        return 0;
    for (unsigned word = 0; rc == 0 && word < TYPE_WORDS; word++)
        for (uint64_t left = marks[word]; rc == 0 && left; left &= left - 1) {
            unsigned type = word * WORD_BITS + (unsigned)__builtin_ctzll(left);

            *work += rules;
            if (*work > WORK_MAX)
                return bl_error_set(error, -EOVERFLOW,
                                    "the lists tell more types of question ($dnstype) apart than "
                                    "one generation can hold; please leave out lists that do");
            rc = variant_find(facts, number, type, &variant, error);
            if (rc == 0 && (type == 0 || variant != others))
                rc = variant_add(facts, number, type, variant, error);
            if (type == 0)
                others = variant;
        }
    facts->facts[number].flags |= BL_FACT_BY_TYPE;
    return rc;
}

int bl_facts_finish(struct bl_facts *facts, const struct bl_conditions *conditions,
                    struct bl_error *error)
{
    unsigned closed = facts->count; /* those that come now have no conditions */
    size_t work = 0;
    int rc = 0;

    facts->conditions = conditions;
    for (unsigned i = 1; rc == 0 && conditions->count > 0 && i < closed; i++)
        rc = variants_make(facts, (bl_fact)i, &work, error);
    return rc;
}

size_t bl_facts_variant_count(const struct bl_facts *facts)
{
    return facts->variant_count;
}

size_t bl_facts_variants_size(const struct bl_facts *facts)
{
    return facts->variant_count * BL_VARIANT_SIZE + 8;
}

void bl_facts_variants_write(const struct bl_facts *facts, uint8_t *out)
{
    for (size_t i = 0; i < facts->variant_count; i++, out += BL_VARIANT_SIZE) {
        bl_put16(out, facts->variants[i].fact);
        bl_put16(out + 2, facts->variants[i].type);
        bl_put16(out + 4, facts->variants[i].variant);
    }
}
