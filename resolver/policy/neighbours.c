/* Which addresses are those of devices that have something of their own: only these, usually a
 * handful, are part of a policy, so that a device which merely comes and goes makes no new one. */
#include <stdlib.h>
#include <string.h>

#include "resolver/config/config.h"
#include "resolver/devices/devices.h"
#include "resolver/policy/rules.h"

struct macs {
    uint8_t (*items)[MAC_LEN];
    size_t count;
};

static int mac_order(const void *a, const void *b)
{
    return memcmp(a, b, MAC_LEN);
}

static int address_order(const void *a, const void *b)
{
    const struct policy_neighbour *left = a, *right = b;
    int order = memcmp(left->address.bytes, right->address.bytes, sizeof left->address.bytes);

    return order ? order : memcmp(left->mac, right->mac, MAC_LEN);
}

void policy_neighbours_sort(struct policy_neighbour *neighbours, size_t count)
{
    if (count)
        qsort(neighbours, count, sizeof *neighbours, address_order);
}

bool policy_neighbours_equal(const struct policy_neighbour *a, size_t a_count,
                             const struct policy_neighbour *b, size_t b_count)
{
    if (a_count != b_count)
        return false;
    for (size_t i = 0; i < a_count; i++) {
        if (address_order(&a[i], &b[i]) != 0 || a[i].by_lease != b[i].by_lease)
            return false;
    }
    return true;
}

static void mac_add(struct macs *macs, const uint8_t *mac)
{
    memcpy(macs->items[macs->count++], mac, MAC_LEN);
}

static void address_add(struct macs *macs, struct devices *devices, const struct address *address)
{
    struct device device;

    if (devices_find(devices, address, &device) && device.has_mac)
        mac_add(macs, device.mac);
}

/* The MAC addresses that matter, in order. */
static bool macs_find(const struct policy_rules *rules, const struct config *config,
                      struct devices *devices, struct macs *out_macs)
{
    struct macs macs = {0};
    size_t most = 2 * rules->grant_count;

    for (size_t i = 0; i < config->device_count; i++)
        most += 1 + config->devices[i].address_count;
    macs.items = calloc(most + 1, MAC_LEN);
    if (!macs.items)
        return false;
    for (size_t i = 0; i < config->device_count; i++) {
        const struct config_device *device = &config->devices[i];
        if (device->mac.set)
            mac_add(&macs, device->mac.bytes);
        for (size_t j = 0; j < device->address_count; j++)
            address_add(&macs, devices, &device->addresses[j]);
    }
    for (size_t i = 0; i < rules->grant_count; i++) {
        const struct policy_device *device = &rules->grants[i].device;
        if (device->has_mac)
            mac_add(&macs, device->mac);
        if (device->has_address)
            address_add(&macs, devices, &device->address);
    }
    qsort(macs.items, macs.count, MAC_LEN, mac_order);
    *out_macs = macs;
    return true;
}

/* A link-local address may be there on two networks; the policy knows it once. */
static size_t doubles_drop(struct policy_neighbour *neighbours, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        if (!kept ||
            memcmp(neighbours[kept - 1].address.bytes, neighbours[i].address.bytes, 16) != 0)
            neighbours[kept++] = neighbours[i];
    }
    return kept;
}

bool policy_neighbours_find(const struct policy_rules *rules, const struct config *config,
                            struct devices *devices, struct arena *arena,
                            struct policy_neighbour **out_neighbours, size_t *out_count)
{
    struct policy_neighbour *neighbours = NULL;
    struct device *all = NULL;
    struct macs macs;
    size_t all_count = 0, count = 0;

    if (!macs_find(rules, config, devices, &macs))
        return false;
    if (macs.count && devices_all(devices, &all, &all_count) == 0)
        neighbours = arena_take(arena, all_count + 1, sizeof *neighbours);
    for (size_t i = 0; neighbours && i < all_count; i++) {
        if (!all[i].has_mac || !bsearch(all[i].mac, macs.items, macs.count, MAC_LEN, mac_order))
            continue;
        neighbours[count].address = all[i].address;
        neighbours[count].by_lease = all[i].source == DEVICE_LEASE;
        memcpy(neighbours[count++].mac, all[i].mac, MAC_LEN);
    }
    free(all);
    free(macs.items);
    if (macs.count && !neighbours)
        return false;
    policy_neighbours_sort(neighbours, count);
    *out_neighbours = neighbours;
    *out_count = doubles_drop(neighbours, count);
    return true;
}
