/* The exact octets of each form, and what ends a line or a field early elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "resolver/denials/denial.h"
#include "resolver/dns/message.h"
#include "resolver/export/event.h"
#include "resolver/policy/policy.h"
#include <dnstap.pb-c.h>

static const struct event_syslog school = {.facility = 10, .host = "school", .pid = 7};

static struct denial_record record_make(void)
{
    static const struct denial_device nobody;
    struct denial_record record = {.device = &nobody,
                                   .wall_ms = 1763985602123,
                                   .case_number = 77,
                                   .group = "pupils",
                                   .category = "gambling",
                                   .title = "Bets [\"] \\",
                                   .severity = SEVERITY_HIGH,
                                   .qtype = 28,
                                   .rule = RULE_CATEGORY,
                                   .policy_version = 3,
                                   .generation = 9,
                                   .qname = (const uint8_t *)"\4a\"]b\7example",
                                   .matched = (const uint8_t *)"\7example",
                                   .count = 2};

    memcpy(record.client.bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\1\2\3", 16);
    return record;
}

typedef int writes(const struct event *, const struct event_syslog *, FILE *);

static char *rendered(writes *form, const struct event *event, size_t *out_len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, out_len);

    assert_int_equal(form(event, &school, out), 0);
    fclose(out);
    return text;
}

static void test_syslog_is_rfc_5424(void **state)
{
    struct denial_record record = record_make();
    struct event event;
    size_t len;
    (void)state;

    assert_int_equal(event_of_denial(&record, &event), 0);
    char *text = rendered(event_syslog, &event, &len);
    const char *code = json_string_value(json_object_get(event.object, "case"));
    char expected[2048];
    snprintf(expected, sizeof(expected),
             "<84>1 2025-11-24T12:00:02.123+00:00 school chalkgate 7 denial "
             "[denial@32473 time=\"2025-11-24T12:00:02.123+00:00\" case=\"%s\" group=\"pupils\" "
             "category=\"gambling\" title=\"Bets [\\\"\\] \\\\\" severity=\"high\" "
             "client=\"10.1.2.3\" name=\"a\\\\\\\"\\]b.example\" type=\"AAAA\" "
             "matched=\"example\" via=\"question\" transport=\"udp\" observed=\"false\" "
             "count=\"2\" rule=\"category\" policy-version=\"3\" generation=\"9\"] "
             "10.1.2.3 (pupils) was refused a\\\"]b.example: Bets [\"] \\, case %s",
             code, code);
    assert_string_equal(text, expected);
    free(text);
    event_fini(&event);
}

/* Control characters never reach a terminal or make a second line; UTF-8 has its mark. */
static void test_control_characters_are_taken_out(void **state)
{
    struct denial_record record = record_make();
    struct event event;
    size_t len;
    (void)state;

    record.title = "caf\xc3\xa9\r\n<13>1 forged \x1b[2J\xc2\x9b";
    assert_int_equal(event_of_denial(&record, &event), 0);
    char *text = rendered(event_syslog, &event, &len);
    assert_null(strpbrk(text, "\r\n\x1b"));
    assert_null(strstr(text, "\xc2\x9b"));
    assert_non_null(strstr(text, "] \xef\xbb\xbf"
                                 "10.1.2.3"));
    assert_non_null(strstr(text, "title=\"caf\xc3\xa9?"
                                 "?<13>1 forged ?[2J?\""));
    free(text);
    text = rendered(event_journal, &event, &len);
    assert_non_null(memmem(text, len, "\nCHALKGATE_TITLE\n\x1a\0\0\0\0\0\0\0caf", 28));
    assert_non_null(memmem(text, len, "\nPRIORITY=4\n", 12));
    free(text);
    record.title = "no \xff utf-8";
    event_fini(&event);
    assert_int_equal(event_of_denial(&record, &event), 0);
    assert_string_equal(json_string_value(json_object_get(event.object, "title")), "(unreadable)");
    event_fini(&event);
}

static void test_changes_are_flat(void **state)
{
    json_t *entry =
        json_pack("{sI,ss,s{ss,si},ss,ss,s{ss},sn,ss}", "number", (json_int_t)5, "time",
                  "2025-11-24T12:00:02Z", "by", "login", "head", "uid", 4, "action", "allow",
                  "target", "x.test for pupils", "after", "a", "]", "before", "reason", "le\"sson");
    struct event event;
    size_t len;
    (void)state;

    assert_non_null(entry);
    assert_int_equal(event_of_change(entry, &event), 0);
    char *text = rendered(event_syslog, &event, &len);
    assert_string_equal(
        text, "<85>1 2025-11-24T12:00:02.000+00:00 school chalkgate 7 change "
              "[change@32473 by-login=\"head\" by-uid=\"4\" number=\"5\" "
              "time=\"2025-11-24T12:00:02Z\" action=\"allow\" target=\"x.test for pupils\" "
              "after=\"{\\\"a\\\":\\\"\\]\\\"}\" reason=\"le\\\"sson\"] "
              "head: allow x.test for pupils, because: le\"sson");
    free(text);
    /* dnstap has no form for it. */
    static const struct config config = {.path = ""};
    FILE *out = open_memstream(&text, &len);
    assert_int_equal(event_dnstap(&event, &config, "school", out), 0);
    fclose(out);
    assert_int_equal(len, 0);
    free(text);
    event_fini(&event);
    json_decref(entry);
}

