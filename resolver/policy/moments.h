/* What was in force when: the configuration and the lists' generation of any past moment, so that
 * `why --at` can judge by them.
 *
 *   moments  number (4 octets, big endian, from 1) → JSON: {"time", "config" (SHA-256 in
 *            hexadecimal), "generation"}; one each time that another one of these comes into force
 *   configs  SHA-256 in hexadecimal → the effective configuration as YAML (config_print())
 *
 * A configuration that comes back is kept once. All together they take MOMENTS_CONFIGS_MOST octets
 * at most: beyond that the oldest go with their moments, but never the one in force. Grants are not
 * here: each knows from when until when it stood (grants.h).
 *
 * Times may step back with the clock: of several moments the one that was noted last counts.
 */
#ifndef RESOLVER_POLICY_MOMENTS_H
#define RESOLVER_POLICY_MOMENTS_H

#include "resolver/config/config.h"
#include "resolver/policy/state.h"

enum { MOMENTS_CONFIGS_MOST = 32 << 20, MOMENT_CONFIG_KEY = 65 };

/* From here on these are in force; nothing is written where they are already. */
int moments_note_config(struct change *change, const struct config *config, struct bl_error *error);
int moments_note_lists(struct change *change, uint64_t generation, struct bl_error *error);

/* Whether they are noted as in force. */
bool moments_have_lists(struct change *change, uint64_t generation);

struct moment_found {
    char config[MOMENT_CONFIG_KEY]; /* key of its text; "": not on record */
    uint64_t generation;            /* 0: not on record */
    uint32_t version;               /* of the policy; 0: there was none yet */
    int64_t since_ms;               /* from when on moments are on record; INT64_MAX: none is */
};

int moments_find(struct change *change, int64_t at_ms, struct moment_found *out_found,
                 struct bl_error *error);

/* The text of a configuration, which the caller frees. -ENOENT where there is none, -EBADMSG where
 * it is not what was put there; each with a clause. */
int moments_config_read(struct change *change, const char *key, char **out_text, size_t *out_len,
                        struct bl_error *error);

#endif
