/* What reply_read() keeps of a reply, said in the text form of ldns on both sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ldns/ldns.h>

#include "resolver/query/reply.h"

static struct reply reply;

struct row {
    const char *what;
    const char *name;
    unsigned type, rcode;
    bool wants_dnssec;
    const char *answer[8], *authority[4], *additional[3]; /* what the upstream sends */
    int code;
    const char *kept[8]; /* answer, then authority: what is left; NULL: the end */
    uint32_t ttl_s;
};

#define SOA "site.test. 900 IN SOA ns.site.test. h.site.test. 1 2 3 4 300"

static const struct row ROWS[] = {
    {.what = "an address",
     .name = "www.site.test",
     .type = 1,
     .answer = {"www.site.test. 60 IN A 192.0.2.1", "www.site.test. 50 IN A 192.0.2.2"},
     .kept = {"www.site.test.\t60\tIN\tA\t192.0.2.1", "www.site.test.\t50\tIN\tA\t192.0.2.2"},
     .ttl_s = 50},
    {.what = "a chain, in any order",
     .name = "www.site.test",
     .type = 1,
     .answer = {"c.other.test. 60 IN A 192.0.2.1", "b.site.test. 70 IN CNAME c.other.test.",
                "www.site.test. 80 IN CNAME b.site.test."},
     .kept = {"www.site.test.\t80\tIN\tCNAME\tb.site.test.",
              "b.site.test.\t70\tIN\tCNAME\tc.other.test.", "c.other.test.\t60\tIN\tA\t192.0.2.1"},
     .ttl_s = 60},
    {.what = "records of other names are left behind (CVE-2021-25220)",
     .name = "www.site.test",
     .type = 1,
     .answer = {"www.site.test. 60 IN A 192.0.2.1", "victim.test. 999 IN A 198.51.100.1"},
     .authority = {"test. 999 IN NS ns.evil.test."},
     .additional = {"ns.evil.test. 999 IN A 198.51.100.1"},
     .kept = {"www.site.test.\t60\tIN\tA\t192.0.2.1"},
     .ttl_s = 60},
    {.what = "types not asked for are left behind",
     .name = "www.site.test",
     .type = 1,
     .answer = {"www.site.test. 60 IN TXT \"x\"", "www.site.test. 60 IN A 192.0.2.1"},
     .kept = {"www.site.test.\t60\tIN\tA\t192.0.2.1"},
     .ttl_s = 60},
    {.what = "a DNAME without its alias",
     .name = "w.old.test",
     .type = 1,
     .answer = {"old.test. 60 IN DNAME new.test.", "w.new.test. 60 IN A 192.0.2.1"},
     .kept = {"old.test.\t60\tIN\tDNAME\tnew.test.", "w.old.test.\t60\tIN\tCNAME\tw.new.test.",
              "w.new.test.\t60\tIN\tA\t192.0.2.1"},
     .ttl_s = 60},
    {.what = "a DNAME's signature proves its alias (RFC 6672 section 5.3.1)",
     .name = "w.old.test",
     .type = 1,
     .wants_dnssec = true,
     .answer = {"old.test. 60 IN DNAME new.test.",
                "old.test. 60 IN RRSIG DNAME 13 2 60 20300101000000 20200101000000 1 test. AAAA",
                "w.new.test. 60 IN A 192.0.2.1"},
     .kept = {"old.test.\t60\tIN\tDNAME\tnew.test.",
              "old.test.\t60\tIN\tRRSIG\tDNAME 13 2 60 20300101000000 20200101000000 1 test. "
              "AAAA",
              "w.old.test.\t60\tIN\tCNAME\tw.new.test.", "w.new.test.\t60\tIN\tA\t192.0.2.1"},
     .ttl_s = 60},
    {.what = "no such name",
     .name = "www.site.test",
     .type = 1,
     .rcode = 3,
     .authority = {SOA},
     .kept = {"site.test.\t300\tIN\tSOA\tns.site.test. h.site.test. 1 2 3 4 300"},
     .ttl_s = 300},
    {.what = "no such name, without SOA: not kept (RFC 2308 section 5)",
     .name = "www.site.test",
     .type = 1,
     .rcode = 3,
     .kept = {NULL},
     .ttl_s = 0},
    {.what = "an SOA of somebody else",
     .name = "www.site.test",
     .type = 1,
     .rcode = 3,
     .authority = {"other.test. 900 IN SOA ns. h. 1 2 3 4 300"},
     .kept = {NULL},
     .ttl_s = 0},
    {.what = "an alias to nothing",
     .name = "www.site.test",
     .type = 28,
     .answer = {"www.site.test. 60 IN CNAME b.site.test."},
     .authority = {SOA},
     .kept = {"www.site.test.\t60\tIN\tCNAME\tb.site.test.",
              "site.test.\t300\tIN\tSOA\tns.site.test. h.site.test. 1 2 3 4 300"},
     .ttl_s = 60},
    {.what = "TTL 0 is not kept",
     .name = "www.site.test",
     .type = 1,
     .answer = {"www.site.test. 0 IN A 192.0.2.1"},
     .kept = {"www.site.test.\t0\tIN\tA\t192.0.2.1"},
     .ttl_s = 0},
    {.what = "a TTL of 2^32 - 1 is a long one (RFC 8767 section 4)",
     .name = "www.site.test",
     .type = 1,
     .answer = {"www.site.test. 4294967295 IN A 192.0.2.1"},
     .kept = {"www.site.test.\t86400\tIN\tA\t192.0.2.1"},
     .ttl_s = 86400},
    {.what = "a loop",
     .name = "a.test",
     .type = 1,
     .answer = {"a.test. 60 IN CNAME b.test.", "b.test. 60 IN CNAME a.test."},
     .code = -1},
    {.what = "an alias to itself",
     .name = "a.test",
     .type = 1,
     .answer = {"a.test. 60 IN CNAME a.test."},
     .code = -1},
    {.what = "two aliases for one name: the first counts",
     .name = "a.test",
     .type = 1,
     .answer = {"a.test. 60 IN CNAME b.test.", "a.test. 60 IN CNAME c.test.",
                "b.test. 60 IN A 192.0.2.1", "c.test. 60 IN A 192.0.2.2"},
     .kept = {"a.test.\t60\tIN\tCNAME\tb.test.", "b.test.\t60\tIN\tA\t192.0.2.1"},
     .ttl_s = 60},
    {.what = "names in data",
     .name = "site.test",
     .type = 15,
     .answer = {"site.test. 60 IN MX 10 Mail.site.test.", "site.test. 60 IN MX 20 Mail.site.test."},
     .kept = {"site.test.\t60\tIN\tMX\t10 Mail.site.test.",
              "site.test.\t60\tIN\tMX\t20 Mail.site.test."},
     .ttl_s = 60},
    {.what = "another class",
     .name = "www.site.test",
     .type = 1,
     .answer = {"www.site.test. 60 CH A 192.0.2.1"},
     .kept = {NULL},
     .ttl_s = 0},
};

