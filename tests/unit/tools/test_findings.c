/* A made month of school traffic: what was planted comes out on top, noise in serious categories
 * does not, and the reports are whole in every form. */
#include "../denials/fixture.h"

#include <sys/stat.h>
#include <time.h>

#include "resolver/denials/writer.h"
#include "tests/support/school_month.h"
#include "tools/report_words.h"

static char folder[PATH_MAX];
static struct day last_day;

static void flush(void *user)
{
    assert_int_equal(denials_writer_flush(user, NULL), 0);
}

static int setup(void **state)
{
    struct denials_writer *writer;
    struct journal *journal;
    struct bl_error error = {""};
    struct day first;
    (void)state;

    setenv("TZ", "Europe/London", 1);
    tzset();
    folder_make(folder);
    assert_int_equal(day_parse("2026-10-19", &first), 0); /* the clocks go back on the 25th */
    assert_int_equal(day_parse("2026-11-15", &last_day), 0);
    assert_int_equal(journal_open(folder, 0, &journal, &error), 0);
    struct legend *legend = school_legend();
    journal_legend(journal, legend);
    struct denials_writer_options options = {
        .state = folder, .journals = &journal, .journal_count = 1, .interval_ms = 60000};
    assert_int_equal(denials_writer_start(&options, &writer, &error), 0);
    const struct school_month month = {
        .first_day_ms = first.start_ms, .days = 28, .devices = 40, .seed = 7};
    school_month_make(&month, journal, flush, writer);
    denials_writer_stop(writer);
    journal_close(journal);
    legend_free(legend);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    folder_drop(folder);
    return 0;
}

static struct report *report_of(unsigned days, enum report_audience audience)
{
    struct report_options options = {.state = folder,
                                     .since_ms = last_day.end_ms - (int64_t)days * 86400000,
                                     .until_ms = last_day.end_ms,
                                     .audience = audience};
    struct bl_error error = {""};
    struct report *report;

    if (report_make(&options, &report, &error) < 0)
        fail_msg("%s", error.text);
    return report;
}

static const struct finding *finding_of(const struct report *report,
                                        const struct school_plant *plant, size_t *out_at)
{
    for (size_t i = 0; i < report->finding_count; i++)
        if (strcmp(report->findings[i].device, plant->client) == 0 &&
            strcmp(report->findings[i].category, plant->category) == 0) {
            *out_at = i;
            return &report->findings[i];
        }
    return NULL;
}

static void planted_incidents_come_out_on_top(void **state)
{
    struct report *report = report_of(7, REPORT_DSL);
    size_t at;
    (void)state;

    for (size_t i = 0; i < PLANT_COUNT; i++) {
        const struct finding *finding = finding_of(report, &school_plants[i], &at);
        if (finding == NULL)
            fail_msg("not found: %s", school_plants[i].what);
        assert_int_equal(finding->kind, FINDING_VISITS);
        assert_in_range(at, 0, PLANT_COUNT - 1);
        assert_true(finding->first_time);
        assert_true(finding->case_number != 0);
    }
    /* By severity: the urgent ones first, the high one after them. */
    assert_string_equal(report->findings[0].category, "self-harm");
    assert_string_equal(report->findings[1].category, "extremism");
    assert_string_equal(report->findings[2].category, "pornography");
    /* In the evening, two days running; and in lessons. */
    assert_int_equal(report->findings[1].out_of_hours, report->findings[1].count);
    assert_int_equal(report->findings[0].out_of_hours, 0);
    assert_true(report->looked_back);
    report_free(report);
}

static void planted_noise_stays_below(void **state)
{
    (void)state;

    for (unsigned days = 1; days <= 28; days += 9) {
        struct report *report = report_of(days, REPORT_DSL);
        size_t attention = report_attention(report), at = 0;
        for (size_t i = 0; i < 3; i++) {
            if (finding_of(report, &school_noise[i], &at) == NULL)
                fail_msg("not found: %s", school_noise[i].what);
            if (at < attention)
                fail_msg("%u days: on top, though it is %s", days, school_noise[i].what);
        }
        /* Telephones chatter in every report; none of them deserves attention. */
        for (size_t i = 0; i < attention; i++)
            assert_string_not_equal(report->findings[i].category, "social-networks");
        report_free(report);
    }
}

static void sums_agree_with_findings(void **state)
{
    struct report *report = report_of(7, REPORT_DSL);
    uint64_t count = 0, hours = 0, groups = 0, days = 0;
    (void)state;

    for (size_t i = 0; i < report->finding_count; i++)
        count += report->findings[i].count;
    for (size_t i = 0; i < 24; i++)
        hours += report->hours[i];
    for (size_t i = 0; i < report->groups.count; i++)
        groups += report->groups.items[i].denied;
    for (size_t i = 0; i < report->trend_count; i++)
        days += report->trend[i].before ? 0 : report->trend[i].denied;
    assert_true(count == report->denied && hours == count && groups == count && days == count);
    report_free(report);
}

