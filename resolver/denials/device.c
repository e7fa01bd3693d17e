#include "resolver/denials/device.h"

#include <stdio.h>
#include <string.h>

enum { OF_MAC = 1, IS_FIXED = 2 }; /* segment-format.md */

char *denial_device_text(const struct denial_device *device, const struct address *address,
                         char text[DENIAL_DEVICE_MAX])
{
    char where[ADDRESS_TEXT_MAX];

    if (device->has_mac)
        mac_text(device->mac, where);
    else
        address_text(address, where);
    if (device->name[0] && device->fixed)
        snprintf(text, DENIAL_DEVICE_MAX, "%s", device->name);
    else if (device->name[0])
        snprintf(text, DENIAL_DEVICE_MAX, "%s (%s)", device->name, where);
    else
        snprintf(text, DENIAL_DEVICE_MAX, "%s", where);
    return text;
}

char *denial_device_key(const struct denial_device *device, const struct address *address,
                        char text[DENIAL_DEVICE_MAX])
{
    if (device->has_mac)
        mac_text(device->mac, text);
    else if (device->fixed)
        snprintf(text, DENIAL_DEVICE_MAX, "%s", device->name);
    else
        address_text(address, text);
    return text;
}

bool denial_device_is(const struct denial_device *device, const char *text)
{
    uint8_t mac[MAC_LEN];

    if (mac_parse(text, mac))
        return device->has_mac && memcmp(device->mac, mac, MAC_LEN) == 0;
    return device->name[0] && strcasecmp(device->name, text) == 0;
}

size_t denial_device_write(const struct denial_device *device, uint8_t octets[DENIAL_DEVICE_OCTETS])
{
    size_t name_len = strlen(device->name);

    if (!device->has_mac && !name_len)
        return 0;
    memcpy(octets, device->mac, MAC_LEN);
    octets[MAC_LEN] = (uint8_t)((device->has_mac ? OF_MAC : 0) | (device->fixed ? IS_FIXED : 0));
    octets[MAC_LEN + 1] = (uint8_t)name_len;
    memcpy(octets + MAC_LEN + 2, device->name, name_len);
    return MAC_LEN + 2 + name_len;
}

bool denial_device_read(const uint8_t *octets, size_t len, struct denial_device *out_device)
{
    struct denial_device device = {.has_mac = 0};

    if (len > 0) {
        if (len < MAC_LEN + 2 || octets[MAC_LEN + 1] >= DENIAL_NAME_MAX ||
            len != MAC_LEN + 2u + octets[MAC_LEN + 1])
            return false;
        memcpy(device.mac, octets, MAC_LEN);
        device.has_mac = (octets[MAC_LEN] & OF_MAC) != 0;
        device.fixed = (octets[MAC_LEN] & IS_FIXED) != 0;
        memcpy(device.name, octets + MAC_LEN + 2, octets[MAC_LEN + 1]);
    }
    *out_device = device;
    return true;
}
