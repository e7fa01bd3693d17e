/* Who may ask what, when: the school's rules as one immutable snapshot, ready to be asked.
 *
 * policy_build() joins the configuration (groups, categories, answers, exceptions) with a list generation
 * and works out, once, a ruling for each group and each fact of that generation. Judging a name is then an
 * array access, however rich the rules; the rich form stays beside it for `why`, and a property test holds
 * the two together.
 *
 * Order of rules, strongest first:
 *   1. a sealed category denies, whatever else is said;
 *   2. the school's exceptions and grants (the most specific name wins; a deny beats an allow of the same);
 *   3. allow entries of a list tier beat blocks of the same or a lower tier, the most specific name first;
 *   4. a category that the group denies denies; one that it observes is recorded and let through;
 *   5. everything else is allowed.
 *
 * Threads: immutable after policy_build(); shared by reference counts through struct world. A struct
 * policy_now belongs to one worker.
 */
#ifndef RESOLVER_POLICY_POLICY_H
#define RESOLVER_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/error.h"
#include "blocklists/store.h"
#include "resolver/base/address.h"
#include "resolver/base/clock.h"
#include "resolver/config/config.h"

struct policy;

enum verdict { VERDICT_ALLOW, VERDICT_DENY, VERDICT_REWRITE, VERDICT_OBSERVE };

enum rule_kind {
    RULE_NONE,        /* on no list, in no exception */
    RULE_CATEGORY,    /* the group denies or observes the category */
    RULE_SEALED,      /* a sealed category */
    RULE_LIST_ALLOW,  /* an allow entry of a list */
    RULE_EXCEPTION,   /* an allow or deny of the school's, for good or for a time */
    RULE_UNFILTERED,  /* listed, but the group denies none of its categories */
};

/* A verdict with the rule that decided. Eight bytes, so that a row of them stays in cache. */
struct ruling {
    uint8_t verdict;      /* enum verdict */
    uint8_t rule;         /* enum rule_kind */
    uint8_t answer;       /* index for policy_answer(), when denied */
    uint8_t severity;     /* enum config_severity */
    uint16_t category;    /* index into config->categories; POLICY_NO_CATEGORY where none decided */
    uint16_t detail;      /* which exception or grant; 0 where none */
};

enum { POLICY_NO_CATEGORY = UINT16_MAX, POLICY_NO_GROUP = UINT16_MAX };

/* `config` and `store` are borrowed until policy_free(). A sealed category without names in the store, a
 * category of the configuration that the store does not have …: see the implementation's header comment;
 * returns 0 or a negative errno with a sentence. */
int policy_build(const struct config *config, const struct bl_store *store, uint32_t version,
                 struct policy **out_policy, struct bl_error *error);
void policy_free(struct policy *policy);
uint32_t policy_version(const struct policy *policy);

/* Stage "client": the group of an address by its longest prefix; POLICY_NO_GROUP when it may not ask. */
uint16_t policy_group_of(const struct policy *policy, const struct address *client);

/* What holds at a moment: which row of rulings is in force for each group, and until when. A worker keeps
 * one and calls policy_now_update() once per wake; that costs a comparison until the next bell. */
struct policy_now {
    const struct policy *policy;
    int64_t since_wall_ms;               /* when it was worked out; a clock set back makes it void */
    int64_t until_wall_ms;               /* the earliest change of any group */
    const struct ruling **rows;          /* by group: rulings by fact number */
    int64_t *group_until_wall_ms;        /* by group: when its verdicts could next change */
};

int policy_now_init(struct policy_now *now, const struct policy *policy); /* 0 or -ENOMEM */
void policy_now_fini(struct policy_now *now);
void policy_now_update(struct policy_now *now, struct moment moment);

/* The longest TTL, in seconds, that an answer to this group may carry now: no client's cache outlives a bell. */
uint32_t policy_ttl_limit(const struct policy_now *now, uint16_t group, struct moment moment);

/* Stage "judge". `name` is a whole lower-cased wire name and `fact` what bl_store_find() said of it. Pure. */
struct ruling policy_judge(const struct policy_now *now, uint16_t group, const uint8_t *name, size_t len,
                           bl_fact fact);

/* The same for an address of an answer. */
struct ruling policy_judge_fact(const struct policy_now *now, uint16_t group, bl_fact fact);

/* Whether there are exceptions, grants or group rules for names, so that names which no list knows must be
 * judged too (the targets of an answer's chain). */
bool policy_has_names(const struct policy *policy);

/* How to answer what a ruling denies. */
const struct config_answer *policy_answer(const struct policy *policy, uint8_t answer);

/* "gambling", "Gambling sites": for extended errors and records; "" for POLICY_NO_CATEGORY. */
const char *policy_category_name(const struct policy *policy, uint16_t category);
const char *policy_category_title(const struct policy *policy, uint16_t category);
const char *policy_group_name(const struct policy *policy, uint16_t group);

#endif
