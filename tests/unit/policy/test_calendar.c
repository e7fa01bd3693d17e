#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "resolver/base/civil.h"
#include "resolver/policy/calendar.h"

static struct config *config_of(const char *calendar)
{
    struct config *config = NULL;
    struct config_faults faults = {0};
    char text[4096];

    snprintf(text, sizeof text, "upstreams: [192.0.2.53]\ngroups: {a: {}}\ncalendar:\n%s",
             calendar);
    if (config_load_text("test.yaml", text, strlen(text), &config, &faults) < 0)
        fail_msg("%s", faults.items[0].text);
    return config;
}

static int64_t utc(const char *text) /* 2026-10-25T01:00 */
{
    int32_t day;
    int hour, minute;

    assert_true(civil_parse(text, &day));
    assert_int_equal(sscanf(text + 10, "T%d:%d", &hour, &minute), 2);
    return (int64_t)day * 86400 + hour * 3600 + minute * 60;
}

struct bell {
    const char *at, *next; /* UTC */
    bool lasts;
};

static void bells_check(const char *text, const struct bell *bells, size_t count)
{
    struct config *config = config_of(text);
    struct calendar *calendar;

    assert_int_equal(calendar_create(&config->calendar, &calendar, NULL), 0);
    for (size_t i = 0; i < count; i++) {
        char told[CALENDAR_TEXT_MAX];
        int64_t next = calendar_next_change(calendar, 0, utc(bells[i].at));
        int64_t far = utc(bells[i].at) + CALENDAR_HORIZON_S;
        if (calendar_in_period(calendar, 0, utc(bells[i].at)) != bells[i].lasts)
            fail_msg("%s: should be %s", bells[i].at, bells[i].lasts ? "in" : "out");
        if (bells[i].next ? next != utc(bells[i].next) : next < far)
            fail_msg("%s: next bell at %s local time", bells[i].at,
                     calendar_text(calendar, next, true, told));
    }
    calendar_free(calendar);
    config_free(config);
}

#define BELLS(text, bells) bells_check(text, bells, sizeof bells / sizeof *bells)

static void lessons(void **state)
{
    static const struct bell BELL[] = {
        {"2026-11-23T08:59", "2026-11-23T09:00", false},
        {"2026-11-23T09:00", "2026-11-23T10:30", true},
        {"2026-11-23T10:30", "2026-11-23T10:45", false},
        {"2026-11-23T10:45", "2026-11-23T12:00", true},
        {"2026-11-23T12:00", "2026-11-24T09:00", false},
        {"2026-11-27T12:00", "2026-11-30T09:00", false}, /* over the weekend */
        {"2026-10-23T12:00", NULL, false},               /* half-term is longer than a look ahead */
        {"2026-10-25T12:00", "2026-11-02T09:00", false},
        {"2026-12-18T12:00", NULL, false},               /* and so are the holidays */
        {"2026-11-18T13:00", "2026-11-20T09:00", false}, /* an inset day */
        {"2026-11-30T09:30", "2026-11-30T10:00", true},  /* a day that differs */
        {"2026-11-30T10:00", "2026-12-02T09:00", false}, /* and one that is closed */
    };

    (void)state;
    static const char TEXT[] = "  time-zone: Europe/London\n"
                               "  terms: {autumn: 2026-09-03..2026-12-18}\n"
                               "  holidays: [2026-10-26..2026-10-30]\n"
                               "  inset-days: [2026-11-19]\n"
                               "  periods: {lessons: {times: [09:00-10:30, 10:45-12:00]}}\n"
                               "  exceptions:\n"
                               "    - {date: 2026-11-30, period: lessons, times: [09:00-10:00]}\n"
                               "    - {date: 2026-12-01, school: closed}\n"
                               "    - {date: 2026-12-05, school: open}\n";
    BELLS(TEXT, BELL);
}

