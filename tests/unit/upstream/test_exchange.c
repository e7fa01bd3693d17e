#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "resolver/upstream/exchange.h"

/* What the tests share: exchanges with two servers, a question, and numbers by chance that repeat.
 */
struct lab {
    struct exchanges *exchanges;
    struct config config;
    struct config_upstream servers[2];
    struct config_zone zone;
    struct random_pool random;
    uint32_t seed;
};

static void fill(void *user, void *bytes, size_t len)
{
    struct lab *lab = user;

    for (size_t i = 0; i < len; i++) {
        lab->seed = lab->seed * 1664525u + 1013904223u;
        ((uint8_t *)bytes)[i] = (uint8_t)(lab->seed >> 24);
    }
}

static int lab_open(void **state)
{
    static struct lab lab;

    lab = (struct lab){.seed = 1};
    assert_int_equal(address_parse("192.0.2.1", 53, &lab.servers[0].address), 0);
    assert_int_equal(address_parse("192.0.2.2", 53, &lab.servers[1].address), 0);
    memcpy(lab.zone.wire, "\2ad\6school\4test", 16);
    lab.zone.upstreams = &lab.servers[1];
    lab.zone.upstream_count = 1;
    lab.config.upstreams = lab.servers;
    lab.config.upstream_count = 2;
    lab.config.forward_zones = &lab.zone;
    lab.config.forward_zone_count = 1;
    lab.config.upstream_timeout_ms = 400;
    random_init(&lab.random);
    lab.random.fill = fill;
    lab.random.user = &lab;
    assert_int_equal(exchanges_create(16, &lab.exchanges, NULL), 0);
    assert_int_equal(exchanges_set_upstreams(lab.exchanges, &lab.config), 0);
    *state = &lab;
    return 0;
}

static int lab_close(void **state)
{
    exchanges_destroy(((struct lab *)*state)->exchanges);
    return 0;
}

static struct dns_question question_of(const char *wire, unsigned type)
{
    struct dns_question question = {.type = (uint16_t)type, .class = 1};

    question.asked_len = (uint8_t)(strlen(wire) + 1);
    memcpy(question.name, wire, question.asked_len);
    memcpy(question.asked, wire, question.asked_len);
    return question;
}

static struct exchange *begin(struct lab *lab, const char *wire, int64_t now_ms)
{
    struct dns_question question = question_of(wire, 1);
    struct exchange *exchange = exchange_begin(lab->exchanges, &question, now_ms, &lab->random);

    assert_non_null(exchange);
    assert_true(exchange_try_next(lab->exchanges, exchange, false, now_ms, &lab->random));
    return exchange;
}

/* One that has gone out. */
static struct exchange *begin_sent(struct lab *lab, const char *wire, int64_t now_ms)
{
    struct exchange *exchange = begin(lab, wire, now_ms);

    exchange_sent(lab->exchanges, exchange, lab);
    return exchange;
}

static size_t reply_to(const struct exchange *exchange, uint8_t bytes[512])
{
    memcpy(bytes, exchange->packet, exchange->packet_len);
    bytes[2] |= 0x80;
    return exchange->packet_len;
}

