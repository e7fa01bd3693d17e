#include "tools/report_words.h"

#include <string.h>
#include <time.h>

#include "tools/denial_show.h"
#include "tools/flow.h"
#include "tools/table.h"

const char *const report_limits[] = {
    "The filter sees the names that devices look up, not pages, searches or messages. A refused "
    "look-up "
    "does not prove that a person meant to go there: apps and pages look up names by themselves.",
    "What is reached without asking this resolver (mobile data, a VPN, an address typed by hand) "
    "is not "
    "here, and a device is an address on the network, not a person. No filter stops everything "
    "unsuitable, "
    "and none replaces supervision.",
    NULL};

const char report_method[] = "How background is told from visits: a site counts as background for "
                             "a device when it is asked at a fixed "
                             "interval, by day and at night alike, in most hours, only by names "
                             "that programs use, or only together with "
                             "other refused parts of pages; and as visits when main pages of sites "
                             "are asked, several of a kind within "
                             "minutes, or again after a while. Each finding names its reasons. All "
                             "records stay in `chalkgate denials`.";

static void local_of(int64_t wall_ms, struct tm *out)
{
    time_t seconds = (time_t)(wall_ms / 1000);

    memset(out, 0, sizeof(*out));
    localtime_r(&seconds, out);
}

static size_t moment_put(const struct report *report, int64_t wall_ms, char *out, size_t size)
{
    struct tm local;

    local_of(wall_ms, &local);
    return strftime(out, size,
                    report->until_ms - report->since_ms > 90000000 ? "%a %d %b %H:%M" : "%H:%M",
                    &local);
}

static void clock_put(int64_t wall_ms, char *out, size_t size)
{
    struct tm local;

    local_of(wall_ms, &local);
    strftime(out, size, "%H:%M", &local);
}

char *report_when(const struct report *report, const struct finding *finding,
                  char out[REPORT_WORDS_MAX])
{
    size_t used = moment_put(report, finding->first_ms, out, 64);

    if (finding->last_ms - finding->first_ms >= 60000) {
        struct day first, last;
        day_of(finding->first_ms, &first);
        day_of(finding->last_ms, &last);
        used += (size_t)snprintf(out + used, 8, " to ");
        if (strcmp(first.text, last.text) == 0)
            clock_put(finding->last_ms, out + used, 64);
        else
            moment_put(report, finding->last_ms, out + used, 64);
    }
    return out;
}

