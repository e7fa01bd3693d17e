/* What the kernel tells of its neighbours, and what it may not make us believe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "resolver/devices/netlink.h"

enum { ROOM = 2048, SEQUENCE = 7 };

static const uint8_t MAC[MAC_LEN] = {2, 0, 0x5e, 0x10, 0, 1};

struct told {
    char text[1024];
    int64_t ago_ms;
};

static void each(void *user, const struct neighbour *neighbour)
{
    struct told *told = user;
    char address[ADDRESS_TEXT_MAX], mac[MAC_TEXT_MAX];
    struct address host = neighbour->address;
    size_t used = strlen(told->text);

    host.scope = 0; /* its text would ask for the interface's name */
    snprintf(told->text + used, sizeof told->text - used, "%s%u %s;", address_text(&host, address),
             neighbour->address.scope, mac_text(neighbour->mac, mac));
    told->ago_ms = neighbour->ago_ms;
}

struct message {
    uint8_t bytes[ROOM];
    size_t len, begun;
};

static void attribute_add(struct message *message, uint16_t type, const void *data, size_t len)
{
    struct rtattr attribute = {.rta_type = type, .rta_len = (uint16_t)RTA_LENGTH(len)};

    memcpy(message->bytes + message->len, &attribute, sizeof attribute);
    memcpy(message->bytes + message->len + RTA_LENGTH(0), data, len);
    message->len += RTA_ALIGN(RTA_LENGTH(len));
}

static void begin(struct message *message, uint16_t type, uint16_t flags)
{
    struct nlmsghdr header = {.nlmsg_type = type, .nlmsg_flags = flags, .nlmsg_seq = SEQUENCE};

    message->begun = message->len;
    memcpy(message->bytes + message->len, &header, sizeof header);
    message->len += NLMSG_HDRLEN;
}

static void end(struct message *message)
{
    uint32_t len = (uint32_t)(message->len - message->begun);

    memcpy(message->bytes + message->begun, &len, sizeof len);
}

static void neighbour_add(struct message *message, const char *text, const uint8_t *mac,
                          uint16_t state, uint8_t flags)
{
    int family = strchr(text, ':') ? AF_INET6 : AF_INET;
    struct ndmsg body = {
        .ndm_family = (uint8_t)family, .ndm_ifindex = 3, .ndm_state = state, .ndm_flags = flags};
    struct nda_cacheinfo info = {.ndm_confirmed = 500, .ndm_used = 1, .ndm_updated = 300};
    uint8_t address[16];

    assert_int_equal(inet_pton(family, text, address), 1);
    begin(message, RTM_NEWNEIGH, NLM_F_MULTI);
    memcpy(message->bytes + message->len, &body, sizeof body);
    message->len += NLMSG_ALIGN(sizeof body);
    attribute_add(message, NDA_DST, address, family == AF_INET ? 4 : 16);
    if (mac)
        attribute_add(message, NDA_LLADDR, mac, MAC_LEN);
    attribute_add(message, NDA_CACHEINFO, &info, sizeof info);
    end(message);
}

static void end_add(struct message *message, uint16_t type, int32_t code, uint16_t flags)
{
    begin(message, type, flags);
    memcpy(message->bytes + message->len, &code, sizeof code);
    message->len += sizeof code;
    end(message);
}

static void test_neighbours(void **state)
{
    struct message message = {.len = 0};
    struct told told = {.ago_ms = -1};
    int fault = 0;

    (void)state;
    neighbour_add(&message, "10.1.4.17", MAC, NUD_REACHABLE, 0);
    neighbour_add(&message, "fd00:1:4::17", MAC, NUD_STALE, NTF_ROUTER);
    neighbour_add(&message, "fe80::17", MAC, NUD_PERMANENT, 0);
    end_add(&message, NLMSG_DONE, 0, NLM_F_MULTI);
    assert_int_equal(netlink_read(message.bytes, message.len, SEQUENCE, each, &told, &fault),
                     NETLINK_DONE);
    assert_string_equal(told.text, "10.1.4.170 02:00:5e:10:00:01;"
                                   "fd00:1:4::170 02:00:5e:10:00:01;"
                                   "fe80::173 02:00:5e:10:00:01;");
    assert_int_equal(told.ago_ms, 3000); /* the later of confirmed and updated */
}

