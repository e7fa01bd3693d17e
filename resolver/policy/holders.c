/* Which grants may be for a device: found by its MAC address and its address, so that ten thousand
 * users who signed on cost no hundred million comparisons whenever one more does. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/policy/inside.h"

struct held {        /* a grant, under one of the keys of its device */
    uint8_t key[16]; /* an address, or a MAC address behind zeroes */
    uint32_t grant;
};

static int held_order(const void *a, const void *b)
{
    const struct held *left = a, *right = b;
    int order = memcmp(left->key, right->key, sizeof left->key);

    return order ? order : (left->grant > right->grant) - (left->grant < right->grant);
}

static int index_order(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

static void mac_key(const uint8_t *mac, uint8_t out_key[16])
{
    memset(out_key, 0, 16);
    memcpy(out_key + 10, mac, MAC_LEN);
}

static void held_add(struct holders *holders, const uint8_t key[16], uint32_t grant)
{
    struct held *held = &holders->list[holders->count++];

    memcpy(held->key, key, sizeof held->key);
    held->grant = grant;
}

static void grant_hold(struct policy *policy, uint32_t index)
{
    const struct policy_grant *grant = &policy->rules->grants[index];
    const struct policy_device *device = &grant->device;
    struct holders *holders = &policy->holders;
    const uint8_t *mac = device->has_mac ? device->mac : NULL;
    uint8_t key[16];

    if (device->has_address)
        held_add(holders, device->address.bytes, index);
    if (!mac && device->has_address) {
        const struct policy_neighbour *there = neighbour_find(policy->rules, &device->address);
        mac = there ? there->mac : NULL;
    }
    if (mac) {
        mac_key(mac, key);
        held_add(holders, key, index);
    }
    if (!mac && !device->has_address && grant->device_text)
        holders->named[holders->named_count++] = index;
}

int policy_holders_build(struct policy *policy)
{
    struct holders *holders = &policy->holders;
    size_t count = policy->rules->grant_count;

    holders->list = arena_take(&policy->arena, 2 * count + 1, sizeof *holders->list);
    holders->named = arena_take(&policy->arena, count + 1, sizeof *holders->named);
    holders->found = arena_take(&policy->arena, 5 * count + 1, sizeof *holders->found);
    if (!holders->list || !holders->named || !holders->found)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        grant_hold(policy, i);
    qsort(holders->list, holders->count, sizeof *holders->list, held_order);
    return 0;
}

static size_t key_find(const struct holders *holders, const uint8_t key[16], size_t found)
{
    size_t from = 0, to = holders->count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (memcmp(holders->list[middle].key, key, 16) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    for (; from < holders->count && memcmp(holders->list[from].key, key, 16) == 0; from++)
        holders->found[found++] = holders->list[from].grant;
    return found;
}

size_t policy_holders_find(struct policy *policy, const struct address *address, const uint8_t *mac,
                           const uint32_t **out_grants)
{
    struct holders *holders = &policy->holders;
    uint32_t *found = holders->found;
    size_t count = holders->named_count, kept = 0;
    uint8_t key[16];

    memcpy(found, holders->named, count * sizeof *found);
    if (address)
        count = key_find(holders, address->bytes, count);
    if (mac) {
        mac_key(mac, key);
        count = key_find(holders, key, count);
    }
    qsort(found, count, sizeof *found, index_order);
    for (size_t i = 0; i < count; i++) {
        if (!i || found[i] != found[i - 1])
            found[kept++] = found[i];
    }
    *out_grants = found;
    return kept;
}
