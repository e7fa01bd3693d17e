#include <string.h>

#include "resolver/query/answer.h"
#include "resolver/query/radar.h"
#include "resolver/query/tally.h"
#include "resolver/query/verdicts.h"

/* `answer`: as in struct denial. */
static uint64_t record(struct pipeline *pipeline, const struct query *query, struct ruling ruling,
                       const struct denial_match *match, bool observed, uint8_t answer)
{
    struct denial denial;

    if (!pipeline->journal)
        return 0;
    denial = (struct denial){
        .wall_ms = pipeline->moment.wall_ms,
        .client = pipeline_recorded(pipeline, &query->client),
        .group = policy_group_base(pipeline->world->policy, query->group),
        .category = ruling.category,
        .qtype = query->question.type,
        .rule = ruling.rule,
        .via = match->via,
        .transport = query->transport,
        .observed = observed,
        .answer = answer,
        .policy_version = policy_version(pipeline->world->policy),
        .generation = bl_store_generation(pipeline->world->store),
        .qname = query->question.name,
        .matched = match->name,
        .address = match->address,
        .mac = pipeline->pseudonyms
                   ? NULL /* it names the device as an address does */
                   : policy_told_mac(pipeline->world->policy, &query->client,
                                     query->question.device, query->question.device_len),
    };
    return journal_append(pipeline->journal, &denial);
}

void answer_observed(struct pipeline *pipeline, struct query *query, struct ruling ruling,
                     const struct denial_match *match)
{
    COUNT(pipeline->counters, observed);
    verdict_note(pipeline, query->group, ruling.category, VERDICT_COUNT_OBSERVED);
    record(pipeline, query, ruling, match, true, 0);
}

/* Text that never leaves its room. */
struct text {
    char *at, *end; /* `end` keeps a place for the NUL */
};

static void text_add(struct text *text, const char *more)
{
    size_t len = strlen(more), room = (size_t)(text->end - text->at);

    len = len < room ? len : room;
    memcpy(text->at, more, len);
    text->at += len;
}

/* What was cut off in the middle of a UTF-8 character loses that character. */
static void text_end(struct text *text, const char *begin)
{
    if (text->at == text->end) {
        while (text->at > begin && (text->at[-1] & 0xc0) == 0x80)
            text->at--;
        if (text->at > begin && text->at[-1] & 0x80)
            text->at--;
    }
    *text->at = '\0';
}

static const char *denial_subject(const struct pipeline *pipeline, struct ruling ruling)
{
    const char *title = policy_category_title(pipeline->world->policy, ruling.category);

    if (*title)
        return title;
    if (ruling.rule == RULE_SAFE_SEARCH)
        return "A search engine without safe search";
    if (ruling.rule == RULE_REBINDING)
        return "A public name with an address inside the school";
    return "This site";
}

/* "Gambling: not available here. Code K7Q-M2F9." */
static void reason_add(struct text *text, const struct pipeline *pipeline, struct ruling ruling,
                       uint64_t number)
{
    char code[CASE_TEXT_MAX];

    text_add(text, denial_subject(pipeline, ruling));
    text_add(text, ": not available here.");
    if (number) {
        text_add(text, " Code ");
        text_add(text, denials_case_text(number, code));
        text_add(text, ".");
    }
}

/* A JSON string: what is not plain is escaped, RFC 8259 section 7; UTF-8 stays. */
static void json_add(struct text *text, const char *more)
{
    for (; *more; more++) {
        char octets[3] = {*more};
        if (*more == '"' || *more == '\\')
            octets[0] = '\\', octets[1] = *more;
        else if ((unsigned char)*more < ' ')
            octets[0] = ' ';
        text_add(text, octets);
    }
}

/* draft-ietf-dnsop-structured-dns-error section 4: whom to turn to, and why, for programs. False,
 * and nothing of use written, when it does not fit: half of it would be no JSON. */
static bool structured_add(struct text *text, const struct pipeline *pipeline, struct ruling ruling,
                           uint64_t number)
{
    char reason[ANSWER_OPTIONS_MAX];
    struct text plain = {reason, reason + sizeof reason - 1};

    reason_add(&plain, pipeline, ruling, number);
    *plain.at = '\0';
    text_add(text, "{\"c\":[\"");
    json_add(text, pipeline->world->config->contact_uri);
    text_add(text, "\"],\"j\":\"");
    json_add(text, reason);
    text_add(text, "\",\"s\":5}"); /* the policy of whoever runs this network */
    return text->at < text->end;
}