static void test_who_is_no_device(void **state)
{
    static const uint8_t GROUP[MAC_LEN] = {1, 0, 0x5e, 1, 2, 3}, NOBODY[MAC_LEN] = {0};
    struct message message = {.len = 0};
    struct told told = {.ago_ms = -1};
    int fault = 0;

    (void)state;
    neighbour_add(&message, "10.1.4.1", NULL, NUD_REACHABLE, 0);
    neighbour_add(&message, "10.1.4.2", MAC, NUD_INCOMPLETE, 0);
    neighbour_add(&message, "10.1.4.3", MAC, NUD_FAILED, 0);
    neighbour_add(&message, "10.1.4.4", MAC, NUD_NOARP, 0);
    neighbour_add(&message, "10.1.4.5", MAC, NUD_REACHABLE, NTF_PROXY);
    neighbour_add(&message, "10.1.4.6", GROUP, NUD_REACHABLE, 0);
    neighbour_add(&message, "10.1.4.7", NOBODY, NUD_REACHABLE, 0);
    neighbour_add(&message, "224.0.0.251", MAC, NUD_REACHABLE, 0);
    neighbour_add(&message, "ff02::1", MAC, NUD_REACHABLE, 0);
    assert_int_equal(netlink_read(message.bytes, message.len, SEQUENCE, each, &told, &fault),
                     NETLINK_MORE);
    assert_string_equal(told.text, "");
}

static void test_ends(void **state)
{
    static const struct {
        uint16_t type, flags;
        int32_t code;
        enum netlink_end end;
        uint32_t sequence;
    } ROWS[] = {
        {NLMSG_DONE, 0, 0, NETLINK_DONE, SEQUENCE},
        {NLMSG_DONE, NLM_F_DUMP_INTR, 0, NETLINK_AGAIN, SEQUENCE},
        {NLMSG_DONE, 0, -ENOMEM, NETLINK_FAULT, SEQUENCE},
        {NLMSG_ERROR, 0, -EPERM, NETLINK_FAULT, SEQUENCE},
        {NLMSG_ERROR, 0, 0, NETLINK_MORE, SEQUENCE},    /* an acknowledgement */
        {NLMSG_DONE, 0, 0, NETLINK_MORE, SEQUENCE + 1}, /* of a request that was given up */
    };

    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct message message = {.len = 0};
        struct told told = {.ago_ms = -1};
        int fault = 0;
        end_add(&message, ROWS[i].type, ROWS[i].code, ROWS[i].flags);
        assert_int_equal(
            netlink_read(message.bytes, message.len, ROWS[i].sequence, each, &told, &fault),
            ROWS[i].end);
        assert_int_equal(fault, ROWS[i].end == NETLINK_FAULT ? -ROWS[i].code : 0);
    }
}

static void test_cut_messages(void **state)
{
    struct message message = {.len = 0};

    (void)state;
    neighbour_add(&message, "10.1.4.17", MAC, NUD_REACHABLE, 0);
    for (size_t len = 0; len < message.len; len++) {
        struct told told = {.ago_ms = -1};
        int fault = 0;
        uint8_t *copy = test_malloc(len + 1);
        memcpy(copy, message.bytes, len);
        netlink_read(copy, len, SEQUENCE, each, &told, &fault);
        test_free(copy);
        assert_string_equal(told.text, "");
    }
}

static void test_request(void **state)
{
    uint8_t request[NETLINK_ASK_MAX];
    struct nlmsghdr header;
    struct ndmsg body;
    size_t len = netlink_ask(request, AF_INET6, 9);

    (void)state;
    memcpy(&header, request, sizeof header);
    memcpy(&body, request + NLMSG_HDRLEN, sizeof body);
    assert_int_equal(len, NLMSG_LENGTH(sizeof body));
    assert_int_equal(header.nlmsg_len, len);
    assert_int_equal(header.nlmsg_type, RTM_GETNEIGH);
    assert_int_equal(header.nlmsg_seq, 9);
    assert_int_equal(body.ndm_family, AF_INET6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_neighbours), cmocka_unit_test(test_who_is_no_device),
        cmocka_unit_test(test_ends),       cmocka_unit_test(test_cut_messages),
        cmocka_unit_test(test_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
