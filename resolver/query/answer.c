#include "resolver/query/answer.h"

#include <string.h>

#include "resolver/base/check.h"
#include "resolver/query/allowed.h"
#include "resolver/query/recompose.h"
#include "resolver/query/rewrite.h"
#include "resolver/query/tally.h"
#include "resolver/query/verdicts.h"

enum { OPTIONS_REPLIED_MAX = 4 + COOKIE_WHOLE + 6 };

/* What fits this client: RFC 6891 section 6.2.5, and never so much that it would be fragmented. */
static size_t answer_limit(const struct query *query)
{
    size_t limit = query->question.udp_size < DNS_UDP_MAX ? query->question.udp_size : DNS_UDP_MAX;

    if (query->transport != OVER_UDP)
        limit = DNS_MESSAGE_MAX;
    return limit < query->answer_room ? limit : query->answer_room;
}

uint32_t answer_ttl(const struct pipeline *pipeline, const struct query *query, uint32_t ttl_s)
{
    uint32_t limit_s = policy_ttl_limit(&pipeline->now, query->group, pipeline->moment);

    return ttl_s < limit_s ? ttl_s : limit_s;
}

void answer_start(struct query *query, struct dns_writer *writer, unsigned rcode)
{
    *writer = (struct dns_writer){.message = query->answer, .room = query->answer_room};
    dns_write_answer_head(writer, &query->question, rcode);
}

/* RFC 2181 section 9: what does not fit is left out whole, and TC sends the client to TCP. */
static void truncate(struct pipeline *pipeline, struct query *query, struct dns_writer *writer,
                     unsigned rcode)
{
    answer_start(query, writer, rcode);
    query->answer[2] |= DNS_TC >> 8;
    COUNT(pipeline->counters, truncated);
}

/* What answers options of the client's: a cookie, and how long a connection is kept. Returns the
 * octets written. */
static size_t options_write(const struct pipeline *pipeline, const struct query *query,
                            uint8_t options[OPTIONS_REPLIED_MAX])
{
    const struct dns_question *question = &query->question;
    size_t len = 0;

    if (question->cookie_len) { /* RFC 7873 section 5.2 */
        dns_put_16(options, DNS_OPTION_COOKIE);
        dns_put_16(options + 2, COOKIE_WHOLE);
        cookies_answer(&pipeline->cookies, question->cookie, question->cookie_len, &query->client,
                       (uint32_t)(pipeline->moment.wall_ms / 1000), options + 4);
        len = 4 + COOKIE_WHOLE;
    }
    if (question->wants_keepalive && query->transport != OVER_UDP) { /* RFC 7828 section 3.3.2 */
        dns_put_16(options + len, DNS_OPTION_KEEPALIVE);
        dns_put_16(options + len + 2, 2);
        dns_put_16(options + len + 4, QUERY_STREAM_IDLE_MS / 100);
        len += 6;
    }
    return len;
}

enum query_next answer_end(struct pipeline *pipeline, struct query *query,
                           struct dns_writer *writer, unsigned rcode, const uint8_t *options,
                           size_t options_len)
{
    uint8_t all[OPTIONS_REPLIED_MAX + ANSWER_OPTIONS_MAX];
    size_t limit = answer_limit(query), len = 0, opt_len = 0;

    if (query->question.has_edns) {
        len = options_write(pipeline, query, all);
        opt_len = 11 + len + options_len;
    }
    if (writer->failed || writer->len + opt_len > limit) {
        truncate(pipeline, query, writer, rcode);
        if (writer->len + opt_len > limit) /* a long name and a long reason: RFC 8914 section 3 */
            options_len = 0;
    }
    if (query->question.has_edns) {
        if (len) {
            if (options_len)
                memcpy(all + len, options, options_len);
            options = all;
        }
        dns_write_opt(writer, query->question.wants_dnssec, rcode, options, len + options_len);
    }
    if (!EXPECT(!writer->failed))
        return QUERY_DROP;
    query->answer_len = writer->len;
    return QUERY_ANSWER;
}

enum query_next answer_error(struct pipeline *pipeline, struct query *query, unsigned rcode,
                             int ede, const char *text)
{
    uint8_t options[ANSWER_OPTIONS_MAX];
    size_t options_len = 0;
    struct dns_writer writer;

    if (ede >= 0 && query->question.has_edns)
        options_len = dns_option_ede(options, sizeof options, (enum dns_ede)ede, text);
    answer_start(query, &writer, rcode);
    return answer_end(pipeline, query, &writer, rcode, options, options_len);
}

enum query_next answer_unknown_key(struct pipeline *pipeline, struct query *query)
{
    enum query_next next = answer_error(pipeline, query, DNS_NOTAUTH, DNS_EDE_OTHER,
                                        "This resolver shares no keys; please ask unsigned.");
    struct dns_writer writer = {
        .message = query->answer, .len = query->answer_len, .room = answer_limit(query)};

