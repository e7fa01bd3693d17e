#include <stdlib.h>
#include <string.h>

#include "resolver/policy/inside.h"

struct span { /* a subnet as its first and last address */
    address_bits first, last;
    uint16_t group;
};

struct ranges {
    address_bits *first;
    uint16_t *group;
    size_t count;
};

static address_bits bits_of(const uint8_t bytes[16])
{
    address_bits bits = 0;

    for (int i = 0; i < 16; i++)
        bits = bits << 8 | bytes[i];
    return bits;
}

static bool prefix_is_v4(const struct address_prefix *prefix)
{
    struct address address = {0};

    memcpy(address.bytes, prefix->bytes, sizeof address.bytes);
    return prefix->length >= 96 && address_is_v4(&address);
}

static int span_compare(const void *left, const void *right)
{
    const struct span *a = left, *b = right;

    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    return a->last > b->last ? -1 : a->last < b->last;
}

static void range_add(struct ranges *ranges, address_bits first, uint16_t group)
{
    if (ranges->count && ranges->first[ranges->count - 1] == first)
        ranges->count--;
    if (ranges->count && ranges->group[ranges->count - 1] == group)
        return;
    ranges->first[ranges->count] = first;
    ranges->group[ranges->count++] = group;
}

/* Sorted, enclosing subnets come first: those still open are a stack, its top the longest prefix.
 */
static void spans_flatten(struct span *spans, size_t count, struct ranges *ranges)
{
    const struct span *open[129];
    size_t depth = 0;

    qsort(spans, count, sizeof *spans, span_compare);
    range_add(ranges, 0, POLICY_NO_GROUP);
    for (size_t i = 0; i <= count; i++) {
        while (depth && (i == count || open[depth - 1]->last < spans[i].first)) {
            address_bits last = open[--depth]->last;
            if (last != ~(address_bits)0)
                range_add(ranges, last + 1, depth ? open[depth - 1]->group : POLICY_NO_GROUP);
        }
        if (i == count)
            break;
        open[depth++] = &spans[i];
        range_add(ranges, spans[i].first, spans[i].group);
    }
}

static bool family_build(struct policy *policy, bool v4, struct ranges *ranges)
{
    const struct config *config = policy->config;
    size_t total = 0, count = 0;
    struct span *spans;

    for (size_t i = 0; i < config->group_count; i++)
        total += config->groups[i].subnet_count;
    spans = calloc(total + 1, sizeof *spans);
    ranges->first = arena_take(&policy->arena, 2 * total + 2, sizeof *ranges->first);
    ranges->group = arena_take(&policy->arena, 2 * total + 2, sizeof *ranges->group);
    if (!spans || !ranges->first || !ranges->group) {
        free(spans);
        return false;
    }
    for (size_t i = 0; i < config->group_count; i++) {
        const struct config_group *group = &config->groups[i];
        for (size_t j = 0; j < group->subnet_count; j++) {
            const struct address_prefix *prefix = &group->subnets[j];
            address_bits first = bits_of(prefix->bytes);
            address_bits hosts = prefix->length == 0
                                     ? ~(address_bits)0
                                     : ((address_bits)1 << (128 - prefix->length)) - 1;
            if (prefix_is_v4(prefix) == v4)
                spans[count++] = (struct span){first, first | hosts, (uint16_t)i};
        }
    }
    spans_flatten(spans, count, ranges);
    free(spans);
    return true;
}

int policy_subnets_build(struct policy *policy)
{
    struct subnets *subnets = &policy->subnets;
    struct ranges v4 = {0}, v6 = {0};

    if (!family_build(policy, true, &v4) || !family_build(policy, false, &v6))
        return -1;
    subnets->v4_first = arena_take(&policy->arena, v4.count, sizeof *subnets->v4_first);
    if (!subnets->v4_first)
        return -1;
    /* Mapped addresses share their upper 96 bits, which only the first and last range may not have.
     */
    for (size_t i = 0; i < v4.count; i++) {
        bool mapped = v4.first[i] >> 32 == 0xffff;
        subnets->v4_first[i] = mapped ? (uint32_t)v4.first[i] : 0;
    }
    subnets->v4_group = v4.group;
    subnets->v4_count = v4.count;
    if (v4.count > 1 && v4.first[v4.count - 1] >> 32 != 0xffff)
        subnets->v4_count--; /* what begins behind 255.255.255.255 */
    subnets->v6_first = v6.first;
    subnets->v6_group = v6.group;
    subnets->v6_count = v6.count;
    return 0;
}

static uint16_t v4_find(const struct subnets *subnets, uint32_t address)
{
    size_t low = 0, high = subnets->v4_count;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (subnets->v4_first[middle] <= address)
            low = middle;
        else
            high = middle;
    }
    return subnets->v4_group[low];
}

uint16_t policy_group_of(const struct policy *policy, const struct address *client)
{
    const struct subnets *subnets = &policy->subnets;
    size_t low = 0, high = subnets->v6_count;
    address_bits bits;

    if (address_is_v4(client)) {
        const uint8_t *bytes = client->bytes + 12;
        return v4_find(subnets, (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
                                    (uint32_t)bytes[2] << 8 | bytes[3]);
    }
    bits = bits_of(client->bytes);
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (subnets->v6_first[middle] <= bits)
            low = middle;
        else
            high = middle;
    }
    return subnets->v6_group[low];
}
