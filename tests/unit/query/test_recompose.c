/* Answers written anew, read back by ldns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <ldns/ldns.h>

#include "resolver/query/recompose.h"

struct row {
    const char *what;
    const char *name; /* what the message answers */
    unsigned type;
    const char *answer[6], *authority[2];
    const char *asked; /* what the client asked, where that is an alias; NULL: the same */
    uint32_t age_s, limit_s, stale_s;
    const char *told[6]; /* answer, then authority */
};

#define SOA "site.test. 300 IN SOA ns.site.test. h.site.test. 1 2 3 4 300"
#define ECH "ech=AEX+DQBBpQAgACBl"

static const struct row ROWS[] = {
    {.what = "ech goes, the rest stays",
     .name = "www.site.test",
     .type = 65,
     .answer = {"www.site.test. 60 IN HTTPS 1 . alpn=h2,h3 " ECH " ipv6hint=2001:db8::1"},
     .told = {"www.site.test.\t60\tIN\tHTTPS\t1 . alpn=h2,h3 ipv6hint=2001:db8::1"}},
    {.what = "a mandatory ech is no longer mandatory",
     .name = "www.site.test",
     .type = 65,
     .answer = {"www.site.test. 60 IN HTTPS 1 . mandatory=alpn,ech alpn=h2 " ECH},
     .told = {"www.site.test.\t60\tIN\tHTTPS\t1 . mandatory=alpn alpn=h2"}},
    {.what = "an empty list of mandatory keys is none",
     .name = "www.site.test",
     .type = 65,
     .answer = {"www.site.test. 60 IN HTTPS 1 t.site.test. mandatory=ech " ECH},
     .told = {"www.site.test.\t60\tIN\tHTTPS\t1 t.site.test."}},
    {.what = "behind a chain, beside another record, of type SVCB",
     .name = "_dns.site.test",
     .type = 64,
     .answer = {"_dns.site.test. 60 IN CNAME b.site.test.",
                "b.site.test. 50 IN SVCB 1 b.site.test. port=853 " ECH " key65400=abc",
                "b.site.test. 50 IN SVCB 2 c.site.test. alpn=dot"},
     .told = {"_dns.site.test.\t60\tIN\tCNAME\tb.site.test.",
              "b.site.test.\t50\tIN\tSVCB\t1 b.site.test. port=853 key65400=abc",
              "b.site.test.\t50\tIN\tSVCB\t2 c.site.test. alpn=dot"}},
    {.what = "signatures go with what they signed",
     .name = "www.site.test",
     .type = 65,
     .answer = {"www.site.test. 60 IN HTTPS 1 . " ECH,
                "www.site.test. 60 IN RRSIG HTTPS 13 3 60 20300101000000 20200101000000 1 "
                "site.test. AAAA"},
     .told = {"www.site.test.\t60\tIN\tHTTPS\t1 ."}},
    {.what = "an alias, and what its target's chain leads to",
     .name = "safe.site.test",
     .type = 1,
     .answer = {"safe.site.test. 90 IN CNAME x.cdn.test.", "x.cdn.test. 30 IN A 192.0.2.1",
                "x.cdn.test. 30 IN A 192.0.2.2"},
     .asked = "www.site.test",
     .told = {"www.site.test.\t300\tIN\tCNAME\tsafe.site.test.",
              "safe.site.test.\t90\tIN\tCNAME\tx.cdn.test.", "x.cdn.test.\t30\tIN\tA\t192.0.2.1",
              "x.cdn.test.\t30\tIN\tA\t192.0.2.2"}},
    {.what = "an alias to what has no such record",
     .name = "safe.site.test",
     .type = 28,
     .authority = {SOA},
     .asked = "www.site.test",
     .told = {"www.site.test.\t300\tIN\tCNAME\tsafe.site.test.",
              "site.test.\t300\tIN\tSOA\tns.site.test. h.site.test. 1 2 3 4 300"}},
    {.what = "time has passed",
     .name = "safe.site.test",
     .type = 1,
     .answer = {"safe.site.test. 90 IN A 192.0.2.1"},
     .asked = "www.site.test",
     .age_s = 60,
     .limit_s = 100,
     .told = {"www.site.test.\t100\tIN\tCNAME\tsafe.site.test.",
              "safe.site.test.\t30\tIN\tA\t192.0.2.1"}},
    {.what = "stale",
     .name = "safe.site.test",
     .type = 1,
     .answer = {"safe.site.test. 90 IN A 192.0.2.1"},
     .asked = "www.site.test",
     .age_s = 600,
     .stale_s = 30,
     .told = {"www.site.test.\t300\tIN\tCNAME\tsafe.site.test.",
              "safe.site.test.\t30\tIN\tA\t192.0.2.1"}},
};

static void push(ldns_pkt *packet, ldns_pkt_section section, const char *text)
{
    ldns_rr *record;

    if (!text)
        return;
    assert_int_equal(ldns_rr_new_frm_str(&record, text, 0, NULL, NULL), LDNS_STATUS_OK);
    ldns_pkt_push_rr(packet, section, record);
}

