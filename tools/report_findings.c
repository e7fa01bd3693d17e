#include "tools/report_findings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "blocklists/name.h"
#include "resolver/config/config.h"
#include "tools/tally.h"

enum {
    BEAT_MS = 5000,      /* look-ups closer together are one beat: A, AAAA and HTTPS of a page */
    EPISODE_MS = 300000, /* a longer silence ends a spell */
    TOGETHER_MS = 2000,  /* other sites asked by the device this close are parts of one page */
    SEVERAL_MS = 600000, /* several sites of a kind within this are browsing */
    INTERVAL_BINS = 40,  /* of intervals, in steps of a quarter of an octave from a second on */
    INTERVAL_LEAST_BIN = 19, /* about half a minute: people do not keep such time */
    BEATS_LEAST = 6,
    RECENT = 8,
    MINUTES = 2048, /* more than the longest day has */
    HOURS_GROUPS = 64,
};

/* One device and one registrable domain. */
struct pair {
    uint32_t device, domain, category, group;
    uint64_t count, beats;
    int64_t first_ms, last_ms;
    uint64_t case_number;
    uint32_t hours; /* a bit for each hour of the clock in which it was asked */
    uint32_t out_of_hours, episodes, with_others, page_names, app_names;
    uint8_t severity;
    bool observed_only, several;
    uint8_t intervals[INTERVAL_BINS];
    /* Judged. */
    enum finding_kind kind;
    unsigned why;
};

/* What a device asked last, whatever it was; and what it asked last of each category. */
struct device {
    struct address client;
    char key[DENIAL_DEVICE_MAX], text[DENIAL_DEVICE_MAX];
    struct {
        int64_t at_ms;
        uint32_t domain;
    } recent[RECENT];
    unsigned next;
    struct site {
        uint32_t domain, pair; /* number of the pair + 1 */
    } * sites;
    uint32_t site_count, site_room;
};

/* A site, or a category, of the device that asks now: number of the pair + 1 where `turn` is the
 * device's.
 */
struct near {
    uint32_t turn, pair;
};

/* What the clock showed at a minute, and which groups' hours it was in: a bit each. */
struct minute {
    int64_t minute;
    unsigned hour;
    uint64_t known, in_hours;
};

/* What the numbers of a day's strings stand for here. */
struct met {
    int64_t day_ms;
    struct tally_ids devices, domains, names, groups;
};

enum { NAME_PAGE = 1, NAME_APP = 2 };

struct findings {
    bool (*in_hours)(void *user, const char *group, int64_t wall_ms);
    void *user;
    struct tally_words devices, domains, categories, titles, groups;
    struct tally seen; /* (device, category): before */
    bool any_before;
    struct met met;
    struct near *near;  /* by domain */
    struct near *asked; /* by category: the pair that asked last */
    size_t near_room, asked_room;
    uint32_t near_turn, near_device;
    struct minute *minutes;
    struct device *device_list;
    size_t device_room;
    struct pair *pairs;
    size_t pair_count, pair_room;
    uint64_t left_out;
    struct finding *list;
    size_t list_count;
};

struct findings *findings_create(bool (*in_hours)(void *user, const char *group, int64_t wall_ms),
                                 void *user)
{
    struct findings *findings = tally_must(calloc(1, sizeof(*findings)));

    findings->in_hours = in_hours;
    findings->user = user;
    findings->minutes = tally_must(malloc(MINUTES * sizeof(*findings->minutes)));
    for (size_t i = 0; i < MINUTES; i++)
        findings->minutes[i].minute = INT64_MIN;
    findings->met.day_ms = INT64_MAX;
    findings->near_device = UINT32_MAX;
    return findings;
}

void findings_free(struct findings *findings)
{
    if (findings == NULL)
        return;
    tally_words_free(&findings->domains);
    tally_words_free(&findings->categories);
    tally_words_free(&findings->titles);
    tally_words_free(&findings->groups);
    tally_free(&findings->seen);
    tally_ids_free(&findings->met.devices);
    tally_ids_free(&findings->met.domains);
    tally_ids_free(&findings->met.names);
    tally_ids_free(&findings->met.groups);
    free(findings->near);
    free(findings->minutes);
    free(findings->asked);
    for (size_t i = 0; i < findings->devices.count; i++)
        free(findings->device_list[i].sites);
    tally_words_free(&findings->devices);
    free(findings->device_list);
    free(findings->pairs);
    free(findings->list);
    free(findings);
}

