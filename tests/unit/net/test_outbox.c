/* Answers that leave in batches arrive each by itself, once, as it was, at whom it was for and from
 * the address that was asked: joined or not, and beside a kernel that refuses. */
#include <arpa/inet.h>
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
#include "resolver/base/address.h"
#include "resolver/net/outbox.h"

enum { CLIENTS = 3, ROOM = 65536, LONG = 1400, MINUTE_MS = 60 * 1000 };

struct lab {
    int from, to[CLIENTS];
    struct address client[CLIENTS];
    struct outbox outbox;
    struct query query;
    unsigned count, taken; /* answers added, and arrived */
    struct {
        unsigned client;
        size_t len;
        struct address local;
        bool arrived;
    } answers[256];
};

static void set(int fd, int level, int option, int value)
{
    assert_int_equal(setsockopt(fd, level, option, &value, sizeof value), 0);
}

static int bound(int family, const char *address, struct address *out_address)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct address wanted;

    assert_true(fd >= 0);
    assert_int_equal(address_parse(address, 0, &wanted), 0);
    assert_int_equal(
        bind(fd, (struct sockaddr *)&name, address_to_sockaddr(&wanted, family == AF_INET6, &name)),
        0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    if (out_address)
        address_from_sockaddr((struct sockaddr *)&name, out_address);
    return fd;
}

/* A socket of ours on `address`, and clients on `client`. */
static void open_at(struct lab *lab, int family, const char *address, const char *client)
{
    struct address own;

    lab->from = bound(family, address, &own);
    for (unsigned i = 0; i < CLIENTS; i++)
        lab->to[i] = bound(strchr(client, ':') ? AF_INET6 : AF_INET, client, &lab->client[i]);
    memset(&lab->outbox, 0, sizeof lab->outbox);
    outbox_init(&lab->outbox, lab->from, family == AF_INET6, address_is_wildcard(&own));
    assert_int_equal(address_parse(client, own.port, &lab->query.local), 0);
}

static int lab_open(void **state)
{
    struct lab *lab = calloc(1, sizeof *lab);

    assert_non_null(lab);
    memset(&kernel, 0, sizeof kernel);
    open_at(lab, AF_INET, "127.0.0.1", "127.0.0.1");
    *state = lab;
    return 0;
}

static void lab_shut(struct lab *lab)
{
    close(lab->from);
    for (unsigned i = 0; i < CLIENTS; i++)
        close(lab->to[i]);
}

static int lab_close(void **state)
{
    lab_shut(*state);
    free(*state);
    return 0;
}

/* One more answer: its number, then octets that follow from it. */
static void add(struct lab *lab, unsigned client, size_t len)
{
    unsigned number = lab->count++;

    lab->query.answer = outbox_room(&lab->outbox);
    assert_non_null(lab->query.answer);
    memset(lab->query.answer, (int)number, len);
    lab->query.answer_len = len;
    lab->query.client = lab->client[client];
    lab->answers[number].client = client;
    lab->answers[number].len = len;
    lab->answers[number].local = lab->query.local;
    lab->answers[number].arrived = false;
    outbox_add(&lab->outbox, &lab->query);
}

static void begin(struct lab *lab)
{
    lab->count = lab->taken = 0;
    kernel.calls = 0;
}

/* Of few lengths, for all clients in turn. */
static void mixed(struct lab *lab, unsigned count)
{
    static const size_t LENS[] = {40, 45, 40, 17, 512, 61, 45};

    for (unsigned i = 0; i < count; i++)
        add(lab, i % CLIENTS, LENS[i % 7]);
}

static void take_one(struct lab *lab, unsigned client, const uint8_t *packet, ssize_t got,
                     const struct sockaddr_storage *from)
{
    unsigned number = packet[0];
    struct address local;

    address_from_sockaddr((const struct sockaddr *)from, &local);
    assert_true(number < lab->count && !lab->answers[number].arrived);
    lab->answers[number].arrived = true;
    assert_int_equal(client, lab->answers[number].client);
    assert_int_equal(got, lab->answers[number].len);
    assert_true(address_equal_host(&local, &lab->answers[number].local));
    for (ssize_t i = 0; i < got; i++)
        assert_int_equal(packet[i], number);
    lab->taken++;
}

/* Takes what has arrived: how many answers in all so far. */
static unsigned take(struct lab *lab)
{
    uint8_t packet[ROOM];
    ssize_t got;

    for (unsigned i = 0; i < CLIENTS; i++)
        for (;;) {
            struct sockaddr_storage from;
            socklen_t len = sizeof from;
            got = recvfrom(lab->to[i], packet, sizeof packet, 0, (struct sockaddr *)&from, &len);
            if (got < 0)
                break;
            take_one(lab, i, packet, got, &from);
        }
    return lab->taken;
}