static size_t compose(const struct row *row, uint8_t **out_wire)
{
    ldns_pkt *packet = ldns_pkt_query_new(ldns_dname_new_frm_str(row->name),
                                          (ldns_rr_type)row->type, LDNS_RR_CLASS_IN, LDNS_RD);
    size_t len;

    ldns_pkt_set_qr(packet, true);
    for (size_t i = 0; i < 6; i++)
        push(packet, LDNS_SECTION_ANSWER, row->answer[i]);
    for (size_t i = 0; i < 2; i++)
        push(packet, LDNS_SECTION_AUTHORITY, row->authority[i]);
    assert_int_equal(ldns_pkt2wire(out_wire, packet, &len), LDNS_STATUS_OK);
    ldns_pkt_free(packet);
    return len;
}

static void write_question(struct dns_writer *writer, const char *name, unsigned type)
{
    struct dns_question question = {.id = 7, .flags = DNS_RD, .type = (uint16_t)type, .class = 1};
    struct bl_name wire;

    assert_int_equal(bl_name_parse(name, strlen(name), &wire), BL_NAME_FINE);
    memcpy(question.asked, wire.wire, wire.len);
    question.asked_len = wire.len;
    dns_write_answer_head(writer, &question, 0);
}

static void compare(const struct row *row, const ldns_pkt *packet)
{
    ldns_rr_list *told = ldns_pkt_get_section_clone(packet, LDNS_SECTION_ANY_NOQUESTION);
    size_t count = ldns_rr_list_rr_count(told);

    for (size_t i = 0; i < count || (i < 6 && row->told[i]); i++) {
        char *text = i < count ? ldns_rr2str(ldns_rr_list_rr(told, i)) : strdup("nothing\n");
        text[strcspn(text, "\n")] = '\0';
        for (size_t end = strlen(text); end && text[end - 1] == ' ';)
            text[--end] = '\0';
        if (i >= 6 || !row->told[i] || strcmp(text, row->told[i]) != 0)
            fail_msg("%s: told '%s', not '%s'", row->what, text,
                     i < 6 && row->told[i] ? row->told[i] : "nothing");
        free(text);
    }
    ldns_rr_list_deep_free(told);
}

static void test_rows(void **state)
{
    static uint8_t room[65535];

    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        const struct row *row = &ROWS[i];
        struct dns_writer writer = {.message = room, .room = sizeof room};
        struct recompose how = {.age_s = row->age_s,
                                .limit_s = row->limit_s ? row->limit_s : 86400,
                                .stale_s = row->stale_s,
                                .alias_ttl_s = 300,
                                .without_ech = true};
        struct bl_name target;
        ldns_pkt *packet;
        uint8_t *wire;
        how.len = compose(row, &wire);
        how.message = wire;
        if (row->asked) {
            assert_int_equal(bl_name_parse(row->name, strlen(row->name), &target), BL_NAME_FINE);
            how.alias = target.wire;
            how.alias_len = target.len;
        }
        write_question(&writer, row->asked ? row->asked : row->name, row->type);
        assert_int_equal(recompose_records(&writer, &how), 0);
        assert_false(writer.failed);
        assert_int_equal(ldns_wire2pkt(&packet, room, writer.len), LDNS_STATUS_OK);
        compare(row, packet);
        ldns_pkt_free(packet);
        free(wire);
    }
}

/* Every room too small fails and writes nothing past it (the sanitizer looks). */
static void test_no_room(void **state)
{
    const struct row *row = &ROWS[5];
    uint8_t *wire;
    size_t len = compose(row, &wire);

    (void)state;
    for (size_t room = 12 + 15 + 4; room < 120; room++) {
        uint8_t *exact = malloc(room);
        struct dns_writer writer = {.message = exact, .room = room};
        struct recompose how = {.message = wire, .len = len, .limit_s = 60, .without_ech = true};
        how.alias = (const uint8_t *)"\4safe\4site\4test";
        how.alias_len = 16;
        write_question(&writer, row->asked, row->type);
        assert_int_equal(recompose_records(&writer, &how), 0);
        free(exact);
    }
    free(wire);
}

static void test_broken_service(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } ROWS_BROKEN[] = {
        {"", 0},
        {"\0\1", 2},
        {"\0\1\300\14", 4},        /* a compressed target */
        {"\0\1\1a", 4},            /* no end */
        {"\0\1\0\0\5\0", 6},       /* half a parameter */
        {"\0\1\0\0\5\0\4abc", 10}, /* longer than the record */
        {"\0\1\0\0\1\377\377", 7},
    };
    uint8_t out[64];

    (void)state;
    for (size_t i = 0; i < sizeof ROWS_BROKEN / sizeof *ROWS_BROKEN; i++) {
        uint8_t *exact = malloc(ROWS_BROKEN[i].len + 1);
        memcpy(exact, ROWS_BROKEN[i].bytes, ROWS_BROKEN[i].len);
        exact = realloc(exact, ROWS_BROKEN[i].len ? ROWS_BROKEN[i].len : 1);
        assert_true(recompose_service(exact, ROWS_BROKEN[i].len, out) < 0);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_broken_service),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
