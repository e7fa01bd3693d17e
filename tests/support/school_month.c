#include "tests/support/school_month.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "resolver/denials/day.h"

enum category {
    ADVERTISING,
    SOCIAL,
    GAMES,
    GAMBLING,
    PORNOGRAPHY,
    VPN,
    EXTREMISM,
    SELF_HARM,
    CATEGORIES
};
enum { NAMES_MAX = 400, FLUSH_EVERY = 8192 };

static const char *const category_names[] = {"advertising", "social-networks", "games",
                                             "gambling",    "pornography",     "vpn-proxy",
                                             "extremism",   "self-harm"};
static const char *const category_titles[] = {"Advertising and tracking",
                                              "Social networks",
                                              "Games",
                                              "Gambling",
                                              "Pornography",
                                              "VPNs and proxies",
                                              "Extremism and radicalisation",
                                              "Self-harm and suicide"};
static const uint8_t severities[] = {0, 1, 0, 1, 2, 1, 3, 3};
static const char *const ut1_folders[] = {
    "publicite", "social_networks", "games", "gambling", "adult", "vpn", "agressif", NULL};

const struct school_plant school_plants[PLANT_COUNT] = {
    {"10.1.2.17", "self-harm", 0, 13 * 60 + 5, "six sites in twenty minutes after lunch"},
    {"10.1.5.5", "extremism", 1, 20 * 60 + 40, "three sites, two evenings running"},
    {"10.1.4.4", "pornography", 2, 10 * 60 + 35, "eight sites at break"},
    {"10.1.1.9", "gambling", 0, 9 * 60 + 50, "twenty look-ups of four sites in ten minutes"},
    {"10.1.6.2", "vpn-proxy", 3, 12 * 60 + 10, "five ways round the filter, one after the other"},
};

const struct school_plant school_noise[3] = {
    {"10.1.3.3", "self-harm", 0, 0, "an app's widget every fifteen minutes, day and night"},
    {"10.1.3.8", "extremism", 0, 0, "a player's telemetry, all day"},
    {"10.1.3.9", "pornography", 0, 0, "a tracker among a page's adverts"},
};

struct event {
    int64_t wall_ms;
    uint8_t client[4];
    uint16_t qtype;
    uint8_t group, category;
    uint8_t name[64];
    uint8_t matched;
};

struct making {
    struct event *events;
    size_t count, room;
    uint64_t random;
    char (*names[CATEGORIES])[48];
    unsigned name_counts[CATEGORIES];
    struct day day;
};

struct legend *school_legend(void)
{
    static const char *const groups[] = {"pupils", "staff"};
    const struct legend_input input = {
        groups, 2, category_names, category_titles, severities, CATEGORIES, 7, 42};
    struct legend *legend;

    return legend_create(&input, &legend) == 0 ? legend : NULL;
}

static unsigned below(struct making *making, unsigned bound)
{
    making->random = making->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((making->random >> 33) % bound);
}

/* One of a category's names, the first ones much more often. */
static const char *name_of(struct making *making, enum category category)
{
    unsigned r = below(making, 1000);

    return making->names[category][r * r / 1000 * making->name_counts[category] / 1000];
}

static void names_make_up(struct making *making, enum category category)
{
    static const char *const words[] = {"pixel", "chatter", "blocks", "casino",
                                        "adult", "tunnel",  "front",  "alone"};
    for (unsigned i = 0; i < 60; i++)
        snprintf(making->names[category][making->name_counts[category]++], 48, "%s%u.example",
                 words[category], i);
}

