#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <ldns/ldns.h>

#include "resolver/dns/message.h"

#define HEAD(flags, counts)  "\x12\x34" flags counts
#define ONE                  "\0\1\0\0\0\0\0\0"
#define ONE_AND_OPT          "\0\1\0\0\0\0\0\1"
#define WWW                  "\3WwW\4Site\4tEST\0\0\1\0\1"
#define OPT(size, ttl, data) "\0\0\x29" size ttl data

struct row {
    const char *what;
    const char *bytes;
    size_t len;
    enum dns_question_verdict verdict;
};
#define ROW(what, bytes, verdict)                                                                  \
    {                                                                                              \
        what, bytes, sizeof bytes - 1, verdict                                                     \
    }

static const struct row ROWS[] = {
    ROW("a plain question", HEAD("\1\0", ONE) WWW, DNS_QUESTION_FINE),
    ROW("with EDNS", HEAD("\1\0", ONE_AND_OPT) WWW OPT("\4\xd0", "\0\0\x80\0", "\0\0"),
        DNS_QUESTION_FINE),
    ROW("the root", HEAD("\1\0", ONE) "\0\0\2\0\1", DNS_QUESTION_FINE),
    ROW("octets after the question", HEAD("\1\0", ONE) WWW "rubbish", DNS_QUESTION_FINE),
    ROW("nothing", "", DNS_QUESTION_SILENCE),
    ROW("eleven octets", "\x12\x34\1\0\0\1\0\0\0\0\0", DNS_QUESTION_SILENCE),
    ROW("a reply", HEAD("\x81\0", ONE) WWW, DNS_QUESTION_SILENCE),
    ROW("a reply with an opcode", HEAD("\xa9\0", ONE) WWW, DNS_QUESTION_SILENCE),
    ROW("NOTIFY", HEAD("\x20\0", ONE) WWW, DNS_QUESTION_NOTIMP),
    ROW("UPDATE", HEAD("\x28\0", ONE) WWW, DNS_QUESTION_NOTIMP),
    ROW("DSO", HEAD("\x30\0", ONE) WWW, DNS_QUESTION_NOTIMP),
    ROW("no question", HEAD("\1\0", "\0\0\0\0\0\0\0\0"), DNS_QUESTION_FORMERR),
    ROW("two questions", HEAD("\1\0", "\0\2\0\0\0\0\0\0") WWW WWW, DNS_QUESTION_FORMERR),
    ROW("an answer in a question", HEAD("\1\0", "\0\1\0\1\0\0\0\0") WWW, DNS_QUESTION_FORMERR),
    ROW("a count that lies", HEAD("\1\0", ONE), DNS_QUESTION_FORMERR),
    ROW("a pointer to itself", HEAD("\1\0", ONE) "\xc0\x0c\0\1\0\1", DNS_QUESTION_FORMERR),
    ROW("a pointer to the header", HEAD("\1\0", ONE) "\xc0\0\0\1\0\1", DNS_QUESTION_FORMERR),
    ROW("a pointer ahead", HEAD("\1\0", ONE) "\xc0\x20\0\1\0\1", DNS_QUESTION_FORMERR),
    ROW("label type 01",
        HEAD("\1\0", ONE) "\x41"
                          "a\0\0\1\0\1",
        DNS_QUESTION_FORMERR),
    ROW("label type 10",
        HEAD("\1\0", ONE) "\x81"
                          "a\0\0\1\0\1",
        DNS_QUESTION_FORMERR),
    ROW("a name that does not end", HEAD("\1\0", ONE) "\3www", DNS_QUESTION_FORMERR),
    ROW("a type cut off", HEAD("\1\0", ONE) "\3www\0\0\1\0", DNS_QUESTION_FORMERR),
    ROW("EDNS version 1", HEAD("\1\0", ONE_AND_OPT) WWW OPT("\4\xd0", "\0\1\0\0", "\0\0"),
        DNS_QUESTION_BADVERS),
    ROW("two OPT records",
        HEAD("\1\0", "\0\1\0\0\0\0\0\2") WWW OPT("\4\xd0", "\0\0\0\0", "\0\0")
            OPT("\4\xd0", "\0\0\0\0", "\0\0"),
        DNS_QUESTION_FORMERR),
    ROW("an OPT with a name", HEAD("\1\0", ONE_AND_OPT) WWW "\1a" OPT("\4\xd0", "\0\0\0\0", "\0\0"),
        DNS_QUESTION_FORMERR),
    ROW("an OPT cut off", HEAD("\1\0", ONE_AND_OPT) WWW "\0\0\x29\4\xd0", DNS_QUESTION_FORMERR),
    ROW("an OPT whose data is cut off",
        HEAD("\1\0", ONE_AND_OPT) WWW OPT("\4\xd0", "\0\0\0\0", "\0\4\0\x0a"),
        DNS_QUESTION_FORMERR),
    ROW("a cookie of seven octets",
        HEAD("\1\0", ONE_AND_OPT) WWW OPT("\4\xd0", "\0\0\0\0",
                                          "\0\x0b\0\x0a\0\7"
                                          "1234567"),
        DNS_QUESTION_FORMERR),
    ROW("a cookie of eight octets",
        HEAD("\1\0", ONE_AND_OPT) WWW OPT("\4\xd0", "\0\0\0\0",
                                          "\0\x0c\0\x0a\0\x08"
                                          "12345678"),
        DNS_QUESTION_FINE),
    ROW("a cookie of 41 octets",
        HEAD("\1\0", ONE_AND_OPT) WWW OPT("\4\xd0", "\0\0\0\0",
                                          "\0\x2d\0\x0a\0\x29"
                                          "12345678901234567890123456789012345678901"),
        DNS_QUESTION_FORMERR),
    ROW("an IPv4 client subnet of 64 bits",
        HEAD("\1\0", ONE_AND_OPT) WWW OPT("\4\xd0", "\0\0\0\0",
                                          "\0\x10\0\x08\0\x0c\0\1\x40\0"
                                          "12345678"),
        DNS_QUESTION_FORMERR),
    ROW("an IPv4 client subnet of 24 bits",
        HEAD("\1\0", ONE_AND_OPT)
            WWW OPT("\4\xd0", "\0\0\0\0", "\0\x0b\0\x08\0\7\0\1\x18\0\xc0\0\2"),
        DNS_QUESTION_FINE),
};

