/* What a store says of types of question: conditions, and the facts by type. */
#include <errno.h>
#include <stdlib.h>

#include "blocklists/layout.h"
#include "blocklists/store_inside.h"

static int fault(const char **out_fault, const char *text)
{
    *out_fault = text;
    return -EBADMSG;
}

int bl_store_conditions_read(struct bl_store *store, const uint8_t *at, size_t len, unsigned count,
                             const char **out_fault)
{
    const uint8_t *end = at + len;

    for (unsigned i = 0; i < count; i++) {
        struct bl_types types = {0};
        unsigned named;

        if (end - at < BL_CONDITION_FIXED || at[0] > 1 || at[1] == 0 || at[1] > BL_TYPES_MAX ||
            end - at < BL_CONDITION_FIXED + (ptrdiff_t)(at[1] * sizeof(uint16_t)))
            return fault(out_fault, "its conditions are cut off");
        types.except = at[0];
        named = at[1];
        at += BL_CONDITION_FIXED;
        for (unsigned j = 0; j < named; j++, at += sizeof(uint16_t))
            (void)bl_types_add(&types, bl_get16(at));
        /* Each once, in order; 0 is no type. */
        if (types.count != named || types.types[0] == 0 ||
            bl_conditions_add(&store->conditions, &types) != (int)i + 1)
            return fault(out_fault, "its conditions are not in order");
    }
    return 0;
}

/* A fact that no type of question changes any more. */
static bool is_final(const struct bl_store *store, bl_fact fact)
{
    return fact < store->fact_count &&
           !((store->fact_forms[fact] | store->fact_forms[(bl_fact)store->fact_forms[fact]]) >> 16 &
             BL_FACT_BY_TYPE);
}

/* What has conditions, itself or for the names below, is resolved by a row, and nothing else is. */
static bool variants_check(const struct bl_store *store)
{
    for (unsigned i = 0; i < store->fact_count; i++) {
        const struct fact_rules *facts = &store->facts[i];
        bool by_type = bl_store_fact_by_type(store, (bl_fact)i);

        if (by_type != (facts->variant_count > 0) || by_type == is_final(store, (bl_fact)i))
            return false;
        for (size_t j = 0; !by_type && j < facts->count; j++)
            if (store->rules[facts->first + j].condition != 0)
                return false;
    }
    return true;
}

int bl_store_variants_read(struct bl_store *store, const uint8_t *at, size_t len, unsigned count,
                           const char **out_fault)
{
    if (len < count * (size_t)BL_VARIANT_SIZE)
        return fault(out_fault, "its facts by type are cut off");
    store->variants = calloc(count + 1u, sizeof *store->variants);
    if (!store->variants)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++, at += BL_VARIANT_SIZE) {
        bl_fact fact = bl_get16(at);
        struct bl_variant *variant = &store->variants[i];
        struct fact_rules *facts = fact < store->fact_count ? &store->facts[fact] : NULL;

        *variant = (struct bl_variant){.type = bl_get16(at + 2), .fact = bl_get16(at + 4)};
        if (!facts || !is_final(store, variant->fact) ||
            (facts->variant_count == 0 ? variant->type != 0
                                       : facts->variant_first + facts->variant_count != i ||
                                             variant->type <= variant[-1].type))
            return fault(out_fault, "its facts by type lead astray");
        if (facts->variant_count++ == 0)
            facts->variant_first = i;
    }
    return variants_check(store) ? 0 : fault(out_fault, "its facts by type lead astray");
}

/* Rows are by type, and the first is for all others. */
bl_fact bl_store_variant(const struct bl_store *store, bl_fact fact, unsigned type)
{
    const struct bl_variant *rows = store->variants + store->facts[fact].variant_first;
    uint32_t low = 1, high = store->facts[fact].variant_count;

    if (type == BL_ALL_TYPES)
        return fact;
    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (rows[middle].type == type)
            return rows[middle].fact;
        if (rows[middle].type < type)
            low = middle + 1;
        else
            high = middle;
    }
    return rows[0].fact;
}

bool bl_store_has_conditions(const struct bl_store *store)
{
    return store->conditions.count > 0;
}

bool bl_store_fact_by_type(const struct bl_store *store, bl_fact fact)
{
    return fact < store->fact_count && store->fact_forms[fact] >> 16 & BL_FACT_BY_TYPE;
}

const struct bl_types *bl_store_condition(const struct bl_store *store, unsigned condition)
{
    return condition == 0 || condition > store->conditions.count
               ? NULL
               : &store->conditions.items[condition - 1];
}
