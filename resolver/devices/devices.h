/* What is known of the devices on the network: the MAC address behind an address, and the name that
 * the device gives itself.
 *
 * Two sources: the kernel's neighbours (netlink.h), which are the truth for the networks that we
 * are on ourselves, and the lease files of DHCP servers (lease.h), which know names, and devices
 * behind routers. Where both speak of an address the neighbour counts. What was fixed in the
 * configuration stands above both, and is looked at by whoever knows the configuration.
 *
 * A neighbour is remembered until another MAC address is seen behind its address, or for
 * DEVICES_KEPT_MS since it was last seen: the kernel forgets sooner, and a blocked device is to
 * stay blocked.
 *
 * Threads: any; a lock is held for moments. Not for workers, who get what matters to them with the
 * policy (policy_rules.neighbours).
 * Limits: DEVICES_MAX addresses of neighbours, LEASE_FILES_MAX files. When there is no room,
 * neighbours not seen for DEVICES_SPARE_MS make it; those that find none are counted.
 */
#ifndef RESOLVER_DEVICES_DEVICES_H
#define RESOLVER_DEVICES_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/devices/lease.h"
#include "resolver/devices/netlink.h"

enum {
    DEVICES_MAX = 65536,
    LEASE_FILES_MAX = 64,
    DEVICES_KEPT_MS = 24 * 3600 * 1000,
    DEVICES_SPARE_MS = 5 * 60 * 1000,
};

enum device_source { DEVICE_UNKNOWN, DEVICE_NEIGHBOUR, DEVICE_LEASE };

struct device { /* what is known of one address */
    struct address address;
    uint8_t mac[MAC_LEN];
    bool has_mac;
    uint8_t source;            /* enum device_source: of the MAC address, or of the name */
    char name[LEASE_NAME_MAX]; /* as it calls itself; "" where it did not */
    int64_t seen_mono_ms; /* monotonic, so that no leap of the clock ages it; of a neighbour only */
    int64_t expires_s;    /* of a lease; 0: none */
};

struct devices;

int devices_create(struct devices **out_devices);
void devices_free(struct devices *devices); /* NULL is fine */

/* Times are monotonic. */
void devices_see(struct devices *devices, const struct neighbour *neighbour, int64_t mono_ms);

/* What one file says, instead of what it said before; `leases` are taken. */
void devices_lease(struct devices *devices, size_t file, struct leases *leases);
void devices_age(struct devices *devices, int64_t mono_ms);

/* False where nothing is known of the address. */
bool devices_find(struct devices *devices, const struct address *address,
                  struct device *out_device);

/* The name that goes with a MAC address; false where there is none. */
bool devices_name(struct devices *devices, const uint8_t mac[MAC_LEN], char name[LEASE_NAME_MAX]);

/* How many devices call themselves `name` (letters' case does not count); the MAC address of one.
 */
size_t devices_named(struct devices *devices, const char *name, uint8_t out_mac[MAC_LEN]);

/* All addresses, by MAC address and address; an array for free(). -ENOMEM. */
int devices_all(struct devices *devices, struct device **out_all, size_t *out_count);

/* Goes up whenever an answer of devices_find() may have become another one, last_seen aside. */
uint64_t devices_changes(struct devices *devices);

struct devices_counts {
    size_t neighbours, leases;
    uint64_t dropped; /* neighbours for whom there was no room */
};

struct devices_counts devices_count(struct devices *devices);

#endif
