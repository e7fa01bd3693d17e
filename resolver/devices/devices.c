#include "resolver/devices/devices.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/base/hash.h"
#include "resolver/base/random.h"

enum { SLOTS = 2 * DEVICES_MAX };

struct seen {
    struct address address;
    uint8_t mac[MAC_LEN];
    int64_t seen_ms; /* monotonic */
};

struct devices {
    pthread_mutex_t lock;
    uint64_t changes, dropped, seed;
    struct seen *seen;
    size_t seen_count, seen_room;
    uint32_t *slots; /* open addressing: index + 1 */
    struct leases files[LEASE_FILES_MAX];
    struct lease *leases; /* of all files, by address */
    size_t lease_count;
    const struct lease **named; /* those with MAC address and name, by MAC address */
    size_t named_count;
};

int devices_create(struct devices **out_devices)
{
    struct devices *devices = calloc(1, sizeof *devices);
    struct random_pool random;

    if (!devices)
        return -ENOMEM;
    devices->slots = calloc(SLOTS, sizeof *devices->slots);
    if (!devices->slots) {
        free(devices);
        return -ENOMEM;
    }
    random_init(&random);
    devices->seed = random_64(&random);
    pthread_mutex_init(&devices->lock, NULL);
    *out_devices = devices;
    return 0;
}

void devices_free(struct devices *devices)
{
    if (!devices)
        return;
    for (size_t i = 0; i < LEASE_FILES_MAX; i++)
        leases_free(&devices->files[i]);
    free(devices->leases);
    free(devices->named);
    free(devices->seen);
    free(devices->slots);
    pthread_mutex_destroy(&devices->lock);
    free(devices);
}

/* The slot of an address, or the free one where it would be. */
static uint32_t *slot_of(const struct devices *devices, const struct address *address)
{
    size_t slot = hash_octets(devices->seed ^ address->scope, address->bytes, 16) % SLOTS;

    while (devices->slots[slot]) {
        const struct seen *seen = &devices->seen[devices->slots[slot] - 1];
        if (memcmp(seen->address.bytes, address->bytes, 16) == 0 &&
            seen->address.scope == address->scope)
            break;
        slot = (slot + 1) % SLOTS;
    }
    return &devices->slots[slot];
}

/* Forgets neighbours not seen since `before_ms`. */
static bool seen_forget(struct devices *devices, int64_t before_ms)
{
    size_t kept = 0, count = devices->seen_count;

    for (size_t i = 0; i < count; i++) {
        if (devices->seen[i].seen_ms >= before_ms)
            devices->seen[kept++] = devices->seen[i];
    }
    if (kept == count)
        return false;
    memset(devices->slots, 0, SLOTS * sizeof *devices->slots);
    for (devices->seen_count = 0; devices->seen_count < kept; devices->seen_count++)
        *slot_of(devices, &devices->seen[devices->seen_count].address) =
            (uint32_t)devices->seen_count + 1;
    devices->changes++;
    return true;
}

static struct seen *seen_add(struct devices *devices, int64_t mono_ms)
{
    if (devices->seen_count == DEVICES_MAX && !seen_forget(devices, mono_ms - DEVICES_SPARE_MS))
        return NULL;
    if (devices->seen_count == devices->seen_room) {
        size_t room = devices->seen_room ? devices->seen_room * 2 : 256;
        struct seen *seen = realloc(devices->seen, room * sizeof *seen);
        if (!seen)
            return NULL;
        devices->seen = seen;
        devices->seen_room = room;
    }
    return &devices->seen[devices->seen_count];
}

static void see(struct devices *devices, const struct neighbour *neighbour, int64_t mono_ms)
{
    uint32_t *slot = slot_of(devices, &neighbour->address);
    struct seen *seen = *slot ? &devices->seen[*slot - 1] : NULL;
    int64_t seen_ms = mono_ms - neighbour->ago_ms;
    bool is_news = !seen || memcmp(seen->mac, neighbour->mac, MAC_LEN) != 0;

    if (seen) {
        memcpy(seen->mac, neighbour->mac, MAC_LEN);
        if (is_news || seen_ms > seen->seen_ms)
            seen->seen_ms = seen_ms;
    } else if ((seen = seen_add(devices, mono_ms))) {
        *seen = (struct seen){.address = neighbour->address, .seen_ms = seen_ms};
        memcpy(seen->mac, neighbour->mac, MAC_LEN);
        devices->seen_count++;
        /* Making room may have moved the slots. */
        *slot_of(devices, &neighbour->address) = (uint32_t)devices->seen_count;
    } else {
        devices->dropped++;
        return;
    }
    devices->changes += is_news;
}