/* Labels that programs put before a domain, and people do not type. */
static bool label_is_app(const uint8_t *label)
{
    static const char *const words[] = {
        "ad",        "ads",    "adserver", "analytics", "api",      "app",    "apps",    "beacon",
        "cdn",       "client", "collect",  "collector", "config",   "crash",  "data",    "edge",
        "event",     "events", "gateway",  "graph",     "log",      "logs",   "metric",  "metrics",
        "mqtt",      "push",   "realtime", "sdk",       "settings", "stats",  "stun",    "sync",
        "telemetry", "track",  "tracker",  "tracking",  "turn",     "update", "updates", "xmpp"};
    size_t len = label[0];

    while (len > 0 && label[len] >= '0' && label[len] <= '9')
        len--; /* api2, cdn03 */
    if (len > 0 && label[len] == '-')
        len--;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t word = strlen(words[i]);
        if (len >= word && memcmp(label + 1, words[i], word) == 0 &&
            (len == word || label[1 + word] == '-'))
            return true;
    }
    return false;
}

static bool name_is_page(const struct denial_record *record)
{
    const uint8_t *name = record->qname;

    if (bl_name_equal(name, record->domain))
        return true;
    bool front =
        (name[0] == 3 && memcmp(name + 1, "www", 3) == 0) || (name[0] == 1 && name[1] == 'm');
    return front && bl_name_equal(name + 1 + name[0], record->domain);
}

static bool name_is_app(const struct denial_record *record)
{
    for (const uint8_t *at = record->qname; *at != 0 && !bl_name_equal(at, record->domain);
         at += 1 + *at)
        if (label_is_app(at))
            return true;
    return false;
}

/* NAME_PAGE and NAME_APP; worked out once a day for each name. */
static unsigned name_kinds(struct findings *findings, const struct denial_record *record)
{
    uint32_t *met =
        record->name_id != TALLY_NO_ID ? tally_id_at(&findings->met.names, record->name_id) : NULL;

    if (met != NULL && *met != TALLY_NO_ID)
        return *met;
    unsigned kinds =
        (name_is_page(record) ? NAME_PAGE : 0u) | (name_is_app(record) ? NAME_APP : 0u);
    if (met != NULL)
        *met = kinds;
    return kinds;
}

static uint32_t device_number(struct findings *findings, const struct denial_record *record)
{
    char key[DENIAL_DEVICE_MAX];
    denial_device_key(record->device, &record->client, key);
    uint32_t number = tally_word(&findings->devices, key, strlen(key));

    if (number >= findings->device_room) {
        size_t room = (size_t)number * 2 + 64;
        findings->device_list =
            tally_must(realloc(findings->device_list, room * sizeof(*findings->device_list)));
        memset(findings->device_list + findings->device_room, 0,
               (room - findings->device_room) * sizeof(*findings->device_list));
        findings->device_room = room;
    }
    struct device *device = &findings->device_list[number];
    if (device->text[0] == '\0' || record->device->name[0] != '\0') {
        denial_device_text(record->device, &record->client, device->text);
        memcpy(device->key, key, sizeof(key));
        device->client = record->client;
    }
    return number;
}

static uint32_t device_of(struct findings *findings, const struct denial_record *record)
{
    if (record->client_id == TALLY_NO_ID)
        return device_number(findings, record);
    uint32_t *met = tally_id_at(&findings->met.devices, record->client_id);
    if (*met == TALLY_NO_ID)
        *met = device_number(findings, record);
    return *met;
}

static uint32_t domain_of(struct findings *findings, const struct denial_record *record)
{
    size_t len;

    if (record->domain_id == TALLY_NO_ID) {
        len = bl_name_length(record->domain);
        return tally_word(&findings->domains, record->domain, len);
    }
    uint32_t *met = tally_id_at(&findings->met.domains, record->domain_id);
    if (*met == TALLY_NO_ID) {
        len = bl_name_length(record->domain);
        *met = tally_word(&findings->domains, record->domain, len);
    }
    return *met;
}

static void day_turn(struct met *met, const struct day *day)
{
    int64_t day_ms = day != NULL ? day->start_ms : INT64_MIN;

    if (day_ms == met->day_ms)
        return;
    met->day_ms = day_ms;
    tally_ids_clear(&met->devices);
    tally_ids_clear(&met->domains);
    tally_ids_clear(&met->names);
    tally_ids_clear(&met->groups);
}