/* How many messages arrive at a client that takes them as they travelled. */
static unsigned travelled(struct lab *lab, unsigned client)
{
    uint8_t packet[ROOM];
    unsigned messages = 0;

    while (recv(lab->to[client], packet, sizeof packet, 0) >= 0)
        messages++;
    return messages;
}

static void send_all(struct lab *lab, int64_t now_ms)
{
    assert_int_equal(outbox_send(&lab->outbox, now_ms), 0);
    assert_false(lab->outbox.blocked);
    assert_int_equal(lab->outbox.answers + lab->outbox.count + lab->outbox.sent, 0);
    assert_int_equal(take(lab), lab->count);
}

static void each_arrives(struct lab *lab)
{
    for (unsigned count = 0; count <= BATCH; count++) {
        begin(lab);
        mixed(lab, count);
        send_all(lab, 1000);
    }
    begin(lab);
    for (unsigned i = 0; i < BATCH; i++)
        add(lab, i % CLIENTS, 20 + i); /* each of another length */
    send_all(lab, 1000);
    assert_int_equal(lab->outbox.join_after_ms, 0); /* none was refused */
}

static void test_each_arrives(void **state)
{
    static const struct {
        int family;
        const char *address, *client;
    } WAYS[] = {{AF_INET, "0.0.0.0", "127.0.0.1"},
                {AF_INET6, "::1", "::1"},
                {AF_INET6, "::", "::1"},
                {AF_INET6, "::", "127.0.0.1"}}; /* dual stack */
    struct lab *lab = *state;

    each_arrives(lab);
    for (unsigned i = 0; i < sizeof WAYS / sizeof *WAYS; i++) {
        lab_shut(lab);
        open_at(lab, WAYS[i].family, WAYS[i].address, WAYS[i].client);
        each_arrives(lab);
    }
}

/* One client asks two addresses of ours at once: what leaves from one is not joined to the other's.
 */
static void test_from_the_address_asked(void **state)
{
    struct lab *lab = *state;

    lab_shut(lab);
    open_at(lab, AF_INET, "0.0.0.0", "127.0.0.1");
    begin(lab);
    for (unsigned i = 0; i < BATCH; i++) {
        lab->query.local.bytes[15] = (uint8_t)(1 + i % 2);
        add(lab, 0, 40);
    }
    send_all(lab, 1000);
}

static void test_they_travel_together(void **state)
{
    struct lab *lab = *state;

    for (unsigned i = 0; i < CLIENTS; i++)
        set(lab->to[i], SOL_UDP, UDP_GRO, 1);
    begin(lab);
    for (unsigned i = 0; i < 60; i++)
        add(lab, i % CLIENTS, 40 + i / CLIENTS % 2); /* two lengths, in turns */
    assert_int_equal(outbox_send(&lab->outbox, 1000), 0);
    for (unsigned i = 0; i < CLIENTS; i++)
        assert_int_equal(travelled(lab, i), 2);
    begin(lab);
    for (unsigned i = 0; i < BATCH; i++)
        add(lab, 0, 40);
    assert_int_equal(outbox_send(&lab->outbox, 1000), 0);
    assert_int_equal(travelled(lab, 0), 2); /* older kernels take no more than 60 together */
    /* Without a flood each leaves by itself: whoever looks on sees what there is. */
    begin(lab);
    for (unsigned i = 0; i < 15; i++)
        add(lab, 0, 40);
    assert_int_equal(outbox_send(&lab->outbox, 1000), 0);
    assert_int_equal(travelled(lab, 0), 15);
}

/* What fits into a packet on any way, and what does not. */
static void test_long_ones(void **state)
{
    struct lab *lab = *state;

    set(lab->to[0], SOL_UDP, UDP_GRO, 1);
    set(lab->to[0], SOL_SOCKET, SO_RCVBUF, 1 << 20);
    for (unsigned run = 0; run < 2; run++) {
        begin(lab);
        for (unsigned i = 0; i < 20; i++)
            add(lab, 0, run ? LONG : 1200);
        assert_int_equal(outbox_send(&lab->outbox, 1000), 0);
        assert_int_equal(travelled(lab, 0), run ? 20 : 1);
        assert_true(lab->outbox.join_after_ms <= 1000);
    }
}

static void test_joining_is_refused(void **state)
{
    static const int ERRORS[] = {EIO, EINVAL, EMSGSIZE, EOPNOTSUPP, EPERM};
    struct lab *lab = *state;
    int64_t now_ms = 1000;

    for (unsigned i = 0; i < sizeof ERRORS / sizeof *ERRORS; i++)
        for (unsigned call = 1; call <= 4; call++) {
            begin(lab);
            kernel = (struct kernel){
                .most = 1, .fails_at = call, .again = 1, .error = ERRORS[i], .joined = true};
            mixed(lab, BATCH);
            send_all(lab, now_ms);
            assert_int_equal(kernel.fails_at, 0);
            begin(lab);
            mixed(lab, BATCH);
            send_all(lab, now_ms + MINUTE_MS - 1); /* one by one for a while */
            assert_int_equal(kernel.calls, BATCH);
            begin(lab);
            mixed(lab, BATCH);
            send_all(lab, now_ms += MINUTE_MS);
            assert_true(kernel.calls < BATCH / 2);
        }
}