void devices_see(struct devices *devices, const struct neighbour *neighbour, int64_t mono_ms)
{
    pthread_mutex_lock(&devices->lock);
    see(devices, neighbour, mono_ms);
    pthread_mutex_unlock(&devices->lock);
}

void devices_age(struct devices *devices, int64_t mono_ms)
{
    pthread_mutex_lock(&devices->lock);
    (void)seen_forget(devices, mono_ms - DEVICES_KEPT_MS);
    pthread_mutex_unlock(&devices->lock);
}

static int address_find_order(const void *key, const void *item)
{
    const struct lease *lease = item;

    return memcmp(key, lease->address.bytes, sizeof lease->address.bytes);
}

/* Two servers may each have a lease of one address: that which lasts longest first. */
static int address_order(const void *a, const void *b)
{
    const struct lease *left = a, *right = b;
    int order = memcmp(left->address.bytes, right->address.bytes, sizeof left->address.bytes);

    return order ? order
                 : (left->expires_s < right->expires_s) - (left->expires_s > right->expires_s);
}

/* Of one device the lease that lasts longest first: its name is the newest. */
static int mac_order(const void *a, const void *b)
{
    const struct lease *left = *(const struct lease *const *)a;
    const struct lease *right = *(const struct lease *const *)b;
    int order = memcmp(left->mac, right->mac, MAC_LEN);

    return order ? order
                 : (left->expires_s < right->expires_s) - (left->expires_s > right->expires_s);
}

static int mac_find_order(const void *key, const void *item)
{
    return memcmp(key, (*(const struct lease *const *)item)->mac, MAC_LEN);
}

/* Tables of all files' leases. Without memory they stay as they were. */
static void leases_index(struct devices *devices)
{
    size_t count = 0, named_count = 0;
    struct lease *leases;
    const struct lease **named;

    for (size_t i = 0; i < LEASE_FILES_MAX; i++)
        count += devices->files[i].count;
    leases = malloc((count + 1) * sizeof *leases);
    named = calloc(count + 1, sizeof(struct lease *));
    if (!leases || !named) {
        free(leases);
        free(named);
        return;
    }
    count = 0;
    for (size_t i = 0; i < LEASE_FILES_MAX; i++) {
        if (devices->files[i].count)
            memcpy(leases + count, devices->files[i].items,
                   devices->files[i].count * sizeof *leases);
        count += devices->files[i].count;
    }
    qsort(leases, count, sizeof *leases, address_order);
    for (size_t i = 0; i < count; i++) {
        if (leases[i].has_mac && leases[i].name[0])
            named[named_count++] = &leases[i];
    }
    qsort(named, named_count, sizeof *named, mac_order);
    free(devices->leases);
    free(devices->named);
    devices->leases = leases;
    devices->lease_count = count;
    devices->named = named;
    devices->named_count = named_count;
    devices->changes++;
}

/* A renewed lease is no news, a new one or another name is. */
static bool leases_differ(const struct leases *a, const struct leases *b)
{
    if (a->count != b->count)
        return true;
    for (size_t i = 0; i < a->count; i++) {
        const struct lease *left = &a->items[i], *right = &b->items[i];
        if (memcmp(left->address.bytes, right->address.bytes, 16) != 0 ||
            left->has_mac != right->has_mac || memcmp(left->mac, right->mac, MAC_LEN) != 0 ||
            strcmp(left->name, right->name) != 0)
            return true;
    }
    return false;
}

void devices_lease(struct devices *devices, size_t file, struct leases *leases)
{
    if (file >= LEASE_FILES_MAX) {
        leases_free(leases);
        return;
    }
    pthread_mutex_lock(&devices->lock);
    uint64_t changes = devices->changes + leases_differ(&devices->files[file], leases);
    leases_free(&devices->files[file]);
    devices->files[file] = *leases;
    leases_index(devices);
    devices->changes = changes;
    pthread_mutex_unlock(&devices->lock);
    *leases = (struct leases){0};
}

static const struct lease *named_find(const struct devices *devices, const uint8_t *mac)
{
    const struct lease **found = devices->named_count
                                     ? bsearch(mac, devices->named, devices->named_count,
                                               sizeof *devices->named, mac_find_order)
                                     : NULL;

    while (found && found > devices->named && memcmp(found[-1]->mac, mac, MAC_LEN) == 0)
        found--;
    return found ? *found : NULL;
}

