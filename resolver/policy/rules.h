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

enum grant_kind { GRANT_ALLOW, GRANT_DENY, GRANT_BLOCK, GRANT_SESSION };
enum grant_target { TARGET_NONE, TARGET_NAME, TARGET_CATEGORY, TARGET_SERVICE };

enum { MAC_LEN = 6, MAC_TEXT_MAX = 18 };

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
};

struct policy_rules {
    uint32_t version;
    struct policy_grant *grants; /* by id, the oldest first */
    size_t grant_count;
    struct policy_neighbour *neighbours; /* of devices that matter, in any order */
    size_t neighbour_count;
    struct arena arena;
};

/* Both take NULL. */
void policy_rules_free(struct policy_rules *rules);

/* "aa:bb:cc:dd:ee:ff", with ':' or '-' between. */
bool mac_parse(const char *text, uint8_t mac[MAC_LEN]);
char *mac_text(const uint8_t mac[MAC_LEN], char text[MAC_TEXT_MAX]);

#endif