static void test_match_and_compare(void **state)
{
    struct lab *lab = *state;
    struct exchange *exchange = begin(lab, "\3www\4site\4test", 1000);
    uint8_t bytes[512];
    size_t len = reply_to(exchange, bytes);
    int here, there;

    exchange_sent(lab->exchanges, exchange, &here);
    /* CVE-2020-25684: what comes on another socket is not for us. */
    assert_null(exchange_match(lab->exchanges, &there, bytes, len));
    assert_ptr_equal(exchange_match(lab->exchanges, &here, bytes, len), exchange);
    assert_int_equal(exchange_compare(exchange, bytes, len), EXCHANGE_FITS);
    /* CVE-2020-25685: the whole question counts, not a hash of it. */
    bytes[13] ^= 1;
    assert_int_equal(exchange_compare(exchange, bytes, len), EXCHANGE_OTHER);
    bytes[13] ^= 1;
    bytes[13] ^= 0x20;
    assert_int_equal(exchange_compare(exchange, bytes, len), EXCHANGE_OTHER_CASE);
    bytes[13] ^= 0x20;
    bytes[12 + 15 + 1] = 28; /* type */
    assert_int_equal(exchange_compare(exchange, bytes, len), EXCHANGE_OTHER);
    bytes[12 + 15 + 1] = 1;
    bytes[2] &= 0x7f; /* a question, not a reply */
    assert_int_equal(exchange_compare(exchange, bytes, len), EXCHANGE_OTHER);
    bytes[2] |= 0x80;
    bytes[5] = 0; /* TuDoor: no question at all */
    assert_int_equal(exchange_compare(exchange, bytes, len), EXCHANGE_OTHER);
    bytes[5] = 1;
    for (size_t cut = 0; cut < 12 + 15 + 4; cut++)
        assert_int_equal(exchange_compare(exchange, bytes, cut), EXCHANGE_OTHER);
    bytes[0] ^= 1; /* another id */
    assert_null(exchange_match(lab->exchanges, &here, bytes, len));
    exchange_end(lab->exchanges, exchange);
    bytes[0] ^= 1;
    assert_null(exchange_match(lab->exchanges, &here, bytes, len));
}

/* Nothing larger than 1232 octets is asked for, so that no fragment can carry a forgery
 * (CVE-2023-28450, CVE-2025-59024); of a client's own options none goes out (CVE-2025-30192). */
static void test_what_goes_out(void **state)
{
    struct lab *lab = *state;
    struct dns_question question = {.type = 1, .class = 1, .asked_len = 10, .cookie_len = 8};
    struct exchange *exchange;
    const uint8_t *opt;

    memcpy(question.name, "\3www\4test", 10);
    memset(question.cookie, 0xcc, sizeof question.cookie);
    exchange = exchange_begin(lab->exchanges, &question, 0, &lab->random);
    assert_true(exchange_try_next(lab->exchanges, exchange, false, 0, &lab->random));
    opt = exchange->packet + DNS_HEADER + 10 + 4;
    assert_int_equal(dns_read_16(exchange->packet + 2), DNS_RD | DNS_AD);
    assert_int_equal(opt[0], 0);
    assert_int_equal(dns_read_16(opt + 1), DNS_OPT);
    assert_int_equal(dns_read_16(opt + 3), 1232);
    assert_int_equal(dns_read_16(opt + 9), 4 + COOKIE_CLIENT); /* our own cookie and nothing else */
    assert_int_equal(dns_read_16(opt + 11), DNS_OPTION_COOKIE);
    assert_int_equal(exchange->packet_len, DNS_HEADER + 10 + 4 + 11 + 4 + COOKIE_CLIENT);
    assert_memory_not_equal(opt + 15, question.cookie, COOKIE_CLIENT);
    exchange_end(lab->exchanges, exchange);
}

static void test_case_is_mixed_over_udp_only(void **state)
{
    struct lab *lab = *state;
    struct exchange *exchange = begin(lab,
                                      "\x18"
                                      "abcdefghijklmnopqrstuvwx\4test",
                                      1000);
    unsigned upper = 0;

    for (size_t i = 13; i < 37; i++)
        upper += exchange->packet[i] < 'a';
    assert_in_range(upper, 4, 20);
    assert_true(exchange_try_tcp(lab->exchanges, exchange, 1000, &lab->random));
    for (size_t i = 13; i < 37; i++)
        assert_true(exchange->packet[i] >= 'a');
    assert_false(exchange_try_tcp(lab->exchanges, exchange, 1000, &lab->random));
    exchange_end(lab->exchanges, exchange);
}

