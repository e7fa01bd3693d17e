/* Who may ask what, when: the school's rules as one immutable snapshot, ready to be asked.
 *
 * policy_build() joins the configuration (groups, categories, answers, exceptions) with a list
 * generation and works out, once, a ruling for each group and each fact of that generation. Judging
 * a name is then an array access, however rich the rules; the rich form stays beside it for `why`,
 * and a property test holds the two together.
 *
 * Order of rules, strongest first:
 *   1. a sealed category denies, whatever else is said;
 *   2. no internet at this time: everything is denied;
 *   3. the school's exceptions and grants for names: the most specific name wins; of the same name
 *      the later word, grants after schedules after the group's own lists, and in each of these a
 *      deny after an allow;
 *   4. in a category, a block of the lists stands unless an allow entry beats it: one of a higher
 * tier, or one of the same tier for the same name or a more specific one. $important blocks yield
 * only to higher tiers and to $important allow entries;
 *   5. a category that the group denies denies; the most severe one gives its name to the denial;
 *   6. a walled garden denies what nothing above allows;
 *   7. a category that the group observes is recorded and let through;
 *   8. everything else is allowed.
 * What a group says of a category may differ by period: schedules count after the group's own
 * lists, later ones after earlier ones; grants for categories count last, those that deny after
 * those that allow.
 *
 * A sealed category without one listed name or address fails policy_build(): a filter without its
 * sealed lists must not start. Other categories may be empty; categories of the store that the
 * configuration does not name count for nothing.
 *
 * Threads: immutable after policy_build(); shared by reference counts through struct world. A
 * struct policy_now belongs to one worker.
 */
#ifndef RESOLVER_POLICY_POLICY_H
#define RESOLVER_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/error.h"
#include "blocklists/store.h"
#include "resolver/base/address.h"
#include "resolver/base/arena.h"
#include "resolver/base/clock.h"
#include "resolver/config/config.h"
#include "resolver/policy/rules.h"

struct policy;

enum verdict { VERDICT_ALLOW, VERDICT_DENY, VERDICT_REWRITE, VERDICT_OBSERVE };

enum rule_kind {
    RULE_NONE,        /* on no list, in no exception */
    RULE_CATEGORY,    /* the group denies or observes the category */
    RULE_SEALED,      /* a sealed category */
    RULE_LIST_ALLOW,  /* an allow entry of a list */
    RULE_EXCEPTION,   /* an allow or deny of the school's, for good or for a time */
    RULE_UNFILTERED,  /* listed, but the group denies none of its categories */
    RULE_HOURS,       /* no internet for the group or device at this time */
    RULE_GARDEN,      /* a walled garden, and this is outside */
    RULE_SAFE_SEARCH, /* a search engine without a safe form, where safe search is strict */
    RULE_REBINDING,   /* a public name with an address of the inside */
    RULE_TUNNEL,      /* a device's questions look like a tunnel: recorded, not denied */
    RULE_KINDS,
};

/* A verdict with the rule that decided. Eight bytes, so that a row of them stays in cache. */
struct ruling {
    uint8_t verdict;   /* enum verdict */
    uint8_t rule;      /* enum rule_kind */
    uint8_t answer;    /* index for policy_answer(), when denied */
    uint8_t severity;  /* enum config_severity */
    uint16_t category; /* index into config->categories; POLICY_NO_CATEGORY where none decided */
    uint16_t detail;   /* policy_origin() of what said so; 0 where none did */
};

enum { POLICY_NO_CATEGORY = UINT16_MAX, POLICY_NO_GROUP = UINT16_MAX };

/* Where an exception comes from. */
enum origin_kind { ORIGIN_NONE, ORIGIN_GROUP, ORIGIN_SCHEDULE, ORIGIN_GRANT };

struct policy_origin {
    uint8_t kind;   /* enum origin_kind */
    uint32_t index; /* of the schedule in the group that was judged; of the grant in the rules */
};

