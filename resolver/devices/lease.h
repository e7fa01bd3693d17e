/* Lease files of DHCP servers: which device has which address, and the name that it gives itself.
 *
 * dnsmasq's file, Kea's memfile (kea-leases4.csv, kea-leases6.csv) and ISC's dhcpd.leases are told
 * apart by what is in them. Kea and ISC append: the last word about an address counts. What is half
 * written at a file's end is left for the next look.
 *
 * Host names are whatever a device likes to send. They are cut, freed of what is no letter, digit
 * or hyphen, and only ever shown or used to find a device by; no group follows from one.
 *
 * Pure: text in, leases out; lease_file_read() alone touches files. Any thread.
 * Limits: LEASES_MAX leases in force, the others are counted in `cut`; LEASE_FILE_MAX octets a file
 * and 16 * LEASES_MAX lines about leases, beyond that -EFBIG.
 */
#ifndef RESOLVER_DEVICES_LEASE_H
#define RESOLVER_DEVICES_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/error.h"
#include "resolver/base/address.h"
#include "resolver/base/mac.h"

enum { LEASES_MAX = 65536, LEASE_FILE_MAX = 64 * 1024 * 1024, LEASE_NAME_MAX = 64 };

enum lease_format { LEASE_NONE, LEASE_DNSMASQ, LEASE_KEA4, LEASE_KEA6, LEASE_ISC };

struct lease {
    struct address address;
    uint8_t mac[MAC_LEN];
    bool has_mac;
    char name[LEASE_NAME_MAX]; /* "" where it gave none */
    int64_t expires_s;         /* since 1970; INT64_MAX: never */
    bool over;                 /* released, declined or expired */
};

struct leases { /* all zeroes is empty */
    struct lease *items;
    size_t count, room;
    size_t odd; /* lines or blocks that could not be understood */
    size_t cut; /* leases in force beyond LEASES_MAX, which are left out */
    bool failed;
};

void leases_free(struct leases *leases);

/* "dnsmasq", "Kea (IPv4)", …; LEASE_NONE for an empty file or what is none of these. */
enum lease_format lease_recognise(const char *text, size_t len);
const char *lease_format_text(enum lease_format format);

/* Adds what is in `text`. 0, -ENOMEM, -EFBIG. */
int leases_read(enum lease_format format, const char *text, size_t len, struct leases *leases);

/* One lease for each address, the last that was said, without those that are over at `now_s`. */
void leases_settle(struct leases *leases, int64_t now_s);

/* A file, with Kea's further files beside it while it cleans up (.completed, or .2 and .1).
 * Gives what it was. */
int lease_file_read(const char *path, int64_t now_s, struct leases *out_leases,
                    enum lease_format *out_format, struct bl_error *error);

/* For the formats' readers. */
struct lease *lease_add(struct leases *leases);
void lease_name_take(struct lease *lease, const char *text, size_t len);
bool lease_address_take(struct lease *lease, const char *text, size_t len);

/* "aa:bb:…", of Ethernet; -1: too long or no hexadecimal pairs. */
int lease_octets(const char *text, size_t len, uint8_t *octets, size_t room);
/* The MAC address in a DUID of the kinds that have one (RFC 8415 section 11.2 and 11.4). */
void lease_duid_take(struct lease *lease, const uint8_t *duid, size_t len);
/* A number of digits only; false: none, or beyond 2^40. */
bool lease_number(const char *text, size_t len, int64_t *out_value);

void lease_read_dnsmasq(const char *text, size_t len, struct leases *leases);
void lease_read_kea(const char *text, size_t len, struct leases *leases);
void lease_read_isc(const char *text, size_t len, struct leases *leases);

#endif
