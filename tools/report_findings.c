#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "blocklists/name.h"
#include "tools/report_findings_inside.h"

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
    tally_ids_free(&findings->met.categories);
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
    tally_ids_clear(&met->categories);
}

/* The number of a word that has the number `id` on the day. */
static uint32_t word_of(struct tally_ids *ids, uint32_t id, struct tally_words *words,
                        const char *text)
{
    uint32_t *met = id != TALLY_NO_ID ? tally_id_at(ids, id) : NULL;

    if (met != NULL && *met != TALLY_NO_ID)
        return *met;
    uint32_t number = tally_word(words, text, strlen(text));
    if (met != NULL)
        *met = number;
    return number;
}

static uint32_t group_of(struct findings *findings, const struct denial_record *record)
{
    return word_of(&findings->met.groups, record->word_group, &findings->groups, record->group);
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
    uint32_t category = word_of(&findings->met.categories, record->word_category,
                                &findings->categories, record->category);
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

enum { NEVER = UINT32_MAX - 1 }; /* not in the span at all */

static uint32_t device_before(const struct findings *findings, const struct denial_met *met)
{
    char key[DENIAL_DEVICE_MAX];

    denial_device_key(met->device, met->client, key);
    return tally_word_find(&findings->devices, key, strlen(key));
}

static uint32_t category_before(const struct findings *findings, const struct denial_met *met)
{
    return tally_word_find(&findings->categories, met->category, strlen(met->category));
}

/* What was found for a number of the day stays known for the day. */
static uint32_t found_before(const struct findings *findings, const struct denial_met *met,
                             struct tally_ids *ids, uint32_t id,
                             uint32_t (*find)(const struct findings *, const struct denial_met *))
{
    uint32_t *known = id != TALLY_NO_ID ? tally_id_at(ids, id) : NULL;

    if (known != NULL && *known != TALLY_NO_ID)
        return *known;
    uint32_t found = find(findings, met);
    found = found == TALLY_NO_ID ? NEVER : found;
    if (known != NULL)
        *known = found;
    return found;
}

void findings_seen_before(struct findings *findings, const struct denial_met *met)
{
    findings->any_before = true;
    day_turn(&findings->met, met->day);
    uint32_t device =
        found_before(findings, met, &findings->met.devices, met->client_id, device_before);
    if (device == NEVER)
        return;
    uint32_t category =
        found_before(findings, met, &findings->met.categories, met->word_category, category_before);
    if (category != NEVER)
        *tally_at(&findings->seen, tally_key(device, category)) = 1;
}
