/* Facts, as the compiler makes them: what the lists say of a name, closed over its listed parents,
 * and equal results under one number. store.h says what a fact is for; store-format.md how one is
 * written.
 *
 * A fact has levels: depth 0 is what the most specific listed name's own entries say, depth 1 those
 * of the next listed name up. A level that repeats the one above it adds nothing and is left out: a
 * list that names a thousand hosts of one listed domain makes one fact, not a thousand.
 *
 * A listed name has a fact for itself and one for the names below it (entries may cover either).
 * The second is itself closed: it is its own fact for below.
 *
 * Rules may have a condition (types.h). While facts are closed it is one more thing in which rules
 * differ. In the end, each fact with conditions gets its variants: the facts that the name would
 * have if it had only the entries for one type, which are facts like all others, without
 * conditions.
 */
#ifndef BLOCKLISTS_FACTS_H
#define BLOCKLISTS_FACTS_H

#include <stddef.h>
#include <stdint.h>

#include "blocklists/error.h"
#include "blocklists/store.h"
#include "blocklists/types.h"

struct bl_facts;

/* What one entry says, packed so that equal ones are equal numbers and sort by category. */
static inline uint32_t bl_say(uint16_t category, unsigned tier, unsigned action, unsigned important,
                              unsigned condition, unsigned scope)
{
    return (uint32_t)category << 16 | condition << 8 | tier << 4 | action << 3 | important << 2 |
           scope;
}

struct bl_facts *bl_facts_create(void); /* NULL: no memory */
void bl_facts_destroy(struct bl_facts *facts);

/* The fact of a listed name: `says` are its own entries (sorted and freed of repeats here, so
 * written to), `above` the fact for below of the nearest listed parent, 0 where there is none. 0 or
 * -EOVERFLOW when there are more different facts than a store can number, -ENOMEM. */
int bl_facts_close(struct bl_facts *facts, bl_fact above, uint32_t *says, size_t count,
                   bl_fact *out_fact, struct bl_error *error);

/* The fact of the names below one with this fact. */
bl_fact bl_facts_below(const struct bl_facts *facts, bl_fact fact);

/* Makes the variants, when all names are closed. 0, -EOVERFLOW or -ENOMEM. */
int bl_facts_finish(struct bl_facts *facts, const struct bl_conditions *conditions,
                    struct bl_error *error);

unsigned bl_facts_count(const struct bl_facts *facts);
size_t bl_facts_rule_count(const struct bl_facts *facts);

/* Octets of the value "facts", and writing it. */
size_t bl_facts_size(const struct bl_facts *facts);
void bl_facts_write(const struct bl_facts *facts, uint8_t *out);

/* The same of "variants". */
size_t bl_facts_variant_count(const struct bl_facts *facts);
size_t bl_facts_variants_size(const struct bl_facts *facts);
void bl_facts_variants_write(const struct bl_facts *facts, uint8_t *out);

#endif