    if (next != QUERY_ANSWER)
        return next;
    dns_write_bad_key(&writer, query->packet, query->packet_len, query->question.tsig_at);
    if (!writer.failed)
        query->answer_len = writer.len;
    return next;
}

static void count_ttls_down(uint8_t *message, const struct answer_source *source, uint32_t limit_s)
{
    for (size_t i = 0; i < source->ttl_count; i++) {
        uint8_t *at = message + source->ttls[i];
        uint32_t ttl_s = dns_read_32(at);
        ttl_s = ttl_s > source->age_s ? ttl_s - source->age_s : 0;
        if (source->stale)
            ttl_s = ANSWER_STALE_TTL_S;
        dns_put_32(at, ttl_s < limit_s ? ttl_s : limit_s);
    }
}

/* Whether anything is denied to the group, so that what it does must stay visible. */
static bool group_is_filtered(const struct world *world, uint16_t group)
{
    const struct config *config = world->config;
    const struct config_group *rules = &config->groups[policy_group_base(world->policy, group)];

    if (rules->deny.category_count || rules->deny.service_count || rules->deny.name_count ||
        rules->schedule_count || rules->walled_garden || rules->safe_search != SAFE_SEARCH_OFF)
        return true;
    for (size_t i = 0; i < config->category_count; i++)
        if (config->categories[i].sealed)
            return true;
    return false;
}

static enum query_next answer_recomposed(struct pipeline *pipeline, struct query *query,
                                         const struct answer_source *source, const uint8_t *options,
                                         size_t options_len)
{
    unsigned rcode = dns_read_16(source->message + 2) & DNS_RCODE;
    struct recompose how = {
        .message = source->message,
        .len = source->len,
        .alias_ttl_s = ANSWER_ALIAS_TTL_S,
        .age_s = source->age_s,
        .limit_s = answer_ttl(pipeline, query, UINT32_MAX),
        .stale_s = source->stale ? ANSWER_STALE_TTL_S : 0,
        .without_ech = group_is_filtered(pipeline->world, query->group),
    };
    struct dns_writer writer;

    if (rewrite_is_on(query)) {
        /* No such host: the engine's own addresses are still no answer. */
        if (rcode != DNS_NOERROR)
            return answer_error(pipeline, query, DNS_SERVFAIL, DNS_EDE_OTHER,
                                "The safe form of this search engine cannot be found.");
        COUNT(pipeline->counters, rewritten);
        rewrite_tally(pipeline, query);
        how.alias = query->sought->name;
        how.alias_len = query->sought->asked_len;
    }
    if (source->has_ech && how.without_ech)
        tally_add(pipeline->tallies, policy_group_name(pipeline->world->policy, query->group),
                  TALLY_HELLO);
    answer_start(query, &writer, rcode);
    if (recompose_records(&writer, &how) < 0)
        return answer_error(pipeline, query, DNS_SERVFAIL, -1, NULL);
    return answer_end(pipeline, query, &writer, rcode, options, options_len);
}

enum query_next answer_message(struct pipeline *pipeline, struct query *query,
                               const struct answer_source *source)
{
    size_t body = DNS_HEADER + query->sought->asked_len + 4u;
    unsigned rcode = dns_read_16(source->message + 2) & DNS_RCODE;
    uint8_t options[ANSWER_OPTIONS_MAX];
    size_t options_len = 0;
    struct dns_writer writer;

    if (!EXPECT(source->len >= body))
        return QUERY_DROP;
    /* Asked after all look-ups: "on no list" may have been read off a page that is gone. */
    if (bl_store_is_damaged(pipeline->world->store))
        return answer_error(pipeline, query, DNS_SERVFAIL, DNS_EDE_NOT_READY,
                            "The filter's lists are being put right.");
    verdict_note(pipeline, query->group, POLICY_NO_CATEGORY, VERDICT_COUNT_ALLOWED);
    if (pipeline->asked)
        allowed_note(pipeline, query);
    if (source->stale && query->question.has_edns)
        options_len = dns_option_ede(options, sizeof options, DNS_EDE_STALE, "");
    if (rewrite_is_on(query) ||
        (source->has_ech && group_is_filtered(pipeline->world, query->group)))
        return answer_recomposed(pipeline, query, source, options, options_len);
    answer_start(query, &writer, rcode);
    dns_write_bytes(&writer, source->message + body, source->len - body);
    if (!writer.failed) {
        /* The question's name has one length however it is spelt, so offsets and pointers hold. */
        memcpy(query->answer + 6, source->message + 6, 6);
        count_ttls_down(query->answer, source, answer_ttl(pipeline, query, UINT32_MAX));
    }
    /* RFC 6840 section 5.8: AD for those who show that they know what it means. */
    if (source->authentic && (query->question.wants_dnssec || query->question.flags & DNS_AD))
        query->answer[3] |= DNS_AD;
    return answer_end(pipeline, query, &writer, rcode, options, options_len);
}