/* RFC 8914 section 4.16, blocked by the operator, with what people and programs can make of it. */
static size_t denial_option(const struct pipeline *pipeline, const struct query *query,
                            struct ruling ruling, uint64_t number,
                            uint8_t options[ANSWER_OPTIONS_MAX])
{
    const struct config *config = pipeline->world->config;
    char buffer[ANSWER_OPTIONS_MAX - 6];
    struct text text = {buffer, buffer + sizeof buffer - 1};

    if (!query->question.wants_ede || !config->contact_uri ||
        !structured_add(&text, pipeline, ruling, number)) {
        text.at = buffer;
        reason_add(&text, pipeline, ruling, number);
        if (config->contact) {
            text_add(&text, " ");
            text_add(&text, config->contact);
        }
    }
    text_end(&text, buffer);
    return dns_option_ede(options, ANSWER_OPTIONS_MAX, DNS_EDE_BLOCKED, buffer);
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

/* The kind that the answer is of, for the record: a block page has no address for every type. */
static uint8_t denied_answer(const struct config_answer *form, unsigned type)
{
    bool any = form->kind == ANSWER_NULL;

    if (form->kind != ANSWER_NULL && form->kind != ANSWER_ADDRESSES)
        return (uint8_t)(form->kind + 1);
    for (size_t i = 0; form->kind == ANSWER_ADDRESSES && i < form->address_count; i++)
        any = any || address_is_v4(&form->addresses[i]) == (type == DNS_A);
    any = any && (type == DNS_A || type == DNS_AAAA);
    return (uint8_t)((any ? form->kind : ANSWER_NODATA) + 1);
}

static unsigned denied_rcode(enum answer_kind kind)
{
    if (kind == ANSWER_NXDOMAIN)
        return DNS_NXDOMAIN;
    return kind == ANSWER_REFUSED ? DNS_REFUSED : DNS_NOERROR;
}

/* Whether the lists say something else of another type of question. The whole name counts: which
 * listed name matches differs by type as well. */
static bool is_by_type(const struct bl_store *store, struct ruling ruling,
                       const struct denial_match *match)
{
    const uint8_t *name = match->subject;

    if (!bl_store_has_conditions(store) || !name ||
        (ruling.rule != RULE_CATEGORY && ruling.rule != RULE_SEALED))
        return false;
    return bl_store_fact_by_type(
        store, bl_store_find(store, name, bl_name_length(name), BL_ALL_TYPES).fact);
}

static const struct config_answer *
denial_form(const struct pipeline *pipeline, struct ruling ruling, const struct denial_match *match)
{
    static const struct config_answer no_data = {.kind = ANSWER_NODATA, .set = true};
    const struct config_answer *form = policy_answer(pipeline->world->policy, ruling.answer);

    /* The name is there and may have other addresses: only this answer is held back. */
    if (ruling.rule == RULE_REBINDING)
        return &no_data;
    /* "No such name" would hold for the types that are let through, RFC 8020. */
    if (form->kind == ANSWER_NXDOMAIN && is_by_type(pipeline->world->store, ruling, match))
        return &no_data;
    return form;
}

enum query_next answer_denied(struct pipeline *pipeline, struct query *query, struct ruling ruling,
                              const struct denial_match *match)
{
    const struct config_answer *form = denial_form(pipeline, ruling, match);
    uint32_t ttl_s = answer_ttl(pipeline, query, pipeline->world->config->deny_ttl);
    unsigned rcode = denied_rcode(form->kind);
    uint8_t options[ANSWER_OPTIONS_MAX];
    size_t options_len = 0;
    struct dns_writer writer;
    uint64_t number;

    COUNT(pipeline->counters, denied);
    verdict_note(pipeline, query->group, ruling.category, VERDICT_COUNT_DENIED);
    if (match->via != VIA_QUESTION && match->via != VIA_RULE)
        COUNT(pipeline->counters, denied_answers);
    if (ruling.rule == RULE_REBINDING)
        tally_add(pipeline->tallies, policy_group_name(pipeline->world->policy, query->group),
                  TALLY_REBINDING);
    radar_denied(pipeline, query, ruling);
    number =
        record(pipeline, query, ruling, match, false, denied_answer(form, query->question.type));
    if (query->question.has_edns)
        options_len = denial_option(pipeline, query, ruling, number, options);
    answer_start(query, &writer, rcode);
    if (!write_denied_addresses(&writer, query, form, ttl_s) && form->kind != ANSWER_REFUSED)
        dns_write_soa(&writer, ttl_s);
    return answer_end(pipeline, query, &writer, rcode, options, options_len);
}
