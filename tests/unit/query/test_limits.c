/* What one client can take of a worker, and what it cannot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/bench/school.h"

struct lab {
    struct school school;
    uint8_t answer[4096];
    unsigned answered, dropped;
};

static int lab_open(void **state)
{
    static struct lab lab;

    memset(&lab, 0, sizeof lab);
    school_open(&lab.school, &(struct school_options){.names = 10, .clients = 4});
    lab.school.world->config->limits.in_flight_share = 10;
    *state = &lab;
    return 0;
}

static int lab_close(void **state)
{
    school_close(&((struct lab *)*state)->school);
    return 0;
}

static struct query *ask(struct lab *lab, uint32_t client_number, const char *text,
                         enum query_next *out_next)
{
    struct address client = school_client(&lab->school, client_number);
    uint8_t packet[SCHOOL_QUESTION_MAX];
    struct query *query;
    struct bl_name name;
    size_t len;

    assert_int_equal(bl_name_parse(text, strlen(text), &name), BL_NAME_FINE);
    len = school_question(packet, 7, &name, DNS_A, true);
    query = school_query(&lab->school, packet, len, &client);
    query->answer = lab->answer;
    query->answer_room = sizeof lab->answer;
    *out_next = query_begin(lab->school.pipeline, query);
    if (*out_next == QUERY_FORWARD)
        exchange_sent(lab->school.pipeline->exchanges, query->exchange, &lab->school.channel);
    if (*out_next == QUERY_ANSWER)
        query_release(lab->school.pipeline, query);
    return query;
}

/* The upstream answers with one address; all that wait get theirs. */
static void upstream_answers(struct lab *lab, struct exchange *exchange)
{
    static const uint8_t record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 11, 0, 0, 9};
    struct pipeline *pipeline = lab->school.pipeline;
    size_t len = DNS_HEADER + exchange->name_len + 4u;
    uint8_t reply[400];
    struct query *query;

    memcpy(reply, exchange->packet, len);
    memcpy(reply + len, record, sizeof record);
    len += sizeof record;
    reply[2] |= 0x80;
    dns_put_16(reply + 6, 1);
    dns_put_16(reply + 10, 0);
    assert_ptr_equal(exchange_match(pipeline->exchanges, &lab->school.channel, reply, len),
                     exchange);
    assert_int_equal(query_resume(pipeline, exchange, reply, len), QUERY_ANSWER);
    while ((query = query_waiting(exchange))) {
        query->answer = lab->answer;
        query->answer_room = sizeof lab->answer;
        if (query_finish(pipeline, query) == QUERY_ANSWER)
            lab->answered++;
        else
            lab->dropped++;
        query_release(pipeline, query);
    }
    exchange_end(pipeline->exchanges, exchange);
}

static void wait_ms(struct lab *lab, int64_t ms)
{
    lab->school.moment.mono_ms += ms;
    pipeline_wake(lab->school.pipeline, lab->school.moment);
}

/* DNSBomb, CVE-2024-33655: questions with somebody's address, gathered at a slow name, would all be
 * answered to it in the same moment. */
static void test_bomb(void **state)
{
    struct lab *lab = *state;
    enum query_next next;
    struct exchange *exchange = ask(lab, 0, "slow.town", &next)->exchange;

    for (unsigned i = 0; i < 299; i++)
        ask(lab, 0, "slow.town", &next);
    ask(lab, 1, "slow.town", &next); /* somebody else who waits for it */
    assert_int_equal(next, QUERY_WAIT);
    wait_ms(lab, 2500);
    upstream_answers(lab, exchange);
    assert_int_equal(lab->answered, 200 + 1);
    assert_int_equal(lab->dropped, 300 - 200);
}

static void test_no_bomb_when_prompt(void **state)
{
    struct lab *lab = *state;
    enum query_next next;
    struct exchange *exchange = ask(lab, 0, "slow.town", &next)->exchange;

    for (unsigned i = 0; i < 299; i++)
        ask(lab, 0, "slow.town", &next);
    wait_ms(lab, 1500);
    upstream_answers(lab, exchange);
    assert_int_equal(lab->answered, 300);
}

/* CVE-2022-3204, CVE-2022-2795: names that nobody answers fill a tenth of the places and no more.
 */
static void test_share(void **state)
{
    struct lab *lab = *state;
    unsigned forwarded = 0;
    enum query_next next;
    char text[32];

    for (unsigned i = 0; i < 3000; i++) {
        snprintf(text, sizeof text, "n%u.silent.town", i);
        ask(lab, 0, text, &next);
        forwarded += next == QUERY_FORWARD;
    }
    assert_int_equal(forwarded, PIPELINE_QUERIES / 10);
    assert_int_equal(lab->answer[3] & DNS_RCODE, DNS_SERVFAIL);
    upstream_answers(lab, ask(lab, 1, "good.town", &next)->exchange);
    assert_int_equal(lab->answered, 1);
    assert_int_equal(lab->answer[3] & DNS_RCODE, DNS_NOERROR);
}

/* Answers what gave way, as net does; gives how many. */
static unsigned crowd_thins(struct lab *lab)
{
    struct pipeline *pipeline = lab->school.pipeline;
    struct exchange *exchange;
    struct query *query;
    unsigned count = 0;

    for (; (exchange = pipeline_next_crowded(pipeline)); count++) {
        while ((query = query_waiting(exchange))) {
            query->answer = lab->answer;
            query->answer_room = sizeof lab->answer;
            assert_int_equal(query_finish(pipeline, query), QUERY_ANSWER);
            assert_int_equal(lab->answer[3] & DNS_RCODE, DNS_SERVFAIL);
            query_release(pipeline, query);
        }
        exchange_end(pipeline->exchanges, exchange);
    }
    return count;
}

/* Many clients together can take all places but a sixteenth; and as soon as the first of them have
 * waited for 200 ms those give way, so that what servers do answer still finds a place. */
static void test_a_crowd_of_clients(void **state)
{
    enum { MOST = PIPELINE_QUERIES - PIPELINE_QUERIES / 16 };
    struct lab *lab = *state;
    struct pipeline *pipeline = lab->school.pipeline;
    unsigned forwarded = 0;
    enum query_next next;
    struct query *query;
    char text[32];

    pipeline->world->config->limits.in_flight_share = 0;
    for (unsigned i = 0; i < PIPELINE_QUERIES + 100; i++) {
        snprintf(text, sizeof text, "n%u.silent.town", i);
        ask(lab, i % 4, text, &next);
        forwarded += next == QUERY_FORWARD;
        assert_true(next == QUERY_FORWARD || next == QUERY_ANSWER);
    }
    assert_int_equal(forwarded, MOST);
    for (unsigned i = 0; i < PIPELINE_QUERIES / 16; i++) { /* whoever need not wait finds a place */
        query = query_take(pipeline);
        assert_non_null(query);
        query_release(pipeline, query);
    }
    wait_ms(lab, 199);
    assert_int_equal(crowd_thins(lab), 0);
    wait_ms(lab, 1);
    assert_int_equal(crowd_thins(lab), MOST - (PIPELINE_QUERIES - PIPELINE_QUERIES / 8) + 1);
    upstream_answers(lab, ask(lab, 1, "good.town", &next)->exchange);
    assert_int_equal(lab->answer[3] & DNS_RCODE, DNS_NOERROR);
    ask(lab, 1, "n0.silent.town", &next); /* its failure was ours, and is not remembered */
    assert_int_equal(next, QUERY_FORWARD);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, lab_open, lab_close)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_bomb), TEST(test_no_bomb_when_prompt),
                                       TEST(test_share), TEST(test_a_crowd_of_clients)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