static uint32_t group_of(struct findings *findings, const struct denial_record *record)
{
    uint32_t *met = record->word_group != TALLY_NO_ID
                        ? tally_id_at(&findings->met.groups, record->word_group)
                        : NULL;

    if (met != NULL && *met != TALLY_NO_ID)
        return *met;
    uint32_t number = tally_word(&findings->groups, record->group, strlen(record->group));
    if (met != NULL)
        *met = number;
    return number;
}

/* The pair + 1 at a domain or a category of the device that asks now; 0 where there is none. */
static uint32_t *near_at(const struct findings *findings, struct near **items, size_t *room,
                         uint32_t number)
{
    if (number >= *room) {
        size_t more = (size_t)number * 2 + 1024;
        *items = tally_must(realloc(*items, more * sizeof(**items)));
        memset(*items + *room, 0, (more - *room) * sizeof(**items));
        *room = more;
    }
    struct near *near = &(*items)[number];
    if (near->turn != findings->near_turn)
        *near = (struct near){.turn = findings->near_turn};
    return &near->pair;
}

static uint32_t *asked_at(struct findings *findings, uint32_t category)
{
    return near_at(findings, &findings->asked, &findings->asked_room, category);
}

/* One device is met after another: what is known of the next is laid out in arrays, so that its
 * look-ups cost no hashing. */
static void device_turn(struct findings *findings, uint32_t device)
{
    if (device == findings->near_device)
        return;
    findings->near_device = device;
    findings->near_turn++;
    const struct device *now = &findings->device_list[device];
    for (uint32_t i = 0; i < now->site_count; i++)
        *near_at(findings, &findings->near, &findings->near_room, now->sites[i].domain) =
            now->sites[i].pair;
}

static void device_site_add(struct device *device, uint32_t domain, uint32_t pair)
{
    if (device->site_count == device->site_room) {
        device->site_room = device->site_room * 2 + 8;
        device->sites =
            tally_must(realloc(device->sites, device->site_room * sizeof(*device->sites)));
    }
    device->sites[device->site_count++] = (struct site){domain, pair};
}

static struct pair *pair_of(struct findings *findings, const struct denial_record *record,
                            uint32_t device)
{
    uint32_t domain = domain_of(findings, record);

    device_turn(findings, device);
    uint32_t *near = near_at(findings, &findings->near, &findings->near_room, domain);
    if (*near != 0)
        return &findings->pairs[*near - 1];
    if (findings->pair_count == FINDINGS_PAIRS_MAX)
        return NULL;
    if (findings->pair_count == findings->pair_room) {
        findings->pair_room = findings->pair_room * 2 + 1024;
        findings->pairs =
            tally_must(realloc(findings->pairs, findings->pair_room * sizeof(*findings->pairs)));
    }
    struct pair *pair = &findings->pairs[findings->pair_count++];
    *near = (uint32_t)findings->pair_count;
    uint32_t category =
        tally_word(&findings->categories, record->category, strlen(record->category));
    *pair = (struct pair){.device = device,
                          .domain = domain,
                          .category = category,
                          .group = group_of(findings, record),
                          .first_ms = record->wall_ms,
                          .last_ms = INT64_MIN,
                          .case_number = record->case_number,
                          .severity = record->severity,
                          .observed_only = true};
    device_site_add(&findings->device_list[device], domain, *near);
    /* Titles run beside categories: the title of a number is that of its first coming. */
    if (pair->category == findings->titles.count) {
        char unique[512];
        int len = snprintf(unique, sizeof(unique), "%s", record->title);
        uint32_t title = tally_word(&findings->titles, unique, (size_t)len);
        while (title != pair->category && len < (int)sizeof(unique) - 2) {
            unique[len++] = '\0'; /* two categories with one title */
            title = tally_word(&findings->titles, unique, (size_t)len);
        }
    }
    return pair;
}

/* A quarter of an octave an interval: 1 s, 1.19 s, … 15 minutes is bin 39. */
static unsigned interval_bin(int64_t ms)
{
    unsigned bin = 0;

    for (double edge = 1189; (double)ms >= edge && bin < INTERVAL_BINS - 1; edge *= 1.189207)
        bin++;
    return bin;
}

