/* Questions that leave together arrive each by itself, once, as it was: joined, where joining is
 * refused, and beside refusals. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "resolver/net/volley.h"

enum { LONGEST = EXCHANGE_PACKET_MAX, ROOM = 65536 };

struct lab {
    int from, to; /* connected to each other on the loopback */
    struct volley volley;
};

static void set(int fd, int level, int option, int value)
{
    assert_int_equal(setsockopt(fd, level, option, &value, sizeof value), 0);
}

static int lab_open(void **state)
{
    struct lab *lab = calloc(1, sizeof *lab);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof to;

    assert_non_null(lab);
    lab->to = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    lab->from = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(lab->to, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(getsockname(lab->to, (struct sockaddr *)&to, &len), 0);
    assert_int_equal(connect(lab->from, (struct sockaddr *)&to, sizeof to), 0);
    *state = lab;
    return 0;
}

static int lab_close(void **state)
{
    struct lab *lab = *state;

    close(lab->from);
    if (lab->to >= 0)
        close(lab->to);
    free(lab);
    return 0;
}

/* Question `number` of a test: its length and each of its octets follow from the number. */
static size_t question(unsigned number, size_t len, uint8_t *packet)
{
    memset(packet, (int)number, len);
    packet[0] = (uint8_t)number;
    return len;
}

static void add(struct lab *lab, unsigned number, size_t len)
{
    uint8_t packet[LONGEST];

    volley_add(&lab->volley, packet, question(number, len, packet));
}

/* Takes what has arrived; each of `count` questions has come once, whole. */
static void arrived(struct lab *lab, const size_t *lens, unsigned count)
{
    uint8_t packet[ROOM], expected[LONGEST];
    bool seen[256] = {false};
    unsigned taken = 0;
    ssize_t got;

    while ((got = recv(lab->to, packet, sizeof packet, 0)) >= 0) {
        unsigned number = packet[0];
        assert_true(number < count && !seen[number]);
        seen[number] = true;
        assert_int_equal(got, lens[number]);
        question(number, lens[number], expected);
        assert_memory_equal(packet, expected, (size_t)got);
        taken++;
    }
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(taken, count);
}

/* Of few lengths, mixed, the longest and the shortest among them. */
static void mixed(struct lab *lab, size_t *lens)
{
    static const size_t LENS[] = {40, 45, 40, 17, LONGEST, 61, 45, 40};

    for (unsigned i = 0; i < BATCH; i++) {
        lens[i] = LENS[i % 8];
        add(lab, i, lens[i]);
    }
}

static void test_each_arrives(void **state)
{
    struct lab *lab = *state;
    size_t lens[BATCH];

    for (unsigned turn = 0; turn < 3; turn++) {
        mixed(lab, lens);
        assert_int_equal(volley_send(&lab->volley, lab->from, false), 0);
        assert_int_equal(lab->volley.count, 0);
        assert_false(lab->volley.is_one_by_one);
        arrived(lab, lens, BATCH);
    }
    for (unsigned i = 0; i < BATCH; i++) /* each of its own length */
        add(lab, i, lens[i] = 20 + i);
    assert_int_equal(volley_send(&lab->volley, lab->from, false), 0);
    arrived(lab, lens, BATCH);
    add(lab, 0, lens[0] = 33);
    assert_int_equal(volley_send(&lab->volley, lab->from, false), 0);
    arrived(lab, lens, 1);
    assert_int_equal(volley_send(&lab->volley, lab->from, false), 0); /* none */
    arrived(lab, lens, 0);
}

/* A receiver that takes them as they travelled: five lengths are five messages at most. */
static void test_they_travel_together(void **state)
{
    struct lab *lab = *state;
    size_t lens[BATCH], octets = 0, sum = 0;
    uint8_t packet[ROOM];
    unsigned messages = 0;
    ssize_t got;

    set(lab->to, SOL_UDP, UDP_GRO, 1);
    mixed(lab, lens);
    for (unsigned i = 0; i < BATCH; i++)
        sum += lens[i];
    assert_int_equal(volley_send(&lab->volley, lab->from, false), 0);
    for (; (got = recv(lab->to, packet, sizeof packet, 0)) >= 0; messages++)
        octets += (size_t)got;
    assert_int_equal(octets, sum);
    assert_in_range(messages, 1, 5);
}

/* The kernel does not join what has no checksum (udp_send_skb() in net/ipv4/udp.c): it is said on
 * the first message, and all leave one by one, then and later. */
static void test_where_joining_is_refused(void **state)
{
    struct lab *lab = *state;
    size_t lens[BATCH];

    set(lab->from, SOL_SOCKET, SO_NO_CHECK, 1);
    for (unsigned turn = 0; turn < 2; turn++) {
        mixed(lab, lens);
        assert_int_equal(volley_send(&lab->volley, lab->from, false), 0);
        assert_true(lab->volley.is_one_by_one);
        arrived(lab, lens, BATCH);
    }
    lab->volley.is_one_by_one = false;
    add(lab, 0, lens[0] = 31); /* one alone has nothing to be joined to */
    assert_int_equal(volley_send(&lab->volley, lab->from, false), 0);
    assert_false(lab->volley.is_one_by_one);
    arrived(lab, lens, 1);
}

static void test_no_room(void **state)
{
    struct lab *lab = *state;
    size_t lens[BATCH];

    set(lab->from, SOL_SOCKET, SO_SNDBUF, 1); /* the least that the kernel has */
    for (unsigned turn = 0; turn < 4; turn++) {
        mixed(lab, lens);
        assert_int_equal(volley_send(&lab->volley, lab->from, false), 0);
        assert_int_equal(lab->volley.count, 0);
    }
}

static void test_refusals(void **state)
{
    struct lab *lab = *state;

    close(lab->to); /* from now on each message is refused, and the next call is told */
    lab->to = -1;
    for (unsigned turn = 0; turn < 3; turn++) {
        add(lab, 0, 40);
        add(lab, 1, 50);
        assert_int_equal(volley_send(&lab->volley, lab->from, true), 0);
    }
    add(lab, 0, 40);
    assert_int_equal(volley_send(&lab->volley, lab->from, false), -ECONNREFUSED);
    assert_int_equal(lab->volley.count, 0);
    assert_false(lab->volley.is_one_by_one);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, lab_open, lab_close)
    const struct CMUnitTest tests[] = {TEST(test_each_arrives), TEST(test_they_travel_together),
                                       TEST(test_where_joining_is_refused), TEST(test_no_room),
                                       TEST(test_refusals)};

    return cmocka_run_group_tests_name("net-volley", tests, NULL, NULL);
}