static char *written(const struct report *report, void (*write)(const struct report *, FILE *))
{
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    write(report, out);
    fclose(out);
    return text;
}

static unsigned count_of(const char *text, const char *what)
{
    unsigned count = 0;

    for (; (text = strstr(text, what)) != NULL; text += strlen(what))
        count++;
    return count;
}

/* Elements that are opened and closed: a reader of HTML would mend, a test need not. */
static void html_is_balanced(const char *html)
{
    static const char *const elements[] = {
        "main", "header", "footer", "table", "tbody",   "thead", "tr",
        "td",   "th",     "figure", "svg",   "ol",      "ul",    "li",
        "h1",   "h2",     "h3",     "p",     "details", "desc",  "title"};
    for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++) {
        char open[16], with[16], close[16];
        snprintf(open, sizeof(open), "<%s>", elements[i]);
        snprintf(with, sizeof(with), "<%s ", elements[i]);
        snprintf(close, sizeof(close), "</%s>", elements[i]);
        assert_int_equal(count_of(html, open) + count_of(html, with), count_of(html, close));
    }
}

static void html_needs_nothing_from_outside(void **state)
{
    struct report *report = report_of(7, REPORT_DSL);
    char *html = written(report, report_html);
    (void)state;

    html_is_balanced(html);
    assert_int_equal(count_of(html, "<svg "), 4); /* none of groups: there is one */
    assert_int_equal(count_of(html, "<h1>"), 1);
    static const char *const never[] = {"<script", "http:", "https:", "url(",
                                        "<img",    "<link", "onload"};
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        assert_null(strstr(html, never[i]));
    assert_non_null(strstr(html, "10.1.2.17"));
    free(html);
    report_free(report);
}

static void head_and_governors_see_no_devices_and_no_names(void **state)
{
    static void (*const forms[])(const struct report *, FILE *) = {report_html, report_text,
                                                                   report_csv};
    (void)state;

    for (int audience = REPORT_HEAD; audience <= REPORT_GOVERNORS; audience++)
        for (size_t form = 0; form < 3; form++) {
            struct report *report = report_of(7, (enum report_audience)audience);
            char *text = written(report, forms[form]);
            assert_null(strstr(text, "10.1."));
            assert_null(strstr(text, ".example"));
            assert_non_null(strstr(text, "Self-harm"));
            free(text);
            report_free(report);
        }
}

static struct config *config_of(const char *text)
{
    struct config_faults faults;
    struct config *config;
    char whole[1024];

    snprintf(whole, sizeof(whole), "upstreams: [192.0.2.53]\nstate: %s\n%s", folder, text);
    if (config_load_text("config.yaml", whole, strlen(whole), &config, &faults) < 0)
        fail_msg("%s", faults.items[0].text);
    return config;
}

static uint64_t out_of_hours(const char *text, size_t plant)
{
    struct config *config = config_of(text);
    struct report_options options = {.state = folder,
                                     .config = config,
                                     .since_ms = last_day.end_ms - INT64_C(7) * 86400000,
                                     .until_ms = last_day.end_ms};
    struct bl_error error = {""};
    struct report *report;
    size_t at;

    if (report_make(&options, &report, &error) < 0)
        fail_msg("%s", error.text);
    const struct finding *finding = finding_of(report, &school_plants[plant], &at);
    assert_non_null(finding);
    uint64_t share = finding->out_of_hours * 100 / finding->count;
    report_free(report);
    config_free(config);
    return share;
}

/* Six sites after lunch at 13:05, three on two evenings at 20:40. */
static void out_of_hours_is_what_the_school_says(void **state)
{
    static const char school[] = "groups: {pupils: {subnets: [10.0.0.0/8]}}\n"
                                 "calendar: {time-zone: Europe/London}\n",
                      mornings[] = "groups: {pupils: {subnets: [10.0.0.0/8]}}\n"
                                   "calendar: {time-zone: Europe/London}\n"
                                   "reports: {hours: 08:00-13:00}\n",
                      boarders[] = "calendar:\n  time-zone: Europe/London\n  periods:\n"
                                   "    house: {times: [07:00-22:00]}\n"
                                   "groups:\n  all: {subnets: [10.0.0.0/9], hours: house}\n"
                                   "  pupils: {subnets: [10.128.0.0/9], extends: all}\n";
    (void)state;

    assert_int_equal(out_of_hours(school, 0), 0);
    assert_int_equal(out_of_hours(school, 1), 100);
    assert_int_equal(out_of_hours(mornings, 0), 100);
    assert_int_equal(out_of_hours(boarders, 0), 0);
    assert_int_equal(out_of_hours(boarders, 1), 0);
}