static void past_midnight(void **state)
{
    static const struct bell BELL[] = {
        {"2026-11-23T21:59", "2026-11-23T22:00", false},
        {"2026-11-23T22:00", "2026-11-24T06:00", true},
        {"2026-11-24T00:00", "2026-11-24T06:00", true},
        {"2026-11-24T05:59", "2026-11-24T06:00", true},
        {"2026-11-24T06:00", "2026-11-27T22:00", false}, /* Monday and Friday only */
        {"2026-11-27T23:00", "2026-11-28T06:00", true},  /* Friday's night ends on Saturday */
        {"2028-02-28T23:30", "2028-02-29T06:00", true},  /* into a leap day */
    };

    (void)state;
    BELLS("  time-zone: UTC\n"
          "  periods: {night: {days: [mon, fri], when: always, times: [22:00-06:00]}}\n",
          BELL);
}

static void leap_day(void **state)
{
    static const struct bell BELL[] = {
        {"2028-02-29T00:00", "2028-03-01T00:00", true},
        {"2028-02-28T12:00", "2028-02-29T00:00", false},
        {"2028-03-01T00:00", NULL, false},
    };

    (void)state;
    BELLS("  time-zone: UTC\n"
          "  periods: {p: {days: [sun], when: always, times: [23:59-24:00]}}\n"
          "  exceptions: [{date: 2028-02-29, period: p, times: [00:00-24:00]},\n"
          "    {date: 2028-03-05..2028-03-12, period: p}]\n",
          BELL);
}

/* London, 2026-10-25: at 01:00 UTC the clocks go from 02:00 back to 01:00. */
static void clocks_go_back(void **state)
{
    static const struct bell EVENING[] = {
        {"2026-10-24T20:59", "2026-10-24T21:00", false}, /* 22:00 BST */
        {"2026-10-24T21:00", "2026-10-25T06:00", true},  /* until 06:00 GMT: nine hours */
    };
    static const struct bell TWICE[] = {
        {"2026-10-25T00:29", "2026-10-25T00:30", false},
        {"2026-10-25T00:30", "2026-10-25T01:00", true},
        {"2026-10-25T01:00", "2026-10-25T01:30", false},
        {"2026-10-25T01:30", "2026-10-25T02:00", true},
        {"2026-10-25T02:00", "2026-10-26T01:30", false},
    };

    (void)state;
    BELLS("  time-zone: Europe/London\n"
          "  periods: {p: {days: [mon-sun], when: always, times: [22:00-06:00]}}\n",
          EVENING);
    BELLS("  time-zone: Europe/London\n"
          "  periods: {p: {days: [mon-sun], when: always, times: [01:30-02:00]}}\n",
          TWICE);
}

/* London, 2027-03-28: at 01:00 UTC the clocks go from 01:00 to 02:00. */
static void clocks_go_forward(void **state)
{
    static const struct bell NIGHT[] = {
        {"2027-03-27T22:00", "2027-03-28T05:00", true}, /* until 06:00 BST: seven hours */
        {"2027-03-28T05:00", "2027-03-28T21:00", false},
    };
    static const struct bell LEFT_OUT[] = {
        {"2027-03-28T00:59", "2027-03-29T00:15", false}, /* 01:15 does not come that day */
    };
    static const struct bell ACROSS[] = {
        {"2027-03-28T00:45", "2027-03-28T01:30", true}, /* 00:30 to 02:30 on a day without 01:xx */
    };

    (void)state;
    BELLS("  time-zone: Europe/London\n"
          "  periods: {p: {days: [mon-sun], when: always, times: [22:00-06:00]}}\n",
          NIGHT);
    BELLS("  time-zone: Europe/London\n"
          "  periods: {p: {days: [mon-sun], when: always, times: [01:15-01:45]}}\n",
          LEFT_OUT);
    BELLS("  time-zone: Europe/London\n"
          "  periods: {p: {days: [mon-sun], when: always, times: [00:30-02:30]}}\n",
          ACROSS);
}

