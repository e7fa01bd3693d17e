/* Whose address it was stays with the record: through journal, segment, sums and retention. */
#include "fixture.h"

#include <time.h>

#include "resolver/denials/device.h"
#include "resolver/denials/journal_format.h"
#include "resolver/denials/records.h"
#include "resolver/denials/retention.h"
#include "resolver/denials/writer.h"

static char folder[PATH_MAX];
static const int64_t noon_ms = 1763985600000; /* 24 November 2025, noon UTC */
static const uint8_t TOLD[MAC_LEN] = {2, 0, 0, 0, 0, 0x77};

struct namer { /* what is known at a time */
    const char *name;
    uint8_t last;
};

static void name(void *user, const struct denial *denial, struct denial_device *out_device)
{
    const struct namer *namer = user;

    if (denial->mac != NULL || namer->last == 0)
        return;
    out_device->mac[0] = 2;
    out_device->mac[5] = namer->last;
    out_device->has_mac = 1;
    snprintf(out_device->name, sizeof(out_device->name), "%s", namer->name);
}

struct rig {
    struct legend *legend;
    struct journal *journal;
    struct denials_writer *writer;
    struct namer namer;
    int64_t now_ms;
};

static void ask(struct rig *rig, const char *client, uint16_t category, const uint8_t *mac)
{
    uint8_t wire_name[256];
    struct denial denial = fixture_denial(wire("www.site.test", wire_name), rig->now_ms += 2000, 0);

    assert_int_equal(address_parse(client, 0, &denial.client), 0);
    denial.category = category;
    denial.mac = mac;
    assert_true(journal_append(rig->journal, &denial) != 0);
    assert_int_equal(denials_writer_flush(rig->writer, NULL), 0);
}

static int device_tell(char *told, const struct denial_device *device,
                       const struct address *address)
{
    char text[DENIAL_DEVICE_MAX];

    strcat(strcat(told, denial_device_text(device, address, text)), ";");
    return 0;
}

static int record_tell(void *user, const struct denial_record *record)
{
    return device_tell(user, record->device, &record->client);
}

static int key_tell(void *user, const struct denial_sum *sum)
{
    char text[DENIAL_DEVICE_MAX];

    strcat(strcat(user, denial_device_key(sum->device, sum->client, text)), ";");
    return 0;
}

static void expect(const struct denials_filter *wanted, const char *expected)
{
    struct denials_filter filter = *wanted;
    char told[2048] = "";

    filter.until_ms = INT64_MAX;
    assert_int_equal(denials_search(folder, &filter, record_tell, told, NULL), 0);
    assert_string_equal(told, expected);
}

static void devices_stay_with_records(void **state)
{
    struct rig rig = {.legend = fixture_legend(3), .now_ms = noon_ms};
    const struct denials_filter all = {.until_ms = INT64_MAX};
    char told[2048] = "";
    (void)state;

    setenv("TZ", "Europe/London", 1);
    tzset();
    folder_make(folder);
    assert_int_equal(journal_open(folder, 0, &rig.journal, NULL), 0);
    journal_legend(rig.journal, rig.legend);
    struct denials_writer_options options = {.state = folder,
                                             .journals = &rig.journal,
                                             .journal_count = 1,
                                             .namer = {.name = name, .user = &rig.namer},
                                             .interval_ms = 60000};
    assert_int_equal(denials_writer_start(&options, &rig.writer, NULL), 0);
    ask(&rig, "10.1.0.5", 0, NULL);
    rig.namer = (struct namer){"tablet", 5};
    ask(&rig, "10.1.0.5", 1, NULL);
    ask(&rig, "fd00::5", 1, NULL);
    /* The address is another's later: what was on record stays as it was. */
    rig.namer = (struct namer){"", 6};
    ask(&rig, "10.1.0.5", 1, NULL);
    ask(&rig, "10.1.0.1", 1, TOLD);
    const char *records = "10.1.0.5;tablet (02:00:00:00:00:05);tablet (02:00:00:00:00:05);"
                          "02:00:00:00:00:06;02:00:00:00:00:77;";
    expect(&all, records);
    expect(&(struct denials_filter){.device = "TABLET"},
           "tablet (02:00:00:00:00:05);tablet (02:00:00:00:00:05);");
    expect(&(struct denials_filter){.device = "02-00-00-00-00-77"}, "02:00:00:00:00:77;");
    expect(&(struct denials_filter){.device = "nobody"}, "");
    denials_writer_stop(rig.writer);
    assert_int_equal(denials_sums(folder, &all, key_tell, told, NULL), 0);
    assert_non_null(strstr(told, "02:00:00:00:00:05;"));
    assert_null(strstr(told, "fd00"));
    /* A day that is written anew without a category keeps the others' devices. */
    const struct retention_rule rule = {"ads", 1000};
    const struct retention retention = {
        .keep_ms = INT64_C(400) * 86400000, .rules = &rule, .rule_count = 1};
    struct retention_receipt receipt;
    journal_close(rig.journal);
    assert_int_equal(
        retention_run(folder, &retention, noon_ms + INT64_C(5) * 86400000, &receipt, NULL), 0);
    assert_int_equal(receipt.rewritten, 1);
    expect(&all, strchr(records, ';') + 1);
    legend_free(rig.legend);
    folder_drop(folder);
}

static void texts_and_keys(void **state)
{
    static const struct {
        struct denial_device device;
        const char *text, *key;
    } ROWS[] = {
        {{.has_mac = 0}, "10.1.0.5", "10.1.0.5"},
        {{.name = "tablet"}, "tablet (10.1.0.5)", "10.1.0.5"},
        {{.mac = {2, 0, 0, 0, 0, 5}, .has_mac = 1}, "02:00:00:00:00:05", "02:00:00:00:00:05"},
        {{.mac = {2, 0, 0, 0, 0, 5}, .has_mac = 1, .name = "tablet"},
         "tablet (02:00:00:00:00:05)",
         "02:00:00:00:00:05"},
        {{.mac = {2, 0, 0, 0, 0, 5}, .has_mac = 1, .fixed = 1, .name = "head"},
         "head",
         "02:00:00:00:00:05"},
        {{.fixed = 1, .name = "desk"}, "desk", "desk"},
    };
    struct address address;
    (void)state;

    assert_int_equal(address_parse("10.1.0.5", 0, &address), 0);
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        char text[DENIAL_DEVICE_MAX];
        uint8_t octets[DENIAL_DEVICE_OCTETS];
        struct denial_device again;
        size_t len = denial_device_write(&ROWS[i].device, octets);
        assert_string_equal(denial_device_text(&ROWS[i].device, &address, text), ROWS[i].text);
        assert_string_equal(denial_device_key(&ROWS[i].device, &address, text), ROWS[i].key);
        assert_true(denial_device_read(octets, len, &again));
        assert_memory_equal(&again, &ROWS[i].device, sizeof(again));
        for (size_t cut = 1; cut < len; cut++)
            assert_false(denial_device_read(octets, cut, &again));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_and_keys),
        cmocka_unit_test(devices_stay_with_records),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