static void test_tries_and_deadlines(void **state)
{
    struct lab *lab = *state;
    struct exchange *exchange = begin(lab, "\3www\4site\4test", 1000);
    unsigned first = exchange->server;
    int64_t now_ms = 1000;
    int channel;

    exchange_sent(lab->exchanges, exchange, &channel);
    assert_int_equal(exchange->deadline_ms, 1400);
    assert_null(exchange_overdue(lab->exchanges, 1399));
    assert_true(exchange_next_deadline(lab->exchanges) >= 1400);
    assert_true(exchange_next_deadline(lab->exchanges) < 1420);
    now_ms = exchange_next_deadline(lab->exchanges);
    assert_ptr_equal(exchange_overdue(lab->exchanges, now_ms), exchange);
    assert_null(exchange_overdue(lab->exchanges, now_ms));
    /* The next try goes to the other server, under another id; the first is still listened to. */
    assert_true(exchange_try_next(lab->exchanges, exchange, false, now_ms, &lab->random));
    assert_int_not_equal(exchange->server, first);
    assert_int_not_equal(exchange->tries[0].id, exchange->tries[1].id);
    assert_true(exchange_is_listening(exchange));
    exchange_sent(lab->exchanges, exchange, &channel);
    assert_false(exchange_try_next(lab->exchanges, exchange, true, now_ms, &lab->random));
    assert_true(exchange_try_next(lab->exchanges, exchange, false, now_ms, &lab->random));
    assert_int_equal(exchange->deadline_ms, 1000 + EXCHANGE_LIFE_MS);
    /* Three questions upstream for a client's one, and no more. */
    assert_false(exchange_try_next(lab->exchanges, exchange, false, now_ms, &lab->random));
    exchange_end(lab->exchanges, exchange);
    assert_int_equal(exchange_next_deadline(lab->exchanges), INT64_MAX);
}

/* A worker that was stopped for seconds (a machine that was paused, say) has questions overdue and
 * new ones, some of them in the same place of the wheel, a whole turn apart: these are not overdue,
 * however often they are put off. It went round there for ever. */
static void test_overdue_after_a_stop(void **state)
{
    struct lab *lab = *state;

    for (int64_t stop_ms = 1000; stop_ms <= 20000; stop_ms += 250)
        for (int64_t later_ms = 8; later_ms <= EXCHANGE_LIFE_MS; later_ms += 8) {
            int64_t now_ms = 1000000 + stop_ms;
            struct exchange *old = begin(lab, "\3old\4test", 1000000), *fresh;
            fresh = begin(lab, "\5fresh\4test", now_ms);
            exchange_set_deadline(lab->exchanges, fresh, now_ms + later_ms);
            assert_ptr_equal(exchange_overdue(lab->exchanges, now_ms), old);
            exchange_end(lab->exchanges, old);
            assert_null(exchange_overdue(lab->exchanges, now_ms));
            assert_ptr_equal(exchange_overdue(lab->exchanges, now_ms + later_ms + 16), fresh);
            exchange_end(lab->exchanges, fresh);
        }
}

static void test_joining(void **state)
{
    struct lab *lab = *state;
    struct exchange *exchange = begin(lab, "\3www\4site\4test", 1000);
    struct dns_question same = question_of("\3www\4site\4test", 1);
    struct exchange_wait waits[3];

    assert_ptr_equal(exchange_find(lab->exchanges, &same), exchange);
    same.type = 28;
    assert_null(exchange_find(lab->exchanges, &same));
    same.type = 1, same.wants_dnssec = 1;
    assert_null(exchange_find(lab->exchanges, &same));
    for (size_t i = 0; i < 3; i++)
        assert_true(exchange_join(lab->exchanges, exchange, &waits[i]));
    exchange_leave(exchange, &waits[2]);
    exchange_leave(exchange, &waits[0]);
    assert_true(exchange_join(lab->exchanges, exchange, &waits[0]));
    assert_ptr_equal(exchange_next_waiter(exchange), &waits[1]);
    assert_ptr_equal(exchange_next_waiter(exchange), &waits[0]);
    assert_null(exchange_next_waiter(exchange));
    exchange_close(lab->exchanges, exchange, EXCHANGE_ANSWERED);
    same.wants_dnssec = 0;
    assert_null(exchange_find(lab->exchanges, &same));
    exchange_end(lab->exchanges, exchange);
    assert_int_equal(exchange_count(lab->exchanges), 0);
}

