#include "resolver/query/query.h"

#include <string.h>

#include "resolver/base/check.h"
#include "resolver/query/answer.h"
#include "resolver/query/forward.h"
#include "resolver/query/judge.h"
#include "resolver/query/limit.h"
#include "resolver/query/local.h"
#include "resolver/query/recall.h"
#include "resolver/query/reply.h"
#include "resolver/query/rewrite.h"
#include "resolver/query/verdicts.h"

/* Bytes that are no question we serve: an rcode or silence, as the RFCs say. */
static enum query_next answer_not_a_question(struct pipeline *pipeline, struct query *query,
                                             enum dns_question_verdict verdict)
{
    switch (verdict) {
    case DNS_QUESTION_FORMERR:
        COUNT(pipeline->counters, malformed);
        return answer_error(pipeline, query, DNS_FORMERR, -1, NULL);
    case DNS_QUESTION_NOTIMP:
        COUNT(pipeline->counters, not_implemented);
        return answer_error(pipeline, query, DNS_NOTIMP, -1, NULL);
    case DNS_QUESTION_BADVERS:
        COUNT(pipeline->counters, not_implemented);
        return answer_error(pipeline, query, DNS_BADVERS, -1, NULL);
    case DNS_QUESTION_NOTAUTH:
        COUNT(pipeline->counters, not_implemented);
        return answer_unknown_key(pipeline, query);
    default:
        COUNT(pipeline->counters, malformed);
        return QUERY_DROP;
    }
}

/* RFC 6895 section 3.1: OPT and 128 to 254 are meta types. */
bool query_is_forwardable(const struct dns_question *question)
{
    unsigned type = question->type;

    return question->class == DNS_CLASS_IN && type != 0 && type != DNS_OPT && type != UINT16_MAX &&
           (type < DNS_NXNAME || type >= DNS_ANY);
}

static enum query_next answer_refused(struct pipeline *pipeline, struct query *query)
{
    COUNT(pipeline->counters, refused_clients);
    return answer_error(pipeline, query, DNS_REFUSED, DNS_EDE_PROHIBITED,
                        "This address is in none of the school's networks.");
}

/* What the lists say of a name changes with their epoch only: a question that waited is not looked
 * up again in the same one, nor one whose answer is cached with what was found before. */
static void look_up_question(struct query *query, const struct world *world,
                             struct cache_entry *cached)
{
    const struct dns_question *question = &query->question;
    const struct bl_store *store = world->store;

    if (query->found_in == world->epoch)
        return;
    if (cached && cached->epoch != world->epoch)
        cached = NULL; /* it will be brought up to date where it is judged */
    if (cached && cached->asked_is_known)
        query->found = cached->asked;
    else if (query->is_searched && query->found_in == WORLD_NO_EPOCH)
        query->found = bl_store_found(store, question->name, question->asked_len, question->type,
                                      &query->search);
    else
        query->found = bl_store_find(store, question->name, question->asked_len, question->type);
    query->found_in = world->epoch;
    if (cached && !cached->asked_is_known && !bl_store_is_damaged(store)) {
        cached->asked = query->found;
        cached->asked_is_known = 1;
    }
}

/* Stages client, lookup and judge: whose question is it, what do the lists say, what does that
 * mean. */
static void judge_question(struct pipeline *pipeline, struct query *query,
                           struct cache_entry *cached)
{
    const struct world *world = pipeline->world;
    const struct dns_question *question = &query->question;

    query->group =
        policy_client_group(&pipeline->now, &query->client, question->device, question->device_len);
    if (query->group == POLICY_NO_GROUP)
        return;
    look_up_question(query, world, cached);
    query->ruling = policy_judge(&pipeline->now, query->group, question->name, question->asked_len,
                                 query->found.fact);
}

/* A search engine that has no safe form, where safe search is strict. */
static enum query_next answer_unsafe(struct pipeline *pipeline, struct query *query)
{
    struct ruling ruling = policy_own_ruling(&pipeline->now, query->group, RULE_SAFE_SEARCH);

