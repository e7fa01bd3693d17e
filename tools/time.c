/* TIME and DURATION as people type them; verb.h has the forms. */
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/verb.h"

static const int64_t SPAN_MAX_S = INT64_C(100) * 366 * 86400; /* longer is a slip of the finger */

/* Between `least` and `most` digits at *at: their number, or −1. Moves *at behind them. */
static int digits_read(const char **at, int least, int most)
{
    int value = 0, count = 0;
    for (; count < most && isdigit((unsigned char)**at); count++, (*at)++)
        value = value * 10 + (**at - '0');
    return count >= least ? value : -1;
}

static int64_t unit_seconds(char unit)
{
    switch (unit) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return 86400;
    case 'w':
        return INT64_C(7) * 86400;
    default:
        return 0;
    }
}

/* "45m", "1h30m": one or more numbers with units. */
static bool span_read(const char *text, int64_t *out_s)
{
    int64_t total = 0;
    if (!*text)
        return false;
    while (*text) {
        int number = digits_read(&text, 1, 9);
        int64_t unit = unit_seconds(*text);
        if (number < 0 || unit == 0)
            return false;
        text++;
        total += number * unit; /* at most 10^9 weeks a step, and checked at each: no overflow */
        if (total > SPAN_MAX_S)
            return false;
    }
    *out_s = total;
    return true;
}

int duration_parse(const char *text, int64_t *out_s, struct bl_error *error)
{
    int64_t span;
    if (!span_read(text, &span) || span == 0)
        return bl_error_set(error, -EINVAL,
                            "'%s' is not a duration; please write it like 45m, 2h, 3d or 1w", text);
    *out_s = span;
    return 0;
}

struct typed {
    struct tm time;
    bool has_offset; /* of the zone, from UTC */
    int offset_s;
};

/* "", "Z", "+01:00". */
static bool offset_read(const char *at, struct typed *typed)
{
    int sign = *at == '-' ? -1 : 1, hours, minutes;

    typed->has_offset = *at != '\0';
    typed->offset_s = 0;
    if (!typed->has_offset || ((*at == 'Z' || *at == 'z') && at[1] == '\0'))
        return true;
    if (*at != '+' && *at != '-')
        return false;
    at++;
    hours = digits_read(&at, 2, 2);
    if (*at++ != ':')
        return false;
    minutes = digits_read(&at, 2, 2);
    typed->offset_s = sign * (hours * 3600 + minutes * 60);
    return *at == '\0' && hours >= 0 && hours <= 14 && minutes >= 0 && minutes < 60;
}

/* "11:15" or "11:15:30", with the zone's offset or without, to the end of the text. */
static bool clock_read_text(const char *at, struct typed *typed)
{
    struct tm *time = &typed->time;

    time->tm_hour = digits_read(&at, 1, 2);
    if (*at++ != ':')
        return false;
    time->tm_min = digits_read(&at, 2, 2);
    time->tm_sec = 0;
    if (*at == ':') {
        at++;
        time->tm_sec = digits_read(&at, 2, 2);
    }
    return offset_read(at, typed) && time->tm_hour >= 0 && time->tm_hour < 24 &&
           time->tm_min >= 0 && time->tm_min < 60 && time->tm_sec >= 0 && time->tm_sec < 60;
}

/* "2026-11-23", "2026-11-23T11:15", "2026-11-23 11:15:30", "2026-11-23T11:15+00:00". */
static bool date_read_text(const char *at, struct typed *typed)
{
    struct tm *time = &typed->time;

    *typed = (struct typed){0};
    time->tm_year = digits_read(&at, 4, 4) - 1900;
    if (*at++ != '-')
        return false;
    time->tm_mon = digits_read(&at, 2, 2) - 1;
    if (*at++ != '-')
        return false;
    time->tm_mday = digits_read(&at, 2, 2);
    if (time->tm_year < 70 || time->tm_mon < 0 || time->tm_mon > 11 || time->tm_mday < 1)
        return false;
    if (*at == '\0')
        return true;
    return (*at == 'T' || *at == 't' || *at == ' ') && clock_read_text(at + 1, typed);
}

