/* What a report says beyond its sums: findings, the four weeks before, and how old the lists are.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "blocklists/lists.h"
#include "blocklists/store.h"
#include "resolver/config/subscribed.h"
#include "resolver/denials/records.h"
#include "resolver/policy/calendar.h"
#include "tools/report.h"
#include "tools/tally.h"

enum {
    FOUR_WEEKS_DAYS = 28,
    MONTH_DAYS = 32,
    LOOK_BACK_RUNS = 65536,
    ASKED_MOST = 10,
    OPENS = 450,
    CLOSES = 1080
};
static const int64_t day_ms = 86400000;

/* A group's hours: the times of its own period, or those of the report on a school day. */
struct hours {
    const struct config *config; /* NULL: Monday to Friday, half past seven to six */
    struct calendar *calendar;
    struct config_times times;
};

static uint16_t period_of(const struct config *config, const char *group)
{
    for (size_t i = 0; config != NULL && i < config->group_count; i++)
        if (strcmp(config->groups[i].name, group) == 0)
            return config->groups[i].hours;
    return CONFIG_NONE;
}

/* Times past midnight belong to the day on which they begin. */
static bool in_times(const struct hours *hours, int32_t day, int32_t minute)
{
    const struct config_times *times = &hours->times;
    int32_t to = times->to <= times->from ? times->to + 1440 : times->to;

    for (int32_t back = 0; back <= 1; back++)
        if (calendar_is_school_day(hours->calendar, day - back) &&
            minute + back * 1440 >= times->from && minute + back * 1440 < to)
            return true;
    return false;
}

static bool in_hours(void *user, const char *group, int64_t wall_ms)
{
    const struct hours *hours = user;
    int32_t day, second;
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm local;

    if (hours->calendar != NULL) {
        uint16_t period = period_of(hours->config, group);
        if (period != CONFIG_NONE)
            return calendar_in_period(hours->calendar, period, seconds);
        calendar_local(hours->calendar, seconds, &day, &second);
        return in_times(hours, day, second / 60);
    }
    localtime_r(&seconds, &local);
    int minute = local.tm_hour * 60 + local.tm_min;
    return local.tm_wday >= 1 && local.tm_wday <= 5 && minute >= OPENS && minute < CLOSES;
}

static int record_meet(void *user, const struct denial_record *record)
{
    findings_meet(user, record);
    return 0;
}

static int look_back_at(void *user, const struct denial_met *met)
{
    findings_seen_before(user, met);
    return 0;
}

struct trend {
    struct report *report;
    uint64_t runs_before;
};

static int day_take(void *user, const struct denials_day *day)
{
    struct trend *trend = user;
    struct report *report = trend->report;

    report->trend =
        tally_must(realloc(report->trend, (report->trend_count + 1) * sizeof(*report->trend)));
    report->trend[report->trend_count++] =
        (struct report_day){.day = *day->day,
                            .denied = day->denied + day->counted,
                            .observed = day->observed,
                            .before = day->day->end_ms <= report->since_ms};
    if (day->day->end_ms <= report->since_ms)
        trend->runs_before += day->runs;
    return 0;
}

static int findings_make(const struct report_options *options, struct report *report,
                         bool look_back, struct bl_error *error)
{
    struct hours hours = {.config = options->config};
    struct denials_filter filter = {.since_ms = options->since_ms, .until_ms = options->until_ms};
    int code;

    if (options->config != NULL) {
        calendar_create(&options->config->calendar, &hours.calendar, NULL);
        hours.times = options->config->reports.hours;
    }
    filter.by_client = true;
    report->findings_store = findings_create(in_hours, &hours);
    code = denials_search(options->state, &filter, record_meet, report->findings_store, error);
    if (code == 0 && look_back) {
        filter.by_client = false;
        filter.until_ms = filter.since_ms;
        filter.since_ms -= FOUR_WEEKS_DAYS * day_ms;
        code = denials_met(options->state, &filter, look_back_at, report->findings_store, error);
        report->looked_back = code == 0;
    }
    if (code == 0)
        report->findings = findings_judge(report->findings_store, &report->finding_count);
    calendar_free(hours.calendar);
    return code;
}

/* The lists in force; a report is made without them, too. */
static void lists_read(const struct report_options *options, struct report *report)
{
    char path[BL_PATH_MAX];
    struct bl_store *store;

    if (bl_lists_current(options->state, &report->generation, path, NULL) < 0 ||
        bl_store_open(path, &store, NULL) < 0)
        return;
    unsigned count = bl_store_source_count(store);
    report->lists = tally_must(calloc(count + 1, sizeof(*report->lists)));
    for (unsigned i = 0; i < count; i++) {
        const struct bl_source *source = bl_store_source(store, i);
        struct list_state state;
        list_state_find(options->config, store, i, report->made_ms / 1000, &state);
        report->lists[report->list_count++] = (struct report_list){
            .category = tally_must(strdup(bl_store_category(store, source->category)->name)),
            .location = tally_must(strdup(source->location)),
            .imported_s = source->imported,
            .stale = state.stale,
            .entries = source->taken};
    }
    bl_store_close(store);
}

bool report_is_short(const struct report_options *options)
{
    return options->until_ms - options->since_ms <= MONTH_DAYS * day_ms;
}

static void warning_add(void *user, const char *sentence)
{
    struct report *report = user;

    report->warnings = tally_must(
        realloc(report->warnings, (report->warning_count + 1) * sizeof(*report->warnings)));
    report->warnings[report->warning_count++] = tally_must(strdup(sentence));
}

/* Which days had school, so that like is compared with like. */
static void school_days_mark(const struct report_options *options, struct report *report)
{
    struct calendar *calendar = NULL;

    if (options->config != NULL)
        calendar_create(&options->config->calendar, &calendar, NULL);
    for (size_t i = 0; i < report->trend_count; i++) {
        struct report_day *day = &report->trend[i];
        time_t noon = (time_t)((day->day.start_ms + day->day.end_ms) / 2000);
        int32_t number, second;
        struct tm local;
        localtime_r(&noon, &local);
        day->school = local.tm_wday >= 1 && local.tm_wday <= 5;
        if (calendar != NULL) {
            calendar_local(calendar, noon, &number, &second);
            day->school = calendar_is_school_day(calendar, number);
        }
    }
    calendar_free(calendar);
}

int report_look_closer(const struct report_options *options, struct report *report,
                       struct bl_error *error)
{
    struct trend trend = {.report = report};
    struct denials_filter filter = {.since_ms = options->since_ms - FOUR_WEEKS_DAYS * day_ms,
                                    .until_ms = options->until_ms};
    int code = denials_days(options->state, &filter, day_take, &trend, error);

    report_totals_trend(options, filter.since_ms, report);
    school_days_mark(options, report);
    lists_read(options, report);
    if (code == 0)
        code = most_asked_find(options->state, options->since_ms, options->until_ms, NULL,
                               ASKED_MOST, warning_add, report, &report->asked, error);
    if (code < 0 || !report_is_short(options))
        return code;
    bool look_back = trend.runs_before > 0 || report->trend_count > report->day_count;
    return findings_make(options, report, look_back && trend.runs_before < LOOK_BACK_RUNS, error);
}