static void test_a_full_house(void **state)
{
    struct lab *lab = *state;
    struct exchange *all[16];
    char name[] = "\2a?\4test";
    struct dns_question more;

    for (int i = 0; i < 16; i++) {
        name[2] = (char)('a' + i);
        all[i] = begin(lab, name, 1000 + i);
    }
    more = question_of("\1z\4test", 1);
    assert_null(exchange_begin(lab->exchanges, &more, 1100, &lab->random));
    exchange_end(lab->exchanges, all[7]);
    assert_ptr_equal(exchange_begin(lab->exchanges, &more, 1100, &lab->random), all[7]);
}

static void test_zones_have_their_own_servers(void **state)
{
    struct lab *lab = *state;
    struct exchange *exchange = begin(lab, "\2dc\2ad\6school\4test", 1000);

    assert_true(exchange_has_zone(lab->exchanges, (const uint8_t *)"\2dc\2ad\6school\4test"));
    assert_false(exchange_has_zone(lab->exchanges, (const uint8_t *)"\6school\4test"));
    assert_int_equal(exchange->server, 2); /* after the two of the default */
    assert_true(address_equal(&exchange->server_address, &lab->servers[1].address));
    exchange_end(lab->exchanges, exchange);
}

static void test_failures_are_remembered(void **state)
{
    struct lab *lab = *state;
    struct exchange *exchange = begin(lab, "\3www\4site\4test", 1000);
    struct dns_question same = question_of("\3www\4site\4test", 1);
    struct dns_question other = question_of("\3www\4site\4test", 28);

    exchange_remember_failure(lab->exchanges, exchange, 1000);
    exchange_end(lab->exchanges, exchange);
    assert_true(exchange_failed_lately(lab->exchanges, &same, 5999));
    assert_false(exchange_failed_lately(lab->exchanges, &same, 6000));
    assert_false(exchange_failed_lately(lab->exchanges, &other, 5999));
}

/* The first server's answer to another question, well or not. */
static void answer_other(struct lab *lab, int64_t now_ms, bool well)
{
    struct exchange *other = begin(lab, "\5other\4test", now_ms);
    uint8_t bytes[512];
    size_t len = reply_to(other, bytes);
    int here;

    exchange_sent(lab->exchanges, other, &here);
    assert_ptr_equal(exchange_match(lab->exchanges, &here, bytes, len), other);
    exchange_served(lab->exchanges, other, well, now_ms);
    exchange_end(lab->exchanges, other);
}

/* After an outage nobody goes on being told of it: where no server spoke, and one that had been
 * silent has spoken since, a second is enough. What a server itself said is kept for the whole
 * time.
 */
static void test_failures_end_with_the_outage(void **state)
{
    struct lab *lab = *state;
    struct dns_question same = question_of("\3www\4site\4test", 1);
    struct exchange *exchange = begin_sent(lab, "\3www\4site\4test", 1000);

    exchange_missed(lab->exchanges, exchange, 1400);
    exchange_remember_failure(lab->exchanges, exchange, 1400);
    exchange_end(lab->exchanges, exchange);
    assert_true(exchange_failed_lately(lab->exchanges, &same, 3000));
    for (int i = 0; i < 8; i++) /* until the one that failed is asked and answers */
        answer_other(lab, 1500 + i, true);
    assert_true(exchange_failed_lately(lab->exchanges, &same, 2399)); /* RFC 9520 section 3.2 */
    assert_false(exchange_failed_lately(lab->exchanges, &same, 2400));

    exchange = begin_sent(lab, "\3www\4site\4test", 5000);
    exchange->refused = 1;
    exchange_missed(lab->exchanges, exchange, 5400);
    exchange_remember_failure(lab->exchanges, exchange, 5400);
    exchange_end(lab->exchanges, exchange);
    for (int i = 0; i < 8; i++)
        answer_other(lab, 5500 + i, true);
    assert_true(exchange_failed_lately(lab->exchanges, &same, 10399));
}

