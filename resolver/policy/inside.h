/* The snapshot's parts, shared by the files of resolver/policy/ only.
 *
 *   build.c   configuration and store to a snapshot      subnets.c  addresses to groups
 *   facts.c   the lists' tiers, once for each fact       names.c    exceptions for names
 *   rows.c    a group's rulings, by fact                 now.c      what holds at a moment
 *   judge.c   the query path                             explain.c  the same from scratch, in words
 *
 * Groups that say the same share a *profile*: its row of rulings (one for each fact) and its names.
 * What holds only at times hangs on a *condition*; condition 0 always holds. A profile without
 * conditions has one row for good, in the snapshot; the others have theirs worked out by each
 * worker at each bell (now.c), into memory that was set aside when the worker took the snapshot.
 */
#ifndef RESOLVER_POLICY_INSIDE_H
#define RESOLVER_POLICY_INSIDE_H

#include "resolver/base/arena.h"
#include "resolver/policy/calendar.h"
#include "resolver/policy/policy.h"

struct condition {
    enum { CONDITION_ALWAYS, CONDITION_SCHEDULE, CONDITION_SPAN } kind;
    const struct config_schedule *schedule;
    int64_t start_ms, end_ms;
};

/* One thing said of a category; later ones in a profile outweigh earlier ones. */
struct effect {
    uint16_t category, condition, detail;
    uint8_t state; /* enum category_state */
};

struct closure { /* a time without internet */
    uint16_t condition, detail;
};

struct name_entry {
    const uint8_t *name;
    uint32_t next; /* another entry for the same name, or NAME_NONE */
    uint16_t condition, detail;
    uint8_t verdict; /* enum verdict */
};

enum { NAME_NONE = UINT32_MAX };

struct name_table { /* open addressing; slots hold the first entry of a name */
    struct name_entry *entries;
    size_t entry_count;
    uint32_t *slots;
    size_t slot_count; /* a power of two, or 0 */
    unsigned labels_least, labels_most;
};

struct profile {
    uint16_t group; /* the group of the configuration that it speaks for, the first of those that
                       share it */
    struct effect *effects;
    size_t effect_count;
    struct closure *closures;
    size_t closure_count;
    uint16_t *conditions; /* those that its effects, closures and names hang on, without 0 */
    size_t condition_count;
    struct name_table names;
    bool walled_garden;
    const struct ruling *row; /* NULL: changes with time */
};

/* What the lists say of a fact, after tiers: categories that stand, and those that an allow entry
 * beat. */
struct fact_view {
    const uint16_t *standing; /* indices into config->categories, the most severe first */
    const uint16_t *beaten;
    uint16_t standing_count, beaten_count;
    uint16_t sealed; /* the sealed category among those standing; POLICY_NO_CATEGORY */
};

/* A group that is not in the configuration: one with something of its own for a device, or one that
 * lasts as long as a session. Its number is the count of configured groups plus its place. */
struct special {
    uint16_t base;
    uint16_t session; /* the condition that it lasts under; 0: always */
    uint32_t *grants; /* of the device, indices into rules->grants */
    size_t grant_count;
};

struct client { /* an address that is not just one of its subnet */
    uint8_t bytes[16];
    struct client_group {
        uint16_t condition, group;
    } * groups; /* the first whose condition holds; the last always does */
    size_t group_count;
};

struct client_mac { /* a device behind a forwarder that tells its MAC address */
    uint8_t mac[MAC_LEN];
    uint16_t base; /* for those whose subnet gives this group; POLICY_NO_GROUP: for all */
    uint16_t group;
};

struct clients {
    struct client *list;
    size_t count;
    uint32_t *slots; /* open addressing, by address */
    size_t slot_count;
    struct client_mac *macs;
    size_t mac_count;
};

struct held;

struct holders { /* grants by their devices; while the policy is made */
    struct held *list;
    size_t count;
    uint32_t *named; /* those for a device of the configuration, by its name */
    size_t named_count;
    uint32_t *found; /* room for one answer */
};

__extension__ typedef unsigned __int128 address_bits;

/* Ranges without gaps: each goes from its first address up to the next one's. IPv6 prefixes speak
 * of IPv6 only: ::/0 does not take in IPv4 clients. */
