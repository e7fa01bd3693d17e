/* Gathering a report's figures. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "blocklists/name.h"
#include "resolver/denials/records.h"
#include "tools/denial_show.h"
#include "tools/report.h"
#include "tools/report_couples.h"
#include "tools/tally.h"

struct making {
    struct report *report;
    struct tally_words groups, categories, names, devices;
    struct couples *couples; /* NULL: findings will tell who asked what */
    /* By the numbers of the day that is being read, so that most sums cost no hashing of strings.
     */
    struct tally_ids names_met, devices_met, groups_met, categories_met;
    char day[DAY_TEXT_MAX];
    unsigned shown[DAY_HOURS_MAX]; /* what the clock shows in the day's hours */
    size_t sums_room[4];
};

/* The sums that stand at a word's number. */
static struct report_sum *sum_at(struct making *making, struct report_sums *sums, int which,
                                 uint32_t number)
{
    if (number >= making->sums_room[which]) {
        size_t room = (size_t)number * 2 + 64;
        sums->items = tally_must(realloc(sums->items, room * sizeof(*sums->items)));
        memset(sums->items + making->sums_room[which], 0,
               (room - making->sums_room[which]) * sizeof(*sums->items));
        making->sums_room[which] = room;
    }
    if (number >= sums->count)
        sums->count = number + 1;
    return &sums->items[number];
}

static void sum_add(struct report_sum *to, const struct denial_sum *sum)
{
    if (!sum->itemised)
        to->counted += sum->count;
    else if (sum->observed)
        to->observed += sum->count;
    else
        to->denied += sum->count;
    if (sum->severity > to->severity)
        to->severity = sum->severity;
}

static char *copy(const char *text)
{
    return tally_must(strdup(text));
}

/* The number of a word of the day: remembered where the day has one for it. */
static uint32_t *met_at(struct tally_ids *ids, uint32_t id)
{
    return id == TALLY_NO_ID ? NULL : tally_id_at(ids, id);
}

static uint32_t group_number(struct making *making, const struct denial_sum *sum)
{
    uint32_t *met = met_at(&making->groups_met, sum->word_group);

    if (met != NULL && *met != TALLY_NO_ID)
        return *met;
    uint32_t number = tally_word(&making->groups, sum->group, strlen(sum->group));
    struct report_sum *to = sum_at(making, &making->report->groups, 0, number);
    if (to->name == NULL)
        to->name = copy(sum->group[0] != '\0' ? sum->group : "(unknown)");
    if (met != NULL)
        *met = number;
    return number;
}

static uint32_t category_number(struct making *making, const struct denial_sum *sum)
{
    uint32_t *met = met_at(&making->categories_met, sum->word_category);

    if (met != NULL && *met != TALLY_NO_ID)
        return *met;
    uint32_t number = tally_word(&making->categories, sum->category, strlen(sum->category));
    struct report_sum *to = sum_at(making, &making->report->categories, 1, number);
    if (to->name == NULL) {
        to->name = copy(sum->category[0] != '\0' ? sum->category : "(none)");
        to->title = copy(sum->title[0] != '\0' ? sum->title : to->name);
    }
    if (met != NULL)
        *met = number;
    return number;
}

static uint32_t name_number(struct making *making, const struct denial_sum *sum)
{
    uint32_t *met = met_at(&making->names_met, sum->domain_id);
    char text[BL_NAME_TEXT_MAX];

    if (met != NULL && *met != TALLY_NO_ID)
        return *met;
    uint32_t number = tally_word(&making->names, sum->domain, bl_name_length(sum->domain));
    struct report_sum *to = sum_at(making, &making->report->names, 2, number);
    if (to->name == NULL) {
        bl_name_text(sum->domain, text);
        to->name = copy(text);
    }
    if (met != NULL)
        *met = number;
    return number;
}

