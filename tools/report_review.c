/* What the yearly review asks about the filter itself: was it tested, who may change it, how long
 * is what kept, and what is each group refused. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/denial_show.h"
#include "tools/report_words.h"
#include "tools/tally.h"

struct paragraphs {
    char **items;
    size_t count;
};

static void put(struct paragraphs *paragraphs, const char *words)
{
    if (paragraphs->count < REVIEW_PARAGRAPHS)
        paragraphs->items[paragraphs->count++] = tally_must(strdup(words));
}

/* " The last could not test games, music-video: …", or nothing. */
static void untested_put(const json_t *last, char *out, size_t size)
{
    const json_t *names = json_object_get(json_object_get(last, "after"), "not-tested");
    size_t used = 0, index;
    json_t *name;

    out[0] = '\0';
    json_array_foreach(names, index, name)
    {
        if (used + 80 < size)
            used += (size_t)snprintf(out + used, size - used, "%s%.70s",
                                     index > 0 ? ", " : " The last could not test ",
                                     json_string_value(name));
    }
    if (used > 0 && used + 80 < size)
        snprintf(out + used, size - used, ": `chalkgate selftest` says why, and what to do.");
}

/* Self-tests are entries of the change log, with the numbers of checks. */
static void selftests_put(const struct report *report, struct paragraphs *paragraphs)
{
    char words[REPORT_WORDS_MAX], when[SHOW_TIME_MAX], untested[1000];
    size_t index, count = 0, failing = 0;
    int64_t last_ms = 0;
    json_t *change, *last = NULL;

    json_array_foreach(report->following.changes, index, change)
    {
        const char *action = json_string_value(json_object_get(change, "action"));
        int64_t time_ms = report_change_ms(change);
        if (action == NULL || strcmp(action, "selftest") != 0 || time_ms >= report->until_ms)
            continue;
        count++;
        failing +=
            json_integer_value(json_object_get(json_object_get(change, "after"), "failed")) > 0;
        if (time_ms >= last_ms) {
            last_ms = time_ms;
            last = change;
        }
    }
    untested_put(last, untested, sizeof(untested));
    if (report->following.changes == NULL)
        snprintf(words, sizeof(words), "Self-tests: the change log could not be read.");
    else if (count == 0)
        snprintf(words, sizeof(words),
                 "Self-tests: none is on record for this time. chalkgate-selftest.timer runs one "
                 "each morning, and `chalkgate selftest` does at once.");
    else
        snprintf(words, sizeof(words),
                 "Self-tests: %zu on record for this time, the last on %.10s; %zu of them found "
                 "something that was not in order. Each asks, for every group and through the path "
                 "of its devices, for each category, the canary names and safe search.%s",
                 count, show_time(last_ms, when), failing, untested);
    put(paragraphs, words);
}

static void retention_put(const struct config *config, struct paragraphs *paragraphs)
{
    static const char *const allowed[] = {[ALLOWED_NONE] = "nothing",
                                          [ALLOWED_COUNTS] =
                                              "how often a group asked for a name, and not who did",
                                          [ALLOWED_ALL] = "each, with its device"};
    char words[REPORT_WORDS_MAX];
    size_t used = (size_t)snprintf(
        words, sizeof(words),
        "Kept for: refused look-ups %u days; totals of days, without names and addresses, %u days. "
        "Of allowed look-ups: %s.",
        config->retention.denials_s / 86400, config->retention.totals_s / 86400,
        allowed[config->recording.allowed]);

    for (size_t i = 0; i < config->category_count && used + 300 < sizeof(words); i++)
        if (config->categories[i].keep_s != 0)
            used +=
                (size_t)snprintf(words + used, sizeof(words) - used, " %.200s: %u days.",
                                 config->categories[i].name, config->categories[i].keep_s / 86400);
    put(paragraphs, words);
}

static size_t names_join(const char *const *names, size_t count, char *out, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < count && used + 80 < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%.70s", i > 0 ? ", " : "", names[i]);
    return used;
}

static void roles_put(const struct config *config, struct paragraphs *paragraphs)
{
    char words[REPORT_WORDS_MAX], managers[700], viewers[700];

    names_join((const char *const *)config->roles.manager, config->roles.manager_count, managers,
               sizeof(managers));
    names_join((const char *const *)config->roles.viewer, config->roles.viewer_count, viewers,
               sizeof(viewers));
    snprintf(words, sizeof(words),
             "Who may change the filter: the administrator%s%s. Who may read reports: %s%s. %s",
             managers[0] != '\0' ? ", and members of " : "", managers,
             viewers[0] != '\0' ? "they, and members of " : "they", viewers,
             config->roles.requires_approval
                 ? "What loosens it waits for a second person."
                 : "One person is enough to loosen it; `roles` can ask for a second.");
    put(paragraphs, words);
}

static void groups_put(const struct config *config, struct paragraphs *paragraphs)
{
    char words[REPORT_WORDS_MAX];
    size_t used = (size_t)snprintf(words, sizeof(words), "Groups:");

    for (size_t i = 0; i < config->group_count && used + 300 < sizeof(words); i++) {
        const struct config_group *group = &config->groups[i];
        used += (size_t)snprintf(words + used, sizeof(words) - used,
                                 "%s %.60s (%zu categor%s refused, %zu only observed, safe search "
                                 "%s%s)",
                                 i > 0 ? ";" : "", group->name, group->deny.category_count,
                                 group->deny.category_count == 1 ? "y" : "ies",
                                 group->observe.category_count, group->safe_search ? "on" : "off",
                                 group->walled_garden ? ", nothing but what is allowed" : "");
    }
    snprintf(words + used, sizeof(words) - used, ".");
    put(paragraphs, words);
}

size_t report_review(const struct report *report, char *items[REVIEW_PARAGRAPHS])
{
    struct paragraphs paragraphs = {.items = items};

    selftests_put(report, &paragraphs);
    if (report->config != NULL) {
        retention_put(report->config, &paragraphs);
        roles_put(report->config, &paragraphs);
        groups_put(report->config, &paragraphs);
    }
    put(&paragraphs,
        "For the review to answer: do the categories still fit each group's age and lessons? Was "
        "any "
        "lesson hindered (faults above)? Are the exceptions above still wanted? Who reads the "
        "nightly "
        "report, and who does when they are away? What else is in place for what a filter of names "
        "cannot see?");
    return paragraphs.count;
}
