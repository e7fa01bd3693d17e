#include "resolver/query/recall.h"

#include "resolver/query/answer.h"
#include "resolver/query/judge.h"
#include "resolver/query/local.h"
#include "resolver/query/radar.h"
#include "resolver/query/refresh.h"

enum {
    STALE_MOST_S = 86400,   /* RFC 8767 section 5: a day */
    REFRESH_LAST_PART = 10, /* of an answer's life, in which it is fetched again if it is popular */
};

struct cache_key recall_key(const struct dns_question *question)
{
    return (struct cache_key){
        .name = question->name,
        .name_len = question->asked_len,
        .dnssec = (uint8_t)((question->wants_dnssec ? 1 : 0) | (question->flags & DNS_CD ? 2 : 0)),
        .type = question->type,
        .class = question->class,
    };
}

/* Facts are of one epoch of lists: an entry that another one told is looked up anew, once. */
static bool facts_are_current(struct pipeline *pipeline, struct cache_entry *entry)
{
    const struct bl_store *store = pipeline->world->store;
    uint64_t epoch = pipeline->world->epoch;
    struct reply_facts facts;

    if (entry->epoch == epoch)
        return true;
    reply_look_up(store, cache_message(entry), entry->message_len, entry->type, &facts);
    /* What cannot be judged whole stays without facts of this epoch, or the next question
     * would be answered by the part of them that fits. */
    if (facts.too_many || bl_store_is_damaged(store))
        return false;
    return cache_update_facts(pipeline->cache, entry, facts.items, facts.count, epoch);
}

static bool is_ending(const struct cache_entry *entry, int64_t age_s)
{
    return entry->referenced == CACHE_POPULAR &&
           age_s >= (int64_t)(entry->ttl_s - entry->ttl_s / REFRESH_LAST_PART);
}

bool recall_has_stale(struct pipeline *pipeline, const struct exchange *exchange)
{
    const struct cache_key key = {.name = exchange->name,
                                  .name_len = exchange->name_len,
                                  .dnssec = exchange->dnssec,
                                  .type = exchange->type,
                                  .class = exchange->class};
    const struct cache_entry *entry = cache_find(pipeline->cache, &key);

    return entry && (pipeline->moment.mono_ms - entry->stored_ms) / 1000 <
                        (int64_t)entry->ttl_s + STALE_MOST_S;
}

struct cache_entry *recall_asked(const struct pipeline *pipeline, const struct query *query)
{
    struct cache_key key;

    if (query->is_searched) /* because nothing was there */
        return NULL;
    key = recall_key(&query->question);
    key.hash = query->cache_hash;
    return cache_find(pipeline->cache, &key);
}

/* What stands for the question where safe search has it rewritten, else the question as asked. */
static struct cache_entry *recall_sought(const struct pipeline *pipeline, const struct query *query)
{
    struct cache_key key = recall_key(query->sought);

    if (query->sought == &query->question)
        key.hash = query->cache_hash;
    return cache_find(pipeline->cache, &key);
}

static enum query_next recall(struct pipeline *pipeline, struct query *query,
                              struct cache_entry *entry, bool stale)
{
    struct answer_source source;
    struct judged_message judged;
    struct denial_match match;
    struct ruling ruling;
    struct bl_name name;
    uint8_t address[16];
    int64_t age_s;

    if (!entry)
        return QUERY_WAIT;
    age_s = (pipeline->moment.mono_ms - entry->stored_ms) / 1000;
    if (age_s >= (int64_t)entry->ttl_s + (stale ? STALE_MOST_S : 0) ||
        !facts_are_current(pipeline, entry))
        return QUERY_WAIT;
    COUNT(pipeline->counters, cache_hits);
    judged = (struct judged_message){.message = cache_message(entry),
                                     .len = entry->message_len,
                                     .facts = cache_facts(entry),
                                     .fact_count = entry->fact_count,
                                     .has_targets = entry->has_targets,
                                     .has_private = entry->has_private};
    if ((judged.fact_count || judged.has_targets || judged.has_private) &&
        judge_message(pipeline, query, &judged, &ruling, &match, &name, address))
        return answer_denied(pipeline, query, ruling, &match);
    source = (struct answer_source){.message = judged.message,
                                    .len = judged.len,
                                    .ttls = cache_ttls(entry),
                                    .ttl_count = entry->ttl_count,
                                    .age_s = (uint32_t)age_s,
                                    .authentic = (judged.message[3] & DNS_AD) != 0,
                                    .has_ech = entry->has_ech,
                                    .stale = stale && age_s >= (int64_t)entry->ttl_s};
    if (source.stale)
        COUNT(pipeline->counters, cache_stale);
    if (source.stale || is_ending(entry, age_s))
        refresh_begin(pipeline, query->sought);
    radar_answered(pipeline, query);
    return answer_message(pipeline, query, &source);
}

enum query_next recall_fresh(struct pipeline *pipeline, struct query *query,
                             struct cache_entry *asked)
{
    bool is_asked = query->sought == &query->question;

    return recall(pipeline, query, is_asked ? asked : recall_sought(pipeline, query), false);
}

enum query_next recall_stale(struct pipeline *pipeline, struct query *query)
{
    return recall(pipeline, query, recall_sought(pipeline, query), true);
}

static struct cache_key stored_key(const struct reply_question *question)
{
    return (struct cache_key){.name = question->name,
                              .name_len = question->name_len,
                              .dnssec = question->dnssec,
                              .type = question->type,
                              .class = question->class};
}

uint32_t recall_expect(const struct pipeline *pipeline, const struct reply_question *question)
{
    struct cache_key key = stored_key(question);
    uint32_t hash = cache_hash(pipeline->cache, &key);

    cache_prefetch(pipeline->cache, hash);
    if (pipeline->asked)
        asked_prefetch_new(pipeline->asked, hash);
    return hash;
}

void recall_store(struct pipeline *pipeline, const struct reply_question *question, uint32_t hash)
{
    const struct reply *reply = pipeline->reply;
    const struct reply_facts *facts = &reply->facts;
    struct cache_reply cached = {
        .key = stored_key(question),
        .message = reply->message,
        .message_len = reply->len,
        .ttls = reply->ttls,
        .ttl_count = reply->ttl_count,
        .facts = facts->items,
        .fact_count = facts->count,
        .fact_room = facts->subjects < CACHE_FACTS_MAX ? facts->subjects : CACHE_FACTS_MAX,
        .ttl_s = reply->ttl_s,
        .epoch = pipeline->world->epoch,
        .has_targets = reply->has_targets,
        .has_ech = facts->has_ech,
        .has_private = facts->has_private,
    };

    cached.key.hash = hash;
    /* Asked before the school had a record of its own for it: the cache goes before the records. */
    if (local_has_record(pipeline->world->local, question->name, question->name_len))
        return;
    if (reply->ttl_s > 0 && !facts->too_many && !bl_store_is_damaged(pipeline->world->store))
        cache_insert(pipeline->cache, &cached, pipeline->moment.mono_ms);
}