static uint32_t device_number(struct making *making, const struct denial_sum *sum)
{
    uint32_t *met = met_at(&making->devices_met, sum->client_id);
    char key[DENIAL_DEVICE_MAX], text[DENIAL_DEVICE_MAX];

    if (met != NULL && *met != TALLY_NO_ID)
        return *met;
    denial_device_key(sum->device, sum->client, key);
    uint32_t number = tally_word(&making->devices, key, strlen(key));
    struct report_sum *to = sum_at(making, &making->report->devices, 3, number);
    if (to->key == NULL)
        to->key = copy(key);
    /* One device over all its addresses; the name may have become known later than the device. */
    if (to->name == NULL || sum->device->name[0] != '\0') {
        free(to->name);
        to->name = copy(denial_device_text(sum->device, sum->client, text));
    }
    if (met != NULL)
        *met = number;
    return number;
}

static struct report_day *day_at(struct making *making, const struct day *day)
{
    struct report *report = making->report;

    if (strcmp(making->day, day->text) != 0) {
        strcpy(making->day, day->text);
        for (unsigned hour = 0; hour < DAY_HOURS_MAX; hour++)
            making->shown[hour] = day_hour_shown(day, hour) % 24;
        tally_ids_clear(&making->names_met);
        tally_ids_clear(&making->devices_met);
        tally_ids_clear(&making->groups_met);
        tally_ids_clear(&making->categories_met);
        report->days =
            tally_must(realloc(report->days, (report->day_count + 1) * sizeof(*report->days)));
        report->days[report->day_count++] = (struct report_day){.day = *day};
    }
    return &report->days[report->day_count - 1];
}

static int sum_take(void *user, const struct denial_sum *sum)
{
    struct making *making = user;
    struct report *report = making->report;
    struct report_day *day = day_at(making, sum->day);

    uint32_t group = group_number(making, sum), category = category_number(making, sum);

    sum_add(&report->groups.items[group], sum);
    sum_add(&report->categories.items[category], sum);
    if (!sum->itemised) {
        report->counted += sum->count;
        return 0;
    }
    *(sum->observed ? &report->observed : &report->denied) += sum->count;
    *(sum->observed ? &day->observed : &day->denied) += sum->count;
    if (!sum->observed)
        report->hours[making->shown[sum->hour % DAY_HOURS_MAX]] += sum->count;
    uint32_t name = name_number(making, sum), device = device_number(making, sum);
    sum_add(&report->names.items[name], sum);
    sum_add(&report->devices.items[device], sum);
    if (making->couples != NULL)
        couples_add(making->couples, name, device, category, group, sum->count);
    return 0;
}

static int record_sum(void *user, const struct denial_record *record)
{
    struct day day;
    struct denial_sum sum = {.day = &day,
                             .group = record->group,
                             .category = record->category,
                             .title = record->title,
                             .severity = record->severity,
                             .observed = record->observed,
                             .domain = record->domain,
                             .client = &record->client,
                             .device = record->device,
                             .itemised = true,
                             .count = record->count,
                             .domain_id = TALLY_NO_ID,
                             .client_id = TALLY_NO_ID,
                             .word_group = TALLY_NO_ID,
                             .word_category = TALLY_NO_ID};

    day_of(record->wall_ms, &day);
    sum.hour = day_hour(&day, record->wall_ms);
    return sum_take(user, &sum);
}

static void warning_keep(void *user, const char *sentence)
{
    struct making *making = user;
    struct report *report = making->report;

    report->warnings =
        tally_must(realloc(report->warnings, (report->warning_count + 1) * sizeof(char *)));
    report->warnings[report->warning_count++] = copy(sentence);
}

static int most_first(const void *a, const void *b)
{
    const struct report_sum *x = a, *y = b;
    uint64_t of_x = x->denied + x->counted, of_y = y->denied + y->counted;

    if (of_x != of_y)
        return of_x > of_y ? -1 : 1;
    if (x->observed != y->observed)
        return x->observed > y->observed ? -1 : 1;
    return strcmp(x->name, y->name);
}

void report_sums_sort(struct report_sums *sums)
{
    if (sums->count > 0)
        qsort(sums->items, sums->count, sizeof(*sums->items), most_first);
}