/* The C library as an independent oracle, over two centuries and the oddest zones. */
/* What was typed can be told from what is shown, also where clocks show it twice. */
static void texts_are_of_one_moment(void **state)
{
    static const struct {
        const char *zone, *at, *text;
    } cases[] = {
        {"Europe/London", "2026-10-24T23:59", "2026-10-25T00:59"},
        {"Europe/London", "2026-10-25T00:00", "2026-10-25T01:00+01:00"},
        {"Europe/London", "2026-10-25T00:59", "2026-10-25T01:59+01:00"},
        {"Europe/London", "2026-10-25T01:00", "2026-10-25T01:00+00:00"},
        {"Europe/London", "2026-10-25T01:59", "2026-10-25T01:59+00:00"},
        {"Europe/London", "2026-10-25T02:00", "2026-10-25T02:00"},
        {"Europe/London", "2027-03-28T00:59", "2027-03-28T00:59"},
        {"Europe/London", "2027-03-28T01:00", "2027-03-28T02:00"},
        {"Australia/Lord_Howe", "2027-04-03T14:45", "2027-04-04T01:45+11:00"},
        {"Australia/Lord_Howe", "2027-04-03T15:15", "2027-04-04T01:45+10:30"},
        {"Australia/Lord_Howe", "2027-04-03T14:29", "2027-04-04T01:29"},
        {"UTC", "2026-10-25T01:30", "2026-10-25T01:30"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char yaml[100], text[CALENDAR_TEXT_MAX];
        struct calendar *calendar;
        snprintf(yaml, sizeof yaml, "  time-zone: %s\n", cases[i].zone);
        struct config *config = config_of(yaml);
        assert_int_equal(calendar_create(&config->calendar, &calendar, NULL), 0);
        assert_string_equal(calendar_text(calendar, utc(cases[i].at), false, text), cases[i].text);
        calendar_free(calendar);
        config_free(config);
    }
}

static void zones_agree(void **state)
{
    static const char *const NAMES[] = {
        "Europe/London", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca",
        "Asia/Kolkata",  "America/Godthab",  "Pacific/Apia",        "Europe/Dublin"};

    (void)state;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        struct zone *zone;
        assert_int_equal(zone_open(NAMES[i], &zone, NULL), 0);
        setenv("TZ", NAMES[i], 1);
        tzset();
        for (int64_t at = -1000000000; at < INT64_C(4500000000); at += 1234567) {
            time_t then = (time_t)at;
            struct tm local;
            localtime_r(&then, &local);
            if (zone_offset(zone, at) != local.tm_gmtoff)
                fail_msg("%s at %lld: %d and %ld", NAMES[i], (long long)at, zone_offset(zone, at),
                         local.tm_gmtoff);
        }
        for (int64_t at = 1700000000; at < INT64_C(4500000000);) {
            int64_t next = zone_next_change(zone, at);
            if (next == INT64_MAX)
                break;
            assert_true(next > at);
            assert_int_equal(zone_offset(zone, next - 1), zone_offset(zone, at));
            at = next;
        }
        zone_close(zone);
    }
    unsetenv("TZ");
    tzset();
}

static void zones_refused(void **state)
{
    struct zone *zone = NULL;
    struct bl_error error = {0};
    uint8_t rubbish[64] = "TZif2";

    (void)state;
    assert_int_equal(zone_open("Nowhere/City", &zone, &error), -ENOENT);
    assert_non_null(strstr(error.text, "Nowhere/City"));
    assert_int_equal(zone_parse(rubbish, 0, &zone), -EBADMSG);
    assert_int_equal(zone_parse(rubbish, sizeof rubbish, &zone), -EBADMSG);
    memset(rubbish + 20, 0xff, 24);
    assert_int_equal(zone_parse(rubbish, sizeof rubbish, &zone), -EBADMSG);
}

static void put_32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

enum { HEADER_LEN = 44 };

/* A version 2 file of one type and no changes, so that the footer rules. */
static size_t zone_write(uint8_t *file, const char *footer)
{
    size_t len = 0;

    for (int part = 0; part < 2; part++) {
        memset(file + len, 0, HEADER_LEN + 10);
        memcpy(file + len, "TZif2", 5);
        put_32(file + len + 36, 1); /* types */
        put_32(file + len + 40, 4); /* octets of abbreviations */
        memcpy(file + len + HEADER_LEN + 6, "GMT", 3);
        len += HEADER_LEN + 10;
    }
    return len + (size_t)snprintf((char *)file + len, 128, "\n%s\n", footer);
}