/* Whether a clock on the wall shows what was typed, taken as summer or as standard time. */
static bool shown_at(struct tm typed, int is_summer, time_t *out_at)
{
    struct tm normal = typed, shown;

    normal.tm_isdst = is_summer;
    *out_at = mktime(&normal);
    return localtime_r(out_at, &shown) && shown.tm_mday == typed.tm_mday &&
           shown.tm_hour == typed.tm_hour && shown.tm_min == typed.tm_min;
}

/* Local time to seconds since 1970. An hour that the clocks skip in spring counts as the one after
 * it. One that comes twice in autumn is the first, or the second where that alone is after
 * `after_s`. */
static bool local_seconds(const struct typed *typed, int64_t after_s, int64_t *out_wall_s)
{
    struct tm normal = typed->time;
    time_t utc = timegm(&normal), summer, standard;
    bool in_summer, in_standard;

    if (normal.tm_mday != typed->time.tm_mday || normal.tm_mon != typed->time.tm_mon)
        return false; /* the 30th of February */
    if (typed->has_offset) {
        *out_wall_s = utc - typed->offset_s;
        return true;
    }
    in_summer = shown_at(typed->time, 1, &summer);
    in_standard = shown_at(typed->time, 0, &standard);
    if (in_summer && in_standard && summer != standard)
        *out_wall_s = summer < standard ? (summer > after_s ? summer : standard)
                                        : (standard > after_s ? standard : summer);
    else
        *out_wall_s = in_summer ? summer : standard;
    return true;
}

static bool word_parse(const char *text, int64_t now_s, int64_t *out_wall_s)
{
    if (strcmp(text, "now") == 0) {
        *out_wall_s = now_s;
        return true;
    }
    int back = strcmp(text, "yesterday") == 0 ? 1 : 0;
    if (back == 0 && strcmp(text, "today") != 0)
        return false;
    time_t now = (time_t)now_s;
    struct tm day;
    if (!localtime_r(&now, &day))
        return false;
    day.tm_mday -= back; /* mktime() mends a 0th */
    day.tm_hour = day.tm_min = day.tm_sec = 0;
    day.tm_isdst = -1;
    *out_wall_s = mktime(&day);
    return true;
}

static bool relative_parse(const char *text, int64_t now_s, int64_t *out_wall_s)
{
    int64_t span;
    if ((*text != '-' && *text != '+') || !span_read(text + 1, &span))
        return false;
    *out_wall_s = *text == '-' ? now_s - span : now_s + span;
    return true;
}

static bool epoch_parse(const char *text, int64_t *out_wall_s)
{
    if (*text != '@' || !isdigit((unsigned char)text[1]))
        return false;
    char *end;
    errno = 0;
    long long seconds = strtoll(text + 1, &end, 10);
    if (errno || *end || seconds > INT64_C(253402300799)) /* the end of the year 9999 */
        return false;
    *out_wall_s = seconds;
    return true;
}

static int parse(const char *text, int64_t now_s, int64_t after_s, int64_t *out_wall_s,
                 struct bl_error *error)
{
    if (word_parse(text, now_s, out_wall_s) || relative_parse(text, now_s, out_wall_s) ||
        epoch_parse(text, out_wall_s))
        return 0;
    struct typed typed;
    time_t now = (time_t)now_s;
    if (localtime_r(&now, &typed.time) && clock_read_text(text, &typed) &&
        local_seconds(&typed, after_s, out_wall_s))
        return 0;
    if (date_read_text(text, &typed) && local_seconds(&typed, after_s, out_wall_s))
        return 0;
    return bl_error_set(error, -EINVAL,
                        "'%s' is not a time; please write it like 2026-11-23T11:15, 11:15, today, "
                        "yesterday, -3h or -7d",
                        text);
}

int time_parse(const char *text, int64_t now_s, int64_t *out_wall_s, struct bl_error *error)
{
    return parse(text, now_s, INT64_MIN, out_wall_s, error);
}

int time_parse_coming(const char *text, int64_t now_s, int64_t *out_wall_s, struct bl_error *error)
{
    return parse(text, now_s, now_s, out_wall_s, error);
}
