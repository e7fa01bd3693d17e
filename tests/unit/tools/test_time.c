#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tools/verb.h"

/* Monday, 23 November 2026, 09:30:15 in London, where it is winter time. */
static const int64_t NOW = 1795426215;

static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t at;
    } cases[] = {
        {"now", NOW},
        {"@0", 0},
        {"@1795426215", NOW},
        {"today", NOW - 9 * 3600 - 30 * 60 - 15},
        {"yesterday", NOW - 9 * 3600 - 30 * 60 - 15 - 86400},
        {"-3h", NOW - 3 * 3600},
        {"-7d", NOW - 7 * 86400},
        {"-1h30m", NOW - 5400},
        {"+45m", NOW + 45 * 60},
        {"11:15", NOW - 15 + 105 * 60},
        {"9:30", NOW - 15},
        {"09:30:20", NOW + 5},
        {"2026-11-23", NOW - 9 * 3600 - 30 * 60 - 15},
        {"2026-11-23T11:15", NOW - 15 + 105 * 60},
        {"2026-11-23 11:15:30", NOW + 15 + 105 * 60},
        {"2026-07-01T12:00", 1782903600}, /* summer time: 11:00 UTC */
        {"2024-02-29", 1709164800},
        {"2026-03-29T01:30", 1774747800}, /* an hour that the clocks skip: 02:30 summer time */
        {"2026-03-29T00:59:59", 1774745999},
        {"2026-03-29T02:00", 1774746000},
        {"2026-10-25T01:30", 1792888200}, /* an hour that comes twice: the first */
        {"2026-10-25T00:59:59", 1792886399},
        {"2026-10-25T02:00", 1792893600},
        {"2026-10-25T01:30+01:00", 1792888200},
        {"2026-10-25T01:30+00:00", 1792891800},
        {"2026-10-25 01:30Z", 1792891800},
        {"2026-10-25T01:30-05:30", 1792911600},
        {"09:30:20+01:00", NOW + 5 - 3600},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t at = -1;
        struct bl_error error = {0};
        assert_int_equal(time_parse(cases[i].text, NOW, &at, &error), 0);
        if (at != cases[i].at)
            fail_msg("%s: %lld", cases[i].text, (long long)at);
    }
}

/* Of what is still to come, the hour that comes twice is the next one that shows the time. */
static void test_times_to_come(void **state)
{
    (void)state;
    static const int64_t midnight = 1792882800, again = 1792890000; /* 01:00, the second time */
    static const struct {
        const char *text;
        int64_t now, at;
    } cases[] = {
        {"01:30", midnight, again - 1800},       {"01:30", again - 1801, again - 1800},
        {"01:30", again - 1800, again + 1800},   {"01:30", again + 600, again + 1800},
        {"01:30", again + 1799, again + 1800},   {"01:30", again + 1800, again + 1800},
        {"02:00", midnight, again + 3600},       {"00:59", again, midnight + 3540},
        {"01:30Z", midnight, again + 1800},      {"01:30+01:00", again, again - 1800},
        {"2026-10-25T01:00", again - 60, again}, {"2026-10-25T01:00", NOW, again},
        {"2027-03-28T01:30", NOW, 1806197400},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t at = -1;
        struct bl_error error = {0};
        assert_int_equal(time_parse_coming(cases[i].text, cases[i].now, &at, &error), 0);
        if (at != cases[i].at)
            fail_msg("%s at %lld: %lld", cases[i].text, (long long)cases[i].now, (long long)at);
    }
}

static void test_no_times(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "soon",
        "25:00",
        "11:60",
        "11:1",
        "11:15:61",
        "11:15x",
        "2026-13-01",
        "2026-02-30",
        "2026-2-3",
        "20261123",
        "2026-11-23T",
        "-",
        "-3",
        "-3y",
        "--3h",
        "-99999999w",
        "@",
        "@-1",
        "@99999999999999999999",
        "1969-12-31",
        "3h",
        "11:15+1:00",
        "11:15+01",
        "11:15+15:00",
        "11:15+01:60",
        "11:15z1",
        "2026-11-23Z",
        "11:15 Z",
        "2026-02-30T11:00Z",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t at = 42;
        struct bl_error error = {0};
        if (time_parse(cases[i], NOW, &at, &error) == 0)
            fail_msg("'%s' was taken", cases[i]);
        assert_int_equal(at, 42);
        assert_non_null(strstr(error.text, "please write it like"));
    }
}

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t span; /* 0: refused */
    } cases[] = {
        {"45m", 2700},
        {"2h", 7200},
        {"3d", 259200},
        {"1w", 604800},
        {"1h30m", 5400},
        {"90s", 90},
        {"", 0},
        {"0m", 0},
        {"45", 0},
        {"m", 0},
        {"-45m", 0},
        {"45 m", 0},
        {"999999999999m", 0},
        {"9999w", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t span = 0;
        struct bl_error error = {0};
        int failed = duration_parse(cases[i].text, &span, &error);
        if ((failed == 0) != (cases[i].span != 0) || span != cases[i].span)
            fail_msg("'%s': %d, %lld", cases[i].text, failed, (long long)span);
    }
}

int main(void)
{
    setenv("TZ", "GMT0BST,M3.5.0/1,M10.5.0", 1); /* London, without tzdata */
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_times_to_come),
        cmocka_unit_test(test_no_times),
        cmocka_unit_test(test_durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