/* "Monday 23 November 2026", or from when to when; ", so far" while it goes on. */
static void title_make(struct report *report)
{
    char from[SHOW_TIME_MAX], to[SHOW_TIME_MAX], since[SHOW_TIME_MAX], until[SHOW_TIME_MAX];
    bool goes_on = report->since_ms <= report->made_ms && report->made_ms < report->until_ms;
    const char *yet = goes_on ? ", so far" : "";
    struct day first, last;

    day_of(report->since_ms, &first);
    day_of(report->until_ms, &last);
    if (first.start_ms == report->since_ms && first.end_ms == report->until_ms)
        snprintf(report->title, sizeof(report->title), "%s%s", show_day(report->since_ms, from),
                 yet);
    else if (first.start_ms == report->since_ms && last.start_ms == report->until_ms)
        snprintf(report->title, sizeof(report->title), "%s to %s%s",
                 show_day(report->since_ms, from), show_day(report->until_ms - 1, to), yet);
    else
        snprintf(report->title, sizeof(report->title), "%s %.5s to %s %.5s%s",
                 show_day(report->since_ms, from), show_time(report->since_ms, since) + 11,
                 show_day(report->until_ms, to), show_time(report->until_ms, until) + 11, yet);
}

/* Hours as roll-ups have them: since the day's start, which is not a whole hour of UTC everywhere.
 */
static bool is_whole_hour(int64_t wall_ms)
{
    struct day day;

    day_of(wall_ms, &day);
    return (wall_ms - day.start_ms) % 3600000 == 0;
}

static void making_free(struct making *making)
{
    tally_words_free(&making->groups);
    tally_words_free(&making->categories);
    tally_words_free(&making->names);
    tally_words_free(&making->devices);
    tally_ids_free(&making->names_met);
    tally_ids_free(&making->devices_met);
    tally_ids_free(&making->groups_met);
    tally_ids_free(&making->categories_met);
}

static int figures_make(const struct report_options *options, struct report *report,
                        struct bl_error *error)
{
    struct making making = {
        .report = report,
        .couples = !options->sums_only && report_is_short(options) ? NULL : couples_create()};
    struct denials_filter filter = {.since_ms = options->since_ms,
                                    .until_ms = options->until_ms,
                                    .warn = warning_keep,
                                    .warn_user = &making};
    bool whole = is_whole_hour(options->since_ms) && is_whole_hour(options->until_ms);
    int code = whole ? denials_sums(options->state, &filter, sum_take, &making, error)
                     : denials_search(options->state, &filter, record_sum, &making, error);

    if (making.couples != NULL)
        couples_settle(making.couples, report);
    making_free(&making);
    report_sums_sort(&report->groups);
    report_sums_sort(&report->categories);
    report_sums_sort(&report->names);
    report_sums_sort(&report->devices);
    return code;
}

int report_make(const struct report_options *options, struct report **out_report,
                struct bl_error *error)
{
    struct report *report = tally_must(calloc(1, sizeof(*report)));

    report->since_ms = options->since_ms;
    report->until_ms = options->until_ms;
    report->made_ms = (int64_t)time(NULL) * 1000;
    report->audience = options->audience;
    report->config = options->config;
    title_make(report);
    int code = figures_make(options, report, error);
    if (code >= 0 && !options->sums_only) {
        report_totals_add(options, report);
        code = report_look_closer(options, report, error);
    }
    if (code >= 0 && report->findings_store != NULL)
        couples_of_findings(report);
    if (code < 0) {
        report_free(report);
        return code;
    }
    *out_report = report;
    return 0;
}

static void sums_free(struct report_sums *sums)
{
    for (size_t i = 0; i < sums->count; i++) {
        free(sums->items[i].name);
        free(sums->items[i].key);
        free(sums->items[i].title);
    }
    free(sums->items);
}

void report_free(struct report *report)
{
    if (report == NULL)
        return;
    sums_free(&report->groups);
    sums_free(&report->categories);
    sums_free(&report->names);
    sums_free(&report->devices);
    for (size_t i = 0; i < report->warning_count; i++)
        free(report->warnings[i]);
    for (size_t i = 0; i < report->list_count; i++) {
        free(report->lists[i].category);
        free(report->lists[i].location);
    }
    free(report->lists);
    findings_free(report->findings_store);
    most_asked_fini(&report->asked);
    json_decref(report->following.incidents);
    json_decref(report->following.faults);
    json_decref(report->following.changes);
    json_decref(report->following.grants);
    json_decref(report->following.granted);
    json_decref(report->following.made_safe);
    json_decref(report->following.exports);
    free(report->warnings);
    free(report->trend);
    free(report->days);
    free(report);
}
