/* What is known of the devices on the network. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/base/clock.h"
#include "resolver/control/control.h"
#include "resolver/control/daemon.h"
#include "resolver/devices/devices.h"

struct listing {
    const struct world *world;
    struct policy_now now;
    int64_t wall_ms;
    const char *filter; /* or NULL */
    json_t *list;
};

static const char *group_name(const struct listing *listing, const struct address *address)
{
    uint16_t group = policy_client_group(&listing->now, address, NULL, 0);

    return group == POLICY_NO_GROUP ? "" : policy_group_name(listing->world->policy, group);
}

static const char *source_text(const struct device *device)
{
    return device->source == DEVICE_NEIGHBOUR ? "neighbour"
           : device->source == DEVICE_LEASE   ? "lease"
                                              : "configuration";
}

/* Seconds since 1970; 0 for one that only a lease is known of. */
static int64_t seen_at(const struct device *device)
{
    struct moment now = clock_read();

    return device->source == DEVICE_NEIGHBOUR
               ? (now.wall_ms - (now.mono_ms - device->seen_mono_ms)) / 1000
               : 0;
}

static json_t *address_tell(const struct listing *listing, const struct device *device)
{
    char text[ADDRESS_TEXT_MAX];
    json_t *item =
        json_pack("{s:s, s:s, s:s}", "address", address_text(&device->address, text), "found_by",
                  source_text(device), "group", group_name(listing, &device->address));

    if (seen_at(device))
        json_object_set_new(item, "seen", json_integer(seen_at(device)));
    if (device->expires_s && device->expires_s != INT64_MAX)
        json_object_set_new(item, "lease_until", json_integer(device->expires_s));
    return item;
}

static bool text_has(const json_t *object, const char *key, const char *part)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text && strcasestr(text, part);
}

static bool passes(const json_t *device, const char *filter)
{
    const json_t *address;
    size_t index;

    if (!filter || !*filter || text_has(device, "name", filter) ||
        text_has(device, "own_name", filter) || text_has(device, "mac", filter))
        return true;
    json_array_foreach(json_object_get(device, "addresses"), index, address)
    {
        if (text_has(address, "address", filter) || text_has(address, "group", filter))
            return true;
    }
    return false;
}

static void device_finish(struct listing *listing, json_t *device)
{
    if (device && passes(device, listing->filter))
        json_array_append(listing->list, device);
    json_decref(device);
}

/* The name in the configuration stands above the one that the device gives itself. */
static void name_tell(const struct listing *listing, const struct device *first, json_t *device)
{
    const struct config_device *fixed =
        policy_device(listing->world->policy, &first->address, NULL);

    if (fixed)
        json_object_set_new(device, "name", json_string(fixed->name));
    else if (first->name[0])
        json_object_set_new(device, "name", json_string(first->name));
    if (first->name[0])
        json_object_set_new(device, "own_name", json_string(first->name));
    json_object_set_new(device, "named_by",
                        json_string(fixed            ? "configuration"
                                    : first->name[0] ? "lease"
                                                     : ""));
}

static json_t *device_begin(const struct listing *listing, const struct device *first)
{
    json_t *device = json_object();
    char mac[MAC_TEXT_MAX];

    name_tell(listing, first, device);
    if (first->has_mac) {
        json_object_set_new(device, "mac", json_string(mac_text(first->mac, mac)));
        json_object_set_new(device, "mac_private", json_boolean(mac_is_private(first->mac)));
    }
    json_object_set_new(device, "addresses", json_array());
    return device;
}

/* Those of one MAC address stand together. */
static void seen_tell(struct listing *listing, const struct device *all, size_t count)
{
    json_t *device = NULL;
    int64_t seen_s = 0;

    for (size_t i = 0; i < count; i++) {
        bool same = i && all[i].has_mac && memcmp(all[i - 1].mac, all[i].mac, MAC_LEN) == 0;
        if (!same) {
            device_finish(listing, device);
            device = device_begin(listing, &all[i]);
            seen_s = 0;
        }
        if (seen_at(&all[i]) > seen_s) {
            seen_s = seen_at(&all[i]);
            json_object_set_new(device, "seen", json_integer(seen_s));
        }
        json_array_append_new(json_object_get(device, "addresses"), address_tell(listing, &all[i]));
    }
    device_finish(listing, device);
}

static bool mac_is_among(const struct device *all, size_t count, const uint8_t *mac)
{
    for (size_t i = 0; i < count; i++) {
        if (all[i].has_mac && memcmp(all[i].mac, mac, MAC_LEN) == 0)
            return true;
    }
    return false;
}

static bool address_is_among(const struct device *all, size_t count, const struct address *address)
{
    for (size_t i = 0; i < count; i++) {
        if (memcmp(all[i].address.bytes, address->bytes, sizeof address->bytes) == 0)
            return true;
    }
    return false;
}

/* What the configuration knows, and the network does not (now). */
static void fixed_tell(struct listing *listing, const struct config_device *fixed,
                       const struct device *all, size_t count)
{
    json_t *device, *addresses = json_array();
    char mac[MAC_TEXT_MAX];

    for (size_t i = 0; i < fixed->address_count; i++) {
        const struct device known = {.address = fixed->addresses[i]};
        if (!address_is_among(all, count, &fixed->addresses[i]))
            json_array_append_new(addresses, address_tell(listing, &known));
    }
    if (!json_array_size(addresses) &&
        (!fixed->mac.set || mac_is_among(all, count, fixed->mac.bytes))) {
        json_decref(addresses);
        return;
    }
    device = json_pack("{s:s, s:s, s:o}", "name", fixed->name, "named_by", "configuration",
                       "addresses", addresses);
    if (device && fixed->mac.set) {
        json_object_set_new(device, "mac", json_string(mac_text(fixed->mac.bytes, mac)));
        json_object_set_new(device, "mac_private", json_boolean(mac_is_private(fixed->mac.bytes)));
    }
    device_finish(listing, device);
}

static int handle_devices(struct daemon *daemon, const struct caller *caller, json_t *request,
                          int fd, json_t *reply, struct bl_error *error)
{
    struct world *world = daemon_world(daemon);
    struct listing listing = {.world = world,
                              .wall_ms = clock_read().wall_ms,
                              .filter = json_string_value(json_object_get(request, "filter")),
                              .list = json_array()};
    struct device *all = NULL;
    size_t count = 0;
    int code = devices_all(daemon->devices, &all, &count);

    (void)caller;
    (void)fd;
    if (code == 0)
        code = policy_now_init(&listing.now, world->policy);
    if (code == 0) {
        policy_now_update(&listing.now, (struct moment){.wall_ms = listing.wall_ms});
        for (size_t i = 0; i < world->config->device_count; i++)
            fixed_tell(&listing, &world->config->devices[i], all, count);
        seen_tell(&listing, all, count);
        policy_now_fini(&listing.now);
    } else {
        bl_error_set(error, code, "no memory for the list of devices");
    }
    free(all);
    world_unref(world);
    json_object_set_new(reply, "devices", listing.list);
    return code;
}

const struct control_verb control_devices_verbs[] = {
    {"devices", ROLE_VIEWER, CONTROL_READS, handle_devices},
    {0},
};
