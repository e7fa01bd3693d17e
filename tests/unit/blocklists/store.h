/* What a store says, as text, for its tests. */
#ifndef TESTS_UNIT_BLOCKLISTS_STORE_H
#define TESTS_UNIT_BLOCKLISTS_STORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/random.h"
#include "tests/support/store_fixture.h"

static inline struct bl_name name_of(const char *text)
{
    struct bl_name name;

    if (bl_name_parse(text, strlen(text), &name) != BL_NAME_FINE)
        fixture_fail(text, "not a name");
    return name;
}

enum { TYPE_A = 1, TYPE_AAAA = 28, TYPE_HTTPS = 65 };

/* What a fact says, as text: "0:gambling/s/block 1:games/n/allow!". */
static inline const char *fact_text(const struct bl_store *store, bl_fact fact)
{
    static char text[4096];
    size_t count, len = 0;
    const struct bl_fact_rule *rules = bl_store_fact(store, fact, &count);

    text[0] = '\0';
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%u:%s/%c/%s%s", i ? " " : "",
                                rules[i].depth, bl_store_category(store, rules[i].category)->name,
                                "srn"[rules[i].tier], rules[i].action ? "allow" : "block",
                                rules[i].important ? "!" : "");
    return text;
}

static inline void assert_says_for(const struct bl_store *store, const char *query, unsigned type,
                                   const char *says, const char *matched)
{
    struct bl_name name = name_of(query);
    struct bl_found found = bl_store_find(store, name.wire, name.len, type);
    char text[BL_NAME_TEXT_MAX];

    if (strcmp(fact_text(store, found.fact), says) != 0)
        fail_msg("%s: \"%s\", not \"%s\"", query, fact_text(store, found.fact), says);
    if (found.fact != BL_FACT_NONE) {
        bl_name_text(name.wire + found.matched, text);
        assert_string_equal(text, matched);
    }
}

static inline void assert_says(const struct bl_store *store, const char *query, const char *says,
                               const char *matched)
{
    assert_says_for(store, query, TYPE_A, says, matched);
}

static const struct fixture_list two_lists[] = {
    {"gambling", BL_TIER_SCHOOL, "casino.test poker.test casino.test =casino.test a.test"},
    {"games", BL_TIER_NATIONAL, "casino.test !@chess.test 192.0.2.0/24"},
};

#endif