char *report_since(const struct report *report, const struct finding *finding,
                   char out[REPORT_WORDS_MAX])
{
    moment_put(report, finding->first_ms, out, 64);
    return out;
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

char *report_what(const struct finding *finding, char out[REPORT_WORDS_MAX])
{
    char sites[32], count[32];
    size_t used = (size_t)snprintf(
        out, REPORT_WORDS_MAX, "%s site%s, %s look-up%s: ", show_count(finding->site_count, sites),
        plural(finding->site_count), show_count(finding->count, count), plural(finding->count));

    for (unsigned i = 0; i < FINDING_SITES_MAX && i < finding->site_count; i++)
        used += (size_t)snprintf(out + used, REPORT_WORDS_MAX - used, "%s%.250s", i > 0 ? ", " : "",
                                 finding->sites[i].name);
    if (finding->site_count > FINDING_SITES_MAX)
        snprintf(out + used, REPORT_WORDS_MAX - used, " and %llu more",
                 (unsigned long long)(finding->site_count - FINDING_SITES_MAX));
    return out;
}

char *report_why(const struct report *report, const struct finding *finding,
                 char out[REPORT_WORDS_MAX])
{
    char why[1024];
    size_t used;

    static const char *const kinds[] = {"Looks like visits", "Not clear whether a person did this",
                                        "Looks like background"};
    finding_why_text(finding->why, why, sizeof(why));
    used = (size_t)snprintf(out, REPORT_WORDS_MAX, "%s%s%s%s.", kinds[finding->kind],
                            why[0] != '\0' ? " (" : "", why, why[0] != '\0' ? ")" : "");
    if (finding->first_time && report->looked_back)
        used += (size_t)snprintf(out + used, REPORT_WORDS_MAX - used,
                                 " First time in four weeks for this device.");
    if (finding->out_of_hours > 0)
        used += (size_t)snprintf(out + used, REPORT_WORDS_MAX - used, " %s out of school hours.",
                                 finding->out_of_hours >= finding->count ? "All" : "Partly");
    if (finding->observed_only)
        snprintf(out + used, REPORT_WORDS_MAX - used, " Only observed: it was let through.");
    return out;
}

size_t report_attention(const struct report *report)
{
    size_t count = 0;

    while (count < report->finding_count && report->findings[count].kind != FINDING_BACKGROUND)
        count++;
    return count;
}

bool report_is_serious(const struct finding *finding)
{
    return finding->kind == FINDING_VISITS ||
           (finding->kind == FINDING_UNCLEAR && finding->severity >= SEVERITY_HIGH);
}

size_t report_serious(const struct report *report)
{
    size_t count = 0;

    for (size_t i = 0; i < report->finding_count; i++)
        count += report_is_serious(&report->findings[i]);
    return count;
}

size_t report_background(const struct report *report,
                         struct report_background list[REPORT_BACKGROUND_MAX])
{
    size_t count = 0, at;

    /* Findings come by weight, so that the first of a category sets its place. */
    for (size_t i = report_attention(report); i < report->finding_count; i++) {
        const struct finding *finding = &report->findings[i];
        for (at = 0; at < count && strcmp(list[at].category, finding->category) != 0; at++) {
        }
        if (at == REPORT_BACKGROUND_MAX)
            continue;
        if (at == count)
            list[count++] = (struct report_background){.category = finding->category,
                                                       .title = finding->title,
                                                       .device = finding->device,
                                                       .severity = finding->severity,
                                                       .why = finding->why};
        list[at].count += finding->count;
        list[at].devices++;
        list[at].why &= finding->why != 0 ? finding->why : list[at].why;
    }
    return count;
}

bool report_has_details(const struct report *report)
{
    return report->audience == REPORT_DSL;
}

/* The findings of high or urgent severity: how many, and of what; and what programs did of such
 * kinds, for the tables count it too and would frighten without a word. */
static void serious_say(const struct report *report, char *out, size_t size)
{
    char number[32], kinds[512] = "";
    uint64_t background = 0;
    unsigned serious = 0;
    size_t used = 0;

    for (size_t i = 0; i < report->finding_count; i++) {
        const struct finding *finding = &report->findings[i];
        const char *title = finding->title[0] != '\0' ? finding->title : finding->category;
        if (finding->severity < SEVERITY_HIGH)
            continue;
        if (finding->kind == FINDING_BACKGROUND) {
            background += finding->count;
            continue;
        }
        serious++;
        if (strstr(kinds, title) == NULL && used + strlen(title) + 3 < sizeof(kinds))
            used += (size_t)snprintf(kinds + used, sizeof(kinds) - used, "%s%s",
                                     used > 0 ? ", " : "", title);
    }
    if (serious > 0)
        used = (size_t)snprintf(out, size,
                                " %u finding%s of high or urgent severity deserve%s a look: %s.",
                                serious, plural(serious), serious == 1 ? "s" : "", kinds);
    else
        used = (size_t)snprintf(out, size,
                                " Nothing of high or urgent severity looks like the doing of a "
                                "person.");
    if (background > 0)
        snprintf(out + used, size - used,
                 " %s look-up%s of such kinds look%s like the work of programs.",
                 show_count(background, number), plural(background), background == 1 ? "s" : "");
}

bool report_is_quiet(const struct report *report)
{
    return report->denied + report->observed + report->counted == 0;
}

char *report_summary(const struct report *report, char out[REPORT_WORDS_MAX])
{
    char denied[32], other[32];
    size_t used;

    if (report_is_quiet(report)) {
        bool asked = report->asked.count > 0 || json_array_size(report->following.made_safe) > 0;
        snprintf(out, REPORT_WORDS_MAX, "Nothing was refused.%s",
                 asked ? ""
                       : " Where devices were in use, that is unusual: please have the technician "
                         "look whether they ask this filter.");
        return out;
    }
    if (report->denied > 0)
        used = (size_t)snprintf(
            out, REPORT_WORDS_MAX, "%s look-up%s refused, for %zu device%s and %zu site%s.",
            show_count(report->denied, denied), report->denied == 1 ? " was" : "s were",
            report->devices.count, plural(report->devices.count), report->names.count,
            plural(report->names.count));
    else
        used = (size_t)snprintf(out, REPORT_WORDS_MAX,
                                report->counted > 0 ? "No look-up was itemised."
                                                    : "No look-up was refused.");
    if (report->observed > 0)
        used += (size_t)snprintf(
            out + used, REPORT_WORDS_MAX - used,
            " %s%s %s only observed: answered, though a rule would have refused them.",
            show_count(report->observed, other), report->denied > 0 ? " more" : "",
            report->observed == 1 ? "was" : "were");
    if (report->counted > 0)
        used += (size_t)snprintf(
            out + used, REPORT_WORDS_MAX - used,
            " %s%s %s refused and counted, but not itemised: the record could not be "
            "written at that time (a full disk, for example).",
            show_count(report->counted, other), report->denied > 0 ? " more" : "",
            report->counted == 1 ? "was" : "were");
    if (report->totals_only > 0)
        used +=
            (size_t)snprintf(out + used, REPORT_WORDS_MAX - used,
                             " Of %u day%s only the totals are kept still: devices and sites are "
                             "those of the other days.",
                             report->totals_only, plural(report->totals_only));
    if (report->findings_store != NULL)
        serious_say(report, out + used, REPORT_WORDS_MAX - used);
    else if (report->denied > 0)
        snprintf(out + used, REPORT_WORDS_MAX - used,
                 " These are totals, with what programs look up by themselves, which is most of "
                 "it as a rule; reports of up to a month tell the two apart.");
    return out;
}

const char *report_title_of(const struct report *report, const char *category)
{
    if (category == NULL)
        return "";
    for (size_t i = 0; i < report->categories.count; i++)
        if (strcmp(report->categories.items[i].name, category) == 0)
            return report->categories.items[i].title;
    int index = report->config != NULL ? config_category_find(report->config, category) : -1;
    return index >= 0 && report->config->categories[index].title != NULL
               ? report->config->categories[index].title
               : category;
}

/* A day is compared with its like: a school day always has more than the weekend before it. */
char *report_compared(const struct report *report, char out[REPORT_WORDS_MAX])
{
    struct kind {
        uint64_t before, now;
        size_t days_before, days_now;
    } kinds[2] = {{0}};
    double was = 0, is = 0;
    size_t days = 0;
    char mean[32];

    out[0] = '\0';
    for (size_t i = 0; i < report->trend_count; i++) {
        const struct report_day *day = &report->trend[i];
        struct kind *kind = &kinds[day->school];
        if (day->day.end_ms > report->made_ms) /* it is not over yet */
            continue;
        *(day->before ? &kind->before : &kind->now) += day->denied;
        *(day->before ? &kind->days_before : &kind->days_now) += day->denied > 0;
    }
    for (int i = 0; i < 2; i++) {
        if (kinds[i].days_before == 0) /* nothing to compare these with */
            continue;
        days += kinds[i].days_now;
        is += (double)kinds[i].now;
        was += (double)kinds[i].before / (double)kinds[i].days_before * (double)kinds[i].days_now;
    }
    if (days == 0 || was <= 0)
        return out;
    bool alike = is <= was * 1.1 && is >= was * 0.9;
    size_t used = alike ? (size_t)snprintf(out, REPORT_WORDS_MAX, "That is about as many")
                        : (size_t)snprintf(out, REPORT_WORDS_MAX, "That is %.0f %% %s",
                                           (is > was ? is / was - 1 : 1 - is / was) * 100,
                                           is > was ? "more" : "less");
    show_count((uint64_t)(was / (double)days + 0.5), mean);
    if (days == 1)
        snprintf(out + used, REPORT_WORDS_MAX - used,
                 " %s on a %s of the four weeks before (%s on average).", alike ? "as" : "than",
                 kinds[1].days_now == 1 ? "school day" : "day without school", mean);
    else
        snprintf(out + used, REPORT_WORDS_MAX - used,
                 " a day %s in the four weeks before (%s on average, school days set against "
                 "school days).",
                 alike ? "as" : "than", mean);
    return out;
}

char *report_stale(const struct report *report, char out[REPORT_WORDS_MAX])
{
    size_t stale = 0;

    for (size_t i = 0; i < report->list_count; i++)
        stale += report->lists[i].stale;
    out[0] = '\0';
    if (stale > 0)
        snprintf(out, REPORT_WORDS_MAX,
                 "Out of date: %zu of the %zu lists. What has come up since is not on %s; the "
                 "technician can bring newer ones.",
                 stale, report->list_count, stale == 1 ? "it" : "them");
    return out;
}

void report_wrap(FILE *out, const char *words, const char *indent)
{
    struct flow flow;

    flow_begin(&flow, out, indent, indent);
    flow_words(&flow, "%s", words);
    flow_end(&flow);
}
