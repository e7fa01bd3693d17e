/* Where a report goes, and what span it is about. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tools/report.h"

int report_write(const struct report *report, enum report_format format, FILE *out)
{
    int code = 0;

    errno = 0;
    if (format == REPORT_AS_TEXT)
        report_text(report, out);
    else if (format == REPORT_AS_HTML)
        report_html(report, out);
    else if (format == REPORT_AS_CSV)
        report_csv(report, out);
    else
        code = report_json(report, out);
    if (code == 0 && (fflush(out) != 0 || ferror(out)))
        code = errno != 0 ? -errno : -EIO;
    return code;
}

int report_write_file(const struct report *report, enum report_format format, const char *path)
{
    char hidden[PATH_MAX];
    int code = 0;

    if (snprintf(hidden, sizeof(hidden), "%s.XXXXXX", path) >= (int)sizeof(hidden))
        return -ENAMETOOLONG;
    int fd = mkstemp(hidden);
    if (fd < 0)
        return -errno;
    FILE *out = fchmod(fd, 0640) == 0 ? fdopen(fd, "w") : NULL;
    if (out == NULL) {
        code = -errno;
        close(fd);
    } else {
        /* Without it, spreadsheets take the file for an alphabet of the last century. */
        if (format == REPORT_AS_CSV)
            fputs("\xef\xbb\xbf", out);
        code = report_write(report, format, out);
        if (code == 0 && fsync(fd) < 0)
            code = -errno;
        if (fclose(out) != 0 && code == 0)
            code = -errno;
    }
    if (code == 0 && rename(hidden, path) < 0)
        code = -errno;
    if (code < 0)
        unlink(hidden);
    return code;
}

/* The day so many days on. */
static struct day day_from(const struct day *day, int days)
{
    struct day found = *day;

    for (; days > 0; days--)
        day_of(found.end_ms, &found);
    for (; days < 0; days++)
        day_of(found.start_ms - 1, &found);
    return found;
}

void report_week(const struct day *day, int64_t *out_since_ms, int64_t *out_until_ms)
{
    time_t noon = (time_t)((day->start_ms + day->end_ms) / 2000);
    struct tm local;

    localtime_r(&noon, &local);
    struct day monday = day_from(day, -((local.tm_wday + 6) % 7));
    struct day sunday = day_from(&monday, 6);
    *out_since_ms = monday.start_ms;
    *out_until_ms = sunday.end_ms;
}

/* Civil days are counted from 1970. */
static struct day civil_day(int32_t number)
{
    time_t seconds = (time_t)number * 86400;
    char text[DAY_TEXT_MAX];
    struct day day = {0};
    struct tm utc;

    gmtime_r(&seconds, &utc);
    strftime(text, sizeof(text), "%Y-%m-%d", &utc);
    if (day_parse(text, &day) < 0)
        day_of((int64_t)seconds * 1000, &day);
    return day;
}

bool report_term(const struct config_calendar *calendar, const char *name, const struct day *today,
                 int64_t *out_since_ms, int64_t *out_until_ms)
{
    const struct config_term *found = NULL;
    bool current = strcmp(name, "current") == 0;

    for (size_t i = 0; i < calendar->term_count; i++) {
        const struct config_term *term = &calendar->terms[i];
        if (current ? civil_day(term->dates.first).start_ms <= today->start_ms &&
                          (found == NULL || term->dates.first > found->dates.first)
                    : strcmp(term->name, name) == 0)
            found = term;
    }
    if (found == NULL)
        return false;
    *out_since_ms = civil_day(found->dates.first).start_ms;
    *out_until_ms = civil_day(found->dates.last).end_ms;
    return true;
}
