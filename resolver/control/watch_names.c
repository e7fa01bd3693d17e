/* Devices as the record names them. */
#include <stdio.h>
#include <string.h>

#include "resolver/base/clock.h"
#include "resolver/control/daemon.h"
#include "resolver/control/watch.h"
#include "resolver/devices/devices.h"

/* A journal of an earlier run may be a day old: who has an address now need not have had it then.
 */
enum { NEWS_MS = 10 * 60 * 1000 };

static void name_take(struct denial_device *device, const char *name, bool fixed)
{
    snprintf(device->name, sizeof device->name, "%s", name);
    device->fixed = fixed;
}

static void mac_take(struct denial_device *device, const uint8_t *mac)
{
    memcpy(device->mac, mac, MAC_LEN);
    device->has_mac = 1;
}

/* What the network tells; a forwarder's address is not the device's. */
static void network_look(struct devices *devices, const struct denial *denial,
                         struct denial_device *out)
{
    struct device device;
    char name[LEASE_NAME_MAX];

    if (denial->mac) {
        if (devices_name(devices, denial->mac, name))
            name_take(out, name, false);
        return;
    }
    if (clock_read().wall_ms - denial->wall_ms > NEWS_MS ||
        !devices_find(devices, &denial->client, &device))
        return;
    if (device.has_mac)
        mac_take(out, device.mac);
    name_take(out, device.name, false);
}

static void device_name(void *user, const struct denial *denial, struct denial_device *out_device)
{
    struct daemon *daemon = user;
    struct world *world = daemon_world(daemon);
    const struct config_device *fixed;

    network_look(daemon->devices, denial, out_device);
    fixed = policy_device(world->policy, &denial->client, denial->mac);
    if (fixed) {
        memset(out_device->name, 0, sizeof out_device->name);
        name_take(out_device, fixed->name, true);
        if (!out_device->has_mac && fixed->mac.set)
            mac_take(out_device, fixed->mac.bytes);
    }
    world_unref(world);
}

struct denials_namer watch_namer(struct daemon *daemon)
{
    return (struct denials_namer){.name = device_name, .user = daemon};
}
