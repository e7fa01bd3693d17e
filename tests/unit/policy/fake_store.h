/* A store made by a test: facts as lists of rules, nothing on disk. Takes the place of
 * blocklists/store.c. */
#ifndef TESTS_UNIT_POLICY_FAKE_STORE_H
#define TESTS_UNIT_POLICY_FAKE_STORE_H

#include <errno.h>
#include <string.h>

#include "blocklists/store.h"

enum { FAKE_FACTS_MAX = 64, FAKE_RULES_MAX = 8, FAKE_CATEGORIES_MAX = 16 };

struct bl_store {
    struct bl_category categories[FAKE_CATEGORIES_MAX];
    unsigned category_count;
    struct bl_fact_rule rules[FAKE_FACTS_MAX][FAKE_RULES_MAX];
    size_t rule_counts[FAKE_FACTS_MAX];
    unsigned fact_count;
};

uint64_t bl_store_generation(const struct bl_store *store)
{
    (void)store;
    return 7;
}

unsigned bl_store_fact_count(const struct bl_store *store)
{
    return store->fact_count;
}

const struct bl_fact_rule *bl_store_fact(const struct bl_store *store, bl_fact fact,
                                         size_t *out_count)
{
    *out_count = store->rule_counts[fact];
    return store->rules[fact];
}

unsigned bl_store_category_count(const struct bl_store *store)
{
    return store->category_count;
}

const struct bl_category *bl_store_category(const struct bl_store *store, unsigned index)
{
    return &store->categories[index];
}

int bl_store_category_find(const struct bl_store *store, const char *name)
{
    for (unsigned i = 0; i < store->category_count; i++) {
        if (strcmp(store->categories[i].name, name) == 0)
            return (int)i;
    }
    return -ENOENT;
}

#endif
