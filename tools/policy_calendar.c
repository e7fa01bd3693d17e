#include "tools/policy_calendar.h"

#include <stdio.h>
#include <string.h>

#include "tools/flow.h"
#include "tools/policy_rows.h"

enum { WORD_MAX = 300, DAYS = 7 };

const char *policy_date_text(const char *text, char *out, size_t size)
{
    static const char *const MONTHS[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};
    unsigned year, month, day;
    int len = 0;

    if (sscanf(text, "%4u-%2u-%2u%n", &year, &month, &day, &len) != 3 || month < 1 || month > 12)
        return text;
    snprintf(out, size, "%u %s %u%s%s", day, MONTHS[month - 1], year, text[len] == 'T' ? ", " : "",
             text + len + (text[len] == 'T'));
    return out;
}

const char *policy_when_text(const char *when, char *out, size_t size)
{
    char word[WORD_MAX], date[WORD_MAX];
    size_t used = 0;

    if (strcmp(when, "always") == 0)
        return "for good";
    out[0] = '\0';
    while (policy_word(&when, word, sizeof word) && used < size)
        used += (size_t)snprintf(out + used, size - used, "%s%s", used ? " " : "",
                                 policy_date_text(word, date, sizeof date));
    return out;
}

/* "[mon, tue, wed]" as "Monday to Wednesday". */
static void days_text(const char *value, char *out, size_t size)
{
    static const char *const NAMES[DAYS] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                            "Friday", "Saturday", "Sunday"};
    unsigned first = DAYS, last = 0, count = 0;
    char word[WORD_MAX];
    size_t used = 0;

    out[0] = '\0';
    while (policy_word(&value, word, sizeof word)) {
        for (unsigned day = 0; day < DAYS; day++) {
            if (strncasecmp(NAMES[day], word, 3) != 0)
                continue;
            first = count ? first : day;
            last = day;
            count++;
            if (used < size)
                used +=
                    (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "", NAMES[day]);
        }
    }
    if (count == DAYS)
        snprintf(out, size, "every day");
    else if (count > 2 && last - first + 1 == count)
        snprintf(out, size, "%s to %s", NAMES[first], NAMES[last]);
}

/* The words of a list, their dates in words, with commas between and `end` behind the last. */
static void list_say(struct flow *flow, const char *value, const char *end)
{
    char word[WORD_MAX], next[WORD_MAX], from[WORD_MAX], to[WORD_MAX];
    bool more = policy_word(&value, word, sizeof word);

    while (more) {
        char *dots = strstr(word, "..");
        more = policy_word(&value, next, sizeof next);
        if (dots)
            *dots = '\0';
        flow_words(flow, "%s%s%s%s", policy_date_text(word, from, sizeof from), dots ? " to " : "",
                   dots ? policy_date_text(dots + 2, to, sizeof to) : "", more ? "," : end);
        memcpy(word, next, sizeof word);
    }
}

static void period_print(const json_t *rows, const char *name)
{
    const char *when = policy_school(rows, "calendar.periods.%s.when", name);
    char days[WORD_MAX];
    struct flow flow;

    days_text(policy_school(rows, "calendar.periods.%s.days", name), days, sizeof days);
    flow_begin(&flow, stdout, "- ", "  ");
    flow_words(&flow, "%s: %s,", name, days);
    list_say(&flow, policy_school(rows, "calendar.periods.%s.times", name), "");
    flow_words(&flow, "%s",
               strcmp(when, "always") == 0       ? "(in holidays too)"
               : strcmp(when, "other-days") == 0 ? "(on days without school)"
                                                 : "(on school days)");
    flow_end(&flow);
}

static void line_print(const json_t *rows, const char *key, const char *heading)
{
    const char *value = policy_school(rows, "calendar.%s", key);
    struct flow flow;

    if (!*value || strcmp(value, "[]") == 0)
        return;
    flow_begin(&flow, stdout, "", "");
    flow_words(&flow, "%s", heading);
    list_say(&flow, value, "");
    flow_end(&flow);
    putchar('\n');
}

static void terms_print(const json_t *rows)
{
    bool any = false;
    size_t index;
    json_t *row;

    json_array_foreach(rows, index, row)
    {
        const char *target = policy_text(row, "target");
        struct flow flow;
        if (!policy_is_school(row) || strncmp(target, "calendar.terms.", 15) != 0)
            continue;
        if (!any)
            puts("Terms:\n");
        any = true;
        flow_begin(&flow, stdout, "- ", "  ");
        flow_words(&flow, "%s:", target + 15);
        list_say(&flow, policy_school(rows, "%s", target), "");
        flow_end(&flow);
    }
    if (any)
        putchar('\n');
}

static void exceptions_print(const json_t *rows)
{
    for (size_t i = 0;; i++) {
        const char *date = policy_school(rows, "calendar.exceptions[%zu].date", i);
        const char *school = policy_school(rows, "calendar.exceptions[%zu].school", i);
        const char *period = policy_school(rows, "calendar.exceptions[%zu].period", i);
        const char *times = policy_school(rows, "calendar.exceptions[%zu].times", i);
        struct flow flow;
        if (!*date) {
            if (i)
                putchar('\n');
            return;
        }
        if (i == 0)
            puts("Days that differ:\n");
        flow_begin(&flow, stdout, "- ", "  ");
        list_say(&flow, date, ":");
        if (strcmp(school, "closed") == 0 || strcmp(school, "open") == 0)
            flow_words(&flow, "the school is %s%s", school, *period ? "," : "");
        if (*period) {
            flow_words(&flow, "%s", period);
            list_say(&flow,
                     *times && strcmp(times, "[]") != 0 ? times : "[\"does not take place\"]", "");
        }
        flow_end(&flow);
    }
}

void policy_calendar_print(const json_t *rows)
{
    const char *zone = policy_school(rows, "calendar.time-zone");
    bool any = false;
    size_t index;
    json_t *row;

    json_array_foreach(rows, index, row)
    {
        const char *target = policy_text(row, "target");
        char name[WORD_MAX];
        if (!policy_is_school(row) ||
            sscanf(target, "calendar.periods.%299[^.].times", name) != 1 ||
            !strstr(target, ".times"))
            continue;
        if (!any)
            printf("## School time\n\nTimes of day are local time%s%s. These periods are named "
                   "below:\n\n",
                   *zone ? ", " : "", zone);
        any = true;
        period_print(rows, name);
    }
    if (!any)
        return;
    putchar('\n');
    terms_print(rows);
    line_print(rows, "holidays", "Holidays:");
    line_print(rows, "inset-days", "Inset days, without pupils:");
    exceptions_print(rows);
}
