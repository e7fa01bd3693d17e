/* The whole way of a query on bytes of a stranger and of an upstream: a question, and the reply to
 * whatever goes upstream for it. The input is the question's length (two octets), the question,
 * then the reply from its flags on, without the question section, which is ours: id and question
 * fit, so that what lies behind the check of forgeries is reached.
 *
 * What must hold of every answer: ldns can read it, it is a reply to a question that was none
 * itself, it fits the client, and a listed name never has data.
 */
#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/query/query.h"
#include "tests/scenario/school.h"
#include "tests/scenario/script.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pipeline *pipeline;
static struct counters counters;
static struct moment moment = {1000000, INT64_C(1795426200000)};
static uint8_t answer[65535];

static void fixed_fill(void *user, void *bytes, size_t len)
{
    static uint64_t state = 1;
    uint8_t *at = bytes;

    (void)user;
    for (size_t i = 0; i < len; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        at[i] = (uint8_t)(state >> 56);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char group[] = "pupils 10.0.0.0/8 denies ads with safe-search: strict";
    char list[] = "ads tracker.example tracker.test";
    char upstreams[] = "upstreams: up1 up2";
    struct bl_error error = {0};
    struct world *world;

    (void)argc, (void)argv;
    script_begin("fuzz-pipeline");
    school_open();
    school_group(group);
    school_list(list);
    school_config(upstreams);
    world = school_world(0, NULL);
    const struct pipeline_options options = {
        .world = world, .counters = &counters, .max_queries = 64};
    if (pipeline_create(&options, moment, &pipeline, &error))
        script_fail("%s", error.text);
    pipeline->random.fill = fixed_fill;
    pipeline->random.used = sizeof(pipeline->random.bytes);
    world_unref(world);
    school_close(); /* the store is mapped, the rest is read */
    return 0;
}

static bool is_listed(const struct dns_question *question)
{
    static const uint8_t listed[] =
        "\7tracker\7example"; /* the root's octet is the literal's last */

    return question->class == DNS_CLASS_IN && bl_name_is_below(question->name, listed);
}

/* A forwarder passes data of types on as they are, and ldns minds what is in them: what it cannot
 * read must at least be whole, record by record. */
static bool is_whole(const uint8_t *message, size_t len)
{
    struct dns_walk walk;
    struct dns_record record;
    int code = dns_walk_start(&walk, message, len);

    while (code == 0 && (code = dns_walk_next(&walk, &record)) > 0)
        code = 0;
    return code == 0;
}

static void answer_check(const struct query *query)
{
    size_t room = query->transport != OVER_UDP     ? sizeof(answer)
                  : query->question.udp_size > 512 ? query->question.udp_size
                                                   : 512;
    bool has_data = dns_read_16(answer + 6) > 0 || (answer[3] & DNS_RCODE) == DNS_NOERROR;
    ldns_pkt *packet = NULL;

    if (query->answer_len > room || query->answer_len < DNS_HEADER || !(answer[2] & 0x80))
        abort();
    if (ldns_wire2pkt(&packet, answer, query->answer_len) != LDNS_STATUS_OK &&
        !is_whole(answer, query->answer_len))
        abort();
    ldns_pkt_free(packet);
    if (query->parsed == DNS_QUESTION_FINE && is_listed(&query->question) && has_data)
        abort();
}

static void settle(struct query *query, enum query_next next)
{
    if (next == QUERY_ANSWER)
        answer_check(query);
    query_release(pipeline, query);
}

/* The reply's bytes behind the header and question that fit: false when there is no room. */
static size_t reply_make(const struct exchange *exchange, const uint8_t *data, size_t size,
                         uint8_t *out, size_t room)
{
    size_t question = DNS_HEADER + exchange->name_len + 4u;
    size_t body = size > 10 ? size - 10 : 0;

    if (size < 10 || question + body > room)
        return 0;
    memcpy(out, exchange->packet, 2);
    memcpy(out + 2, data, 10);
    dns_put_16(out + 4, 1);
    out[2] |= 0x80;
    memcpy(out + DNS_HEADER, exchange->packet + DNS_HEADER, question - DNS_HEADER);
    memcpy(out + question, data + 10, body);
    return question + body;
}

struct upstream_bytes {
    const uint8_t *data;
    size_t size;
    unsigned replies; /* given so far for this input */
};

/* Does what the pipeline said of an exchange; every packet of it is answered at once, up to a
 * number. */
static void exchange_act(struct exchange *exchange, enum query_next next,
                         struct upstream_bytes *upstream)
{
    static uint8_t reply[65535];
    static char channel;
    struct query *query;

    while (next == QUERY_FORWARD) {
        exchange_sent(pipeline->exchanges, exchange, &channel);
        size_t len = upstream->replies++ < 8 ? reply_make(exchange, upstream->data, upstream->size,
                                                          reply, sizeof(reply))
                                             : 0;
        if (!len || exchange_match(pipeline->exchanges, &channel, reply, len) != exchange)
            return;
        next = query_resume(pipeline, exchange, reply, len);
    }
    if (next != QUERY_ANSWER)
        return;
    while ((query = query_waiting(exchange))) {
        query->answer = answer;
        query->answer_room = sizeof(answer);
        settle(query, query_finish(pipeline, query));
    }
    exchange_end(pipeline->exchanges, exchange);
}

/* Lets time pass until nothing is in flight. */
static void time_pass(struct upstream_bytes *upstream)
{
    while (exchange_count(pipeline->exchanges) > 0) {
        int64_t next_ms = exchange_next_deadline(pipeline->exchanges);
        struct exchange *exchange;

        moment.mono_ms = next_ms > moment.mono_ms ? next_ms : moment.mono_ms + 1;
        pipeline_wake(pipeline, moment);
        while ((exchange = exchange_overdue(pipeline->exchanges, moment.mono_ms)))
            exchange_act(exchange, query_expire(pipeline, exchange), upstream);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t len = dns_read_16(data);
    data += 2;
    size -= 2;
    if (len > size)
        len = size;
    moment.mono_ms += 1000;
    pipeline_wake(pipeline, moment);
    struct query *query = query_take(pipeline);
    if (!query)
        abort(); /* nothing is in flight between two inputs */
    query->packet = data;
    query->packet_len = len;
    address_parse("10.1.2.3", 40000, &query->client);
    address_parse("10.0.0.53", 53, &query->local);
    query->transport = size & 1 ? OVER_TCP : OVER_UDP;
    query->answer = answer;
    query->answer_room = sizeof(answer);
    enum query_next next = query_begin(pipeline, query);
    if (next == QUERY_ANSWER || next == QUERY_DROP) {
        if (next == QUERY_ANSWER && len > 2 && data[2] & 0x80)
            abort(); /* a reply to a reply */
        settle(query, next);
    }
    struct upstream_bytes upstream = {.data = data + len, .size = size - len};
    struct exchange *exchange;
    if (next == QUERY_FORWARD)
        exchange_act(query->exchange, next, &upstream);
    while ((exchange = pipeline_next_refresh(pipeline)))
        exchange_act(exchange, QUERY_FORWARD, &upstream);
    time_pass(&upstream);
    return 0;
}
