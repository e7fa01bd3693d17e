#include "resolver/query/answer.h"

#include <stdio.h>
#include <string.h>

#include "resolver/base/check.h"

/* What fits this client: RFC 6891 section 6.2.5, and never so much that it would be fragmented. */
static size_t answer_limit(const struct query *query)
{
    size_t limit = query->question.udp_size < DNS_UDP_MAX ? query->question.udp_size : DNS_UDP_MAX;

    if (query->transport != OVER_UDP)
        limit = DNS_MESSAGE_MAX;
    return limit < query->answer_room ? limit : query->answer_room;
}

/* The longest a client may keep what it gets now: until this group's next bell. */
static uint32_t ttl_limit(const struct pipeline *pipeline, const struct query *query)
{
    return policy_ttl_limit(&pipeline->now, query->group, pipeline->moment);
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

enum query_next answer_end(struct pipeline *pipeline, struct query *query,
                           struct dns_writer *writer, unsigned rcode, const uint8_t *options,
                           size_t options_len)
{
    size_t opt_len = query->question.has_edns ? 11 + options_len : 0;

    if (writer->failed || writer->len + opt_len > answer_limit(query))
        truncate(pipeline, query, writer, rcode);
    if (query->question.has_edns)
        dns_write_opt(writer, &query->question, rcode, options, options_len);
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

enum query_next answer_negative(struct pipeline *pipeline, struct query *query, unsigned rcode,
                                uint32_t ttl_s)
{
    uint32_t limit_s = ttl_limit(pipeline, query);
    struct dns_writer writer;

    answer_start(query, &writer, rcode);
    dns_write_soa(&writer, ttl_s < limit_s ? ttl_s : limit_s);
    return answer_end(pipeline, query, &writer, rcode, NULL, 0);
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

enum query_next answer_message(struct pipeline *pipeline, struct query *query,
                               const struct answer_source *source)
{
    size_t body = DNS_HEADER + query->question.asked_len + 4u;
    unsigned rcode = dns_read_16(source->message + 2) & DNS_RCODE;
    uint8_t options[ANSWER_OPTIONS_MAX];
    size_t options_len = 0;
    struct dns_writer writer;

    if (!EXPECT(source->len >= body))
        return QUERY_DROP;
    if (source->stale && query->question.has_edns)
        options_len = dns_option_ede(options, sizeof options, DNS_EDE_STALE, "");
    answer_start(query, &writer, rcode);
    dns_write_bytes(&writer, source->message + body, source->len - body);
    if (!writer.failed) {
        /* The question's name has one length however it is spelt, so offsets and pointers hold. */
        memcpy(query->answer + 6, source->message + 6, 6);
        count_ttls_down(query->answer, source, ttl_limit(pipeline, query));
    }
    /* RFC 6840 section 5.8: AD for those who show that they know what it means. */
    if (source->authentic && (query->question.wants_dnssec || query->question.flags & DNS_AD))
        query->answer[3] |= DNS_AD;
    return answer_end(pipeline, query, &writer, rcode, options, options_len);
}

/* Denials. */

static uint64_t record(struct pipeline *pipeline, const struct query *query, struct ruling ruling,
                       const struct denial_match *match, bool observed)
{
    struct denial denial;

    if (!pipeline->journal)
        return 0;
    denial = (struct denial){
        .wall_ms = pipeline->moment.wall_ms,
        .client = query->client,
        .group = query->group,
        .category = ruling.category,
        .qtype = query->question.type,
        .rule = ruling.rule,
        .via = match->via,
        .transport = query->transport,
        .observed = observed,
        .policy_version = policy_version(pipeline->world->policy),
        .generation = bl_store_generation(pipeline->world->store),
        .qname = query->question.name,
        .matched = match->name,
        .address = match->address,
    };
    return journal_append(pipeline->journal, &denial);
}

void answer_observed(struct pipeline *pipeline, struct query *query, struct ruling ruling,
                     const struct denial_match *match)
{
    COUNT(pipeline->counters, observed);
    record(pipeline, query, ruling, match, true);
}

static char *text_append(char *at, const char *end, const char *text)
{
    while (*text && at < end)
        *at++ = *text++;
    return at;
}

/* "Gambling: not available here. Code K7Q-M2F9. Ask …": RFC 8914 section 4.16, blocked by the
 * operator. */
static size_t denial_option(struct pipeline *pipeline, struct ruling ruling, uint64_t number,
                            uint8_t options[ANSWER_OPTIONS_MAX])
{
    const char *title = policy_category_title(pipeline->world->policy, ruling.category);
    const char *contact = pipeline->world->config->contact;
    char text[ANSWER_OPTIONS_MAX - 6], code[CASE_TEXT_MAX];
    char *at = text, *end = text + sizeof text - 1;

    at = text_append(at, end, *title ? title : "This site");
    at = text_append(at, end, ": not available here.");
    if (number) {
        at = text_append(at, end, " Code ");
        at = text_append(at, end, denials_case_text(number, code));
        at = text_append(at, end, ".");
    }
    if (contact) {
        at = text_append(at, end, " ");
        at = text_append(at, end, contact);
    }
    *at = '\0';
    return dns_option_ede(options, ANSWER_OPTIONS_MAX, DNS_EDE_BLOCKED, text);
}

/* The records of a denied answer in its form; none: the answer is negative. */
static bool write_denied_addresses(struct dns_writer *writer, const struct query *query,
                                   const struct config_answer *form, uint32_t ttl_s)
{
    static const uint8_t null_address[16];
    unsigned type = query->question.type;
    bool any = false;

    if (type != DNS_A && type != DNS_AAAA)
        return false;
    if (form->kind == ANSWER_NULL) {
        dns_write_record(writer, 1, type, ttl_s, null_address, type == DNS_A ? 4 : 16);
        return true;
    }
    for (size_t i = 0; form->kind == ANSWER_ADDRESSES && i < form->address_count; i++) {
        const struct address *address = &form->addresses[i];
        if (address_is_v4(address) != (type == DNS_A))
            continue;
        dns_write_record(writer, 1, type, ttl_s, address->bytes + (type == DNS_A ? 12 : 0),
                         type == DNS_A ? 4 : 16);
        any = true;
    }
    return any;
}

static unsigned denied_rcode(enum answer_kind kind)
{
    if (kind == ANSWER_NXDOMAIN)
        return DNS_NXDOMAIN;
    return kind == ANSWER_REFUSED ? DNS_REFUSED : DNS_NOERROR;
}

enum query_next answer_denied(struct pipeline *pipeline, struct query *query, struct ruling ruling,
                              const struct denial_match *match)
{
    const struct config_answer *form = policy_answer(pipeline->world->policy, ruling.answer);
    uint32_t ttl_s = pipeline->world->config->deny_ttl, limit_s = ttl_limit(pipeline, query);
    unsigned rcode = denied_rcode(form->kind);
    uint8_t options[ANSWER_OPTIONS_MAX];
    size_t options_len = 0;
    struct dns_writer writer;
    uint64_t number;

    if (ttl_s > limit_s)
        ttl_s = limit_s;
    COUNT(pipeline->counters, denied);
    if (match->via != VIA_QUESTION && match->via != VIA_RULE)
        COUNT(pipeline->counters, denied_answers);
    number = record(pipeline, query, ruling, match, false);
    if (query->question.has_edns)
        options_len = denial_option(pipeline, ruling, number, options);
    answer_start(query, &writer, rcode);
    if (!write_denied_addresses(&writer, query, form, ttl_s) && form->kind != ANSWER_REFUSED)
        dns_write_soa(&writer, ttl_s);
    return answer_end(pipeline, query, &writer, rcode, options, options_len);
}
