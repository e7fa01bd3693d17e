/* Questions that leave together arrive each by itself, once, as it was: joined, where joining is
 * refused, and beside refusals. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel.h"
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

static void open_pair(struct lab *lab, struct sockaddr *to, socklen_t len)
{
    lab->to = socket(to->sa_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    lab->from = socket(to->sa_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(lab->to, to, len), 0);
    assert_int_equal(getsockname(lab->to, to, &len), 0);
    assert_int_equal(connect(lab->from, to, len), 0);
}

static int lab_open(void **state)
{
    struct lab *lab = calloc(1, sizeof *lab);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    assert_non_null(lab);
    memset(&kernel, 0, sizeof kernel);
    open_pair(lab, (struct sockaddr *)&to, sizeof to);
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
    return len;
}

static void add(struct lab *lab, unsigned number, size_t len)
{
    uint8_t packet[LONGEST];

    volley_add(&lab->volley, packet, question(number, len, packet));
}

/* Takes what has arrived, each once and whole: how many of `count`. */
static unsigned take(struct lab *lab, const size_t *lens, unsigned count)
{
    uint8_t packet[ROOM], expected[LONGEST];
    bool seen[256] = {false};
    unsigned taken = 0;
    ssize_t got;

    for (; (got = recv(lab->to, packet, sizeof packet, 0)) >= 0; taken++) {
        unsigned number = packet[0];
        assert_true(number < count && !seen[number]);
        seen[number] = true;
        assert_int_equal(got, lens[number]);
        question(number, lens[number], expected);
        assert_memory_equal(packet, expected, (size_t)got);
    }
    assert_int_equal(errno, EAGAIN);
    return taken;
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

static void send_and_take(struct lab *lab, const size_t *lens, unsigned count, enum volley_way way)
{
    assert_int_equal(volley_send(&lab->volley, lab->from, false), 0);
    assert_int_equal(lab->volley.count, 0);
    assert_int_equal(lab->volley.way, way);
    assert_int_equal(take(lab, lens, count), count);
}

static void each_arrives(struct lab *lab)
{
    size_t lens[BATCH] = {33};

    send_and_take(lab, lens, 0, VOLLEY_UNTRIED); /* none */
    add(lab, 0, lens[0]);
    send_and_take(lab, lens, 1, VOLLEY_UNTRIED); /* one alone has nothing to be joined to */
    for (unsigned turn = 0; turn < 3; turn++) {
        mixed(lab, lens);
        send_and_take(lab, lens, BATCH, VOLLEY_JOINED);
    }
    for (unsigned i = 0; i < BATCH; i++)
        add(lab, i, lens[i] = 20 + i);
    send_and_take(lab, lens, BATCH, VOLLEY_JOINED);
    for (unsigned i = 0; i < BATCH; i++)
        add(lab, i, lens[i] = 40);
    kernel.calls = 0;
    send_and_take(lab, lens, BATCH, VOLLEY_JOINED);
    assert_int_equal(kernel.calls, 1);
}

static void test_each_arrives(void **state)
{
    struct lab *lab = *state;
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};

    each_arrives(lab);
    close(lab->from);
    close(lab->to);
    lab->volley.way = VOLLEY_UNTRIED;
    open_pair(lab, (struct sockaddr *)&to, sizeof to);
    each_arrives(lab);
}

/* Sends them to a receiver that takes them as they travelled: how many messages that were. */
static unsigned travelled(struct lab *lab)
{
    size_t octets = 0, sum = 0;
    uint8_t packet[ROOM];
    unsigned messages = 0;
    ssize_t got;

    for (unsigned i = 0; i < BATCH; i++)
        sum += lab->volley.vectors[i].iov_len;
    assert_int_equal(volley_send(&lab->volley, lab->from, false), 0);
    for (; (got = recv(lab->to, packet, sizeof packet, 0)) >= 0; messages++)
        octets += (size_t)got;
    assert_int_equal(octets, sum);
    return messages;
}

static void test_they_travel_together(void **state)
{
    struct lab *lab = *state;
    size_t lens[BATCH];

    set(lab->to, SOL_UDP, UDP_GRO, 1);
    mixed(lab, lens);
    assert_int_equal(travelled(lab), 5); /* as many as lengths */
    for (unsigned i = 0; i < BATCH; i++)
        add(lab, i, 20 + i);
    assert_int_equal(travelled(lab), BATCH / 2); /* each takes a shorter one along */
}