/* Names that nobody answers for, as anybody can own them, do not make a server dead that answers
 * others; one that answers nothing is dead after three. */
static void test_silence_about_one_name(void **state)
{
    struct lab *lab = *state;
    const struct upstream *servers;
    struct exchange *exchange;

    lab->config.upstream_count = 1;
    assert_int_equal(exchanges_set_upstreams(lab->exchanges, &lab->config), 0);
    servers = exchanges_upstreams(lab->exchanges)->items;
    for (int i = 0; i < 10; i++) {
        int64_t now_ms = 1000 + 1000 * i;
        exchange = begin_sent(lab, "\6silent\4test", now_ms);
        answer_other(lab, now_ms + 100, true);
        exchange_missed(lab->exchanges, exchange, now_ms + 400);
        exchange_end(lab->exchanges, exchange);
    }
    assert_false(upstream_is_dead(&servers[0]));
    assert_int_equal(servers[0].failed, 10);
    assert_true(servers[0].latency_us > 1000); /* and it seems slower than it is */
    for (int i = 0; i < 3; i++) {
        assert_false(upstream_is_dead(&servers[0]));
        exchange = begin_sent(lab, "\6silent\4test", 20000 + 1000 * i);
        exchange_missed(lab->exchanges, exchange, 20400 + 1000 * i);
        exchange_end(lab->exchanges, exchange);
    }
    assert_true(upstream_is_dead(&servers[0]));
}

/* A server that said at once that it cannot tell is not called silent because another one, which
 * was asked before it, is. */
static void test_whose_silence_it_was(void **state)
{
    struct lab *lab = *state;
    const struct upstream *servers = exchanges_upstreams(lab->exchanges)->items;

    for (int i = 0; i < 4; i++) {
        int64_t now_ms = 1000 + 10000 * i;
        struct exchange *exchange = begin_sent(lab, "\6broken\4test", now_ms);
        unsigned silent = exchange->server;
        uint8_t bytes[512];
        size_t len;
        int here;

        exchange_missed(lab->exchanges, exchange, now_ms + 400);
        assert_true(exchange_try_next(lab->exchanges, exchange, false, now_ms + 400, &lab->random));
        assert_int_not_equal(exchange->server, silent);
        exchange_sent(lab->exchanges, exchange, &here);
        len = reply_to(exchange, bytes);
        assert_ptr_equal(exchange_match(lab->exchanges, &here, bytes, len), exchange);
        exchange_served(lab->exchanges, exchange, false, now_ms + 410);
        exchange_missed(lab->exchanges, exchange, now_ms + 4500);
        exchange_end(lab->exchanges, exchange);
    }
    assert_int_equal(servers[0].failed_in_row + servers[1].failed_in_row, 4);
    assert_int_equal(servers[0].failed + servers[1].failed, 8);
}

/* Asks one server after the other until one can tell; those of `cannot`, a bit each, cannot. */
static void ask_until_told(struct lab *lab, int64_t now_ms, unsigned cannot)
{
    struct exchange *exchange = begin(lab, "\6broken\4test", now_ms);
    uint8_t bytes[512];
    bool well;

    do {
        int here;
        size_t len = reply_to(exchange, bytes);
        exchange_sent(lab->exchanges, exchange, &here);
        assert_ptr_equal(exchange_match(lab->exchanges, &here, bytes, len), exchange);
        well = !(cannot >> exchange->server & 1u);
        exchange_served(lab->exchanges, exchange, well, now_ms);
    } while (!well && exchange_try_next(lab->exchanges, exchange, true, now_ms, &lab->random));
    exchange_end(lab->exchanges, exchange);
}

/* What all servers say that they cannot tell, as anybody can own such names, makes none of them
 * dead; what others can tell does. */
