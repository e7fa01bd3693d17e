#include "resolver/query/judge.h"

#include <string.h>

#include "resolver/query/rebinding.h"

static bool question_was_allowed(const struct query *query)
{
    return query->ruling.verdict == VERDICT_ALLOW &&
           (query->ruling.rule == RULE_EXCEPTION || query->ruling.rule == RULE_LIST_ALLOW);
}

/* The name or address that a fact was told of, for the record. */
static void match_of(const struct judged_message *message, const struct cache_fact *fact,
                     struct denial_match *out_match, struct bl_name *name, uint8_t address[16])
{
    *out_match = (struct denial_match){.via = fact->via};
    if (fact->via == VIA_ADDRESS) {
        bool is_v6 = fact->matched != 0;
        static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
        memcpy(address, mapped, sizeof mapped);
        if (is_v6)
            memcpy(address, message->message + fact->at, 16);
        else
            memcpy(address + 12, message->message + fact->at, 4);
        out_match->address = address;
    } else if (dns_name_read(message->message, message->len, fact->at, name) > 0) {
        out_match->name = name->wire + fact->matched;
        out_match->subject = name->wire;
    }
}

/* The target of an alias or a service record, judged as if it had been asked for. False: this
 * record has none. */
static bool target_read(struct pipeline *pipeline, const struct query *query,
                        const struct judged_message *message, const struct dns_record *record,
                        struct ruling *out_ruling, struct denial_match *out_match,
                        struct bl_name *name)
{
    bool is_service = record->type == DNS_HTTPS || record->type == DNS_SVCB;
    struct bl_found found;
    bool by_list;

    if ((record->type != DNS_CNAME && !is_service) ||
        dns_name_read(message->message, message->len, record->data + (is_service ? 2u : 0u), name) <
            0)
        return false;
    found = bl_store_find(pipeline->world->store, name->wire, name->len, query->question.type);
    *out_ruling = policy_judge(&pipeline->now, query->group, name->wire, name->len, found.fact);
    by_list = out_ruling->rule != RULE_EXCEPTION;
    *out_match = (struct denial_match){.via = is_service ? VIA_SERVICE : VIA_CNAME,
                                       .name = name->wire + (by_list ? found.matched : 0),
                                       .subject = name->wire};
    return true;
}

/* The school's exceptions know names that no list has, and allow some that lists have, so each
 * target is asked for by name. */
static bool judge_targets(struct pipeline *pipeline, struct query *query,
                          const struct judged_message *message, struct ruling *out_ruling,
                          struct denial_match *out_match, struct bl_name *name)
{
    struct denial_match match;
    struct dns_record record;
    struct ruling ruling;
    struct dns_walk walk;

    if (dns_walk_start(&walk, message->message, message->len) < 0)
        return false;
    while (dns_walk_next(&walk, &record) > 0 && record.section == 1) {
        if (!target_read(pipeline, query, message, &record, &ruling, &match, name))
            continue;
        /* A walled garden is about questions: what it lets in brings what it needs. */
        if (ruling.verdict == VERDICT_DENY && ruling.rule != RULE_GARDEN) {
            *out_ruling = ruling;
            *out_match = match;
            return true;
        }
        if (ruling.verdict == VERDICT_OBSERVE)
            answer_observed(pipeline, query, ruling, &match);
    }
    return false;
}

bool judge_message(struct pipeline *pipeline, struct query *query,
                   const struct judged_message *message, struct ruling *out_ruling,
                   struct denial_match *out_match, struct bl_name *name, uint8_t address[16])
{
    bool only_sealed = question_was_allowed(query);
    bool by_name =
        message->has_targets && !only_sealed && policy_has_names(pipeline->world->policy);

    if (message->has_private &&
        rebinding_refuses(pipeline, query, message->message, message->len, address)) {
        *out_ruling = policy_own_ruling(&pipeline->now, query->group, RULE_REBINDING);
        *out_match = (struct denial_match){.via = VIA_RULE, .address = address};
        return true;
    }
    if (by_name && judge_targets(pipeline, query, message, out_ruling, out_match, name))
        return true;
    for (size_t i = 0; i < message->fact_count; i++) {
        const struct cache_fact *fact = &message->facts[i];
        struct ruling ruling = policy_judge_fact(&pipeline->now, query->group, fact->fact);
        if (by_name && fact->via != VIA_ADDRESS)
            continue;
        if (ruling.verdict == VERDICT_ALLOW || (only_sealed && ruling.rule != RULE_SEALED))
            continue;
        match_of(message, fact, out_match, name, address);
        if (ruling.verdict == VERDICT_OBSERVE) {
            answer_observed(pipeline, query, ruling, out_match);
            continue;
        }
        *out_ruling = ruling;
        return true;
    }
    return false;
}
