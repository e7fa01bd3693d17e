#include "resolver/policy/calendar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "resolver/base/civil.h"

enum { DAY_S = 86400, DAY_MINUTES = 1440 };

struct calendar {
    const struct config_calendar *config;
    struct zone *zone;
};

int calendar_create(const struct config_calendar *config, struct calendar **out_calendar,
                    struct bl_error *error)
{
    struct calendar *calendar = calloc(1, sizeof *calendar);
    int code;

    if (!calendar)
        return bl_error_set(error, -ENOMEM, "no memory for the calendar");
    calendar->config = config;
    code = zone_open(config->time_zone, &calendar->zone, error);
    if (code < 0) {
        calendar_free(calendar);
        return code;
    }
    *out_calendar = calendar;
    return 0;
}

void calendar_free(struct calendar *calendar)
{
    if (!calendar)
        return;
    zone_close(calendar->zone);
    free(calendar);
}

const struct zone *calendar_zone(const struct calendar *calendar)
{
    return calendar->zone;
}

static int64_t floor_divide(int64_t value, int64_t by)
{
    return value / by - (value % by < 0);
}

void calendar_local(const struct calendar *calendar, int64_t wall_s, int32_t *out_day,
                    int32_t *out_second)
{
    int64_t local = wall_s + zone_offset(calendar->zone, wall_s);
    int64_t day = floor_divide(local, DAY_S);

    *out_day = (int32_t)day;
    *out_second = (int32_t)(local - day * DAY_S);
}

static bool day_in(const struct config_dates *dates, size_t count, int32_t day)
{
    for (size_t i = 0; i < count; i++) {
        if (day >= dates[i].first && day <= dates[i].last)
            return true;
    }
    return false;
}

bool calendar_is_school_day(const struct calendar *calendar, int32_t day)
{
    const struct config_calendar *config = calendar->config;
    bool in_term = config->term_count == 0;

    for (size_t i = config->exception_count; i-- > 0;) {
        const struct config_exception *exception = &config->exceptions[i];
        if (exception->school != SCHOOL_AS_USUAL && day_in(&exception->dates, 1, day))
            return exception->school == SCHOOL_OPEN;
    }
    if (!(config->week & (1u << civil_weekday(day))))
        return false;
    for (size_t i = 0; i < config->term_count; i++)
        in_term |= day_in(&config->terms[i].dates, 1, day);
    return in_term && !day_in(config->holidays, config->holiday_count, day) &&
           !day_in(config->inset_days, config->inset_day_count, day);
}

/* The spans of a period that begin on `day`. */
static size_t spans_of(const struct calendar *calendar, uint16_t index, int32_t day,
                       const struct config_times **out_times)
{
    const struct config_calendar *config = calendar->config;
    const struct config_period *period = &config->periods[index];
    bool takes_place;

    for (size_t i = config->exception_count; i-- > 0;) {
        const struct config_exception *exception = &config->exceptions[i];
        if (exception->period == index && day_in(&exception->dates, 1, day)) {
            *out_times = exception->times;
            return exception->time_count;
        }
    }
    takes_place = period->days & (1u << civil_weekday(day));
    if (period->when != WHEN_ALWAYS)
        takes_place &= calendar_is_school_day(calendar, day) == (period->when == WHEN_SCHOOL_DAYS);
    *out_times = period->times;
    return takes_place ? period->time_count : 0;
}

bool calendar_in_period(const struct calendar *calendar, uint16_t period, int64_t wall_s)
{
    const struct config_times *times;
    int32_t day, second;
    size_t count;

    calendar_local(calendar, wall_s, &day, &second);
    count = spans_of(calendar, period, day, &times);
    for (size_t i = 0; i < count; i++) {
        if (second >= times[i].from * 60 &&
            (times[i].to <= times[i].from || second < times[i].to * 60))
            return true;
    }
    count = spans_of(calendar, period, day - 1, &times);
    for (size_t i = 0; i < count; i++) {
        if (times[i].to <= times[i].from && second < times[i].to * 60)
            return true;
    }
    return false;
}

/* The next second of this local day at which a span of it, or of the day before, begins or ends. */
static int32_t next_edge(const struct calendar *calendar, uint16_t period, int32_t day,
                         int32_t second)
{
    int32_t next = DAY_S;

    for (int32_t of = day - 1; of <= day; of++) {
        const struct config_times *times;
        size_t count = spans_of(calendar, period, of, &times);
        for (size_t i = 0; i < count; i++) {
            int32_t shift = (of - day) * DAY_S, from = times[i].from * 60 + shift;
            int32_t to = times[i].to * 60 + shift + (times[i].to <= times[i].from ? DAY_S : 0);
            if (from > second && from < next)
                next = from;
            if (to > second && to < next)
                next = to;
        }
    }
    return next;
}

/* From edge to edge (spans' ends, midnights, changes of the zone) until the answer differs. */
int64_t calendar_next_change(const struct calendar *calendar, uint16_t period, int64_t wall_s)
{
    bool now = calendar_in_period(calendar, period, wall_s);
    int64_t at = wall_s;

    while (at < wall_s + CALENDAR_HORIZON_S) {
        int64_t change = zone_next_change(calendar->zone, at), edge;
        int32_t day, second;
        calendar_local(calendar, at, &day, &second);
        edge = at + next_edge(calendar, period, day, second) - second;
        at = edge < change ? edge : change;
        if (calendar_in_period(calendar, period, at) != now)
            break;
    }
    return at;
}

/* Whether clocks show this time twice, an hour or so apart. */
static bool comes_twice(const struct calendar *calendar, int64_t wall_s)
{
    enum { SPAN_S = 3 * 3600 }; /* longer than clocks are ever set back */
    int64_t change = zone_next_change(calendar->zone, wall_s - SPAN_S), back;

    if (change > wall_s + SPAN_S)
        return false;
    back = zone_offset(calendar->zone, change - 1) - zone_offset(calendar->zone, change);
    return wall_s >= change - back && wall_s < change + back;
}

char *calendar_text(const struct calendar *calendar, int64_t wall_s, bool exact,
                    char text[CALENDAR_TEXT_MAX])
{
    int32_t offset = zone_offset(calendar->zone, wall_s) / 60, day, second;
    int year, month, date;
    int len;

    calendar_local(calendar, wall_s, &day, &second);
    civil_date(day, &year, &month, &date);
    len = snprintf(text, CALENDAR_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d", year, month, date,
                   second / 3600, second / 60 % 60);
    if (exact)
        len += snprintf(text + len, CALENDAR_TEXT_MAX - (size_t)len, ":%02d", second % 60);
    if (exact || comes_twice(calendar, wall_s))
        snprintf(text + len, CALENDAR_TEXT_MAX - (size_t)len, "%c%02d:%02d", offset < 0 ? '-' : '+',
                 abs(offset) / 60, abs(offset) % 60);
    return text;
}