static void test_question_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct dns_question question;
        uint8_t exact[512];
        enum dns_question_verdict verdict;
        /* A copy of the right size, at the end of the buffer, so that the sanitizer sees one octet
         * too far. */
        uint8_t *copy = exact + sizeof exact - ROWS[i].len;
        memcpy(copy, ROWS[i].bytes, ROWS[i].len);
        verdict = dns_question_parse(copy, ROWS[i].len, &question);
        if (verdict != ROWS[i].verdict)
            fail_msg("%s: verdict %d, expected %d", ROWS[i].what, verdict, ROWS[i].verdict);
    }
}

static void test_question_fields(void **state)
{
    static const uint8_t bytes[] =
        HEAD("\1\x10", ONE_AND_OPT) WWW OPT("\0\x64", "\0\0\x80\0", "\0\0");
    struct dns_question question;
    (void)state;
    assert_int_equal(dns_question_parse(bytes, sizeof bytes - 1, &question), DNS_QUESTION_FINE);
    assert_int_equal(question.id, 0x1234);
    assert_int_equal(question.flags, DNS_RD | DNS_CD);
    assert_memory_equal(question.asked, "\3WwW\4Site\4tEST", 15);
    assert_memory_equal(question.name, "\3www\4site\4test", 15);
    assert_int_equal(question.asked_len, 15);
    assert_int_equal(question.type, DNS_A);
    assert_true(question.wants_dnssec);
    assert_int_equal(question.udp_size, 512); /* RFC 6891 section 6.2.3: less than 512 means 512 */
}

static void test_names_at_their_limits(void **state)
{
    uint8_t message[DNS_HEADER + 300] = {0x12, 0x34, 1, 0, 0, 1};
    struct dns_question question;
    size_t at = DNS_HEADER;
    (void)state;
    for (int i = 0; i < 127; i++) { /* 127 labels of one octet: 255 octets in all */
        message[at++] = 1;
        message[at++] = 'x';
    }
    message[at++] = 0;
    message[at + 1] = 1;
    message[at + 3] = 1;
    assert_int_equal(dns_question_parse(message, at + 4, &question), DNS_QUESTION_FINE);
    assert_int_equal(question.asked_len, 255);
    message[DNS_HEADER] =
        2; /* "x" and a length octet become a label: the name no longer ends in time */
    memmove(message + DNS_HEADER + 3, message + DNS_HEADER + 2, 254);
    message[DNS_HEADER + 2] = 'y';
    assert_int_equal(dns_question_parse(message, at + 5, &question), DNS_QUESTION_FORMERR);
}

static void test_lower(void **state)
{
    uint8_t from[256], to[256];
    (void)state;
    for (unsigned i = 0; i < 256; i++)
        from[i] = (uint8_t)i;
    for (size_t shift = 0; shift < 9; shift++) {
        dns_lower(to, from + shift, 256 - shift);
        for (size_t i = 0; i < 256 - shift; i++) {
            uint8_t octet = from[i + shift];
            assert_int_equal(to[i], octet >= 'A' && octet <= 'Z' ? octet + 32 : octet);
        }
    }
}