struct subnets {
    uint32_t *v4_first;
    uint16_t *v4_group;
    size_t v4_count;
    address_bits *v6_first;
    uint16_t *v6_group;
    size_t v6_count;
};

struct policy {
    const struct config *config;
    const struct bl_store *store;
    struct arena arena;
    struct calendar *calendar;
    struct subnets subnets;
    struct policy_rules *rules;
    uint16_t *grant_conditions; /* by grant */
    struct special *specials;
    size_t special_count;
    struct clients clients;
    struct holders holders;
    struct fact_view *facts;
    size_t fact_count;
    struct condition *conditions;
    size_t condition_count;
    struct policy_origin *origins;
    size_t origin_count;
    struct profile *profiles;
    size_t profile_count;
    uint16_t *group_profiles; /* by group */
    const struct config_answer **answers;
    size_t answer_count;
    uint8_t *group_answers; /* by group: for what has no category */
    bool has_names;
};

int policy_subnets_build(struct policy *policy);
int policy_facts_build(struct policy *policy);

/* Which of the configuration's categories each of the store's is, into an array of as many:
 * POLICY_NO_CATEGORY where it has none; and whether an allow entry beats this block among the rules
 * of a fact. Nothing beats one in a sealed category. */
void facts_categories(const struct config *config, const struct bl_store *store, uint16_t *map);
bool facts_block_is_beaten(const struct config *config, const uint16_t *map,
                           const struct bl_fact_rule *rules, size_t count,
                           const struct bl_fact_rule *block);
int policy_grants_number(struct policy *policy);  /* first of the following */
int policy_clients_build(struct policy *policy);  /* special groups */
int policy_profiles_build(struct policy *policy); /* of all groups; then their rows */

/* What is known of an address: its MAC address (and by whose word, where that is not the
 * configuration's: else *out_neighbour is NULL; it may be NULL itself), and the configured device
 * that it belongs to; or NULL. */
const uint8_t *client_mac(const struct policy *policy, const struct address *address,
                          const struct policy_neighbour **out_neighbour);
const struct config_device *client_device(const struct policy *policy,
                                          const struct address *address, const uint8_t *mac);

/* holders.c: the grants, blocks and sessions that may be for a person, in their order: all for whom
 * device_matches() holds are among them. Borrowed until the next call. */
int policy_holders_build(struct policy *policy); /* 0 or -ENOMEM */
size_t policy_holders_find(struct policy *policy, const struct address *address, const uint8_t *mac,
                           const uint32_t **out_grants);
const struct policy_neighbour *neighbour_find(const struct policy_rules *rules,
                                              const struct address *address);

/* Whether a grant for a device is for this one. */
bool device_matches(const struct policy *policy, const struct policy_grant *grant,
                    const struct address *address, const uint8_t *mac);

/* Adds an exception for a name to a profile's table while it is built. */
bool names_add(struct arena *arena, struct name_table *table, const uint8_t *name,
               enum verdict verdict, uint16_t condition, uint16_t detail);
bool names_finish(struct arena *arena, struct name_table *table);

/* The entry that decides for `name`: of the most specific name with one that holds, a deny before
 * an allow. NULL when none does. */
const struct name_entry *names_find(const struct name_table *table, const uint8_t *active,
                                    const uint8_t *name, size_t len);

/* Works out the profile's row while the conditions in `active` hold. `states` has room for a state
 * for each category, twice. */
void row_fill(const struct policy *policy, const struct profile *profile, const uint8_t *active,
              uint8_t *states, struct ruling *row);

/* Answer forms have numbers: given while the policy is built (0 or -EOVERFLOW), found later. */
int answer_number(struct policy *policy, const struct config_answer *form, uint8_t *out_number);
bool answer_find(const struct policy *policy, const struct config_answer *form,
                 uint8_t *out_number);

/* How the configuration wants it answered: the category's form, else the group's, else the general
 * one. */
const struct config_answer *answer_form(const struct config *config, uint16_t group,
                                        uint16_t category);

/* Whether a condition holds, and the first moment after `wall_ms` at which it may not (or may). */
bool condition_holds(const struct policy *policy, uint16_t condition, int64_t wall_ms,
                     int64_t *out_until_ms);

#endif