/* `config` and `store` are borrowed until policy_free(). 0; -ENODATA for a sealed category without
 * names, -EOVERFLOW when the configuration says more than can be numbered, -ENOMEM; each with a
 * sentence. */
int policy_build(const struct config *config, const struct bl_store *store, uint32_t version,
                 struct policy **out_policy, struct bl_error *error);

/* The same with grants, sessions and devices. `rules` is taken, also on failure; NULL: there are
 * none. The version is that of the rules. */
int policy_build_with(const struct config *config, const struct bl_store *store,
                      struct policy_rules *rules, struct policy **out_policy,
                      struct bl_error *error);
const struct policy_rules *policy_rules(const struct policy *policy); /* never NULL */
void policy_free(struct policy *policy);                              /* NULL is fine */
uint32_t policy_version(const struct policy *policy);

/* The group of an address by its longest prefix alone; POLICY_NO_GROUP when none holds it. */
uint16_t policy_group_of(const struct policy *policy, const struct address *client);

/* What holds at a moment: which row of rulings is in force for each group, and until when. A worker
 * keeps one and calls policy_now_update() once per wake; that costs a comparison until the next
 * bell. */
struct policy_now {
    const struct policy *policy;
    int64_t since_wall_ms;        /* when it was worked out; a clock set back makes it void */
    int64_t until_wall_ms;        /* the earliest change of any group */
    const struct ruling **rows;   /* by group: rulings by fact number */
    int64_t *group_until_wall_ms; /* by group: when its verdicts could next change */
    struct ruling **own;          /* by profile: rows that change with time; inside.h */
    int64_t *profile_until_wall_ms, *condition_until_wall_ms;
    uint8_t *active; /* by condition: whether it holds */
    uint8_t *states; /* by category, while a row is worked out */
};

int policy_now_init(struct policy_now *now, const struct policy *policy); /* 0 or -ENOMEM */
void policy_now_fini(struct policy_now *now);
void policy_now_update(struct policy_now *now, struct moment moment);

/* Stage "client": whose question is it? A user who signed on at the address (or at another address
 * of the same device) goes before the device's own group, that before the subnet's. Devices with
 * grants of their own, blocked devices and sessions are *special groups*: numbers above the
 * configuration's, with the name of the group that they come from. `mac` is what a trusted
 * forwarder said of the device, or NULL. POLICY_NO_GROUP when it may not ask. */
uint16_t policy_client_group(const struct policy_now *now, const struct address *client,
                             const uint8_t *mac, size_t mac_len);

/* All groups, special ones included, and the group of the configuration that one comes from. */
size_t policy_group_count(const struct policy *policy);
uint16_t policy_group_base(const struct policy *policy, uint16_t group);

/* The longest TTL, in seconds, that an answer to this group may carry now: no client's cache
 * outlives a bell. */
uint32_t policy_ttl_limit(const struct policy_now *now, uint16_t group, struct moment moment);

/* Stage "judge". `name` is a whole lower-cased wire name and `fact` what bl_store_find() said of
 * it. Pure. */
struct ruling policy_judge(const struct policy_now *now, uint16_t group, const uint8_t *name,
                           size_t len, bl_fact fact);

/* The same for a name or address in an answer whose question was judged already: what only the
 * question can tell (a walled garden) does not count. */
struct ruling policy_judge_fact(const struct policy_now *now, uint16_t group, bl_fact fact);

/* What the query path denies by a rule of its own, whatever lists and exceptions say; answered as
 * the group wants. */
struct ruling policy_own_ruling(const struct policy_now *now, uint16_t group, enum rule_kind rule);

/* Whether there are exceptions, grants or group rules for names, so that names which no list knows
 * must be judged too (the targets of an answer's chain). */
bool policy_has_names(const struct policy *policy);