/* What is told with a message may be of another: forged ICMP messages, one for each batch, cost no
 * answer, and joining goes on. */
static void test_refused_for_the_sake_of_another(void **state)
{
    static const int ERRORS[] = {ECONNREFUSED, EMSGSIZE, EPERM, ENOBUFS, EHOSTUNREACH};
    struct lab *lab = *state;

    for (unsigned i = 0; i < sizeof ERRORS / sizeof *ERRORS; i++)
        for (unsigned joined = 0; joined < 2; joined++)
            for (unsigned call = 1; call <= 3; call++) {
                begin(lab);
                kernel = (struct kernel){.most = 1, .fails_at = call, .error = ERRORS[i]};
                mixed(lab, joined ? BATCH : 10);
                send_all(lab, 1000);
                assert_int_equal(kernel.fails_at, 0);
                assert_true(lab->outbox.join_after_ms <= 1000);
            }
}

/* It is dropped alone: joined ones are taken apart before. */
static void test_what_cannot_be_sent_is_dropped(void **state)
{
    struct lab *lab = *state;

    for (unsigned again = 1; again < 4; again += 2) {
        begin(lab);
        kernel = (struct kernel){.most = 1, .fails_at = 2, .again = again, .error = EPERM};
        mixed(lab, 10);
        assert_int_equal(outbox_send(&lab->outbox, 1000), again / 2 + 1);
        assert_int_equal(take(lab), 10 - (again / 2 + 1));
    }
    for (unsigned again = 1; again < 6; again += 2) {
        begin(lab);
        kernel = (struct kernel){.most = 1, .fails_at = 2, .again = again, .error = EHOSTUNREACH};
        for (unsigned i = 0; i < 60; i++)
            add(lab, i % CLIENTS, 40);
        assert_int_equal(outbox_send(&lab->outbox, 1000), again / 2);
        assert_int_equal(take(lab), 60 - again / 2);
        assert_int_equal(lab->outbox.answers, 0);
        assert_true(lab->outbox.join_after_ms <= 1000);
    }
}

/* What there is no room for stays, joined or not, and what is added meanwhile leaves after it. */
static void test_no_room_for_a_while(void **state)
{
    struct lab *lab = *state;

    for (unsigned call = 1; call <= 3; call++) {
        begin(lab);
        kernel = (struct kernel){.most = 2, .fails_at = call, .error = EAGAIN};
        mixed(lab, 50);
        assert_int_equal(outbox_send(&lab->outbox, 1000), 0);
        assert_true(lab->outbox.blocked);
        assert_true(take(lab) < 50);
        mixed(lab, 7);
        kernel.fails_at = kernel.calls + 2;
        assert_int_equal(outbox_send(&lab->outbox, 1000), 0);
        assert_true(lab->outbox.blocked);
        mixed(lab, 7);
        assert_null(outbox_room(&lab->outbox)); /* BATCH */
        send_all(lab, 1000);
    }
}

/* Refused and without room, one after the other. */
static void test_refused_when_there_was_no_room(void **state)
{
    struct lab *lab = *state;

    begin(lab);
    kernel = (struct kernel){.most = 1, .fails_at = 2, .error = EAGAIN};
    mixed(lab, 50);
    assert_int_equal(outbox_send(&lab->outbox, 1000), 0);
    assert_true(lab->outbox.blocked);
    mixed(lab, 14);
    kernel.fails_at = kernel.calls + 2;
    kernel.again = 1;
    kernel.error = EIO;
    kernel.joined = true;
    send_all(lab, 1000);
    assert_int_equal(kernel.fails_at, 0);
}

static void test_interrupted(void **state)
{
    struct lab *lab = *state;

    begin(lab);
    kernel = (struct kernel){.most = 3, .fails_at = 2, .error = EINTR};
    mixed(lab, BATCH);
    send_all(lab, 1000);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, lab_open, lab_close)
    const struct CMUnitTest tests[] = {TEST(test_each_arrives),
                                       TEST(test_from_the_address_asked),
                                       TEST(test_they_travel_together),
                                       TEST(test_long_ones),
                                       TEST(test_joining_is_refused),
                                       TEST(test_refused_for_the_sake_of_another),
                                       TEST(test_what_cannot_be_sent_is_dropped),
                                       TEST(test_no_room_for_a_while),
                                       TEST(test_refused_when_there_was_no_room),
                                       TEST(test_interrupted)};

    return cmocka_run_group_tests_name("net-outbox", tests, NULL, NULL);
}
