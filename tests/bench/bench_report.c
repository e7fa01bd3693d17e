/* What reading denials costs: a day's report, one over all days of a state folder, and searches by
 * client and by name over all of them, each best of three.
 *
 *     make-month STATE 10200 UT1-FOLDER 28     (a million denials on each school day)
 *     bench-report STATE [CLIENT [NAME]]
 *
 * Processor time beside wall time: on a machine that others use the one tells, the other does not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "blocklists/name.h"
#include "resolver/denials/records.h"
#include "tools/report.h"

enum { ROUNDS = 3, DAYS_MAX = 4000 };

static double seconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

struct days {
    struct day first, last, most;
    uint64_t count, denials, most_denials;
};

static int day_see(void *user, const struct denials_day *day)
{
    struct days *days = user;
    uint64_t denials = day->denied + day->observed;

    if (days->count++ == 0)
        days->first = *day->day;
    days->last = *day->day;
    days->denials += denials;
    /* The last of those that are as busy as any, near enough: it has most to look back at. */
    if (denials * 20 > days->most_denials * 19)
        days->most = *day->day;
    if (denials > days->most_denials)
        days->most_denials = denials;
    return 0;
}

static int record_count(void *user, const struct denial_record *record)
{
    *(uint64_t *)user += record->count;
    return 0;
}

static void report_round(const char *state, int64_t since_ms, int64_t until_ms)
{
    struct report_options options = {.state = state, .since_ms = since_ms, .until_ms = until_ms};
    struct bl_error error = {""};
    struct report *report;
    FILE *out = fopen("/dev/null", "w");

    if (out == NULL || report_make(&options, &report, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    report_html(report, out);
    report_free(report);
    fclose(out);
}

static uint64_t search_round(const char *state, const struct denials_filter *filter)
{
    struct bl_error error = {""};
    uint64_t count = 0;

    if (denials_search(state, filter, record_count, &count, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    return count;
}

struct best {
    double wall, cpu;
};

static void best_begin(struct best *now)
{
    *now = (struct best){seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID)};
}

static void best_end(struct best *now, struct best *best)
{
    now->wall = seconds(CLOCK_MONOTONIC) - now->wall;
    now->cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - now->cpu;
    if (best->wall <= 0 || now->wall < best->wall)
        best->wall = now->wall;
    if (best->cpu <= 0 || now->cpu < best->cpu)
        best->cpu = now->cpu;
}

static void report_measure(const char *state, const char *what, int64_t since_ms, int64_t until_ms)
{
    struct best best = {0}, now;

    for (int i = 0; i < ROUNDS; i++) {
        best_begin(&now);
        report_round(state, since_ms, until_ms);
        best_end(&now, &best);
    }
    printf("%-34s %6.2f s, %.2f s of processor time\n", what, best.wall, best.cpu);
}

static void search_measure(const char *state, const char *what, const struct denials_filter *filter)
{
    struct best best = {0}, now;
    uint64_t count = 0;

    for (int i = 0; i < ROUNDS; i++) {
        best_begin(&now);
        count = search_round(state, filter);
        best_end(&now, &best);
    }
    printf("%-34s %6.2f s, %.2f s of processor time; %llu found\n", what, best.wall, best.cpu,
           (unsigned long long)count);
}

int main(int argc, char **argv)
{
    struct denials_filter filter = {.until_ms = INT64_MAX};
    struct address_prefix client;
    struct bl_name name;
    struct bl_error error = {""};
    struct days days = {0};
    char what[64];

    if (argc < 2)
        return fprintf(stderr, "usage: bench-report STATE [CLIENT [NAME]]\n"), 2;
    if (denials_days(argv[1], &filter, day_see, &days, &error) < 0 || days.count == 0)
        return fprintf(stderr, "%s\n", days.count == 0 ? "no denials" : error.text), 1;
    printf("%llu days, %llu denials, %llu at most, the report of %s\n",
           (unsigned long long)days.count, (unsigned long long)days.denials,
           (unsigned long long)days.most_denials, days.most.text);
    report_measure(argv[1], "a day's report", days.most.start_ms, days.most.end_ms);
    snprintf(what, sizeof(what), "a report over %llu days", (unsigned long long)days.count);
    report_measure(argv[1], what, days.first.start_ms, days.last.end_ms);
    if (argc > 2) {
        if (address_prefix_parse(argv[2], &client) < 0)
            return fprintf(stderr, "%s is no address\n", argv[2]), 2;
        filter.client = &client;
        search_measure(argv[1], "a search by client over all days", &filter);
        filter.client = NULL;
    }
    if (argc > 3) {
        if (bl_name_parse(argv[3], strlen(argv[3]), &name) != BL_NAME_FINE)
            return fprintf(stderr, "%s is no name\n", argv[3]), 2;
        filter.name = name.wire;
        search_measure(argv[1], "a search by name over all days", &filter);
    }
    return 0;
}