static void push(ldns_pkt *packet, ldns_pkt_section section, const char *text)
{
    ldns_rr *record;

    if (!text)
        return;
    assert_int_equal(ldns_rr_new_frm_str(&record, text, 0, NULL, NULL), LDNS_STATUS_OK);
    ldns_pkt_push_rr(packet, section, record);
}

static uint8_t *message_of(const struct row *row, size_t *out_len)
{
    ldns_rdf *owner = ldns_dname_new_frm_str(row->name);
    ldns_pkt *packet =
        ldns_pkt_query_new(owner, (ldns_rr_type)row->type, LDNS_RR_CLASS_IN, LDNS_RD);
    uint8_t *bytes = NULL;

    ldns_pkt_set_qr(packet, true);
    ldns_pkt_set_rcode(packet, (uint8_t)row->rcode);
    for (size_t i = 0; i < 8; i++)
        push(packet, LDNS_SECTION_ANSWER, row->answer[i]);
    for (size_t i = 0; i < 4; i++)
        push(packet, LDNS_SECTION_AUTHORITY, row->authority[i]);
    for (size_t i = 0; i < 3; i++)
        push(packet, LDNS_SECTION_ADDITIONAL, row->additional[i]);
    assert_int_equal(ldns_pkt2wire(&bytes, packet, out_len), LDNS_STATUS_OK);
    ldns_pkt_free(packet);
    return bytes;
}

static int read_row(const struct row *row, const uint8_t *bytes, size_t len)
{
    static const struct reply_limits limits = {.max_ttl = 86400, .negative_ttl = 3600};
    struct bl_name name;
    struct reply_question question;

    assert_int_equal(bl_name_parse(row->name, strlen(row->name), &name), BL_NAME_FINE);
    question = (struct reply_question){.name = name.wire,
                                       .name_len = name.len,
                                       .class = 1,
                                       .wants_dnssec = row->wants_dnssec,
                                       .type = (uint16_t)row->type};
    return reply_read(&reply, bytes, len, &question, &limits);
}

static void compare(const struct row *row)
{
    ldns_pkt *packet;
    ldns_rr_list *lists[2];
    size_t at = 0;

    assert_int_equal(ldns_wire2pkt(&packet, reply.message, reply.len), LDNS_STATUS_OK);
    assert_int_equal(ldns_pkt_get_rcode(packet), row->rcode);
    lists[0] = ldns_pkt_answer(packet);
    lists[1] = ldns_pkt_authority(packet);
    for (size_t list = 0; list < 2; list++)
        for (size_t i = 0; i < ldns_rr_list_rr_count(lists[list]); i++, at++) {
            char *text = ldns_rr2str(ldns_rr_list_rr(lists[list], i));
            text[strcspn(text, "\n")] = '\0';
            if (at >= 8 || !row->kept[at] || strcmp(text, row->kept[at]) != 0)
                fail_msg("%s: record %zu is '%s', expected '%s'", row->what, at, text,
                         at < 8 && row->kept[at] ? row->kept[at] : "none");
            free(text);
        }
    if (at < 8 && row->kept[at])
        fail_msg("%s: lacks '%s'", row->what, row->kept[at]);
    ldns_pkt_free(packet);
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        size_t len;
        uint8_t *bytes = message_of(&ROWS[i], &len);
        int code = read_row(&ROWS[i], bytes, len);
        if ((code < 0) != (ROWS[i].code < 0))
            fail_msg("%s: code %d", ROWS[i].what, code);
        if (code == 0) {
            compare(&ROWS[i]);
            if (reply.ttl_s != ROWS[i].ttl_s)
                fail_msg("%s: kept for %u s, expected %u", ROWS[i].what, reply.ttl_s,
                         ROWS[i].ttl_s);
        }
        free(bytes);
    }
}

