/* What the school has decided since the configuration was written: grants, blocked devices and
 * signed-on users, each with an end, and what is known of devices. One immutable snapshot, made by
 * state.c (or a test), handed to policy_build_with().
 */
#ifndef RESOLVER_POLICY_RULES_H
#define RESOLVER_POLICY_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/name.h"
#include "resolver/base/address.h"
#include "resolver/base/arena.h"
#include "resolver/base/mac.h"

enum grant_kind { GRANT_ALLOW, GRANT_DENY, GRANT_BLOCK, GRANT_SESSION };
enum grant_target { TARGET_NONE, TARGET_NAME, TARGET_CATEGORY, TARGET_SERVICE };

struct policy_device { /* how a grant names a device: by what is known of it */
    uint8_t mac[MAC_LEN];
    bool has_mac, has_address;
    struct address address;
};

struct policy_grant {
    uint32_t id;
    uint8_t kind;              /* enum grant_kind */
    uint8_t target_kind;       /* enum grant_target, for GRANT_ALLOW and GRANT_DENY */
    const char *target;        /* "chess.test", "games", "tiktok" */
    uint8_t name[BL_NAME_MAX]; /* wire form, for TARGET_NAME */
    const char *group;         /* whom it is for; of a session, the group that it gives; or NULL */
    const char *device_text;   /* or for which device, as it was named; or NULL */
    struct policy_device device;           /* of a session: the address that signed on */
    const char *user;                      /* of a session */
    int64_t start_ms, end_ms;              /* wall time; INT64_MAX: for good */
    const char *by, *reason, *approved_by; /* "" where there is none */
};

struct policy_neighbour { /* one device is one device over IPv4, IPv6 and privacy addresses */
    struct address address;
    uint8_t mac[MAC_LEN];
    bool by_lease; /* no neighbour, but a DHCP server says so */
};

struct policy_rules {
    uint32_t version;
    struct policy_grant *grants; /* by id, the oldest first */
    size_t grant_count;
    struct policy_neighbour *neighbours; /* of devices that matter; the policy orders them */
    size_t neighbour_count;
    struct arena arena;
};

void policy_rules_free(struct policy_rules *rules); /* NULL is fine */

/* The addresses of all devices that have something of their own: those of the configuration, and
 * those with grants, blocks and sessions. In order of address, in `arena`. False without memory. */
struct config;
struct devices;
bool policy_neighbours_find(const struct policy_rules *rules, const struct config *config,
                            struct devices *devices, struct arena *arena,
                            struct policy_neighbour **out_neighbours, size_t *out_count);
bool policy_neighbours_equal(const struct policy_neighbour *a, size_t a_count,
                             const struct policy_neighbour *b, size_t b_count);
void policy_neighbours_sort(struct policy_neighbour *neighbours, size_t count);

#endif