    return answer_denied(pipeline, query, ruling, &(struct denial_match){.via = VIA_RULE});
}

/* What a record says was met: a listed name, or a rule of the school's that no list has part in. */
static struct denial_match question_match(const struct query *query)
{
    bool by_list = query->found.fact != BL_FACT_NONE &&
                   (query->ruling.rule == RULE_CATEGORY || query->ruling.rule == RULE_SEALED);

    return (struct denial_match){
        .via = by_list ? VIA_QUESTION : VIA_RULE,
        .name = by_list ? query->question.name + query->found.matched : NULL,
        .subject = query->question.name,
    };
}

void query_read(struct pipeline *pipeline, struct query *query)
{
    const struct dns_question *question = &query->question;
    struct cache_key key;

    query->parsed = (uint8_t)dns_question_parse(query->packet, query->packet_len, &query->question);
    query->is_read = 1;
    if (query->parsed != DNS_QUESTION_FINE)
        return;
    key = recall_key(question);
    query->cache_hash = cache_hash(pipeline->cache, &key);
    cache_prefetch(pipeline->cache, query->cache_hash);
}

void query_fetch(const struct pipeline *pipeline, struct query *query)
{
    const struct dns_question *question = &query->question;

    if (query->parsed != DNS_QUESTION_FINE)
        return;
    if (!cache_prefetch_entry(pipeline->cache, query->cache_hash)) {
        bl_store_search(pipeline->world->store, question->name, question->asked_len,
                        &query->search);
        query->is_searched = 1;
    }
    if (pipeline->asked)
        asked_prefetch(pipeline->asked, query->cache_hash);
}

enum query_next query_begin(struct pipeline *pipeline, struct query *query)
{
    struct cache_entry *cached;
    struct denial_match match;
    enum query_next next;

    COUNT(pipeline->counters, queries);
    if (query->transport != OVER_UDP)
        COUNT(pipeline->counters, queries_tcp);
    if (!query->is_read) {
        query_read(pipeline, query);
        query_fetch(pipeline, query);
    }
    if (query->parsed != DNS_QUESTION_FINE)
        return answer_not_a_question(pipeline, query, query->parsed);
    if (limit_exceeded(pipeline, query))
        return limit_answer(pipeline, query);

    cached = recall_asked(pipeline, query);
    judge_question(pipeline, query, cached);
    if (query->group == POLICY_NO_GROUP)
        return answer_refused(pipeline, query);
    match = question_match(query);
    if (query->ruling.verdict == VERDICT_DENY)
        return answer_denied(pipeline, query, query->ruling, &match);
    if (query->ruling.verdict == VERDICT_OBSERVE)
        answer_observed(pipeline, query, query->ruling, &match);

    if (rewrite_question(pipeline, query) == REWRITE_DENY)
        return answer_unsafe(pipeline, query);
    next = recall_fresh(pipeline, query, cached);
    if (next != QUERY_WAIT)
        return next;
    if (!rewrite_is_on(query) && local_answer(pipeline, query)) {
        verdict_note(pipeline, query->group, POLICY_NO_CATEGORY, VERDICT_COUNT_ALLOWED);
        return QUERY_ANSWER;
    }
    if (!query_is_forwardable(&query->question))
        return answer_error(pipeline, query, DNS_REFUSED, -1, NULL);
    return forward_begin(pipeline, query);
}

enum query_next query_resume(struct pipeline *pipeline, struct exchange *exchange,
                             const uint8_t *bytes, size_t len)
{
    switch (exchange_compare(exchange, bytes, len)) {
    case EXCHANGE_OTHER:
        COUNT(pipeline->counters, replies_refused);
        return QUERY_WAIT; /* wait for the right one: RFC 5452 section 9.1, and TuDoor */
    case EXCHANGE_OTHER_CASE:
        COUNT(pipeline->counters, replies_refused);
        return forward_over_tcp(pipeline, exchange);
    case EXCHANGE_FITS:
        break;
    }
    COUNT(pipeline->counters, replies);
    if (dns_read_16(bytes + 2) & DNS_TC)
        return forward_truncated(pipeline, exchange);
    return forward_accept(pipeline, exchange, bytes, len);
}

