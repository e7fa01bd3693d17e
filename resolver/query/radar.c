#include "resolver/query/radar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/query/answer.h"

enum {
    WAYS = 4,
    SETS = RADAR_DEVICES / WAYS,
    WINDOW_MS = 10 * 60 * 1000,
    SILENT_MS = 5 * 60 * 1000,
    BYPASS_SIGNS = 10,   /* questions in a window */
    BOOTSTRAP_SIGNS = 3, /* … without any other */
    BOOTSTRAP_MS = 60 * 1000,
    ODD_SIGNS = 100,
    LONG_LABEL = 30, /* Base32 of what fits; hosts of content networks are shorter */
    LONG_NAME = 100,
    TOLD_MS = 60 * 60 * 1000,
    TOLD_AGAIN_MS = TOLD_MS,
};

/* One device in one window. */
struct device {
    struct radar_sighting seen;
    bool is_used;
    int64_t told_ms; /* when a tunnel was recorded last; 0: never */
};

struct radar {
    struct device devices[SETS][WAYS];
    int64_t watch_until_ms; /* an hour from when a device last asked for a way round */
};

int radar_create(struct radar **out_radar)
{
    struct radar *radar = calloc(1, sizeof *radar);

    if (!radar)
        return -ENOMEM;
    *out_radar = radar;
    return 0;
}

void radar_destroy(struct radar *radar)
{
    free(radar);
}

static struct device *set_of(const struct pipeline *pipeline, const struct address *client)
{
    uint64_t halves[2], hash;

    memcpy(halves, client->bytes, sizeof halves);
    hash = (halves[0] ^ pipeline->client_salt) * 0x9e3779b97f4a7c15u;
    hash ^= halves[1];
    hash = (hash ^ hash >> 32) * 0x9e3779b97f4a7c15u; /* the last octets are the highest bits */
    return pipeline->radar->devices[hash >> 32 & (SETS - 1)];
}

/* The device's numbers, begun anew when it is not known or its window has ended; of a full set the
 * one that was quiet for longest gives way. */
static struct device *device_of(struct pipeline *pipeline, const struct query *query)
{
    struct device *set = set_of(pipeline, &query->client), *device = &set[0];
    int64_t now_ms = pipeline->moment.mono_ms, told_ms = 0;

    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].is_used && address_equal_host(&set[i].seen.client, &query->client)) {
            device = &set[i];
            device->seen.last_ms = now_ms;
            if (now_ms - device->seen.since_ms < WINDOW_MS)
                return device;
            told_ms = device->told_ms;
            break;
        }
        if (!set[i].is_used || (device->is_used && set[i].seen.last_ms < device->seen.last_ms))
            device = &set[i];
    }
    *device = (struct device){.seen = {.client = query->client,
                                       .group = query->group,
                                       .since_ms = now_ms,
                                       .last_ms = now_ms},
                              .is_used = true,
                              .told_ms = told_ms};
    return device;
}

void radar_denied(struct pipeline *pipeline, const struct query *query, struct ruling ruling)
{
    const struct config *config = pipeline->world->config;
    struct device *device;

    if (!pipeline->radar)
        return;
    if (ruling.category >= config->category_count ||
        !config->categories[ruling.category].circumvention) {
        radar_answered(pipeline, query);
        return;
    }
    pipeline->radar->watch_until_ms = pipeline->moment.mono_ms + TOLD_MS;
    device = device_of(pipeline, query);
    device->seen.bypass++;
    device->seen.bypass_ms = pipeline->moment.mono_ms;
}

/* Devices that ask for no ways round are not entered: they would push out those that do. */
void radar_answered(struct pipeline *pipeline, const struct query *query)
{
    const struct device *set;

    if (!pipeline->radar || pipeline->moment.mono_ms >= pipeline->radar->watch_until_ms)
        return;
    set = set_of(pipeline, &query->client);
    for (unsigned i = 0; i < WAYS; i++)
        if (set[i].is_used && address_equal_host(&set[i].seen.client, &query->client)) {
            device_of(pipeline, query)->seen.other++;
            return;
        }
}

/* Whether a name looks like data in Base32 or hexadecimal: long labels with digits among letters.
 */