static void names_load(struct making *making, const char *ut1)
{
    for (int category = 0; category < CATEGORIES; category++) {
        char path[512], line[256];
        FILE *file = NULL;
        making->names[category] = calloc(NAMES_MAX, sizeof(*making->names[category]));
        if (ut1 != NULL && ut1_folders[category] != NULL) {
            snprintf(path, sizeof(path), "%s/%s/domains", ut1, ut1_folders[category]);
            file = fopen(path, "r");
        }
        while (file != NULL && making->name_counts[category] < NAMES_MAX &&
               fgets(line, sizeof(line), file) != NULL) {
            line[strcspn(line, "\r\n")] = '\0';
            if (strlen(line) > 3 && strlen(line) < 40 && strchr(line, '.') != NULL &&
                line[strlen(line) - 1] >= 'a' &&
                strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789.-") == strlen(line))
                strcpy(making->names[category][making->name_counts[category]++], line);
        }
        if (file != NULL)
            fclose(file);
        if (making->name_counts[category] < 60)
            names_make_up(making, (enum category)category);
    }
}

static void client_read(const char *text, uint8_t client[4])
{
    sscanf(text, "%hhu.%hhu.%hhu.%hhu", &client[0], &client[1], &client[2], &client[3]);
}

static void look_up(struct making *making, int64_t wall_ms, const uint8_t client[4],
                    enum category category, const char *prefix, const char *domain, uint16_t qtype)
{
    char text[64];

    if (making->count == making->room) {
        making->room = making->room * 2 + 4096;
        making->events = realloc(making->events, making->room * sizeof(*making->events));
    }
    struct event *event = &making->events[making->count++];
    memset(event, 0, sizeof(*event));
    event->wall_ms = wall_ms;
    memcpy(event->client, client, 4);
    event->qtype = qtype;
    event->group = client[1] == 2;
    event->category = (uint8_t)category;
    snprintf(text, sizeof(text) - 1, "%s%s", prefix, domain);
    uint8_t *length = event->name, *at = event->name + 1;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c != '.') {
            *at++ = (uint8_t)*c;
            continue;
        }
        *length = (uint8_t)(at - length - 1);
        length = at++;
    }
    *length = (uint8_t)(at - length - 1);
    event->matched = (uint8_t)strlen(prefix);
}

/* A person opens a page: two or three types at once, the bare domain or www. */
static void visit(struct making *making, int64_t wall_ms, const uint8_t client[4],
                  enum category category, const char *domain)
{
    const char *prefix = below(making, 3) == 0 ? "" : "www.";

    look_up(making, wall_ms, client, category, prefix, domain, 1);
    look_up(making, wall_ms + 3, client, category, prefix, domain, 28);
    if (below(making, 2))
        look_up(making, wall_ms + 5, client, category, prefix, domain, 65);
}

static int64_t at(const struct making *making, int minute, unsigned ms)
{
    return making->day.start_ms + (int64_t)minute * 60000 + ms;
}

static void device_of(unsigned number, uint8_t client[4])
{
    client[0] = 10;
    client[1] = 1;
    client[2] = (uint8_t)(10 + number / 250);
    client[3] = (uint8_t)(1 + number % 250);
}

/* Allowed pages bring refused adverts with them; games at break; and a slip of the finger. */
static void pupil_day(struct making *making, const uint8_t client[4])
{
    for (unsigned pages = 5 + below(making, 20); pages > 0; pages--) {
        int64_t when = at(making, 8 * 60 + 40 + (int)below(making, 400), below(making, 60000));
        for (unsigned adverts = 2 + below(making, 5); adverts > 0; adverts--)
            look_up(making, when + (int64_t)below(making, 900), client, ADVERTISING,
                    below(making, 2) ? "cdn." : "ads.", name_of(making, ADVERTISING), 1);
    }
    if (below(making, 4) == 0) {
        const char *game = name_of(making, GAMES);
        int64_t when = at(making, 10 * 60 + 30 + (int)below(making, 15), below(making, 60000));
        visit(making, when, client, GAMES, game);
        visit(making, when + 20000, client, GAMES, game);
    }
    if (below(making, 60) == 0)
        visit(making, at(making, 9 * 60 + (int)below(making, 360), below(making, 60000)), client,
              GAMBLING, name_of(making, GAMBLING));
}

/* An app asks its server again and again while the telephone is on; some lie there at night too. */
static void telephone_day(struct making *making, const uint8_t client[4], unsigned number)
{
    static const char *const prefixes[] = {"api.", "graph.", "push.", "gateway."};
    const char *domain = making->names[SOCIAL][number % 12];
    bool night = number % 3 == 0;
    int from = night ? 0 : 8 * 60 + 20, to = night ? 24 * 60 : 16 * 60;
    int64_t when = at(making, from, below(making, 600000));

    while (when < at(making, to, 0)) {
        look_up(making, when, client, SOCIAL, prefixes[number % 4], domain, 1);
        look_up(making, when + 2, client, SOCIAL, prefixes[number % 4], domain, 28);
        when += 600000 + (int64_t)below(making, 60000) - 30000;
    }
}

