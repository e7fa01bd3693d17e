#include "fixture.h"

#include <dirent.h>
#include <jansson.h>
#include <time.h>

#include "resolver/denials/alert.h"
#include "resolver/denials/legend.h"

static char folder[PATH_MAX];
static struct alerts *alerts;
static struct legend_names *names;
static int64_t now_ms;

enum { ADS, GAMBLING, ADULT, SELF_HARM };

static int setup(void **state)
{
    struct legend *legend = fixture_legend(3);
    (void)state;

    now_ms = (int64_t)time(NULL) * 1000;
    folder_make(folder);
    assert_int_equal(alerts_create(folder, &alerts, NULL), 0);
    assert_int_equal(
        legend_read((const struct journal_legend *)(const void *)legend->bytes, &names), 0);
    legend_free(legend);
    const struct alert_threshold thresholds[] = {{"gambling", 5, 600000}};
    const struct alert_settings settings = {
        .severity = 3, .quiet_ms = 3600000, .thresholds = thresholds, .threshold_count = 1};
    assert_int_equal(alerts_configure(alerts, &settings), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    alerts_free(alerts);
    legend_names_free(names);
    folder_drop(folder);
    return 0;
}

static void meet(uint16_t category, unsigned host, int64_t wall_ms)
{
    uint8_t name[256];
    struct journal_item item = {.case_number = 4711};

    item.denial = fixture_denial(wire("www.some.test", name), wall_ms, host);
    item.denial.category = category;
    item.qname_len = 15;
    alerts_meet(alerts, &item, names);
}

static unsigned spooled(json_t **out_last)
{
    char path[PATH_MAX + 16], file[PATH_MAX + 300];
    struct dirent **entries;
    unsigned count = 0;

    snprintf(path, sizeof(path), "%s/alerts", folder);
    int found = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < found; i++) {
        if (strstr(entries[i]->d_name, ".json") != NULL) {
            snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
            json_t *alert = json_load_file(file, 0, NULL);
            assert_non_null(alert);
            if (out_last != NULL) {
                json_decref(*out_last);
                *out_last = json_incref(alert);
            }
            json_decref(alert);
            count++;
        }
        free(entries[i]);
    }
    free(entries);
    return count;
}

static void urgent_ones_alert_at_once_and_once(void **state)
{
    json_t *last = NULL;
    (void)state;

    for (int i = 0; i < 50; i++)
        meet(SELF_HARM, 7, now_ms - 1000 + i);
    assert_int_equal(spooled(&last), 1);
    assert_string_equal(json_string_value(json_object_get(last, "device")), "10.1.0.7");
    assert_string_equal(json_string_value(json_object_get(last, "category")), "self-harm");
    assert_string_equal(json_string_value(json_object_get(last, "severity")), "urgent");
    assert_string_equal(json_string_value(json_object_get(last, "name")), "www.some.test");
    assert_non_null(json_string_value(json_object_get(last, "case")));
    assert_null(json_object_get(last, "threshold"));
    json_decref(last);
    meet(SELF_HARM, 8, now_ms); /* another device */
    assert_int_equal(spooled(NULL), 2);
    meet(SELF_HARM, 7, now_ms + 3599000 - 1000);
    assert_int_equal(spooled(NULL), 2);
    meet(SELF_HARM, 7, now_ms + 3600000); /* the quiet time is over */
    assert_int_equal(spooled(NULL), 3);
}

/* A title that is cut within a character, or says where the cursor goes, costs no sentence. */
static void a_title_is_never_unreadable(void **state)
{
    const char *title = names->titles[SELF_HARM], *text;
    char long_title[160] = "\x1b[2J\xe2\x80\xae";
    json_t *last = NULL;
    (void)state;

    for (size_t i = strlen(long_title); i < 119; i++)
        strcat(long_title, "a");
    strcat(long_title, "\xc3\xa9 and more"); /* octet 120 is its first half */
    names->titles[SELF_HARM] = long_title;
    meet(SELF_HARM, 7, now_ms);
    names->titles[SELF_HARM] = title;
    assert_int_equal(spooled(&last), 1);
    text = json_string_value(json_object_get(last, "text"));
    assert_non_null(strstr(text, "10.1.0.7 ("));
    assert_non_null(strstr(text, "?[2J?aaa"));
    assert_non_null(strstr(text, "aaa?"));
    json_decref(last);
}

static void less_severe_ones_alert_by_number(void **state)
{
    json_t *last = NULL;
    (void)state;

    for (int i = 0; i < 100; i++)
        meet(ADULT, 7, now_ms + i); /* no threshold, not urgent */
    for (int i = 0; i < 40; i++)
        meet(GAMBLING, 1, now_ms + i * 200000); /* too slowly */
    for (int i = 0; i < 4; i++)
        meet(GAMBLING, 2, now_ms + i);
    assert_int_equal(spooled(NULL), 0);
    meet(GAMBLING, 2, now_ms + 5000);
    assert_int_equal(spooled(&last), 1);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(last, "threshold"), "count")), 5);
    json_decref(last);
    for (int i = 0; i < 100; i++)
        meet(GAMBLING, 2, now_ms + 6000 + i);
    assert_int_equal(spooled(NULL), 1);
}

static void old_ones_and_unknown_ones_do_not(void **state)
{
    uint8_t name[256];
    struct journal_item item = {.case_number = 1, .qname_len = 15};
    (void)state;

    meet(SELF_HARM, 7, now_ms - 2 * (int64_t)ALERTS_OLD_MS);
    meet(99, 7, now_ms);
    item.denial = fixture_denial(wire("www.some.test", name), now_ms, 1);
    alerts_meet(alerts, &item, NULL);
    assert_int_equal(spooled(NULL), 0);
}

static void many_devices_do_not_grow_the_table(void **state)
{
    struct alerts_status status;
    (void)state;

    for (unsigned i = 0; i < 40000; i++)
        meet(GAMBLING, i, now_ms + i);
    alerts_status(alerts, &status);
    assert_int_equal(status.raised + status.waiting + status.lost, 0);
}

static void a_spool_that_cannot_be_written_waits(void **state)
{
    char path[PATH_MAX + 16];
    struct alerts_status status;
    (void)state;

    snprintf(path, sizeof(path), "%s/alerts", folder);
    assert_int_equal(rmdir(path), 0);
    meet(SELF_HARM, 7, now_ms);
    meet(SELF_HARM, 8, now_ms);
    alerts_status(alerts, &status);
    assert_int_equal(status.waiting, 2);
    assert_int_equal(mkdir(path, 0700), 0);
    meet(SELF_HARM, 9, now_ms);
    alerts_status(alerts, &status);
    assert_int_equal(status.waiting, 0);
    assert_int_equal(status.raised, 3);
    assert_int_equal(spooled(NULL), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(urgent_ones_alert_at_once_and_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_title_is_never_unreadable, setup, teardown),
        cmocka_unit_test_setup_teardown(less_severe_ones_alert_by_number, setup, teardown),
        cmocka_unit_test_setup_teardown(old_ones_and_unknown_ones_do_not, setup, teardown),
        cmocka_unit_test_setup_teardown(many_devices_do_not_grow_the_table, setup, teardown),
        cmocka_unit_test_setup_teardown(a_spool_that_cannot_be_written_waits, setup, teardown)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
