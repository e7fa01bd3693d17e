#include "fixture.h"

#include <errno.h>
#include <time.h>

#include "resolver/denials/day.h"

static void zone_set(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
}

static void days_have_their_hours(void **state)
{
    static const struct {
        const char *zone, *day;
        int hours;
    } table[] = {
        {"Europe/London", "2026-11-23", 24},
        {"Europe/London", "2026-03-29", 23},
        {"Europe/London", "2026-10-25", 25},
        {"Europe/London", "2028-02-29", 24},
        {"America/Sao_Paulo", "2018-11-04", 23}, /* midnight itself did not happen */
        {"UTC", "2026-10-25", 24},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct day day, again;
        zone_set(table[i].zone);
        assert_int_equal(day_parse(table[i].day, &day), 0);
        assert_int_equal((day.end_ms - day.start_ms) / 3600000, table[i].hours);
        day_of(day.start_ms, &again);
        assert_string_equal(again.text, table[i].day);
        day_of(day.end_ms - 1, &again);
        assert_string_equal(again.text, table[i].day);
        day_of(day.end_ms, &again);
        assert_string_not_equal(again.text, table[i].day);
        assert_int_equal(day_hour(&day, day.end_ms - 1), table[i].hours - 1);
    }
}

static void repeated_hour_is_shown_twice(void **state)
{
    struct day day;
    (void)state;

    zone_set("Europe/London");
    assert_int_equal(day_parse("2026-10-25", &day), 0);
    assert_int_equal(day_hour_shown(&day, 1), 1);
    assert_int_equal(day_hour_shown(&day, 2), 1);
    assert_int_equal(day_hour_shown(&day, 24), 23);
}

static void no_such_day(void **state)
{
    const char *const bad[] = {"2026-02-30", "2026-13-01", "2026-1-1",   "26-01-01",  "2026-01-01x",
                               "yesterday",  "",           "2026-00-10", "1969-12-31"};
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct day day;
        assert_int_equal(day_parse(bad[i], &day), -EINVAL);
    }
}

static void mad_clocks_have_a_day(void **state)
{
    const int64_t mad[] = {INT64_MIN, -1, 0, INT64_MAX};
    (void)state;

    zone_set("Europe/London");
    for (size_t i = 0; i < sizeof(mad) / sizeof(mad[0]); i++) {
        struct day day, again;
        day_of(mad[i], &day);
        assert_int_equal(day_parse(day.text, &again), 0);
        assert_true(day.end_ms > day.start_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(days_have_their_hours), cmocka_unit_test(repeated_hour_is_shown_twice),
        cmocka_unit_test(no_such_day), cmocka_unit_test(mad_clocks_have_a_day)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