/* What a damaged file, or one that somebody made, may say. */
static void hostile_zones_are_refused(void **state)
{
    static const char *const FOOTERS[] = {
        "G0",
        "GMT",
        "GMT25",
        "GMT0:60",
        "GMT99999999999999999999",
        "GMT0BST",
        "GMT0BST,",
        "GMT0BST,M3.5.0",
        "GMT0BST,M3.5.0/1,",
        "GMT0BST,M13.5.0,M10.5.0",
        "GMT0BST,M0.5.0,M10.5.0",
        "GMT0BST,M3.6.0,M10.5.0",
        "GMT0BST,M3.5.7,M10.5.0",
        "GMT0BST,M3.5.0/168,M10.5.0",
        "GMT0BST,J0,J100",
        "GMT0BST,366,100",
        "GMT0BST,M3.5.0/1,M10.5.0,",
        "<GMT0",
        "<>0",
    };
    static const struct {
        size_t at; /* a number of the second header, behind the first part */
        uint32_t value;
    } COUNTS[] = {{20, 1},          {24, UINT32_MAX}, {28, UINT32_MAX}, {32, UINT32_MAX},
                  {32, 0x1c71c71c}, {36, 0},          {36, 257},        {40, UINT32_MAX}};
    uint8_t file[512];
    struct zone *zone = NULL;
    size_t len;

    (void)state;
    for (size_t i = 0; i < sizeof FOOTERS / sizeof *FOOTERS; i++) {
        len = zone_write(file, FOOTERS[i]);
        if (zone_parse(file, len, &zone) != -EBADMSG)
            fail_msg("\"%s\" is taken", FOOTERS[i]);
    }
    for (size_t i = 0; i < sizeof COUNTS / sizeof *COUNTS; i++) {
        len = zone_write(file, "GMT0");
        put_32(file + HEADER_LEN + 10 + COUNTS[i].at, COUNTS[i].value);
        assert_int_equal(zone_parse(file, len, &zone), -EBADMSG);
    }
    len = zone_write(file, "GMT0BST,M3.5.0/1,M10.5.0");
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(zone_parse(file, cut, &zone), -EBADMSG);
    put_32(file + HEADER_LEN + 10 + HEADER_LEN, 26 * 3600 + 1); /* ahead of UTC */
    assert_int_equal(zone_parse(file, len, &zone), -EBADMSG);
    len = zone_write(file, "GMT0BST,M3.5.0/1,M10.5.0");
    assert_int_equal(zone_parse(file, len, &zone), 0);
    assert_int_equal(zone_offset(zone, utc("2026-07-01T12:00")), 3600);
    assert_int_equal(zone_next_change(zone, utc("2026-07-01T12:00")), utc("2026-10-25T01:00"));
    zone_close(zone);
}

static void civil_days_are_right(void **state)
{
    int32_t day;

    (void)state;
    assert_int_equal(civil_days(1970, 1, 1), 0);
    assert_int_equal(civil_days(2000, 3, 1), 11017);
    assert_int_equal(civil_weekday(civil_days(2026, 11, 23)), 0);
    assert_int_equal(civil_weekday(-1), 2);
    assert_true(civil_parse("2028-02-29", &day));
    assert_false(civil_parse("2027-02-29", &day));
    assert_false(civil_parse("2100-02-29", &day));
    assert_false(civil_parse("2026-13-01", &day));
    for (int32_t at = -200000; at < 200000; at += 17) {
        int year, month, date;
        civil_date(at, &year, &month, &date);
        assert_int_equal(civil_days(year, month, date), at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lessons),
        cmocka_unit_test(past_midnight),
        cmocka_unit_test(texts_are_of_one_moment),
        cmocka_unit_test(leap_day),
        cmocka_unit_test(clocks_go_back),
        cmocka_unit_test(clocks_go_forward),
        cmocka_unit_test(zones_agree),
        cmocka_unit_test(zones_refused),
        cmocka_unit_test(hostile_zones_are_refused),
        cmocka_unit_test(civil_days_are_right),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