static void test_what_nobody_can_tell(void **state)
{
    struct lab *lab = *state;
    struct upstream *servers =
        ((struct upstreams *)(uintptr_t)exchanges_upstreams(lab->exchanges))->items;

    for (int i = 0; i < 10; i++)
        ask_until_told(lab, 1000 + 10 * i, 3);
    assert_int_equal(servers[0].failed_in_row + servers[1].failed_in_row, 0);
    assert_int_equal(servers[0].failed, 10);
    assert_int_equal(servers[1].failed, 10);
    upstream_answered(&servers[0], 1);
    upstream_answered(&servers[1], 40);
    for (int i = 0; i < 4; i++)
        ask_until_told(lab, 2000 + 10 * i, 1);
    assert_true(upstream_is_dead(&servers[0]));
    assert_false(upstream_is_dead(&servers[1]));
}

/* The reply to one of the tries of `exchange`, which must be its last one's packet but for the id.
 */
static void answer_try(struct lab *lab, struct exchange *exchange, unsigned number, int64_t now_ms)
{
    uint8_t bytes[512];
    size_t len = reply_to(exchange, bytes);

    dns_put_16(bytes, exchange->tries[number].id);
    assert_ptr_equal(exchange_match(lab->exchanges, lab, bytes, len), exchange);
    exchange_served(lab->exchanges, exchange, true, now_ms);
    exchange_end(lab->exchanges, exchange);
}

/* Three tries, each later than a second after the first; the last one goes without EDNS. */
static struct exchange *begin_slow(struct lab *lab, int64_t now_ms)
{
    struct exchange *exchange = begin_sent(lab, "\4slow\4test", now_ms);

    for (int i = 1; i <= 2; i++) {
        assert_int_equal(exchange->packet[11], 1); /* with EDNS */
        assert_true(
            exchange_try_next(lab->exchanges, exchange, false, now_ms + 500 * i, &lab->random));
        exchange_sent(lab->exchanges, exchange, lab);
    }
    assert_int_equal(exchange->packet[11], 0);
    return exchange;
}

/* So many milliseconds, from when it was found out, a server is asked without EDNS, however often
 * it answers meanwhile. */
static void assert_plain_for(struct lab *lab, int64_t since_ms, int64_t length_ms)
{
    struct exchange *exchange;

    for (int64_t now_ms = since_ms; now_ms < since_ms + length_ms; now_ms += 500) {
        exchange = begin_sent(lab, "\4some\4test", now_ms);
        assert_int_equal(exchange->packet[11], 0);
        answer_try(lab, exchange, 0, now_ms + 400);
    }
    exchange = begin(lab, "\4some\4test", since_ms + length_ms);
    assert_int_equal(exchange->packet[11], 1);
    exchange_end(lab->exchanges, exchange);
}

/* A server that answers late what it was asked with EDNS knows EDNS. One that answers only without
 * is asked so for a second, in case it was out of reach just before, and where that is seen again,
 * for a minute; then once more with it. */
static void test_who_knows_edns(void **state)
{
    struct lab *lab = *state;

    lab->config.upstream_count = 1;
    assert_int_equal(exchanges_set_upstreams(lab->exchanges, &lab->config), 0);
    answer_try(lab, begin_slow(lab, 1000), 0, 2500);
    for (int i = 0; i < 2; i++) { /* answers with EDNS in between: an outage of its own each time */
        answer_try(lab, begin_slow(lab, 10000 + 10000 * i), 2, 11500 + 10000 * i);
        assert_plain_for(lab, 11500 + 10000 * i, 1000);
        answer_try(lab, begin_sent(lab, "\4some\4test", 15000 + 10000 * i), 0, 15001 + 10000 * i);
    }
    answer_try(lab, begin_slow(lab, 30000), 2, 31500);
    assert_plain_for(lab, 31500, 1000);
    answer_try(lab, begin_slow(lab, 40000), 2, 41500);
    assert_plain_for(lab, 41500, 60000);
    answer_try(lab, begin_slow(lab, 110000), 2, 111500);
    assert_plain_for(lab, 111500, 60000);
}

