/* Which changes of the configuration loosen the policy, and which do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "resolver/policy/loosened.h"

#define HEAD "upstreams: [192.0.2.53]\nroles: {requires-approval: true, manager: [m]}\n"
#define CATEGORIES                                                                                 \
    "categories: {games: {sources: [{location: 'https://x.test/g'}]}, ads: {},"                    \
    " bad: {sealed: true}}\n"
#define CALENDAR                                                                                   \
    "calendar: {time-zone: Europe/London, terms: {a: 2026-09-01..2027-07-20}, periods: {lessons: " \
    "{days: [mon-fri], times: ['09:00-12:00']}, night: {when: always, times: "                     \
    "['22:00-06:00']}}}\n"
#define GROUPS                                                                                     \
    "groups:\n  pupils: {subnets: [10.1.0.0/16, 'fd00::/64'], deny: [games, ads, service:tiktok, " \
    "x.test], safe-search: strict, schedule: [{during: [night], internet: false}]}\n"              \
    "  staff: {subnets: [10.2.0.0/16], observe: [ads], schedule: [{during: [lessons], deny: "      \
    "[games]}]}\n"
#define DEVICES "devices: {tablet: {mac: '02:00:00:00:00:07', group: pupils}}\n"
#define ALL     HEAD CATEGORIES CALENDAR GROUPS DEVICES

struct change {
    const char *from, *to, *sentence; /* "": nothing is loosened */
};

static const struct change CHANGES[] = {
    /* a rule is taken away, or its opposite said */
    {"[games, ads, ", "[ads, ", "pupils: category:games was denied and would be not denied"},
    {"service:tiktok, ", "", "pupils: service:tiktok was denied"},
    {", x.test]", "]", "pupils: x.test was denied"},
    {"deny: [games, ads, ", "allow: [y.test], deny: [games, ads, ",
     "pupils: y.test was not denied and would be allowed"},
    {"[games, ads, ", "[ads, ", "category:games was denied"},
    {"deny: [games, ads, service:tiktok, x.test]",
     "deny: [ads, service:tiktok, x.test], observe: [games]",
     "pupils: category:games was denied and would be observed only"},
    {"observe: [ads], ", "", "staff: category:ads was observed only and would be not denied"},
    /* hours */
    {"times: ['09:00-12:00']", "times: ['09:00-11:00']", "staff: category:games was denied"},
    {"days: [mon-fri]", "days: [mon-thu]", "staff: category:games was denied"},
    {"2026-09-01..2027-07-20", "2026-09-01..2026-12-18", "staff: category:games was denied"},
    {"['22:00-06:00']", "['22:00-05:00']", "pupils: would have internet where it had none"},
    {"schedule: [{during: [night], internet: false}]",
     "schedule: [{during: [night], internet: false}, {during: [lessons], allow: [games]}]",
     "pupils: category:games was denied and would be allowed"},
    /* who */
    {"  staff: {subnets", "  guests: {subnets: [10.1.7.0/24]}\n  staff: {subnets",
     "10.1.7.0/24: would be of the group guests and was of pupils"},
    {"[10.2.0.0/16]", "[10.2.0.0/16, 10.3.0.0/16]", "10.3.0.0/16: might ask for the first time"},
    {"[10.1.0.0/16, 'fd00::/64']", "[10.1.0.0/17, 'fd00::/64']", ""},
    {"[10.2.0.0/16]", "[10.2.0.0/16, 10.1.128.0/17]",
     "would be of the group staff and was of pupi"},
    {"group: pupils}", "group: staff}", "the device tablet would be of the group staff"},
    {"'02:00:00:00:00:07'", "'02:00:00:00:00:08'", "another device would be tablet"},
    {"mac: '02:00:00:00:00:07'", "mac: '02:00:00:00:00:07', addresses: [10.2.0.7]",
     "another device would be tablet, of the group pupils"},
    {"devices: ", "forwarders: [10.9.0.1]\ndevices: ", "10.9.0.1/32 would be believed about"},
    {"manager: [m]", "manager: [m, n]", "members of n might change the filter"},
    {"requires-approval: true", "requires-approval: false", "a second manager would no longer be"},
    {"manager: [m]}", "manager: [m], automatic-sessions: {radius: [pupils, staff]}}",
     "sessions of the group staff that the user radius starts would wait for nobody"},
    /* whole things */
    {"bad: {sealed: true}", "bad: {}", "the category bad would no longer be sealed"},
    {"sources: [{location: 'https://x.test/g'}]", "", "games: the list https://x.test/g would not"},
    {"safe-search: strict", "safe-search: moderate", "pupils: safe search would be weaker"},
    /* what tightens, or says the same in other words */
    {"observe: [ads], ", "deny: [ads], ", ""},
    {"times: ['09:00-12:00']", "times: ['09:00-10:00', '10:00-12:30']", ""},
    {"[games, ads, ", "[ads, games, y.test, ", ""},
    {"ads: {}", "ads: {title: Adverts}", ""},
    {"observe: [ads], schedule: [{during: [lessons], deny: [games]}]",
     "observe: [ads], deny: [games]", ""},
    {"  staff: {subnets", "  guests: {extends: pupils}\n  staff: {subnets", ""},
    {"manager: [m]", "manager: []", ""},
};

static char told[8192];

static void each(void *user, const char *sentence)
{
    (void)user;
    strncat(told, sentence, sizeof told - strlen(told) - 2);
    strcat(told, "\n");
}

static struct config *config_of(const char *text)
{
    struct config *config = NULL;
    struct config_faults faults = {0};

    if (config_load_text("test.yaml", text, strlen(text), &config, &faults) < 0)
        fail_msg("%s\n%s", faults.items[0].text, text);
    return config;
}

static void compare(const char *before_text, const char *after_text)
{
    struct config *before = config_of(before_text), *after = config_of(after_text);
    struct bl_error error = {0};

    told[0] = '\0';
    /* 2026-11-23, a Monday, 10:15 in London */
    assert_int_equal(policy_loosened(before, after, INT64_C(1795428900), each, NULL, &error), 0);
    config_free(before);
    config_free(after);
}

static void each_change(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CHANGES / sizeof *CHANGES; i++) {
        const struct change *change = &CHANGES[i];
        char text[4096];
        const char *at = strstr(ALL, change->from);
        if (!at)
            fail_msg("\"%s\" is not there", change->from);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - ALL), ALL, change->to,
                 at + strlen(change->from));
        compare(ALL, text);
        if (*change->sentence ? !strstr(told, change->sentence) : *told)
            fail_msg("%s → %s: expected \"%s\", told \"%s\"", change->from, change->to,
                     change->sentence, told);
    }
}

static void whole_groups(void **state)
{
    (void)state;
    compare(ALL, HEAD CATEGORIES CALENDAR
            "groups: {pupils: {subnets: [10.0.0.0/8, 'fd00::/64'], deny: [games, ads, "
            "service:tiktok, x.test], safe-search: strict, schedule: [{during: [night], internet: "
            "false}]}}\n" DEVICES);
    assert_non_null(strstr(told, "the group staff is gone"));
    assert_non_null(strstr(told, "10.2.0.0/16: would be of the group pupils and was of staff"));
    compare(ALL, ALL);
    assert_string_equal(told, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_change),
        cmocka_unit_test(whole_groups),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
