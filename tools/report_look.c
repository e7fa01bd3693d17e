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

enum { FOUR_WEEKS_DAYS = 28, MONTH_DAYS = 32, LOOK_BACK_RUNS = 8192, OPENS = 450, CLOSES = 1080 };
static const int64_t day_ms = 86400000;

struct hours {
    struct calendar *calendar; /* NULL: Monday to Friday */
};

/* Between half past seven and six on a school day. */
static bool in_hours(void *user, int64_t wall_ms)
{
    const struct hours *hours = user;
    int32_t day, second;
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm local;

    if (hours->calendar != NULL) {
        calendar_local(hours->calendar, seconds, &day, &second);
        return calendar_is_school_day(hours->calendar, day) && second >= OPENS * 60 &&
               second < CLOSES * 60;
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

struct looking_back {
    struct findings *findings;
    struct tally met; /* (device, category) of the day */
    char day[DAY_TEXT_MAX];
};

static int sum_look_back(void *user, const struct denial_sum *sum)
{
    struct looking_back *back = user;
    char device[ADDRESS_TEXT_MAX];

    if (sum->client == NULL)
        return 0;
    if (strcmp(back->day, sum->day->text) != 0) {
        tally_free(&back->met);
        strcpy(back->day, sum->day->text);
    }
    if (sum->client_id != UINT32_MAX) {
        uint64_t *met = tally_at(&back->met, tally_key(sum->client_id, sum->word_category));
        if (*met != 0)
            return 0;
        *met = 1;
    }
    finding_seen_before(back->findings, address_text(sum->client, device), sum->category);
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
    struct hours hours = {NULL};
    struct denials_filter filter = {.since_ms = options->since_ms, .until_ms = options->until_ms};
    int code;

    if (options->config != NULL)
        calendar_create(&options->config->calendar, &hours.calendar, NULL);
    report->findings_store = findings_create(in_hours, &hours);
    code = denials_search(options->state, &filter, record_meet, report->findings_store, error);
    if (code == 0 && look_back) {
        struct looking_back back = {.findings = report->findings_store};
        filter.until_ms = filter.since_ms;
        filter.since_ms -= FOUR_WEEKS_DAYS * day_ms;
        code = denials_sums(options->state, &filter, sum_look_back, &back, error);
        tally_free(&back.met);
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

int report_look_closer(const struct report_options *options, struct report *report,
                       struct bl_error *error)
{
    struct trend trend = {.report = report};
    struct denials_filter filter = {.since_ms = options->since_ms - FOUR_WEEKS_DAYS * day_ms,
                                    .until_ms = options->until_ms};
    int code = denials_days(options->state, &filter, day_take, &trend, error);

    lists_read(options, report);
    if (code < 0 || options->until_ms - options->since_ms > MONTH_DAYS * day_ms)
        return code;
    bool look_back = trend.runs_before > 0 || report->trend_count > report->day_count;
    return findings_make(options, report, look_back && trend.runs_before < LOOK_BACK_RUNS, error);
}