static const struct lease *lease_find(const struct devices *devices, const struct address *address)
{
    const struct lease *found = devices->lease_count
                                    ? bsearch(address->bytes, devices->leases, devices->lease_count,
                                              sizeof *devices->leases, address_find_order)
                                    : NULL;

    while (found && found > devices->leases && address_find_order(address->bytes, &found[-1]) == 0)
        found--;
    return found;
}

static bool describe(const struct devices *devices, const struct address *address,
                     struct device *out)
{
    uint32_t index = *slot_of(devices, address);
    const struct seen *seen = index ? &devices->seen[index - 1] : NULL;
    const struct lease *lease = lease_find(devices, address), *named;
    const uint8_t *mac = seen ? seen->mac : lease && lease->has_mac ? lease->mac : NULL;

    if (!seen && !lease)
        return false;
    *out = (struct device){.address = *address,
                           .source = seen ? DEVICE_NEIGHBOUR : DEVICE_LEASE,
                           .seen_mono_ms = seen ? seen->seen_ms : 0,
                           .has_mac = mac != NULL,
                           .expires_s = lease ? lease->expires_s : 0};
    if (mac)
        memcpy(out->mac, mac, MAC_LEN);
    named = mac ? named_find(devices, mac) : NULL;
    /* The lease of somebody who had the address before names nobody. */
    if (!named && lease && (!lease->has_mac || (mac && memcmp(lease->mac, mac, MAC_LEN) == 0)))
        named = lease;
    if (named)
        memcpy(out->name, named->name, sizeof out->name);
    return true;
}

bool devices_find(struct devices *devices, const struct address *address, struct device *out_device)
{
    bool found;

    pthread_mutex_lock(&devices->lock);
    found = describe(devices, address, out_device);
    pthread_mutex_unlock(&devices->lock);
    return found;
}

bool devices_name(struct devices *devices, const uint8_t mac[MAC_LEN], char name[LEASE_NAME_MAX])
{
    const struct lease *lease;

    pthread_mutex_lock(&devices->lock);
    lease = named_find(devices, mac);
    if (lease)
        memcpy(name, lease->name, LEASE_NAME_MAX);
    pthread_mutex_unlock(&devices->lock);
    return lease != NULL;
}

size_t devices_named(struct devices *devices, const char *name, uint8_t out_mac[MAC_LEN])
{
    size_t count = 0;

    pthread_mutex_lock(&devices->lock);
    for (size_t i = 0; i < devices->named_count; i++) {
        const struct lease *lease = devices->named[i];
        /* The first of a MAC address has the name that counts. */
        if ((i && memcmp(devices->named[i - 1]->mac, lease->mac, MAC_LEN) == 0) ||
            strcasecmp(lease->name, name) != 0)
            continue;
        memcpy(out_mac, lease->mac, MAC_LEN);
        count++;
    }
    pthread_mutex_unlock(&devices->lock);
    return count;
}

static int device_order(const void *a, const void *b)
{
    const struct device *left = a, *right = b;
    int order = (int)right->has_mac - (int)left->has_mac;

    if (!order)
        order = memcmp(left->mac, right->mac, MAC_LEN);
    return order ? order : memcmp(left->address.bytes, right->address.bytes, 16);
}

int devices_all(struct devices *devices, struct device **out_all, size_t *out_count)
{
    struct device *all;
    size_t count = 0;

    pthread_mutex_lock(&devices->lock);
    all = calloc(devices->seen_count + devices->lease_count + 1, sizeof *all);
    for (size_t i = 0; all && i < devices->seen_count; i++)
        count += describe(devices, &devices->seen[i].address, &all[count]);
    for (size_t i = 0; all && i < devices->lease_count; i++) {
        const struct address *address = &devices->leases[i].address;
        bool again = i && memcmp(devices->leases[i - 1].address.bytes, address->bytes, 16) == 0;
        if (!again && !*slot_of(devices, address))
            count += describe(devices, address, &all[count]);
    }
    pthread_mutex_unlock(&devices->lock);
    if (!all)
        return -ENOMEM;
    qsort(all, count, sizeof *all, device_order);
    *out_all = all;
    *out_count = count;
    return 0;
}

uint64_t devices_changes(struct devices *devices)
{
    uint64_t changes;

    pthread_mutex_lock(&devices->lock);
    changes = devices->changes;
    pthread_mutex_unlock(&devices->lock);
    return changes;
}

struct devices_counts devices_count(struct devices *devices)
{
    struct devices_counts counts;

    pthread_mutex_lock(&devices->lock);
    counts = (struct devices_counts){.neighbours = devices->seen_count,
                                     .leases = devices->lease_count,
                                     .dropped = devices->dropped};
    pthread_mutex_unlock(&devices->lock);
    return counts;
}