/* Where the exception of a ruling comes from; ORIGIN_NONE for detail 0. */
struct policy_origin policy_origin(const struct policy *policy, uint16_t detail);

/* "category", "sealed category", …: short words for records and `why`. */
const char *policy_rule_text(enum rule_kind rule);
const char *policy_verdict_text(enum verdict verdict);

/* Why: the same judgement worked out from scratch, out of the configuration and the lists' entries,
 * without the tables that the query path uses. A property test holds the two together. */
struct policy_claim { /* an entry of the lists about the name or a parent of it */
    struct bl_fact_rule rule;
    const char *store_category; /* as the lists name it */
    uint16_t category;          /* in the configuration, or POLICY_NO_CATEGORY */
    bool stands; /* a block that no allow entry beats; an allow entry that beats one */
};

struct policy_mention { /* an exception for the name or a parent of it */
    const uint8_t *name;
    uint16_t service; /* by which it came, or CONFIG_NONE */
    uint8_t verdict;
    bool holds; /* at this moment */
    bool decides;
    struct policy_origin origin;
};

struct policy_stance { /* what the group says of a category that is among the claims */
    uint16_t category;
    uint8_t state; /* enum category_state */
    struct policy_origin origin;
};

enum category_state { STATE_UNSAID, STATE_ALLOW, STATE_OBSERVE, STATE_DENY };

struct policy_explanation {
    uint16_t group;
    struct bl_found found;
    struct policy_claim *claims; /* the most specific first */
    size_t claim_count;
    struct policy_mention *mentions; /* the most specific first */
    size_t mention_count;
    struct policy_stance *stances;
    size_t stance_count;
    uint16_t *periods; /* of the calendar, those that last */
    size_t period_count;
    bool closed; /* no internet now */
    struct policy_origin closed_by;
    struct ruling ruling;
    int64_t
        until_wall_ms; /* until when this group's verdicts stay as they are; INT64_MAX: for good */
    struct arena arena;
};

/* 0 or -ENOMEM. `name` is a whole lower-cased wire name and `found` what bl_store_find() says of
 * it; both it and the policy are borrowed until policy_explanation_free(). */
int policy_explain(const struct policy *policy, uint16_t group, const uint8_t *name,
                   struct bl_found found, int64_t wall_ms, struct policy_explanation *out);
void policy_explanation_free(struct policy_explanation *explanation);

/* "deny", "observe", "allow", "". */
const char *policy_state_text(enum category_state state);

/* The calendar, for showing times in the school's zone. Borrowed until policy_free(). */
struct calendar;
const struct calendar *policy_calendar(const struct policy *policy);

/* How an address came to its group, for `why`: the first of session, device and subnet that is not
 * NULL; `neighbour` tells how the address is known to be that device's, NULL: it is fixed. */
struct policy_found_by {
    const struct policy_neighbour *neighbour;
    const struct policy_grant *session;
    const struct config_device *device;
    const struct address_prefix *subnet;
};

/* The device of the configuration that an address belongs to, or, where a forwarder told it, a MAC
 * address; NULL for none. */
const struct config_device *policy_device(const struct policy *policy, const struct address *client,
                                          const uint8_t *mac);

/* `mac`, where it is one and the client is a forwarder that is believed; else NULL. */
const uint8_t *policy_told_mac(const struct policy *policy, const struct address *client,
                               const uint8_t *mac, size_t mac_len);

struct policy_found_by policy_found_by(const struct policy *policy, const struct address *client,
                                       uint16_t group, int64_t wall_ms);

/* How to answer what a ruling denies. */
const struct config_answer *policy_answer(const struct policy *policy, uint8_t answer);

/* "gambling", "Gambling sites": for extended errors and records; "" for POLICY_NO_CATEGORY. */
const char *policy_category_name(const struct policy *policy, uint16_t category);
const char *policy_category_title(const struct policy *policy, uint16_t category);
const char *policy_group_name(const struct policy *policy, uint16_t group);

#endif
