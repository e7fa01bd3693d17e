#include "resolver/policy/zone.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/base/civil.h"

enum {
    FILE_MAX = 1 << 20,
    HEADER_LEN = 44,
    TYPE_LEN = 6,
    CHANGES_MAX = 20000,
    DAY_S = 86400,
    OFFSET_MAX_S = 26 * 3600, /* RFC 8536 section 3.2 */
};

/* When a rule of the footer takes effect, RFC 8536 section 3.3 and POSIX's TZ. */
struct rule_date {
    enum { DATE_MONTH, DATE_JULIAN, DATE_DAY } kind;
    int month, week, day;
    int32_t time_s; /* after local midnight; may be negative or above a day */
};

struct footer {
    bool set, has_summer;
    int32_t standard_s, summer_s; /* ahead of UTC */
    struct rule_date start, end;
};

struct zone {
    size_t count;
    int64_t *times;   /* of changes, ascending */
    int32_t *offsets; /* from that instant on */
    int32_t first_s;  /* before the first */
    struct footer footer;
};

static uint32_t get_32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int64_t get_64(const uint8_t *at)
{
    return (int64_t)((uint64_t)get_32(at) << 32 | get_32(at + 4));
}

struct counts {
    uint32_t isut, isstd, leap, time, type, chars;
};

/* The header at `at`, whose data of `time_len` octets a time must fit in `len`. */
static bool header_read(const uint8_t *at, size_t len, size_t time_len, struct counts *out,
                        size_t *out_data_len)
{
    uint64_t data;

    if (len < HEADER_LEN || memcmp(at, "TZif", 4) != 0)
        return false;
    *out = (struct counts){get_32(at + 20), get_32(at + 24), get_32(at + 28),
                           get_32(at + 32), get_32(at + 36), get_32(at + 40)};
    data = (uint64_t)out->time * (time_len + 1) + (uint64_t)out->type * TYPE_LEN + out->chars +
           (uint64_t)out->leap * (time_len + 4) + out->isstd + out->isut;
    if (out->type == 0 || out->type > 256 || out->time > CHANGES_MAX || data > len - HEADER_LEN)
        return false;
    *out_data_len = (size_t)data;
    return true;
}

static bool changes_read(struct zone *zone, const uint8_t *data, const struct counts *counts,
                         size_t time_len)
{
    const uint8_t *indices = data + counts->time * time_len;
    const uint8_t *types = indices + counts->time;

    for (size_t i = 0; i < counts->type; i++) {
        int32_t offset = (int32_t)get_32(types + i * TYPE_LEN);
        if (offset > OFFSET_MAX_S || offset < -OFFSET_MAX_S)
            return false;
    }
    zone->first_s = (int32_t)get_32(types);
    for (size_t i = 0; i < counts->time; i++) {
        const uint8_t *at = data + i * time_len;
        int64_t time = time_len == 8 ? get_64(at) : (int32_t)get_32(at);
        if (indices[i] >= counts->type || (i && time <= zone->times[i - 1]))
            return false;
        zone->times[i] = time;
        zone->offsets[i] = (int32_t)get_32(types + indices[i] * TYPE_LEN);
        zone->count++;
    }
    return true;
}

static bool number_read(const char **text, int most, int *out)
{
    int value = 0;

    if (!isdigit((unsigned char)**text))
        return false;
    for (; isdigit((unsigned char)**text); (*text)++) {
        value = 10 * value + (**text - '0');
        if (value > most)
            return false;
    }
    *out = value;
    return true;
}

/* [+-]hh[:mm[:ss]] */
static bool span_read(const char **text, int hours_most, int32_t *out_s)
{
    int parts[3] = {0};
    bool negative = **text == '-';

    if (**text == '-' || **text == '+')
        (*text)++;
    if (!number_read(text, hours_most, &parts[0]))
        return false;
    for (int i = 1; i < 3 && **text == ':'; i++) {
        (*text)++;
        if (!number_read(text, 59, &parts[i]))
            return false;
    }
    *out_s = (parts[0] * 3600 + parts[1] * 60 + parts[2]) * (negative ? -1 : 1);
    return true;
}

static bool abbreviation_skip(const char **text)
{
    const char *start = *text;

    if (**text == '<') {
        *text = strchr(start, '>');
        if (!*text)
            return false;
        (*text)++;
        return *text - start > 2;
    }
    while (isalpha((unsigned char)**text))
        (*text)++;
    return *text - start >= 3;
}

