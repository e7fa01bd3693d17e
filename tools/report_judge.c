/* Judging what was met: visits, or what programs do by themselves, and what matters most. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blocklists/name.h"
#include "resolver/config/config.h"
#include "tools/report_findings_inside.h"

static bool pair_is_periodic(const struct pair *pair)
{
    unsigned all = 0, most = 0;

    if (pair->beats < BEATS_LEAST)
        return false;
    for (unsigned i = 0; i < INTERVAL_BINS; i++)
        all += pair->intervals[i];
    for (unsigned i = INTERVAL_LEAST_BIN; i < INTERVAL_BINS; i++) {
        unsigned near = pair->intervals[i] + (i + 1 < INTERVAL_BINS ? pair->intervals[i + 1] : 0u);
        /* The last bin has no upper end: what falls there keeps no known time. */
        if (i + 2 >= INTERVAL_BINS)
            near = i + 1 < INTERVAL_BINS ? pair->intervals[i] : 0;
        most = near > most ? near : most;
    }
    return most * 10 >= all * 6;
}

static unsigned bits(uint32_t hours)
{
    return (unsigned)__builtin_popcount(hours);
}

enum { NIGHT_HOURS = 0xc0003f /* 22, 23 and 0 to 5 */, DAY_HOURS = 0x03ff80 /* 7 to 17 */ };

static bool category_is_adverts(const char *category)
{
    static const char *const words[] = {"advert", "ads", "tracking", "telemetry", "malware"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strncmp(category, words[i], strlen(words[i])) == 0)
            return true;
    return false;
}

/* The points. Each reason stands in the report; thresholds were tried on a made month of school
 * traffic (tests/unit/tools/test_findings.c). */
static void pair_judge(const struct findings *findings, struct pair *pair)
{
    const char *category = (const char *)findings->categories.items[pair->category].bytes;
    uint64_t records = pair->page_names > 0 || pair->app_names > 0 ? pair->beats : pair->count;
    unsigned person = 0, program = 0, why = 0;

    if (pair->page_names > 0)
        person += 1, why |= WHY_PAGES;
    if (pair->several && pair->severity > SEVERITY_LOW)
        person += 2, why |= WHY_SEVERAL;
    if (pair_is_periodic(pair))
        program += 3, why |= WHY_PERIODIC;
    else if (pair->episodes > 1 && pair->episodes < 8 && bits(pair->hours) < 8)
        person += 1, why |= WHY_RETURNED;
    if ((pair->hours & NIGHT_HOURS) && (pair->hours & DAY_HOURS))
        program += 3, why |= WHY_NIGHT;
    if (bits(pair->hours) >= 9)
        program += 2, why |= WHY_ALL_DAY;
    if (pair->app_names > 0 && pair->page_names == 0)
        program += 2, why |= WHY_APP_NAMES;
    if (records > 0 && pair->with_others * 10 >= records * 7)
        program += 1, why |= WHY_WITH_OTHERS;
    if (category_is_adverts(category))
        program += 3, why |= WHY_ADVERTS;
    if (pair->count == 1)
        why |= WHY_ONCE;
    pair->why = why;
    pair->kind = program >= 2 && program > person ? FINDING_BACKGROUND
                 : person >= 2                    ? FINDING_VISITS
                                                  : FINDING_UNCLEAR;
}

static void site_add(const struct findings *findings, struct finding *finding,
                     const struct pair *pair)
{
    unsigned at =
        finding->site_count < FINDING_SITES_MAX ? (unsigned)finding->site_count : FINDING_SITES_MAX;
    const struct finding_site site = {
        .name = (const char *)findings->domains.items[pair->domain].bytes, .count = pair->count};

    finding->site_count++;
    while (at > 0 && finding->sites[at - 1].count < site.count) {
        if (at < FINDING_SITES_MAX)
            finding->sites[at] = finding->sites[at - 1];
        at--;
    }
    if (at < FINDING_SITES_MAX)
        finding->sites[at] = site;
}

static unsigned reasons_for(enum finding_kind kind)
{
    const unsigned person = WHY_PAGES | WHY_SEVERAL | WHY_RETURNED;

    return kind == FINDING_BACKGROUND ? ~person : kind == FINDING_VISITS ? person : ~0u;
}

/* What stays of the reasons when pairs are put together: those of the pair that says most. */

static void finding_add(const struct findings *findings, struct finding *finding,
                        const struct pair *pair)
{
    if (finding->count == 0 || pair->first_ms < finding->first_ms) {
        finding->first_ms = pair->first_ms;
        finding->case_number = pair->case_number;
    }
    if (pair->last_ms > finding->last_ms)
        finding->last_ms = pair->last_ms;
    if (pair->severity > finding->severity)
        finding->severity = pair->severity;
    if (pair->kind < finding->kind) {
        finding->kind = pair->kind;
        finding->why = 0;
    }
    /* Only what speaks for the verdict. */
    if (pair->kind == finding->kind)
        finding->why |= pair->why & reasons_for(pair->kind);
    finding->observed_only = (finding->count == 0 || finding->observed_only) && pair->observed_only;
    finding->count += pair->count;
    finding->out_of_hours += pair->out_of_hours;
    if (pair->episodes > finding->episodes)
        finding->episodes = pair->episodes;
    site_add(findings, finding, pair);
}

