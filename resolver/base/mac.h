/* MAC addresses of Ethernet and Wi-Fi. Any thread; no state. */
#ifndef RESOLVER_BASE_MAC_H
#define RESOLVER_BASE_MAC_H

#include <stdbool.h>
#include <stdint.h>

enum { MAC_LEN = 6, MAC_TEXT_MAX = 18 };

/* "aa:bb:cc:dd:ee:ff", with ':' or '-' between. */
bool mac_parse(const char *text, uint8_t mac[MAC_LEN]);
char *mac_text(const uint8_t mac[MAC_LEN], char text[MAC_TEXT_MAX]);

/* One that the device made up for itself (IEEE 802c, "locally administered"): phones do so for each
 * network, to be harder to follow. It says nothing about the maker and may change. */
static inline bool mac_is_private(const uint8_t mac[MAC_LEN])
{
    return (mac[0] & 2) != 0;
}

/* One of a single device: neither a group's nor nobody's. */
static inline bool mac_is_device(const uint8_t mac[MAC_LEN])
{
    return (mac[0] & 1) == 0 && (mac[0] | mac[1] | mac[2] | mac[3] | mac[4] | mac[5]) != 0;
}

#endif