static void noise_day(struct making *making)
{
    uint8_t client[4];

    client_read(school_noise[0].client, client);
    for (int minute = 3; minute < 24 * 60; minute += 15)
        look_up(making, at(making, minute, below(making, 4000)), client, SELF_HARM, "api.",
                making->names[SELF_HARM][55], 1);
    client_read(school_noise[1].client, client);
    for (int minute = 7 * 60; minute < 19 * 60; minute += 4 + (int)below(making, 22))
        look_up(making, at(making, minute, below(making, 60000)), client, EXTREMISM, "telemetry.",
                making->names[EXTREMISM][50], 1);
    client_read(school_noise[2].client, client);
    for (int i = 0; i < 6; i++) {
        int64_t when = at(making, 9 * 60 + (int)below(making, 360), below(making, 60000));
        for (int n = 0; n < 5; n++)
            look_up(making, when + n * 80, client, ADVERTISING, "ads.",
                    name_of(making, ADVERTISING), 1);
        look_up(making, when + 450, client, PORNOGRAPHY, "tracker.", making->names[PORNOGRAPHY][40],
                1);
    }
}

static enum category category_of(const char *name)
{
    int category = 0;

    while (strcmp(category_names[category], name) != 0)
        category++;
    return (enum category)category;
}

static void plants_day(struct making *making, int days_before_last)
{
    static const struct {
        unsigned sites, visits, minutes;
    } forms[PLANT_COUNT] = {{6, 9, 20}, {3, 6, 25}, {8, 8, 12}, {4, 20, 10}, {5, 6, 8}};

    for (int p = 0; p < PLANT_COUNT; p++) {
        const struct school_plant *plant = &school_plants[p];
        bool again = p == 1 && days_before_last == plant->days_before_last + 1;
        uint8_t client[4];
        if (days_before_last != plant->days_before_last && !again)
            continue;
        client_read(plant->client, client);
        enum category category = category_of(plant->category);
        for (unsigned i = 0; i < forms[p].visits; i++)
            visit(making,
                  at(making, plant->first_minute, 0) +
                      (int64_t)i * forms[p].minutes * 60000 / forms[p].visits +
                      below(making, 20000),
                  client, category, making->names[category][i % forms[p].sites]);
    }
}

static int event_compare(const void *a, const void *b)
{
    const struct event *x = a, *y = b;

    return x->wall_ms < y->wall_ms ? -1 : x->wall_ms > y->wall_ms;
}

static void day_append(struct making *making, struct journal *journal, void (*flush)(void *),
                       void *user)
{
    qsort(making->events, making->count, sizeof(*making->events), event_compare);
    for (size_t i = 0; i < making->count; i++) {
        const struct event *event = &making->events[i];
        struct denial denial = {.wall_ms = event->wall_ms,
                                .group = event->group,
                                .category = event->category,
                                .qtype = event->qtype,
                                .rule = 1,
                                .policy_version = 7,
                                .generation = 42,
                                .qname = event->name,
                                .matched = event->name + event->matched};
        denial.client.bytes[10] = denial.client.bytes[11] = 0xff;
        memcpy(denial.client.bytes + 12, event->client, 4);
        journal_append(journal, &denial);
        if (i % FLUSH_EVERY == FLUSH_EVERY - 1)
            flush(user);
    }
    flush(user);
    making->count = 0;
}

static bool is_weekday(const struct day *day)
{
    time_t seconds = (time_t)(day->start_ms / 1000) + 12 * 3600;
    struct tm local;

    localtime_r(&seconds, &local);
    return local.tm_wday >= 1 && local.tm_wday <= 5;
}

void school_month_make(const struct school_month *month, struct journal *journal,
                       void (*flush)(void *user), void *user)
{
    struct making making = {.random = month->seed};
    struct day days[64];
    unsigned count = month->days < 64 ? month->days : 64;
    int school_days = 0;

    names_load(&making, month->ut1);
    day_of(month->first_day_ms, &days[0]);
    for (unsigned i = 1; i < count; i++)
        day_of(days[i - 1].end_ms, &days[i]);
    for (unsigned i = 0; i < count; i++)
        school_days += is_weekday(&days[i]);
    for (unsigned i = 0; i < count; i++) {
        making.day = days[i];
        bool weekday = is_weekday(&days[i]);
        school_days -= weekday;
        for (unsigned d = 0; d < month->devices; d++) {
            uint8_t client[4];
            device_of(d, client);
            if (weekday)
                pupil_day(&making, client);
            if (d % 4 == 0 && (weekday || d % 3 == 0))
                telephone_day(&making, client, d / 4);
        }
        noise_day(&making);
        if (weekday)
            plants_day(&making, school_days);
        day_append(&making, journal, flush, user);
    }
    for (int category = 0; category < CATEGORIES; category++)
        free(making.names[category]);
    free(making.events);
}