enum query_next query_expire(struct pipeline *pipeline, struct exchange *exchange)
{
    if (exchange->try_count)
        COUNT(pipeline->counters, timeouts);
    exchange_missed(pipeline->exchanges, exchange, pipeline->moment.mono_ms);
    return forward_late(pipeline, exchange);
}

enum query_next query_fail(struct pipeline *pipeline, struct exchange *exchange)
{
    exchange->unreachable = 1;
    exchange_broke(pipeline->exchanges, exchange, pipeline->moment.mono_ms);
    return forward_again(pipeline, exchange, true);
}

static enum query_next finish_answered(struct pipeline *pipeline, struct query *query)
{
    const struct reply *reply = pipeline->reply;
    struct judged_message judged = {.message = reply->message,
                                    .len = reply->len,
                                    .facts = reply->facts.items,
                                    .fact_count = reply->facts.count,
                                    .has_targets = reply->has_targets,
                                    .has_private = reply->facts.has_private};
    struct answer_source source = {.message = reply->message,
                                   .len = reply->len,
                                   .ttls = reply->ttls,
                                   .ttl_count = reply->ttl_count,
                                   .authentic = reply->authentic,
                                   .has_ech = reply->facts.has_ech};
    struct denial_match match;
    struct ruling ruling;
    struct bl_name name;
    uint8_t address[16];

    if (reply->facts.too_many)
        return answer_error(pipeline, query, DNS_SERVFAIL, -1, NULL);
    if (judge_message(pipeline, query, &judged, &ruling, &match, &name, address))
        return answer_denied(pipeline, query, ruling, &match);
    return answer_message(pipeline, query, &source);
}

static bool is_answer_to(const struct exchange *exchange, const struct dns_question *sought)
{
    return exchange->name_len == sought->asked_len &&
           memcmp(exchange->name, sought->name, sought->asked_len) == 0;
}

static enum query_next finish(struct pipeline *pipeline, struct query *query)
{
    struct exchange *exchange = query->exchange;
    uint8_t observed = query->ruling.verdict == VERDICT_OBSERVE;

    if (limit_hoards(pipeline, query)) {
        COUNT(pipeline->counters, dropped);
        return QUERY_DROP;
    }
    /* The world or the hour may have changed while the question was out: what leaves is judged by
     * what holds now. */
    judge_question(pipeline, query, NULL);
    if (query->group == POLICY_NO_GROUP)
        return answer_refused(pipeline, query);
    if (query->ruling.verdict == VERDICT_DENY) {
        struct denial_match match = question_match(query);
        return answer_denied(pipeline, query, query->ruling, &match);
    }
    if (query->ruling.verdict == VERDICT_OBSERVE && !observed) {
        struct denial_match match = question_match(query);
        answer_observed(pipeline, query, query->ruling, &match);
    }
    if (rewrite_question(pipeline, query) == REWRITE_DENY)
        return answer_unsafe(pipeline, query);
    if (!is_answer_to(exchange, query->sought)) /* safe search went on or off meanwhile */
        return answer_error(pipeline, query, DNS_SERVFAIL, -1, NULL);
    if (exchange->state == EXCHANGE_ANSWERED)
        return finish_answered(pipeline, query);
    return forward_failed(pipeline, query, exchange->unreachable);
}

enum query_next query_finish(struct pipeline *pipeline, struct query *query)
{
    enum query_next next;

    if (!EXPECT(query->exchange != NULL))
        return QUERY_DROP;
    next = finish(pipeline, query);
    if (next == QUERY_ANSWER)
        latency_note(pipeline->verdicts, LATENCY_UPSTREAM,
                     (pipeline->moment.mono_ms - query->arrived_ms + 1) * 1000, 1);
    return next;
}