static void test_servers_are_chosen_by_how_they_do(void **state)
{
    struct lab *lab = *state;
    struct upstreams upstreams = {0};
    unsigned chosen[2] = {0};

    upstreams_set(&upstreams, lab->servers, 2);
    upstream_answered(&upstreams.items[0], 50);
    upstream_answered(&upstreams.items[1], 5);
    for (int i = 0; i < 1000; i++)
        chosen[upstream_choose(&upstreams, 3, 0, 1000, &lab->random)]++;
    assert_true(chosen[1] > 900 && chosen[0] > 0); /* the faster, and now and then the other */
    for (int i = 0; i < 3; i++)
        upstream_failed(&upstreams.items[1], 1000);
    for (int i = 0; i < 100; i++)
        assert_int_equal(upstream_choose(&upstreams, 3, 0, 1500, &lab->random), 0);
    /* All aside: still somebody is asked, and after its time the faster again. */
    for (int i = 0; i < 3; i++)
        upstream_failed(&upstreams.items[0], 1000);
    assert_true(upstream_choose(&upstreams, 3, 0, 1500, &lab->random) >= 0);
    assert_int_equal(upstream_choose(&upstreams, 3, 1, 2500, &lab->random), 1);
    assert_int_equal(upstream_choose(&upstreams, 0, 0, 2500, &lab->random), -1);
    upstream_answered(&upstreams.items[1], 5);
    assert_int_equal(upstreams.items[1].failed_in_row, 0);
}

/* A server that has died is tried again by one question at a time, which does not wait long for it.
 */
static void test_one_question_tries_a_dead_server(void **state)
{
    struct lab *lab = *state;
    struct upstreams *upstreams =
        (struct upstreams *)(uintptr_t)exchanges_upstreams(lab->exchanges);
    unsigned tried = 0;
    int channel;

    upstream_answered(&upstreams->items[0], 1);
    upstream_answered(&upstreams->items[1], 20);
    for (int i = 0; i < 3; i++)
        upstream_failed(&upstreams->items[0], 1000);
    for (int i = 0; i < 10; i++) {
        char name[] = "\2a?\4test";
        struct exchange *exchange;
        name[2] = (char)('a' + i);
        exchange = begin(lab, name, 2100 + i);
        exchange_sent(lab->exchanges, exchange, &channel);
        tried += exchange->server == 0;
        if (exchange->server == 0)
            assert_in_range(exchange->deadline_ms, 2100, 2100 + i + 50);
    }
    assert_int_equal(tried, 1);
    /* In vain: twice as long now. */
    upstream_failed(&upstreams->items[0], 2140);
    assert_int_equal(upstreams->items[0].aside_until_ms, 2140 + 2000);
    upstream_answered(&upstreams->items[0], 1);
    assert_int_equal(upstream_choose(upstreams, 1, 0, 2200, &lab->random), 0);
}

int main(void)
{
#define LAB_TEST(name) cmocka_unit_test_setup_teardown(name, lab_open, lab_close)
    const struct CMUnitTest tests[] = {
        LAB_TEST(test_match_and_compare),
        LAB_TEST(test_what_goes_out),
        LAB_TEST(test_case_is_mixed_over_udp_only),
        LAB_TEST(test_tries_and_deadlines),
        LAB_TEST(test_overdue_after_a_stop),
        LAB_TEST(test_joining),
        LAB_TEST(test_a_full_house),
        LAB_TEST(test_zones_have_their_own_servers),
        LAB_TEST(test_failures_are_remembered),
        LAB_TEST(test_failures_end_with_the_outage),
        LAB_TEST(test_silence_about_one_name),
        LAB_TEST(test_whose_silence_it_was),
        LAB_TEST(test_what_nobody_can_tell),
        LAB_TEST(test_who_knows_edns),
        LAB_TEST(test_servers_are_chosen_by_how_they_do),
        LAB_TEST(test_one_question_tries_a_dead_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
