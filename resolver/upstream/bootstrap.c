#include "resolver/upstream/bootstrap.h"

#include <string.h>

enum { FAMILY_SERVERS = CONFIG_HOST_SERVERS / 2, FAILURE_FIRST_MS = 1000 };

static void due_update(struct bootstrap *bootstrap)
{
    bootstrap->due_ms = INT64_MAX;
    for (size_t i = 0; i < bootstrap->count; i++)
        for (unsigned family = 0; family < 2; family++)
            if (bootstrap->hosts[i].families[family].due_ms < bootstrap->due_ms)
                bootstrap->due_ms = bootstrap->hosts[i].families[family].due_ms;
}

void bootstrap_begin(struct bootstrap *bootstrap, struct bootstrap *out_before)
{
    *out_before = *bootstrap;
    *bootstrap = (struct bootstrap){.due_ms = INT64_MAX};
}

static bool lacks_addresses(const struct upstream *places)
{
    for (unsigned i = 0; i < CONFIG_HOST_SERVERS; i++)
        if (!places[i].unknown)
            return false;
    return true;
}

void bootstrap_add(struct bootstrap *bootstrap, const struct bootstrap *before,
                   const struct upstreams *upstreams, const uint8_t *host_wire, size_t first)
{
    struct bootstrap_host *host = &bootstrap->hosts[bootstrap->count];

    if (bootstrap->count == BOOTSTRAP_HOSTS_MAX)
        return;
    /* Look-ups under way are of the servers before, and come to nothing: they are begun anew. */
    *host = (struct bootstrap_host){.first = (uint8_t)first};
    for (size_t i = 0; i < before->count && !lacks_addresses(&upstreams->items[first]); i++)
        if (bl_name_equal(before->hosts[i].name, host_wire))
            for (unsigned family = 0; family < 2; family++)
                if (before->hosts[i].families[family].due_ms != INT64_MAX)
                    host->families[family] = before->hosts[i].families[family];
    host->name_len = (uint8_t)bl_name_length(host_wire);
    memcpy(host->name, host_wire, host->name_len);
    bootstrap->count++;
    due_update(bootstrap);
}

bool bootstrap_next(struct bootstrap *bootstrap, int64_t now_ms,
                    struct bootstrap_question *out_question)
{
    for (size_t i = 0; i < bootstrap->count && now_ms >= bootstrap->due_ms; i++) {
        struct bootstrap_host *host = &bootstrap->hosts[i];
        for (unsigned family = 0; family < 2; family++) {
            struct dns_question *question = &out_question->question;
            if (host->families[family].due_ms > now_ms)
                continue;
            host->families[family].due_ms = INT64_MAX;
            due_update(bootstrap);
            *question = (struct dns_question){.type = family ? DNS_AAAA : DNS_A,
                                              .class = DNS_CLASS_IN,
                                              .asked_len = host->name_len};
            memcpy(question->name, host->name, host->name_len);
            out_question->lookup = (uint8_t)(1 + 2 * i + family);
            return true;
        }
    }
    return false;
}

static bool is_among(const struct address *address, const struct address *addresses, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (address_equal_host(address, &addresses[i]))
            return true;
    return false;
}

static bool is_taken(const struct upstream *places, const struct address *address)
{
    for (unsigned i = 0; i < FAMILY_SERVERS; i++)
        if (!places[i].unknown && address_equal_host(&places[i].address, address))
            return true;
    return false;
}

/* Servers rotate their answers: a place keeps its address, and what is known of it, as long as that
 * is among the answer's. */
static void places_fill(struct upstream *places, const struct address *addresses, size_t count)
{
    for (unsigned i = 0; i < FAMILY_SERVERS; i++)
        if (!places[i].unknown && !is_among(&places[i].address, addresses, count))
            upstream_set_address(&places[i], NULL);
    for (size_t k = 0; k < count; k++)
        for (unsigned i = 0; i < FAMILY_SERVERS && !is_taken(places, &addresses[k]); i++)
            if (places[i].unknown)
                upstream_set_address(&places[i], &addresses[k]);
}

static struct bootstrap_family *family_of(struct bootstrap *bootstrap, uint8_t lookup)
{
    return &bootstrap->hosts[(lookup - 1) / 2].families[(lookup - 1) % 2];
}

void bootstrap_answered(struct bootstrap *bootstrap, struct upstreams *upstreams, uint8_t lookup,
                        const struct address *addresses, size_t count, uint32_t ttl_s,
                        int64_t now_ms)
{
    struct bootstrap_family *family = family_of(bootstrap, lookup);
    const struct bootstrap_host *host = &bootstrap->hosts[(lookup - 1) / 2];

    if (count) {
        size_t first = host->first + (size_t)(lookup - 1) % 2 * FAMILY_SERVERS;
        places_fill(&upstreams->items[first], addresses, count);
        family->failures = 0;
    } else {
        family->failures++; /* ordinary for one family; without both there is nobody to ask */
    }
    /* "There is none" is no answer to live with while nobody can be asked at all. */
    if (ttl_s < BOOTSTRAP_LEAST_S || lacks_addresses(&upstreams->items[host->first]))
        ttl_s = BOOTSTRAP_LEAST_S;
    if (ttl_s > BOOTSTRAP_MOST_S)
        ttl_s = BOOTSTRAP_MOST_S;
    family->due_ms = now_ms + (int64_t)ttl_s * 1000;
    due_update(bootstrap);
}

void bootstrap_failed(struct bootstrap *bootstrap, uint8_t lookup, int64_t now_ms)
{
    struct bootstrap_family *family = family_of(bootstrap, lookup);
    int64_t later_ms = FAILURE_FIRST_MS;

    for (unsigned i = 0; i < family->failures && later_ms < BOOTSTRAP_LATER_MS; i++)
        later_ms *= 2;
    family->failures++;
    family->due_ms = now_ms + (later_ms < BOOTSTRAP_LATER_MS ? later_ms : BOOTSTRAP_LATER_MS);
    due_update(bootstrap);
}

bool bootstrap_is_hopeful(const struct bootstrap *bootstrap, uint32_t servers)
{
    for (size_t i = 0; i < bootstrap->count; i++) {
        const struct bootstrap_host *host = &bootstrap->hosts[i];
        if (servers & 1u << host->first &&
            (!host->families[0].failures || !host->families[1].failures))
            return true;
    }
    return false;
}