static void beat(struct pair *pair, int64_t wall_ms)
{
    int64_t since = pair->last_ms == INT64_MIN ? 0 : wall_ms - pair->last_ms;

    if (pair->last_ms != INT64_MIN && since < BEAT_MS)
        return;
    if (pair->last_ms != INT64_MIN) {
        uint8_t *bin = &pair->intervals[interval_bin(since)];
        if (*bin < UINT8_MAX)
            ++*bin;
    }
    if (pair->last_ms == INT64_MIN || since >= EPISODE_MS)
        pair->episodes++;
    pair->beats++;
}

/* Whether the device asked other refused sites in the same moment. */
static bool others_together(struct device *device, uint32_t domain, int64_t wall_ms)
{
    unsigned others = 0;

    for (unsigned i = 0; i < RECENT; i++)
        others +=
            device->recent[i].at_ms > wall_ms - TOGETHER_MS && device->recent[i].domain != domain;
    device->recent[device->next % RECENT].at_ms = wall_ms;
    device->recent[device->next++ % RECENT].domain = domain;
    return others >= 2;
}

/* The minute of a moment, and whether it is within the hours of the group: out of hours is told
 * look-up by look-up, and local time is dear. */
static const struct minute *clock_see(struct findings *findings, int64_t wall_ms, uint32_t group,
                                      bool *out_in_hours)
{
    int64_t number = wall_ms / 60000;
    struct minute *minute = &findings->minutes[(uint64_t)number % MINUTES];
    const char *name = (const char *)findings->groups.items[group].bytes;

    if (minute->minute != number) {
        time_t seconds = (time_t)(wall_ms / 1000);
        struct tm local;
        localtime_r(&seconds, &local);
        *minute = (struct minute){.minute = number, .hour = (unsigned)local.tm_hour};
    }
    if (group >= HOURS_GROUPS) {
        *out_in_hours = findings->in_hours(findings->user, name, wall_ms);
        return minute;
    }
    uint64_t bit = UINT64_C(1) << group;
    if (!(minute->known & bit)) {
        minute->known |= bit;
        if (findings->in_hours(findings->user, name, wall_ms))
            minute->in_hours |= bit;
    }
    *out_in_hours = (minute->in_hours & bit) != 0;
    return minute;
}

void findings_meet(struct findings *findings, const struct denial_record *record)
{
    day_turn(&findings->met, record->day);
    uint32_t device = device_of(findings, record);
    struct pair *pair = pair_of(findings, record, device);

    if (pair == NULL) {
        findings->left_out += record->count;
        return;
    }
    uint32_t *last = asked_at(findings, pair->category);
    if (*last != 0) {
        struct pair *other = &findings->pairs[*last - 1];
        if (other != pair && record->wall_ms - other->last_ms < SEVERAL_MS)
            other->several = pair->several = true;
    }
    *last = (uint32_t)(pair - findings->pairs) + 1;
    unsigned kinds = name_kinds(findings, record);
    bool in_hours;
    const struct minute *minute =
        clock_see(findings, record->wall_ms, group_of(findings, record), &in_hours);
    beat(pair, record->wall_ms);
    pair->with_others +=
        others_together(&findings->device_list[device], pair->domain, record->wall_ms);
    pair->page_names += (kinds & NAME_PAGE) != 0;
    pair->app_names += (kinds & NAME_APP) != 0;
    pair->count += record->count;
    pair->last_ms = record->wall_ms;
    pair->hours |= 1u << minute->hour;
    pair->out_of_hours += in_hours ? 0 : record->count;
    pair->observed_only = pair->observed_only && record->observed;
    if (record->severity > pair->severity)
        pair->severity = record->severity;
}

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

void findings_seen_before(struct findings *findings, const struct denial_met *met)
{
    enum { NEVER = UINT32_MAX - 1 }; /* not in the span at all */
    uint32_t device, number, *known = NULL;

    findings->any_before = true;
    day_turn(&findings->met, met->day);
    if (met->client_id != TALLY_NO_ID)
        known = tally_id_at(&findings->met.devices, met->client_id);
    if (known != NULL && *known != TALLY_NO_ID) {
        device = *known;
    } else {
        char key[DENIAL_DEVICE_MAX];
        denial_device_key(met->device, met->client, key);
        device = tally_word_find(&findings->devices, key, strlen(key));
        device = device == TALLY_NO_ID ? NEVER : device;
        if (known != NULL)
            *known = device;
    }
    if (device == NEVER)
        return;
    number = tally_word_find(&findings->categories, met->category, strlen(met->category));
    if (number != TALLY_NO_ID)
        *tally_at(&findings->seen, tally_key(device, number)) = 1;
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