/* At most 64 octets a denial on average, names and sums and all. */
static void records_are_small(void **state)
{
    char small[PATH_MAX], path[PATH_MAX + 64];
    struct denials_writer *writer;
    struct bl_error error = {""};
    struct journal *journal;
    struct stat status;
    struct day day;
    (void)state;

    folder_make(small);
    assert_int_equal(day_parse("2026-11-12", &day), 0);
    assert_int_equal(journal_open(small, 0, &journal, &error), 0);
    struct legend *legend = school_legend();
    journal_legend(journal, legend);
    struct denials_writer_options options = {
        .state = small, .journals = &journal, .journal_count = 1, .interval_ms = 60000};
    assert_int_equal(denials_writer_start(&options, &writer, &error), 0);
    const struct school_month month = {
        .first_day_ms = day.start_ms, .days = 1, .devices = 600, .seed = 3};
    school_month_make(&month, journal, flush, writer);
    denials_writer_stop(writer);
    journal_close(journal);
    legend_free(legend);
    struct report_options asked = {
        .state = small, .since_ms = day.start_ms, .until_ms = day.end_ms};
    struct report *report;
    assert_int_equal(report_make(&asked, &report, &error), 0);
    snprintf(path, sizeof(path), "%s/denials/2026-11-12.mdb", small);
    assert_int_equal(stat(path, &status), 0);
    assert_true(report->denied > 40000);
    assert_in_range((uint64_t)status.st_size / report->denied, 1, 64);
    report_free(report);
    folder_drop(small);
}

static void spans_are_found(void **state)
{
    struct config_term terms[] = {{"autumn", {20699, 20805}}, {"spring", {20823, 20902}}};
    const struct config_calendar calendar = {.terms = terms, .term_count = 2};
    struct day day, from, to;
    int64_t since_ms, until_ms;
    (void)state;

    /* The clocks go back on Sunday the 25th: that week has an hour more. */
    assert_int_equal(day_parse("2026-10-25", &day), 0);
    report_week(&day, &since_ms, &until_ms);
    day_of(since_ms, &from);
    day_of(until_ms, &to);
    assert_string_equal(from.text, "2026-10-19");
    assert_string_equal(to.text, "2026-10-26");
    assert_int_equal((until_ms - since_ms) / 3600000, 7 * 24 + 1);
    assert_true(report_term(&calendar, "spring", &day, &since_ms, &until_ms));
    day_of(since_ms, &from);
    day_of(until_ms - 1, &to);
    assert_string_equal(from.text, "2027-01-05");
    assert_string_equal(to.text, "2027-03-25");
    assert_true(report_term(&calendar, "current", &day, &since_ms, &until_ms));
    day_of(since_ms, &from);
    assert_string_equal(from.text, "2026-09-03");
    assert_false(report_term(&calendar, "summer", &day, &since_ms, &until_ms));
}

/* Four weeks of Monday 2 to Sunday 29 November and more: a school day has 1000, a free one 100. */
static const char *compared_with(int day, uint64_t denied, bool school, int days,
                                 char words[REPORT_WORDS_MAX])
{
    struct report_day trend[60] = {0};
    struct report report = {.trend = trend, .made_ms = INT64_C(90) * 86400000};

    for (int i = 0; i < day + days; i++) {
        bool free = i % 7 > 4;
        trend[i].before = i < day;
        trend[i].school = i < day || days > 1 ? !free : school;
        trend[i].denied = i < day ? (free ? 100 : 1000) : denied;
        trend[i].day.end_ms = (int64_t)(i + 1) * 86400000;
    }
    report.trend_count = (size_t)(day + days);
    return report_compared(&report, words);
}

static void like_is_compared_with_like(void **state)
{
    char words[REPORT_WORDS_MAX];
    (void)state;

    assert_string_equal(compared_with(28, 1010, true, 1, words),
                        "That is about as many as on a school day of the four weeks before (1,000 "
                        "on average).");
    assert_string_equal(compared_with(28, 150, false, 1, words),
                        "That is 50 % more than on a day without school of the four weeks before "
                        "(100 on average).");
    /* A week of 500 on each day: 3,500, where 5,200 would be usual. */
    assert_string_equal(compared_with(28, 500, true, 7, words),
                        "That is 33 % less a day than in the four weeks before (743 on average, "
                        "school days set against school days).");
    /* Nothing like it was there before. */
    assert_string_equal(compared_with(5, 500, false, 1, words), "");
    assert_string_equal(compared_with(0, 500, true, 1, words), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planted_incidents_come_out_on_top),
        cmocka_unit_test(planted_noise_stays_below),
        cmocka_unit_test(sums_agree_with_findings),
        cmocka_unit_test(out_of_hours_is_what_the_school_says),
        cmocka_unit_test(records_are_small),
        cmocka_unit_test(spans_are_found),
        cmocka_unit_test(like_is_compared_with_like),
        cmocka_unit_test(html_needs_nothing_from_outside),
        cmocka_unit_test(head_and_governors_see_no_devices_and_no_names)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
