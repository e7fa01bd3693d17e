/* dnsmasq.leases: a line for each lease, written anew whenever one changes.
 *
 *   expiry MAC address name client-id          IPv4; expiry 0: never; "*" for no name
 *   duid 00:01:…                               the server's own; IPv6 from here on
 *   expiry IAID address name client-DUID       a "T" before the IAID: a temporary address
 */
#include <string.h>

#include "resolver/devices/lease.h"

enum { FIELDS = 5, DUID_MAX = 130 };

struct field {
    const char *text;
    size_t len;
};

static size_t fields_split(const char *line, size_t len, struct field fields[FIELDS])
{
    size_t count = 0;

    for (size_t at = 0; at < len && count < FIELDS;) {
        size_t end = at;
        while (end < len && line[end] != ' ')
            end++;
        if (end > at)
            fields[count++] = (struct field){line + at, end - at};
        at = end + 1;
    }
    return count;
}

/* Another kind of hardware than Ethernet stands before the octets: "06-aa:bb:…". */
static void mac_take(struct lease *lease, const struct field *field)
{
    if (lease_octets(field->text, field->len, lease->mac, MAC_LEN) == MAC_LEN)
        lease->has_mac = mac_is_device(lease->mac);
}

static bool line_take(const struct field fields[FIELDS], size_t count, bool v6, struct lease *lease)
{
    uint8_t duid[DUID_MAX];
    int duid_len;

    if (count < 4 || !lease_number(fields[0].text, fields[0].len, &lease->expires_s) ||
        !lease_address_take(lease, fields[2].text, fields[2].len) ||
        address_is_v4(&lease->address) == v6)
        return false;
    if (lease->expires_s == 0)
        lease->expires_s = INT64_MAX;
    if (!(fields[3].len == 1 && *fields[3].text == '*'))
        lease_name_take(lease, fields[3].text, fields[3].len);
    if (!v6) {
        mac_take(lease, &fields[1]);
    } else if (count > 4) {
        duid_len = lease_octets(fields[4].text, fields[4].len, duid, sizeof duid);
        if (duid_len > 0)
            lease_duid_take(lease, duid, (size_t)duid_len);
    }
    return true;
}

void lease_read_dnsmasq(const char *text, size_t len, struct leases *leases)
{
    bool v6 = false;

    for (size_t at = 0; at < len && !leases->failed;) {
        const char *line = text + at, *end = memchr(line, '\n', len - at);
        struct field fields[FIELDS];
        struct lease lease = {0}, *added;
        if (!end) /* it is being written */
            return;
        at += (size_t)(end - line) + 1;
        size_t count = fields_split(line, (size_t)(end - line), fields);
        if (count == 0)
            continue;
        if (count == 2 && fields[0].len == 4 && memcmp(fields[0].text, "duid", 4) == 0) {
            v6 = true;
        } else if (!line_take(fields, count, v6, &lease)) {
            leases->odd++;
        } else {
            added = lease_add(leases);
            if (added)
                *added = lease;
        }
    }
}