/* A reply cut off anywhere is refused whole (CVE-2016-7069 and its like). */
static void test_cut_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        size_t len;
        uint8_t *bytes = message_of(&ROWS[i], &len);
        for (size_t cut = 0; cut < len; cut++) {
            uint8_t *copy = malloc(cut ? cut : 1);
            memcpy(copy, bytes, cut);
            assert_true(read_row(&ROWS[i], copy, cut) < 0);
            free(copy);
        }
        free(bytes);
    }
}

/* CacheFlush (USENIX Security 2024): chains of more than sixteen aliases are refused, eight are
 * fine. */
static void test_long_chains(void **state)
{
    static const struct {
        unsigned aliases;
        int code;
    } rows[] = {{1, 0}, {8, 0}, {16, 0}, {17, -1}, {30, -1}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct row row = {.what = "a chain", .name = "n0.test", .type = 1};
        ldns_rdf *owner = ldns_dname_new_frm_str(row.name);
        ldns_pkt *packet = ldns_pkt_query_new(owner, LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN, LDNS_RD);
        uint8_t *bytes;
        size_t len;
        char text[80];
        ldns_pkt_set_qr(packet, true);
        for (unsigned k = 0; k < rows[i].aliases; k++) {
            snprintf(text, sizeof text, "n%u.test. 60 IN CNAME n%u.test.", k, k + 1);
            push(packet, LDNS_SECTION_ANSWER, text);
        }
        snprintf(text, sizeof text, "n%u.test. 60 IN A 192.0.2.1", rows[i].aliases);
        push(packet, LDNS_SECTION_ANSWER, text);
        assert_int_equal(ldns_pkt2wire(&bytes, packet, &len), LDNS_STATUS_OK);
        assert_int_equal(read_row(&row, bytes, len) < 0, rows[i].code < 0);
        free(bytes);
        ldns_pkt_free(packet);
    }
}

/* Targets are judged one by one for each client that waits: a reply of thousands is refused. */
static void test_many_targets(void **state)
{
    static const struct {
        unsigned targets;
        int code;
    } rows[] = {{1, 0}, {REPLY_TARGETS_MAX, 0}, {REPLY_TARGETS_MAX + 1, -1}, {3000, -1}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct row row = {.what = "services", .name = "a.test", .type = DNS_HTTPS};
        static const uint8_t head[] = "\0\0\x81\x80\0\1\0\0\0\0\0\0\1a\4test\0\0\x41\0\1";
        static uint8_t bytes[65535];
        size_t len = sizeof head - 1;
        memcpy(bytes, head, len);
        dns_put_16(bytes + 6, rows[i].targets);
        for (unsigned k = 0; k < rows[i].targets; k++) {
            static const uint8_t record[] = "\xc0\x0c\0\x41\0\1\0\0\0\x3c\0\6\0\1\2xx";
            memcpy(bytes + len, record, sizeof record);
            dns_put_16(bytes + len + 15, 0x6161u + k % 26);
            len += sizeof record;
        }
        assert_int_equal(read_row(&row, bytes, len) < 0, rows[i].code < 0);
        assert_true(rows[i].code < 0 || reply.has_targets);
    }
}

/* An owner that points behind the header is the question's name only if that is what stands there.
 */
static void test_another_question(void **state)
{
    static const uint8_t record[] = "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1";
    static const struct {
        const uint8_t *head;
        bool is_kept;
    } rows[] = {
        {(const uint8_t *)"\0\0\x81\x80\0\1\0\1\0\0\0\0\1a\4test\0\0\1\0\1", true},
        {(const uint8_t *)"\0\0\x81\x80\0\1\0\1\0\0\0\0\1A\4tEsT\0\0\1\0\1", true},
        {(const uint8_t *)"\0\0\x81\x80\0\1\0\1\0\0\0\0\1b\4test\0\0\1\0\1", false},
    };
    enum { HEAD_LEN = 12 + 8 + 4 };
    struct row row = {.what = "another question", .name = "a.test", .type = 1};
    uint8_t bytes[HEAD_LEN + sizeof record - 1];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        memcpy(bytes, rows[i].head, HEAD_LEN);
        memcpy(bytes + HEAD_LEN, record, sizeof record - 1);
        assert_int_equal(read_row(&row, bytes, sizeof bytes), 0);
        assert_int_equal(dns_read_16(reply.message + 6), rows[i].is_kept);
        assert_true((reply.ttl_s > 0) == rows[i].is_kept);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table), cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_long_chains), cmocka_unit_test(test_many_targets),
        cmocka_unit_test(test_another_question)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