static void test_name_pointers(void **state)
{
    static const struct {
        const char *what, *bytes;
        size_t len, at;
        int after;
    } rows[] = {
        {"a name and a pointer to it", "123456789012\1a\0\1b\xc0\x0c", 19, 15, 19},
        {"a pointer to itself", "123456789012\xc0\x0c", 14, 12, -1},
        {"two pointers to each other", "123456789012\xc0\x0e\xc0\x0c", 16, 14, -1},
        {"a pointer ahead", "123456789012\xc0\x0e\0", 15, 12, -1},
        {"a pointer into the header",
         "\1a\0"
         "456789012\xc0\0",
         14, 12, -1},
        {"half a pointer", "123456789012\xc0", 13, 12, -1},
        {"a label that runs out", "123456789012\5abc", 16, 12, -1},
        {"a loop through a label", "123456789012\1a\xc0\x0c", 16, 12, -1},
    };
    struct bl_name name;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int after = dns_name_read((const uint8_t *)rows[i].bytes, rows[i].len, rows[i].at, &name);
        if (rows[i].after < 0 ? after >= 0 : after != rows[i].after)
            fail_msg("%s: %d", rows[i].what, after);
    }
}

/* Each label of the longest name may be followed by a pointer; more of them only cost time. */
static void test_pointers_are_bounded(void **state)
{
    static const struct {
        unsigned pointers;
        bool fine;
    } rows[] = {{1, true}, {DNS_POINTERS_MAX, true}, {DNS_POINTERS_MAX + 1, false}, {8000, false}};
    uint8_t message[DNS_HEADER + 3 + 2 * 8000] = {[DNS_HEADER] = 1, 'a', 0};
    struct bl_name name;
    size_t at, to;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        at = DNS_HEADER + 1;
        for (unsigned k = 0; k < rows[i].pointers; k++) {
            to = k ? at : DNS_HEADER;
            at = DNS_HEADER + 3 + 2 * (size_t)k;
            dns_put_16(message + at, 0xc000u | (unsigned)to);
        }
        assert_int_equal(dns_name_read(message, at + 2, at, &name) > 0, rows[i].fine);
    }
}

/* The oracle: what we compose, ldns reads, and finds what we meant. */
static void test_composed_answer_is_read_by_ldns(void **state)
{
    static const uint8_t bytes[] =
        HEAD("\1\x10", ONE_AND_OPT) WWW OPT("\4\xd0", "\0\0\x80\0", "\0\0");
    struct dns_question question;
    uint8_t message[512], options[128];
    struct dns_writer writer = {.message = message, .room = sizeof message};
    size_t options_len = dns_option_ede(options, sizeof options, DNS_EDE_BLOCKED, "Gambling");
    ldns_pkt *packet;
    ldns_rr *soa;
    char *name;
    (void)state;
    assert_int_equal(dns_question_parse(bytes, sizeof bytes - 1, &question), DNS_QUESTION_FINE);
    dns_write_answer_head(&writer, &question, DNS_NXDOMAIN);
    dns_write_soa(&writer, 10);
    dns_write_opt(&writer, question.wants_dnssec, DNS_NXDOMAIN, options, options_len);
    assert_false(writer.failed);
    assert_int_equal(ldns_wire2pkt(&packet, message, writer.len), LDNS_STATUS_OK);
    assert_int_equal(ldns_pkt_get_rcode(packet), LDNS_RCODE_NXDOMAIN);
    assert_true(ldns_pkt_qr(packet) && ldns_pkt_ra(packet) && ldns_pkt_rd(packet) &&
                ldns_pkt_cd(packet));
    assert_int_equal(ldns_pkt_ancount(packet), 0);
    assert_int_equal(ldns_pkt_nscount(packet), 1);
    soa = ldns_rr_list_rr(ldns_pkt_authority(packet), 0);
    assert_int_equal(ldns_rr_get_type(soa), LDNS_RR_TYPE_SOA);
    assert_int_equal(ldns_rr_ttl(soa), 10);
    assert_int_equal(ldns_rr_rd_count(soa), 7);
    name = ldns_rdf2str(ldns_rr_owner(soa));
    assert_string_equal(name, "WwW.Site.tEST.");
    assert_true(ldns_pkt_edns(packet) && ldns_pkt_edns_do(packet));
    assert_int_equal(ldns_pkt_edns_udp_size(packet), 1232);
    free(name);
    ldns_pkt_free(packet);
}

static void test_writer_never_overflows(void **state)
{
    struct dns_question question = {.asked_len = 1, .has_edns = 1};
    uint8_t message[128];
    (void)state;
    for (size_t room = 0; room < 100; room++) {
        struct dns_writer writer = {.message = message + 128 - room, .room = room};
        dns_write_answer_head(&writer, &question, 0);
        dns_write_soa(&writer, 1);
        dns_write_opt(&writer, 0, 0, NULL, 0);
        assert_true(writer.len <= room);
        assert_int_equal(writer.failed, room < 12 + 5 + 2 + 10 + 47 + 11);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_question_table),
        cmocka_unit_test(test_question_fields),
        cmocka_unit_test(test_names_at_their_limits),
        cmocka_unit_test(test_lower),
        cmocka_unit_test(test_name_pointers),
        cmocka_unit_test(test_pointers_are_bounded),
        cmocka_unit_test(test_composed_answer_is_read_by_ldns),
        cmocka_unit_test(test_writer_never_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