static bool is_odd(const struct dns_question *question)
{
    const uint8_t *name = question->name;
    unsigned longest = 0, digits = 0;

    for (size_t at = 0; name[at]; at += name[at] + 1u) {
        if (name[at] > longest)
            longest = name[at];
        for (size_t i = 1; i <= name[at]; i++)
            digits += name[at + i] >= '0' && name[at + i] <= '9';
    }
    if (question->type == DNS_PTR) /* reverse names of IPv6 are long by nature */
        return false;
    return (longest >= LONG_LABEL && digits >= 3) || question->asked_len >= LONG_NAME ||
           (question->type == DNS_TXT && longest >= LONG_LABEL / 2 && digits >= 3) ||
           question->type == 10; /* NULL: nothing else uses it, RFC 1035 section 3.3.10 */
}

static void record_tunnel(struct pipeline *pipeline, struct query *query, struct device *device)
{
    struct ruling ruling = policy_own_ruling(&pipeline->now, query->group, RULE_TUNNEL);
    int64_t now_ms = pipeline->moment.mono_ms;

    if (device->seen.odd < ODD_SIGNS ||
        (device->told_ms && now_ms - device->told_ms < TOLD_AGAIN_MS))
        return;
    device->told_ms = now_ms;
    ruling.verdict = VERDICT_OBSERVE;
    answer_observed(pipeline, query, ruling, &(struct denial_match){.via = VIA_RULE});
}

void radar_forwarded(struct pipeline *pipeline, struct query *query)
{
    struct device *device;

    if (!pipeline->radar)
        return;
    device = device_of(pipeline, query);
    if (!is_odd(&query->question)) {
        device->seen.other++;
        return;
    }
    device->seen.odd++;
    record_tunnel(pipeline, query, device);
}

size_t radar_read(const struct pipeline *pipeline,
                  struct radar_sighting out_sightings[RADAR_DEVICES])
{
    int64_t now_ms = pipeline->moment.mono_ms;
    size_t count = 0;

    for (unsigned i = 0; pipeline->radar && i < RADAR_DEVICES; i++) {
        const struct device *device = &pipeline->radar->devices[i / WAYS][i % WAYS];
        if (device->is_used && now_ms - device->seen.last_ms < TOLD_MS)
            out_sightings[count++] = device->seen;
    }
    return count;
}

static int by_client(const void *a, const void *b)
{
    const struct radar_sighting *one = a, *other = b;

    return memcmp(one->client.bytes, other->client.bytes, sizeof one->client.bytes);
}

static void add(struct radar_sighting *sum, const struct radar_sighting *more)
{
    sum->bypass += more->bypass;
    sum->odd += more->odd;
    sum->other += more->other;
    if (more->bypass_ms > sum->bypass_ms)
        sum->bypass_ms = more->bypass_ms;
    if (more->since_ms < sum->since_ms)
        sum->since_ms = more->since_ms;
    if (more->last_ms > sum->last_ms) {
        sum->last_ms = more->last_ms;
        sum->group = more->group;
    }
}

static unsigned signs_of(const struct radar_sighting *seen, int64_t now_ms)
{
    unsigned signs = 0;

    if (seen->bypass >= BYPASS_SIGNS)
        signs |= RADAR_BYPASS;
    if (seen->odd >= ODD_SIGNS)
        signs |= RADAR_TUNNEL;
    /* A device in use asks for something else within a minute; what it asked before the first of
     * these, and had from the cache, nobody noted. */
    if (seen->bypass >= BOOTSTRAP_SIGNS && !seen->other && !seen->odd &&
        now_ms - seen->since_ms >= BOOTSTRAP_MS)
        signs |= RADAR_BOOTSTRAP;
    if (seen->bypass >= BOOTSTRAP_SIGNS && seen->bypass_ms == seen->last_ms &&
        now_ms - seen->last_ms >= SILENT_MS)
        signs |= RADAR_SILENT;
    return signs;
}

size_t radar_merge(struct radar_sighting *sightings, size_t count, int64_t now_ms)
{
    size_t kept = 0;

    qsort(sightings, count, sizeof *sightings, by_client);
    for (size_t i = 0; i < count;) {
        struct radar_sighting sum = sightings[i++];
        for (; i < count && by_client(&sum, &sightings[i]) == 0; i++)
            add(&sum, &sightings[i]);
        sum.signs = signs_of(&sum, now_ms);
        if (sum.signs)
            sightings[kept++] = sum;
    }
    return kept;
}

const char *radar_sign_text(unsigned sign)
{
    switch (sign) {
    case RADAR_BYPASS:
        return "asks for proxies again and again";
    case RADAR_TUNNEL:
        return "asks as a tunnel does";
    case RADAR_BOOTSTRAP:
        return "asks for proxies and nothing else";
    case RADAR_SILENT:
        return "fell silent after asking for proxies";
    default:
        return "";
    }
}