/* The kernel does not join what has no checksum (udp_send_skb() in net/ipv4/udp.c): it is said on
 * the first message, and all leave one by one, then and later, until it is tried again. */
static void test_where_joining_is_refused(void **state)
{
    struct lab *lab = *state;
    size_t lens[BATCH];

    set(lab->from, SOL_SOCKET, SO_NO_CHECK, 1);
    for (unsigned turn = 0; turn < 2; turn++) {
        mixed(lab, lens);
        send_and_take(lab, lens, BATCH, VOLLEY_ONE_BY_ONE);
    }
    set(lab->from, SOL_SOCKET, SO_NO_CHECK, 0);
    lab->volley.way = VOLLEY_UNTRIED;
    mixed(lab, lens);
    send_and_take(lab, lens, BATCH, VOLLEY_JOINED);
}

/* By drivers and the like, on any message: those before it have left and leave no second time. */
static void test_refused_on_any_message(void **state)
{
    static const int ERRORS[] = {EIO, EINVAL, EMSGSIZE, EOPNOTSUPP, EPERM};
    struct lab *lab = *state;
    size_t lens[BATCH];

    for (unsigned i = 0; i < sizeof ERRORS / sizeof *ERRORS; i++) {
        for (unsigned call = 1; call <= 4; call++) {
            lab->volley.way = VOLLEY_UNTRIED;
            kernel.calls = 0;
            kernel.most = 1;
            kernel.fails_at = call;
            kernel.joined = true;
            kernel.error = ERRORS[i];
            mixed(lab, lens);
            send_and_take(lab, lens, BATCH, VOLLEY_ONE_BY_ONE);
        }
    }
}

/* Of one that is not joined it is the socket's own trouble. */
static void test_trouble_of_the_socket(void **state)
{
    struct lab *lab = *state;
    size_t lens[BATCH];

    lab->volley.way = VOLLEY_ONE_BY_ONE;
    kernel.most = 10;
    kernel.fails_at = 3;
    kernel.error = EIO;
    mixed(lab, lens);
    assert_int_equal(volley_send(&lab->volley, lab->from, false), -EIO);
    assert_int_equal(take(lab, lens, BATCH), 20);
    assert_int_equal(lab->volley.count, 0);
}

static void test_interrupted_and_taken_in_parts(void **state)
{
    struct lab *lab = *state;
    size_t lens[BATCH];

    for (unsigned most = 1; most <= 5; most++) {
        kernel.calls = 0;
        kernel.most = most;
        kernel.fails_at = 2;
        kernel.error = EINTR;
        mixed(lab, lens);
        send_and_take(lab, lens, BATCH, VOLLEY_JOINED);
    }
}

/* What the kernel has no room for is lost, as in a full network. */
static void test_no_room(void **state)
{
    static const int ERRORS[] = {EAGAIN, ENOBUFS};
    struct lab *lab = *state;
    size_t lens[BATCH];

    for (unsigned i = 0; i < 2; i++) {
        lab->volley.way = VOLLEY_ONE_BY_ONE;
        kernel.calls = 0;
        kernel.most = 10;
        kernel.fails_at = 4;
        kernel.error = ERRORS[i];
        mixed(lab, lens);
        assert_int_equal(volley_send(&lab->volley, lab->from, false), 0);
        assert_int_equal(take(lab, lens, BATCH), 30);
        assert_int_equal(kernel.calls, 4);
        mixed(lab, lens);
        send_and_take(lab, lens, BATCH, VOLLEY_ONE_BY_ONE);
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
    assert_int_equal(lab->volley.way, VOLLEY_JOINED);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, lab_open, lab_close)
    const struct CMUnitTest tests[] = {TEST(test_each_arrives),
                                       TEST(test_they_travel_together),
                                       TEST(test_where_joining_is_refused),
                                       TEST(test_refused_on_any_message),
                                       TEST(test_trouble_of_the_socket),
                                       TEST(test_interrupted_and_taken_in_parts),
                                       TEST(test_no_room),
                                       TEST(test_refusals)};

    return cmocka_run_group_tests_name("net-volley", tests, NULL, NULL);
}
