/* A device as it was known when a record of it was moved: kept with the record, since an address
 * may be another's tomorrow. Any thread; no allocation. */
#ifndef RESOLVER_DENIALS_DEVICE_H
#define RESOLVER_DENIALS_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resolver/base/address.h"
#include "resolver/base/mac.h"

enum { DENIAL_NAME_MAX = 64, DENIAL_DEVICE_MAX = 160 };

struct denial_device { /* all zeroes: nothing but the address is known */
    uint8_t mac[MAC_LEN];
    uint8_t has_mac;
    uint8_t fixed;              /* the name is the configuration's, not one that it gives itself */
    char name[DENIAL_NAME_MAX]; /* "" for none; what follows its NUL is zero */
};

/* For people: "head-laptop", "tablet-7 (02:00:5e:10:00:01)", a MAC address, or the address. */
char *denial_device_text(const struct denial_device *device, const struct address *address,
                         char text[DENIAL_DEVICE_MAX]);

/* What stands for the same device over all of its addresses: its MAC address, else its fixed name,
 * else the address. As text. */
char *denial_device_key(const struct denial_device *device, const struct address *address,
                        char text[DENIAL_DEVICE_MAX]);

/* Whether `text` is its name (letters' case does not count) or MAC address. */
bool denial_device_is(const struct denial_device *device, const char *text);

/* As octets of a segment, behind an address; none where nothing is known. */
enum { DENIAL_DEVICE_OCTETS = MAC_LEN + 2 + DENIAL_NAME_MAX };
size_t denial_device_write(const struct denial_device *device,
                           uint8_t octets[DENIAL_DEVICE_OCTETS]);
bool denial_device_read(const uint8_t *octets, size_t len, struct denial_device *out_device);

#endif
