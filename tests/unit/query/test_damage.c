/* Thousands of damaged questions and replies from a fixed seed through the whole pipeline: nothing
 * crashes, every answer is whole and repeats its question, what is listed stays denied, nothing is
 * left behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/bench/harness.h"
#include "tests/bench/school.h"

enum { ROUNDS = 100000, NAMES = 200 };

struct damage {
    struct school school;
    uint64_t random;
    uint8_t answer[4096];
    unsigned answered, dropped, forwarded, denied;
};

static unsigned below(struct damage *damage, unsigned bound)
{
    return (unsigned)(random_next(&damage->random) >> 33) % bound;
}

/* Some octets become others, some of the end goes, or rubbish comes after it. */
static size_t spoil(struct damage *damage, uint8_t *bytes, size_t len, size_t from, size_t room)
{
    for (unsigned i = below(damage, 5); i && len > from; i--)
        bytes[from + below(damage, (unsigned)(len - from))] = (uint8_t)below(damage, 256);
    if (below(damage, 8) == 0)
        len = from + below(damage, (unsigned)(len - from) + 1);
    if (below(damage, 16) == 0)
        for (unsigned i = below(damage, 40); i && len < room; i--)
            bytes[len++] = (uint8_t)below(damage, 256);
    return len;
}

static const struct {
    uint8_t section;
    const char *bytes;
    size_t len;
} RECORDS[] = {
#define RECORD(section, bytes)                                                                     \
    {                                                                                              \
        section, bytes, sizeof bytes - 1                                                           \
    }
    RECORD(1, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0b\0\0\1"),
    RECORD(1, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\1"), /* a private one */
    RECORD(1, "\xc0\x0c\0\x1c\0\1\0\0\0\x3c\0\x10\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"),
    RECORD(1, "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\6\3cdn\xc0\x0c"),
    RECORD(1, "\3cdn\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0b\0\0\2"),
    RECORD(1, "\xc0\x0c\0\x27\0\1\0\0\0\x3c\0\5\3new\0"),
    RECORD(1, "\xc0\x0c\0\x41\0\1\0\0\0\x3c\0\x1c\0\1\0\0\0\0\2\0\5\0\1\0\3\2h2\0\5\0\4\xde\xad"
              "\xbe\xef\0\4\0\0"),
    RECORD(1, "\xc0\x0c\0\x10\0\1\0\0\0\x3c\0\4\3abc"),
    RECORD(2, "\xc0\x0c\0\6\0\1\0\0\0\x3c\0\x18\xc0\x0c\xc0\x0c\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0"
              "\0\x3c"),
    RECORD(3, "\0\0\x29\4\xd0\0\0\0\0\0\6\0\x0f\0\2\0\3"),
    RECORD(3, "\0\0\x29\4\xd0\0\0\x80\0\0\4\0\x0a\0\x10"),
};

static size_t reply_write(struct damage *damage, const struct exchange *exchange, uint8_t *out,
                          size_t room)
{
    static const uint16_t FLAGS[] = {0x8180, 0x8180, 0x8180, 0x8183, 0x8182,
                                     0x8181, 0x8380, 0x81a0, 0x8185, 0x8000};
    size_t len = DNS_HEADER + exchange->name_len + 4u, question = len;

    memcpy(out, exchange->packet, len);
    dns_put_16(out + 2, FLAGS[below(damage, sizeof FLAGS / sizeof *FLAGS)]);
    memset(out + 6, 0, 6);
    for (unsigned section = 1; section <= 3; section++)
        for (unsigned i = below(damage, 4); i; i--) {
            unsigned r = below(damage, sizeof RECORDS / sizeof *RECORDS);
            if (RECORDS[r].section != section || len + RECORDS[r].len > room)
                continue;
            memcpy(out + len, RECORDS[r].bytes, RECORDS[r].len);
            len += RECORDS[r].len;
            dns_put_16(out + 4 + 2 * section, dns_read_16(out + 4 + 2 * section) + 1u);
        }
    if (below(damage, 4))
        len = spoil(damage, out, len, below(damage, 8) ? question : 2, room);
    return len;
}

/* What left is a message of ours that answers the question. */
static void look_at(struct damage *damage, const struct query *query)
{
    const struct dns_question *question = &query->question;
    struct dns_record record;
    struct dns_walk walk;
    int more;

    assert_in_range(query->answer_len, DNS_HEADER, DNS_UDP_MAX);
    assert_true(damage->answer[2] & DNS_QR >> 8);
    assert_int_equal(dns_read_16(damage->answer), question->id);
    damage->answered++;
    if (!question->asked_len)
        return;
    assert_in_range(query->answer_len, 0, question->udp_size > 512 ? DNS_UDP_MAX : 512);
    assert_memory_equal(damage->answer + DNS_HEADER, question->asked, question->asked_len);
    assert_int_equal(dns_walk_start(&walk, damage->answer, query->answer_len), 0);
    while ((more = dns_walk_next(&walk, &record)) > 0)
        ;
    assert_int_equal(more, 0);
    assert_int_equal(walk.at, query->answer_len);
    if (bl_store_find(damage->school.world->store, question->name, question->asked_len,
                      question->type)
                .fact != BL_FACT_NONE &&
        question->edns_version == 0) {
        assert_int_equal(damage->answer[3] & DNS_RCODE, DNS_NXDOMAIN);
        assert_int_equal(dns_read_16(damage->answer + 6), 0);
        damage->denied++;
    }
}

static void settle(struct damage *damage, struct query *query, enum query_next next)
{
    if (next == QUERY_ANSWER)
        look_at(damage, query);
    else
        damage->dropped++;
    query_release(damage->school.pipeline, query);
}

/* Does what the pipeline said of an exchange; whatever it asks goes out. */
static void follow(struct damage *damage, struct exchange *exchange, enum query_next next)
{
    struct query *query;

    if (next == QUERY_FORWARD) {
        damage->forwarded++;
        exchange_sent(damage->school.pipeline->exchanges, exchange, &damage->school.channel);
    }
    if (next != QUERY_ANSWER)
        return;
    while ((query = query_waiting(exchange))) {
        query->answer = damage->answer;
        query->answer_room = sizeof damage->answer;
        settle(damage, query, query_finish(damage->school.pipeline, query));
    }
    exchange_end(damage->school.pipeline->exchanges, exchange);
}

static void time_pass(struct damage *damage, int64_t ms)
{
    struct pipeline *pipeline = damage->school.pipeline;
    struct exchange *exchange;

    damage->school.moment.mono_ms += ms;
    damage->school.moment.wall_ms += ms;
    pipeline_wake(pipeline, damage->school.moment);
    while ((exchange = pipeline_next_refresh(pipeline)))
        follow(damage, exchange, QUERY_FORWARD);
    while ((exchange = exchange_overdue(pipeline->exchanges, damage->school.moment.mono_ms)))
        follow(damage, exchange, query_expire(pipeline, exchange));
}

static size_t question_write(struct damage *damage, uint8_t *out, size_t room)
{
    static const unsigned TYPES[] = {DNS_A, DNS_AAAA, DNS_HTTPS, DNS_TXT, DNS_ANY, DNS_MX};
    static const char OPTIONS[] = "\0\x0a\0\x08cookie77\0\x0b\0\0\0\x0f\0\2\0\0\0\x08\0\7\0\1\x18\0"
                                  "\1\2\3";
    struct bl_name name;
    size_t len, more;

    if (below(damage, 3) == 0)
        school_listed(below(damage, NAMES), &name);
    else
        school_unlisted(below(damage, NAMES), &name);
    len = school_question(out, (uint16_t)below(damage, 65536), &name,
                          TYPES[below(damage, sizeof TYPES / sizeof *TYPES)], below(damage, 2));
    if (out[11] && below(damage, 2)) {
        more = sizeof OPTIONS - 1;
        memcpy(out + len, OPTIONS, more);
        dns_put_16(out + len - 2, (unsigned)more);
        len += more;
    }
    return below(damage, 3) ? spoil(damage, out, len, below(damage, 4) ? 12 : 2, room) : len;
}

static void ask(struct damage *damage)
{
    struct address client = school_client(&damage->school, below(damage, 50));
    struct pipeline *pipeline = damage->school.pipeline;
    uint8_t packet[600], reply[1200];
    size_t len = question_write(damage, packet, sizeof packet);
    struct query *query = school_query(&damage->school, packet, len, &client);
    struct exchange *exchange;
    enum query_next next;

    query->answer = damage->answer;
    query->answer_room = sizeof damage->answer;
    next = query_begin(pipeline, query);
    if (len > 2 && packet[2] & 0x80)
        assert_int_equal(next, QUERY_DROP); /* a reply is never answered */
    if (next == QUERY_ANSWER || next == QUERY_DROP) {
        settle(damage, query, next);
        return;
    }
    exchange = query->exchange;
    follow(damage, exchange, next);
    for (unsigned tries = below(damage, 4); tries; tries--) {
        struct exchange *matched;
        len = reply_write(damage, exchange, reply, sizeof reply);
        matched = exchange_match(pipeline->exchanges, &damage->school.channel, reply, len);
        if (!matched)
            continue;
        next = query_resume(pipeline, matched, reply, len);
        follow(damage, matched, next);
        if (next == QUERY_ANSWER)
            return;
    }
}

static void test_damage(void **state)
{
    static struct damage damage;

    (void)state;
    damage.random = 20261123;
    school_open(&damage.school,
                &(struct school_options){.names = NAMES, .groups = 2, .clients = 50});
    for (unsigned i = 0; i < ROUNDS; i++) {
        ask(&damage);
        if (i % 16 == 0)
            time_pass(&damage, below(&damage, 200));
        if (i % 10000 == 9999)
            school_journal_renew(&damage.school);
    }
    for (unsigned i = 0; i < 20; i++)
        time_pass(&damage, 1000);
    assert_int_equal(exchange_count(damage.school.pipeline->exchanges), 0);
    assert_true(damage.answered + damage.dropped == ROUNDS);
    /* All ways were gone, and upstreams were asked at most three times for a question. */
    assert_in_range(damage.answered, ROUNDS / 2, ROUNDS);
    assert_in_range(damage.denied, 1000, ROUNDS);
    assert_in_range(damage.forwarded, 3000, 4 * ROUNDS);
    school_close(&damage.school);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_damage)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