/* Denials that have no record go out as a number, with the hour they are of. */
static void test_counted_denials_have_their_own_event(void **state)
{
    struct feed_counted counted = {.hour = 12,
                                   .from_ms = 1763985600000,
                                   .until_ms = 1763989200000,
                                   .group = "pupils",
                                   .category = "self-harm",
                                   .title = "Self-\x1bharm",
                                   .severity = SEVERITY_URGENT,
                                   .count = 23};
    static const struct config config = {.path = ""};
    struct event event;
    size_t len;
    (void)state;

    assert_int_equal(event_of_counted(&counted, &event), 0);
    char *text = rendered(event_syslog, &event, &len);
    assert_string_equal(text, "<81>1 2025-11-24T12:00:00.000+00:00 school chalkgate 7 counted "
                              "[counted@32473 time=\"2025-11-24T12:00:00.000+00:00\" "
                              "until=\"2025-11-24T13:00:00.000+00:00\" group=\"pupils\" "
                              "category=\"self-harm\" title=\"Self-?harm\" severity=\"urgent\" "
                              "count=\"23\"] 23 look-ups of pupils were refused and counted, but "
                              "not itemised: Self-?harm, 12:00 to 13:00");
    free(text);
    text = rendered(event_journal, &event, &len);
    assert_non_null(memmem(text, len, "\nPRIORITY=1\n", 12));
    assert_non_null(memmem(text, len, "\nCHALKGATE_COUNT=23\n", 20));
    free(text);
    FILE *out = open_memstream(&text, &len);
    assert_int_equal(event_dnstap(&event, &config, "school", out), 0); /* it has no form for it */
    fclose(out);
    assert_int_equal(len, 0);
    free(text);
    event_fini(&event);
    counted.group = counted.category = counted.title = "";
    assert_int_equal(event_of_counted(&counted, &event), 0);
    text = rendered(event_syslog, &event, &len);
    assert_non_null(strstr(text, "] 23 look-ups of a group that is not known were refused and "
                                 "counted, but not itemised: of no known category, 12:00"));
    free(text);
    event_fini(&event);
}

/* What was answered, as the record tells: "no data" where others types of the name are let through,
 * whatever the configuration has for the category now. */
static void test_dnstap_tells_what_was_answered(void **state)
{
    static const struct {
        uint8_t answer;
        unsigned rcode;
        Dnstap__Policy__Action action;
    } cases[] = {{0, DNS_NXDOMAIN, DNSTAP__POLICY__ACTION__NXDOMAIN}, /* an older record */
                 {ANSWER_NXDOMAIN + 1, DNS_NXDOMAIN, DNSTAP__POLICY__ACTION__NXDOMAIN},
                 {ANSWER_NODATA + 1, DNS_NOERROR, DNSTAP__POLICY__ACTION__NODATA},
                 {ANSWER_NULL + 1, DNS_NOERROR, DNSTAP__POLICY__ACTION__LOCAL_DATA},
                 {ANSWER_REFUSED + 1, DNS_REFUSED, DNSTAP__POLICY__ACTION__NODATA}};
    static const struct config config = {.path = ""};
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct denial_record record = record_make();
        struct event event;
        char *bytes = NULL;
        size_t len;
        record.answer = cases[i].answer;
        assert_int_equal(event_of_denial(&record, &event), 0);
        FILE *out = open_memstream(&bytes, &len);
        assert_int_equal(event_dnstap(&event, &config, "school", out), 1);
        fclose(out);
        Dnstap__Dnstap *told = dnstap__dnstap__unpack(NULL, len, (const uint8_t *)bytes);
        assert_non_null(told);
        assert_int_equal(told->message->response_message.data[3] & 15, cases[i].rcode);
        assert_int_equal(told->message->policy->action, cases[i].action);
        dnstap__dnstap__free_unpacked(told, NULL);
        free(bytes);
        event_fini(&event);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syslog_is_rfc_5424),
        cmocka_unit_test(test_control_characters_are_taken_out),
        cmocka_unit_test(test_changes_are_flat),
        cmocka_unit_test(test_counted_denials_have_their_own_event),
        cmocka_unit_test(test_dnstap_tells_what_was_answered),
    };

    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
