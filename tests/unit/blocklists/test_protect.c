#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "blocklists/protect.h"

static struct bl_name name_of(const char *text)
{
    struct bl_name name;

    assert_int_equal(bl_name_parse(text, strlen(text), &name), BL_NAME_FINE);
    return name;
}

static const struct {
    const char *name;
    enum bl_scope scope;
    enum bl_action action;
    bool refused;
} cases[] = {
    {"dns.quad9.test", BL_SUBTREE, BL_BLOCK, true},
    {"dns.quad9.test", BL_EXACT, BL_BLOCK, true},
    {"dns.quad9.test", BL_BELOW, BL_BLOCK, false},
    {"dns.quad9.test", BL_SUBTREE, BL_ALLOW, false},
    {"quad9.test", BL_SUBTREE, BL_BLOCK, true},
    {"quad9.test", BL_BELOW, BL_BLOCK, true},
    {"quad9.test", BL_EXACT, BL_BLOCK, false},
    {"www.dns.quad9.test", BL_SUBTREE, BL_BLOCK, false},
    {"ns.quad9.test", BL_SUBTREE, BL_BLOCK, false},
    {"notdns.quad9.test", BL_SUBTREE, BL_BLOCK, false},
    {"test", BL_SUBTREE, BL_BLOCK, true},
    {"school.uk", BL_SUBTREE, BL_BLOCK, true},
    {"school.uk", BL_BELOW, BL_BLOCK, true},
    {"www.school.uk", BL_EXACT, BL_BLOCK, true},
    {"a.b.school.uk", BL_SUBTREE, BL_BLOCK, true},
    {"preschool.uk", BL_SUBTREE, BL_BLOCK, false},
    {"uk", BL_SUBTREE, BL_BLOCK, true},
    {"uk", BL_EXACT, BL_BLOCK, false},
    {"other.test.example", BL_SUBTREE, BL_BLOCK, false},
};

static unsigned taken;

static int count_entry(void *user, const struct bl_entry *entry, struct bl_error *error)
{
    (void)user;
    (void)entry;
    (void)error;
    taken++;
    return 0;
}

/* With and without a name that is too short for the quick test. */
static void refuses_what_would_deny_protected_names(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        struct bl_protect *protect = bl_protect_create();
        struct bl_protect_filter filter = {.protect = protect, .next = {count_entry, NULL}};
        struct bl_sink sink = bl_protect_sink(&filter);
        unsigned refused = 0;

        bl_protect_add(protect, name_of("dns.quad9.test").wire, false, "an upstream");
        bl_protect_add(protect, name_of("school.uk").wire, true, "the school's zone");
        if (round)
            bl_protect_add(protect, name_of("x.y").wire, false, "short");
        taken = 0;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct bl_entry entry = {.scope = cases[i].scope,
                                     .action = cases[i].action,
                                     .line = (uint32_t)i + 1,
                                     .name = name_of(cases[i].name)};
            struct bl_name name;

            if ((bl_protect_find(protect, &entry, &name) != NULL) != cases[i].refused)
                fail_msg("case %zu: %s", i, cases[i].name);
            assert_int_equal(sink.take(sink.user, &entry, NULL), 0);
            refused += cases[i].refused;
        }
        assert_int_equal(filter.refused, refused);
        assert_int_equal(taken + refused, sizeof cases / sizeof *cases);
        assert_int_equal(filter.sample_count, BL_SAMPLES_MAX);
        assert_string_equal(filter.samples[0].text, "dns.quad9.test");
        assert_string_equal(filter.samples[0].reason, "an upstream");
        assert_int_equal(filter.samples[0].line, 1);
        bl_protect_destroy(protect);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_would_deny_protected_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