static bool date_read(const char **text, struct rule_date *out)
{
    *out = (struct rule_date){.kind = DATE_DAY, .time_s = 2 * 3600};
    if (**text == 'M') {
        (*text)++;
        out->kind = DATE_MONTH;
        if (!number_read(text, 12, &out->month) || out->month < 1 || *(*text)++ != '.' ||
            !number_read(text, 5, &out->week) || out->week < 1 || *(*text)++ != '.' ||
            !number_read(text, 6, &out->day))
            return false;
    } else {
        if (**text == 'J') {
            out->kind = DATE_JULIAN;
            (*text)++;
        }
        if (!number_read(text, 365, &out->day) || (out->kind == DATE_JULIAN && out->day < 1))
            return false;
    }
    if (**text == '/') {
        (*text)++;
        return span_read(text, 167, &out->time_s);
    }
    return true;
}

/* "GMT0BST,M3.5.0/1,M10.5.0"; false when it is none. */
static bool footer_parse(const char *text, struct footer *footer)
{
    int32_t behind_s;

    if (!*text)
        return true;
    if (!abbreviation_skip(&text) || !span_read(&text, 24, &behind_s))
        return false;
    footer->set = true;
    footer->standard_s = -behind_s;
    if (!*text)
        return true;
    if (!abbreviation_skip(&text))
        return false;
    footer->has_summer = true;
    footer->summer_s = footer->standard_s + 3600;
    if (*text != ',') {
        if (!span_read(&text, 24, &behind_s))
            return false;
        footer->summer_s = -behind_s;
    }
    return *text++ == ',' && date_read(&text, &footer->start) && *text++ == ',' &&
           date_read(&text, &footer->end) && !*text;
}

static bool footer_read(struct zone *zone, const uint8_t *at, size_t len)
{
    char text[128];
    const uint8_t *end;

    if (len < 2 || at[0] != '\n')
        return false;
    end = memchr(at + 1, '\n', len - 1);
    if (!end || (size_t)(end - at) > sizeof text)
        return false;
    memcpy(text, at + 1, (size_t)(end - at - 1));
    text[end - at - 1] = '\0';
    return strlen(text) == (size_t)(end - at - 1) && footer_parse(text, &zone->footer);
}

int zone_parse(const uint8_t *octets, size_t len, struct zone **out_zone)
{
    struct counts counts;
    struct zone *zone;
    size_t data_len, time_len = 4;
    bool fine;

    if (!header_read(octets, len, 4, &counts, &data_len))
        return -EBADMSG;
    if (octets[4] >= '2') { /* the same again with 64 bits, RFC 8536 section 3 */
        octets += HEADER_LEN + data_len;
        len -= HEADER_LEN + data_len;
        time_len = 8;
        if (!header_read(octets, len, 8, &counts, &data_len))
            return -EBADMSG;
    }
    zone = calloc(1, sizeof *zone);
    if (zone) {
        zone->times = calloc(counts.time + 1, sizeof *zone->times);
        zone->offsets = calloc(counts.time + 1, sizeof *zone->offsets);
    }
    if (!zone || !zone->times || !zone->offsets) {
        zone_close(zone);
        return -ENOMEM;
    }
    octets += HEADER_LEN;
    len -= HEADER_LEN;
    fine = changes_read(zone, octets, &counts, time_len) &&
           (time_len == 4 || footer_read(zone, octets + data_len, len - data_len));
    if (!fine) {
        zone_close(zone);
        return -EBADMSG;
    }
    *out_zone = zone;
    return 0;
}

static int utc_open(struct zone **out_zone)
{
    struct zone *zone = calloc(1, sizeof *zone);

    if (!zone)
        return -ENOMEM;
    *out_zone = zone;
    return 0;
}

