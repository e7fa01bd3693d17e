/* What report_findings.c has met and report_judge.c judges; for these two alone. */
#ifndef TOOLS_REPORT_FINDINGS_INSIDE_H
#define TOOLS_REPORT_FINDINGS_INSIDE_H

#include "tools/report_findings.h"
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
    struct tally_ids devices, domains, names, groups, categories;
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

#endif
