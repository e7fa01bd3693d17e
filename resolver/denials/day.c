#include "resolver/denials/day.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const int64_t wall_ms_max = 253402214400000; /* 31 December 9999, less a day for any zone */

static void day_fill(const struct tm *any, struct day *out_day)
{
    struct tm start = {.tm_year = any->tm_year, .tm_mon = any->tm_mon, .tm_mday = any->tm_mday};
    struct tm next = start;

    start.tm_isdst = next.tm_isdst = -1;
    next.tm_mday++;
    out_day->start_ms = (int64_t)mktime(&start) * 1000;
    out_day->end_ms = (int64_t)mktime(&next) * 1000;
    snprintf(out_day->text, sizeof(out_day->text), "%04u-%02u-%02u",
             (unsigned)(any->tm_year + 1900) % 10000, (unsigned)(any->tm_mon + 1) % 100,
             (unsigned)any->tm_mday % 100);
}

void day_of(int64_t wall_ms, struct day *out_day)
{
    struct tm local;

    if (wall_ms < 86400000)
        wall_ms = 86400000;
    if (wall_ms > wall_ms_max)
        wall_ms = wall_ms_max;
    time_t seconds = (time_t)(wall_ms / 1000);
    localtime_r(&seconds, &local);
    day_fill(&local, out_day);
}

int day_parse(const char *text, struct day *out_day)
{
    unsigned year, month, mday;
    int used = 0;

    if (strlen(text) != 10 || sscanf(text, "%4u-%2u-%2u%n", &year, &month, &mday, &used) != 3 ||
        used != 10 || year < 1970 || month < 1 || month > 12 || mday < 1 || mday > 31)
        return -EINVAL;
    /* Noon exists on every day; midnight may not (some zones change their clocks then). */
    struct tm noon = {.tm_year = (int)year - 1900,
                      .tm_mon = (int)month - 1,
                      .tm_mday = (int)mday,
                      .tm_hour = 12,
                      .tm_isdst = -1};
    mktime(&noon);
    if (noon.tm_mday != (int)mday || noon.tm_mon != (int)month - 1)
        return -EINVAL; /* 31 February */
    day_fill(&noon, out_day);
    return 0;
}

unsigned day_hour(const struct day *day, int64_t wall_ms)
{
    int64_t hour = (wall_ms - day->start_ms) / 3600000;

    return hour < 0 ? 0 : hour >= DAY_HOURS_MAX ? DAY_HOURS_MAX - 1 : (unsigned)hour;
}

unsigned day_hour_shown(const struct day *day, unsigned hour)
{
    time_t seconds = (time_t)(day->start_ms / 1000) + (time_t)hour * 3600;
    struct tm local;

    localtime_r(&seconds, &local);
    return (unsigned)local.tm_hour;
}