int zone_open(const char *name, struct zone **out_zone, struct bl_error *error)
{
    const char *wanted = name ? name : getenv("TZ");
    char path[256] = "/etc/localtime";
    uint8_t *octets;
    FILE *file;
    size_t len;
    int code;

    if (wanted && *wanted == ':')
        wanted++;
    if (wanted && (!*wanted || strcmp(wanted, "UTC") == 0))
        return utc_open(out_zone);
    if (wanted && *wanted == '/' && !name)
        snprintf(path, sizeof path, "%s", wanted);
    else if (wanted)
        snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", wanted);
    file = fopen(path, "re");
    if (!file && !name) /* a machine without the data keeps UTC, as the C library does */
        return utc_open(out_zone);
    if (!file)
        return bl_error_set(error, -errno, "the time zone \"%s\" cannot be read: %s", name,
                            strerror(errno));
    octets = malloc(FILE_MAX);
    len = octets ? fread(octets, 1, FILE_MAX, file) : 0;
    code = octets ? zone_parse(octets, len, out_zone) : -ENOMEM;
    if (code < 0)
        bl_error_set(error, code, "%s is no time zone file", path);
    free(octets);
    fclose(file);
    return code;
}

void zone_close(struct zone *zone)
{
    if (!zone)
        return;
    free(zone->times);
    free(zone->offsets);
    free(zone);
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* The day on which a rule falls in a year, as days since 1970. */
static int32_t rule_day(const struct rule_date *date, int year)
{
    int32_t first;
    int month_days;

    if (date->kind == DATE_DAY)
        return civil_days(year, 1, 1) + date->day;
    if (date->kind == DATE_JULIAN) /* February 29 is never counted */
        return civil_days(year, 1, 1) + date->day - 1 + (is_leap(year) && date->day >= 60);
    first = civil_days(year, date->month, 1);
    month_days =
        (date->month == 12 ? civil_days(year + 1, 1, 1) : civil_days(year, date->month + 1, 1)) -
        first;
    first += (date->day - (civil_weekday(first) + 1) % 7 + 7) % 7; /* 0 is Sunday in a rule */
    for (int week = 1; week < date->week; week++) {
        if (first + 7 - civil_days(year, date->month, 1) < month_days)
            first += 7;
    }
    return first;
}

static int year_of(int64_t utc_s)
{
    int year, month, day;
    int64_t days = utc_s / DAY_S - (utc_s % DAY_S < 0);

    if (days > INT32_MAX / 2)
        days = INT32_MAX / 2;
    if (days < INT32_MIN / 2)
        days = INT32_MIN / 2;
    civil_date((int32_t)days, &year, &month, &day);
    return year;
}

/* Start and end of summer time in a year, in UTC: each rule is told in the time that it ends. */
static void summer_of(const struct footer *footer, int year, int64_t *out_start, int64_t *out_end)
{
    *out_start =
        (int64_t)rule_day(&footer->start, year) * DAY_S + footer->start.time_s - footer->standard_s;
    *out_end =
        (int64_t)rule_day(&footer->end, year) * DAY_S + footer->end.time_s - footer->summer_s;
}

static int32_t footer_offset(const struct footer *footer, int64_t utc_s)
{
    int64_t start, end;
    bool summer;

    if (!footer->has_summer)
        return footer->standard_s;
    summer_of(footer, year_of(utc_s + footer->standard_s), &start, &end);
    summer = start < end ? utc_s >= start && utc_s < end : utc_s >= start || utc_s < end;
    return summer ? footer->summer_s : footer->standard_s;
}

static int64_t footer_next(const struct footer *footer, int64_t utc_s)
{
    int year = year_of(utc_s);
    int64_t next = INT64_MAX;

    if (!footer->set || !footer->has_summer)
        return INT64_MAX;
    for (int i = year - 1; i <= year + 2; i++) {
        int64_t start, end;
        summer_of(footer, i, &start, &end);
        if (start > utc_s && start < next)
            next = start;
        if (end > utc_s && end < next)
            next = end;
    }
    return next;
}

/* How many changes lie at or before `utc_s`. */
static size_t changes_before(const struct zone *zone, int64_t utc_s)
{
    size_t low = 0, high = zone->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->times[middle] <= utc_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int32_t zone_offset(const struct zone *zone, int64_t utc_s)
{
    size_t before = changes_before(zone, utc_s);

    if (before == zone->count && zone->footer.set)
        return footer_offset(&zone->footer, utc_s);
    return before ? zone->offsets[before - 1] : zone->first_s;
}

int64_t zone_next_change(const struct zone *zone, int64_t utc_s)
{
    size_t before = changes_before(zone, utc_s);

    return before < zone->count ? zone->times[before] : footer_next(&zone->footer, utc_s);
}