static double score_of(const struct finding *finding)
{
    static const double severities[] = {1, 10, 100, 1000};
    static const double kinds[] = {1, 0.4, 0.01};
    double score = severities[finding->severity & 3] * kinds[finding->kind];
    double sites = (double)(finding->site_count < 20 ? finding->site_count : 20);
    double spells = finding->episodes < 10 ? finding->episodes : 10;

    score *= 1 + sites / 10 + spells / 20;
    if (finding->first_time)
        score *= 1.15;
    if (finding->out_of_hours > 0)
        score *= 1.1;
    if (finding->observed_only)
        score *= 0.5;
    return score;
}

static int finding_compare(const void *a, const void *b)
{
    const struct finding *x = a, *y = b;

    if ((x->kind == FINDING_BACKGROUND) != (y->kind == FINDING_BACKGROUND))
        return x->kind == FINDING_BACKGROUND ? 1 : -1;
    if (x->score > y->score || x->score < y->score)
        return x->score > y->score ? -1 : 1;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return x->first_ms < y->first_ms ? -1 : x->first_ms > y->first_ms;
}

/* Strings of the findings: names of domains as text, in place of their bytes. */
static void words_to_text(struct findings *findings)
{
    for (size_t i = 0; i < findings->domains.count; i++) {
        char text[BL_NAME_TEXT_MAX];
        bl_name_text(findings->domains.items[i].bytes, text);
        free(findings->domains.items[i].bytes);
        findings->domains.items[i].bytes = tally_must(strdup(text));
    }
}

const struct finding *findings_judge(struct findings *findings, size_t *out_count)
{
    struct tally numbers = {0};
    size_t room = 0;

    if (findings->list == NULL) {
        words_to_text(findings);
        for (size_t i = 0; i < findings->pair_count; i++) {
            struct pair *pair = &findings->pairs[i];
            pair_judge(findings, pair);
            uint64_t *number =
                tally_at(&numbers, tally_key(pair->device, pair->category * 2 +
                                                               (pair->kind == FINDING_BACKGROUND)));
            if (*number == 0) {
                if (findings->list_count == room) {
                    room = room * 2 + 256;
                    findings->list =
                        tally_must(realloc(findings->list, room * sizeof(*findings->list)));
                }
                findings->list[findings->list_count++] = (struct finding){
                    .client = findings->device_list[pair->device].client,
                    .device = findings->device_list[pair->device].text,
                    .group = (const char *)findings->groups.items[pair->group].bytes,
                    .category = (const char *)findings->categories.items[pair->category].bytes,
                    .title = (const char *)findings->titles.items[pair->category].bytes,
                    .kind = FINDING_BACKGROUND,
                    .device_number = pair->device,
                    .category_number = pair->category};
                *number = findings->list_count;
            }
            finding_add(findings, &findings->list[*number - 1], pair);
        }
        tally_free(&numbers);
    }
    for (size_t i = 0; i < findings->list_count; i++) {
        struct finding *finding = &findings->list[i];
        finding->first_time = findings->any_before &&
                              *tally_at(&findings->seen, tally_key(finding->device_number,
                                                                   finding->category_number)) == 0;
        finding->score = score_of(finding);
    }
    if (findings->list_count > 0)
        qsort(findings->list, findings->list_count, sizeof(*findings->list), finding_compare);
    *out_count = findings->list_count;
    return findings->list;
}

void findings_pairs(const struct findings *findings,
                    void (*each)(void *user, const struct finding_pair *pair), void *user)
{
    for (size_t i = 0; i < findings->pair_count; i++) {
        const struct pair *pair = &findings->pairs[i];
        const struct finding_pair told = {
            .device = findings->device_list[pair->device].key,
            .domain = (const char *)findings->domains.items[pair->domain].bytes,
            .group = (const char *)findings->groups.items[pair->group].bytes,
            .category = (const char *)findings->categories.items[pair->category].bytes,
            .domain_number = pair->domain,
            .group_number = pair->group,
            .category_number = pair->category,
            .count = pair->count};
        each(user, &told);
    }
}

uint64_t findings_left_out(const struct findings *findings)
{
    return findings->left_out;
}

char *finding_why_text(unsigned why, char *out, size_t size)
{
    static const char *const words[] = {
        "main pages of sites",       "several sites of the kind within minutes",
        "came back after a while",   "at a fixed interval",
        "by day and at night alike", "in most hours of the day",
        "names that programs ask",   "together with other refused sites, as parts of pages",
        "a single look-up",          "a kind that pages and programs fetch by themselves"};
    size_t used = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (why & 1u << i && used < size)
            used +=
                (size_t)snprintf(out + used, size - used, "%s%s", used > 0 ? "; " : "", words[i]);
    return out;
}

const char *finding_kind_text(enum finding_kind kind)
{
    static const char *const words[] = {"looks like visits", "not clear", "looks like background"};

    return words[kind];
}
