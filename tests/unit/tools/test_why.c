/* `why` against a real store and a configuration: stories, exit codes, batches. */
#include <jansson.h>

#include "tests/unit/tools/why.h"

static const char CONFIG[] =
    "upstreams: [192.0.2.53]\n"
    "state: .\n"
    "calendar:\n"
    "  time-zone: Europe/London\n"
    "  periods: {lessons: {days: [mon-sun], when: always, times: [09:00-15:30]}}\n"
    "categories:\n"
    "  gambling: {title: Gambling, severity: high}\n"
    "  games: {title: Games}\n"
    "  social-networks: {title: Social networks}\n"
    "groups:\n"
    "  pupils:\n"
    "    title: Pupils\n"
    "    subnets: [10.10.0.0/16]\n"
    "    deny: [gambling, games, service:tiktok]\n"
    "    allow: [chess.test]\n"
    "  staff:\n"
    "    subnets: [10.20.0.0/16]\n"
    "    schedule: [{during: [lessons], deny: [social-networks]}]\n";

static int school_open(void **state)
{
    static const struct fixture_list lists[] = {
        {"gambling", BL_TIER_SCHOOL, "other.test casino.test bet.test"},
        {"games", BL_TIER_SCHOOL, "play.test @ok.play.test chess.test casino.test"},
        {"social-networks", BL_TIER_SCHOOL, "chat.test"},
    };

    (void)state;
    school_make();
    file_write(config_path, CONFIG);
    lists_adopt(lists, 3);
    return 0;
}

static void denied_with_its_line(void **state)
{
    char out[OUT_ROOM];

    (void)state;
    assert_int_equal(run(false, out, "WWW.Casino.Test.", "--client", "10.10.1.2", NULL),
                     EXIT_NOT_ALLOWED);
    assert_says(out, "www.casino.test is denied: Gambling, denied by the configuration, group "
                     "\"pupils\"\n");
    assert_says(out, "pupils (Pupils), because 10.10.1.2 is in 10.10.0.0/16\n");
    assert_says(out, "casino.test, gambling: block tier school, fixture:0, line 2\n");
    assert_says(out, "casino.test, games: block tier school, fixture:1, line 4\n");
    assert_says(out, "Answer      nxdomain, kept at most 10 s\n");
    assert_says(out, "lists 1, policy");
}

static void allowed_for_a_reason(void **state)
{
    char out[OUT_ROOM];

    (void)state;
    assert_int_equal(run(false, out, "chess.test", "--group", "pupils", NULL), EXIT_DONE);
    assert_says(out, "chess.test is allowed: an exception by the configuration, group \"pupils\"");
    assert_says(out, "allow chess.test, by the configuration, group \"pupils\" (this decides)");
    assert_int_equal(run(false, out, "ok.play.test", "--group", "pupils", NULL), EXIT_DONE);
    assert_says(out, "an allow entry of the lists beats the block");
    assert_int_equal(run(false, out, "casino.test", "--group", "staff", NULL), EXIT_DONE);
    assert_says(out, "Gambling is not denied to staff");
    assert_int_equal(run(false, out, "nowhere.test", "--group", "staff", NULL), EXIT_DONE);
    assert_says(out, "on no list");
}

static void depends_on_the_hour(void **state)
{
    char out[OUT_ROOM];

    (void)state;
    assert_int_equal(
        run(false, out, "chat.test", "--group", "staff", "--at", "2026-11-23T11:15", NULL),
        EXIT_NOT_ALLOWED);
    assert_says(out,
                "Social networks, denied by the schedule of group \"staff\" during \"lessons\"");
    assert_says(out, "2026-11-23T11:15, during lessons; until 15:30 at least");
    assert_int_equal(run(false, out, "chat.test", "--group", "staff", "--at", "2026-07-23T15:30",
                         NULL), /* summer time */
                     EXIT_DONE);
    assert_says(out, "until 2026-07-24T09:00 at least");
}

static void as_json(void **state)
{
    char out[OUT_ROOM];
    json_t *story;

    (void)state;
    assert_int_equal(run(true, out, "www.tiktok.com", "--group", "pupils", "--type", "HTTPS", NULL),
                     EXIT_NOT_ALLOWED);
    story = json_loads(out, 0, NULL);
    assert_non_null(story);
    assert_string_equal(json_string_value(json_object_get(story, "verdict")), "denied");
    assert_string_equal(json_string_value(json_object_get(story, "rule")), "exception");
    assert_string_equal(json_string_value(json_object_get(story, "type")), "HTTPS");
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(story, "exceptions"), 0), "service")),
                        "tiktok");
    assert_int_equal(json_integer_value(json_object_get(story, "generation")), 1);
    json_decref(story);
}

static void for_all_and_in_batches(void **state)
{
    char out[OUT_ROOM], path[PATH_ROOM];

    (void)state;
    assert_int_equal(run(false, out, "bet.test", NULL), EXIT_NOT_ALLOWED);
    assert_says(out, "pupils");
    assert_says(out, "staff");
    snprintf(path, sizeof path, "%s/lesson.txt", folder);
    file_write(path, "# Monday\nchess.test\n  bet.test  # no\n\n");
    assert_int_equal(run(true, out, "--batch", path, "--group", "pupils", NULL), EXIT_NOT_ALLOWED);
    assert_says(out, "chess.test");
    assert_says(out, "\"bet.test\"");
    file_write(path, "chess.test\n");
    assert_int_equal(run(false, out, "--batch", path, "--group", "pupils", NULL), EXIT_DONE);
}

static void what_cannot_be_told(void **state)
{
    char out[OUT_ROOM];

    (void)state;
    assert_int_equal(run(false, out, "bet.test", "--client", "192.0.2.1", NULL), EXIT_NOT_ALLOWED);
    assert_says(out, "bet.test is refused: 192.0.2.1 is in no group's subnets");
    assert_int_equal(run(false, out, "bet.test", "--group", "nobody", NULL), EXIT_USAGE);
    assert_int_equal(run(false, out, "be..t.test", "--group", "pupils", NULL), EXIT_USAGE);
    assert_int_equal(run(false, out, "bet.test", "--client", "x", NULL), EXIT_USAGE);
    assert_int_equal(run(false, out, "bet.test", "--at", "tea", NULL), EXIT_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(denied_with_its_line),   cmocka_unit_test(allowed_for_a_reason),
        cmocka_unit_test(depends_on_the_hour),    cmocka_unit_test(as_json),
        cmocka_unit_test(for_all_and_in_batches), cmocka_unit_test(what_cannot_be_told),
    };

    return cmocka_run_group_tests(tests, school_open, school_close);
}
