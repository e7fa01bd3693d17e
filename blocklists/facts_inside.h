/* The inside of the facts, shared by facts.c (closing names) and facts_types.c (variants). Nobody
 * else includes this.
 */
#ifndef BLOCKLISTS_FACTS_INSIDE_H
#define BLOCKLISTS_FACTS_INSIDE_H

#include "blocklists/facts.h"

enum {
    FACTS_MAX = UINT16_MAX + 1,
    RULES_MAX = 4 << 20, /* of all facts together; real lists have a few hundred */
    SLOTS = 4 * FACTS_MAX,
    CACHE_SLOTS = 1 << 12,
};

struct fact {
    uint32_t first; /* index of its rules */
    uint16_t count;
    bl_fact below;
    uint8_t flags;
};

struct fact_variant {
    bl_fact fact;
    uint16_t type; /* 0: of all types that have no row */
    bl_fact variant;
};

struct bl_facts {
    struct fact *facts;
    unsigned count;
    struct bl_fact_rule *rules;
    size_t rule_count, rule_room;
    bl_fact *slots;                         /* facts by the hash of what they say; 0 is empty */
    const struct bl_conditions *conditions; /* while variants are made */
    struct fact_variant *variants;          /* by fact, then type */
    size_t variant_count, variant_room;
    struct {
        uint32_t say; /* names with one entry are most of all: their last answers */
        bl_fact above, fact;
    } cache[CACHE_SLOTS];
};

/* Room for so many rules more; they may move. */
int facts_rules_reserve(struct bl_facts *facts, size_t count, struct bl_error *error);

/* The number of the fact whose rules are the `count` last ones added, which are taken back when
 * such a fact is there already. `below` NULL: the fact is its own. */
int facts_intern(struct bl_facts *facts, size_t count, const bl_fact *below, uint8_t flags,
                 bl_fact *out_fact, struct bl_error *error);

#endif
