/* `why --at` of the past: by the configuration, exceptions and lists of that time, and what it says
 * and judges by where a part of them is not to be had. */
#include <errno.h>
#include <jansson.h>
#include <openssl/sha.h>

#include "resolver/policy/acts.h"
#include "resolver/policy/grants.h"
#include "resolver/policy/moments.h"
#include "resolver/policy/then.h"
#include "tests/unit/tools/why.h"

#define HEAD                                                                                       \
    "upstreams: [192.0.2.53]\n"                                                                    \
    "state: .\n"                                                                                   \
    "calendar:\n"                                                                                  \
    "  time-zone: Europe/London\n"

static const char FIRST[] =
    HEAD "  periods: {lessons: {days: [mon-sun], when: always, times: [09:00-11:30]}}\n"
         "records: {printer.school.test: [10.0.0.30]}\n"
         "categories: {games: {title: Games}, chat: {title: Chat sites}}\n"
         "groups:\n"
         "  pupils: {subnets: [10.10.0.0/16], deny: [games], schedule: [{during: [lessons], deny: "
         "[chat]}]}\n";

/* The group has another name, the category is gone, and lessons last longer. */
static const char SECOND[] =
    HEAD "  periods: {lessons: {days: [mon-sun], when: always, times: [09:00-15:30]}}\n"
         "categories: {games: {title: Games}}\n"
         "groups:\n"
         "  learners: {subnets: [10.10.0.0/16], deny: [games]}\n";

static const int64_t DAY_1 = INT64_C(1709546400000); /* 2024-03-04T10:00 in London */
static const int64_t DAY_2 = INT64_C(1709632800000);
static const int64_t HOUR = 3600000, MINUTE = 60000;

static const struct actor MARY = {.user = "root", .login = "mary", .role = "manager"};

typedef int act_function(struct act *, const json_t *, json_t *, struct bl_error *);

/* Has `function` done at that time under this configuration; takes the request. */
static void act_at(int64_t at_ms, const char *text, act_function *function, json_t *request)
{
    struct act act = {.change = NULL};
    struct config_faults faults = {0};
    struct calendar *calendar = NULL;
    struct config *config = NULL;
    struct state *state = NULL;
    struct bl_error error = {0};
    json_t *reply = json_object();

    assert_int_equal(config_load_text(config_path, text, strlen(text), &config, &faults), 0);
    assert_int_equal(calendar_create(&config->calendar, &calendar, NULL), 0);
    assert_int_equal(state_open(folder, true, &state, NULL), 0);
    assert_int_equal(change_begin(state, &MARY, at_ms, &act.change, NULL), 0);
    act.config = config;
    act.calendar = calendar;
    if (function(&act, request, reply, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(change_commit(act.change, NULL), 0);
    state_close(state);
    calendar_free(calendar);
    config_free(config);
    json_decref(reply);
    json_decref(request);
}

/* As a start or a reload does. */
static int configuration_enter(struct act *act, const json_t *request, json_t *reply,
                               struct bl_error *error)
{
    int code = act_configuration(act, error);

    (void)reply;
    if (code == 0)
        code = moments_note_config(act->change, act->config, error);
    return code == 0 ? act_lists(act->change, "lists-adopt", 0,
                                 (uint64_t)json_integer_value(json_object_get(request, "lists")),
                                 "", error)
                     : code;
}

static json_t *grant_request(const char *kind, const char *target, const char *group)
{
    return json_pack("{s:s, s:s, s:s, s:i, s:s}", "kind", kind, "target", target, "group", group,
                     "seconds", 7200, "reason", "chess club");
}

static int school_open(void **state)
{
    static const struct fixture_list OLD[] = {
        {"games", BL_TIER_SCHOOL, "play.test chess.test"},
        {"chat", BL_TIER_SCHOOL, "talk.test"},
    };
    static const struct fixture_list NEW[] = {
        {"games", BL_TIER_SCHOOL, "chess.test"},
        {"chat", BL_TIER_SCHOOL, ""},
        {"adverts", BL_TIER_SCHOOL, "banner.test"}, /* which no configuration here names */
    };

    (void)state;
    school_make();
    lists_adopt(OLD, 2);
    act_at(DAY_1, FIRST, configuration_enter, json_pack("{s:i}", "lists", 1));
    act_at(DAY_1 + 2 * HOUR, FIRST, act_grant, grant_request("allow", "play.test", "pupils"));
    act_at(DAY_1 + 2 * HOUR + 30 * MINUTE, FIRST, act_revoke,
           json_pack("{s:i, s:s}", "id", 1, "reason", "over"));
    act_at(DAY_1 + 4 * HOUR, FIRST, act_session_start,
           json_pack("{s:s, s:s, s:s, s:i}", "address", "192.168.7.7", "user", "anna", "group",
                     "pupils", "seconds", 3600));
    act_at(DAY_1 + 4 * HOUR + 10 * MINUTE, FIRST, act_session_end,
           json_pack("{s:s}", "user", "anna"));
    lists_adopt(NEW, 3);
    act_at(DAY_2, SECOND, configuration_enter, json_pack("{s:i}", "lists", 2));
    file_write(config_path, SECOND);
    return 0;
}

/* For a pupil's device. */
static void assert_told(const char *name, const char *at, enum exit_code code, const char *words)
{
    char out[OUT_ROOM];

    if (run(false, out, name, "--client", "10.10.0.5", "--at", at, NULL) != code)
        fail_msg("%s at %s, not %d:\n%s", name, at, code, out);
    assert_says(out, words);
}

static void an_entry_that_is_gone(void **state)
{
    char out[OUT_ROOM];

    (void)state;
    assert_int_equal(run(false, out, "play.test", "--client", "10.10.0.5", NULL), EXIT_DONE);
    assert_says(out, "Version     lists 2, policy 4\n");
    assert_int_equal(
        run(false, out, "play.test", "--client", "10.10.0.5", "--at", "2024-03-04T11:00", NULL),
        EXIT_NOT_ALLOWED);
    assert_says(out, "play.test is denied: Games, denied by the configuration, group \"pupils\"");
    assert_says(out, "fixture:0, line 1");
    assert_says(out, "Version     lists 1, policy 1 (as they stood then)\n");
    assert_says_not(out, "Note");
}

static void a_grant_that_was_revoked(void **state)
{
    (void)state;
    assert_told("play.test", "2024-03-04T11:59", EXIT_NOT_ALLOWED, "policy 1 (as");
    assert_told("play.test", "2024-03-04T12:15", EXIT_DONE, "grant 1 of mary: chess club");
    assert_told("play.test", "2024-03-04T12:15", EXIT_DONE, "lists 1, policy 2 (as");
    assert_told("play.test", "2024-03-04T12:45", EXIT_NOT_ALLOWED, "policy 3 (as");
}

static void a_category_and_a_period_that_are_gone(void **state)
{
    (void)state;
    assert_told("talk.test", "2024-03-04T11:00", EXIT_NOT_ALLOWED, "Chat sites, denied by");
    assert_told("talk.test", "2024-03-04T11:00", EXIT_NOT_ALLOWED, "during lessons; until 11:30");
    assert_told("talk.test", "2024-03-04T11:45", EXIT_DONE, "Chat sites is not denied to pupils");
    assert_told("talk.test", "2024-03-05T11:00", EXIT_DONE, "is allowed: on no list\n");
    assert_told("banner.test", "2024-03-05T11:00", EXIT_DONE,
                "is allowed: listed, but in no category that the configuration has\n");
    assert_told("printer.school.test", "2024-03-04T11:00", EXIT_DONE, "record of the school's own");
    assert_told("printer.school.test", "2024-03-05T11:00", EXIT_DONE, "no forward-zone covers");
}

static void a_group_renamed_since(void **state)
{
    char out[OUT_ROOM];

    (void)state;
    assert_int_equal(
        run(false, out, "play.test", "--group", "pupils", "--at", "2024-03-04T11:00", NULL),
        EXIT_NOT_ALLOWED);
    assert_says(out, "Group       pupils (pupils)");
    assert_int_equal(
        run(false, out, "play.test", "--group", "learners", "--at", "2024-03-04T11:00", NULL),
        EXIT_USAGE);
    assert_says(out, "as the rules stood at 2024-03-04T11:00: there is no group \"learners\"");
    assert_int_equal(run(false, out, "play.test", "--group", "pupils", NULL), EXIT_USAGE);
}

static void a_session_that_ended(void **state)
{
    char out[OUT_ROOM];

    (void)state;
    assert_int_equal(
        run(false, out, "play.test", "--client", "192.168.7.7", "--at", "2024-03-04T14:05", NULL),
        EXIT_NOT_ALLOWED);
    assert_says(out, "because anna signed on at 192.168.7.7");
    assert_int_equal(
        run(false, out, "play.test", "--client", "192.168.7.7", "--at", "2024-03-04T14:15", NULL),
        EXIT_NOT_ALLOWED);
    assert_says(out, "is in no group's subnets");
    assert_says(out, "Version     lists 1, policy 3 (as they stood then)\n");
}

/* One that waited was no grant until it was approved, and one that was never approved none. */
static void a_grant_that_waited(void **state)
{
    static const char WITH[] =
        HEAD "  periods: {lessons: {days: [mon-sun], when: always, times: [09:00-15:30]}}\n"
             "roles: {requires-approval: true}\n"
             "categories: {games: {title: Games}}\n"
             "groups:\n"
             "  learners: {subnets: [10.10.0.0/16], deny: [games]}\n";
    struct state *record = NULL;
    struct change *change = NULL;
    json_t *grant = NULL;

    (void)state;
    act_at(DAY_2 + HOUR, WITH, act_grant, grant_request("allow", "chess.test", "learners"));
    act_at(DAY_2 + HOUR, WITH, act_grant,
           grant_request("allow", "name:www.chess.test", "learners"));
    assert_int_equal(state_open(folder, true, &record, NULL), 0);
    assert_int_equal(change_begin(record, &MARY, DAY_2 + 2 * HOUR, &change, NULL), 0);
    assert_int_equal(grant_get(change, 3, &grant, NULL), 0);
    json_object_set_new(grant, "state", json_string("active"));
    assert_int_equal(grant_replace(change, grant, NULL), 0);
    json_decref(grant);
    assert_int_equal(grant_get(change, 4, &grant, NULL), 0);
    assert_int_equal(grant_end(change, grant, "revoked", NULL), 0);
    json_decref(grant);
    assert_int_equal(change_commit(change, NULL), 0);
    state_close(record);
    assert_told("chess.test", "2024-03-05T11:30", EXIT_NOT_ALLOWED, "Games, denied");
    assert_told("chess.test", "2024-03-05T12:30", EXIT_DONE, "grant 3 of mary");
    assert_told("www.chess.test", "2024-03-05T11:30", EXIT_NOT_ALLOWED, "Games, denied");
}

static void as_json(void **state)
{
    char out[OUT_ROOM];
    json_t *story, *then;

    (void)state;
    run(true, out, "play.test", "--client", "10.10.0.5", "--at", "2024-03-04T11:00", NULL);
    story = json_loads(out, 0, NULL);
    then = json_object_get(story, "then");
    assert_int_equal(json_integer_value(json_object_get(story, "generation")), 1);
    assert_int_equal(json_integer_value(json_object_get(story, "policy_version")), 1);
    assert_int_equal(json_integer_value(json_object_get(then, "generation")), 1);
    assert_int_equal(json_integer_value(json_object_get(then, "policy_version")), 1);
    assert_string_equal(json_string_value(json_object_get(then, "rules")), "then");
    assert_string_equal(json_string_value(json_object_get(then, "lists")), "then");
    assert_int_equal(json_array_size(json_object_get(story, "notes")), 0);
    json_decref(story);
    run(true, out, "play.test", "--client", "10.10.0.5", "--at", "2099-01-01T11:00", NULL);
    assert_says_not(out, "\"then\"");
}

static void a_batch(void **state)
{
    char out[OUT_ROOM], path[PATH_ROOM];

    (void)state;
    snprintf(path, sizeof path, "%s/names", folder);
    file_write(path, "play.test\ntalk.test\nfine.test\n");
    assert_int_equal(
        run(false, out, "--batch", path, "--client", "10.10.0.5", "--at", "2024-03-04T11:45", NULL),
        EXIT_NOT_ALLOWED);
    assert_says(out, "Games, denied by the configuration, group");
    assert_says(out, "Chat sites is not denied");
    assert_says(out, "\nJudged by   lists 1, policy 1 (as they stood then)\n");
    run(true, out, "--batch", path, "--client", "10.10.0.5", "--at", "2024-03-04T11:45", NULL);
    assert_says(out, "\"rules\": \"then\"");
}

static void before_the_record(void **state)
{
    char out[OUT_ROOM];

    (void)state;
    assert_int_equal(
        run(false, out, "play.test", "--client", "10.10.0.5", "--at", "2024-03-04T09:00", NULL),
        EXIT_DONE);
    assert_says(out, "Version     lists 2, policy 4 (today's)\n");
    assert_says(out, "Note        the configuration of that time is not on record (that record "
                     "begins at 2024-03-04T10:00); judged by today's rules and lists\n");
}

static void lists_that_are_gone(void **state)
{
    char path[PATH_ROOM], out[OUT_ROOM];

    (void)state;
    snprintf(path, sizeof path, "%s/lists/00000001.mdb", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(
        run(false, out, "chess.test", "--client", "10.10.0.5", "--at", "2024-03-04T11:00", NULL),
        EXIT_NOT_ALLOWED);
    assert_says(out, "group \"pupils\"");
    assert_says(out,
                "Version     lists 2, policy 1 (the policy as it stood then; the lists of today)\n"
                "Note        the lists of that time, generation 1, are no longer kept; judged by "
                "generation 2\n");
    file_write(path, "no store");
    run(false, out, "chess.test", "--client", "10.10.0.5", "--at", "2024-03-04T11:00", NULL);
    assert_says(out, "generation 1, cannot be read (");
}

/* Puts another text in the place of the first day's configuration, or takes it away. */
static void text_replace(const char *text)
{
    struct moment_found found;
    struct change *change;
    struct state *record;

    assert_int_equal(state_open(folder, true, &record, NULL), 0);
    assert_int_equal(change_begin(record, &MARY, DAY_2, &change, NULL), 0);
    assert_int_equal(moments_find(change, DAY_1 + HOUR, &found, NULL), 0);
    if (text)
        assert_int_equal(change_put(change, TABLE_CONFIGS, found.config, strlen(found.config), text,
                                    strlen(text), NULL),
                         0);
    else
        assert_int_equal(
            change_delete(change, TABLE_CONFIGS, found.config, strlen(found.config), NULL), 0);
    assert_int_equal(change_commit(change, NULL), 0);
    state_close(record);
}

static void a_configuration_that_is_damaged(void **state)
{
    (void)state;
    text_replace("groups: {}\n");
    assert_told(
        "play.test", "2024-03-04T11:00", EXIT_DONE,
        "Note        the configuration of that time is damaged on record; judged by today's "
        "rules and lists (policy 1 was in force)\n");
    text_replace(NULL);
    assert_told("play.test", "2024-03-04T11:00", EXIT_DONE, "is missing on record; judged by");
}

/* As a program of another time may have written it. */
static void a_configuration_of_another_program(void **state)
{
    static const char TEXT[] = "no-such-key: 1\n";
    struct change *change;
    struct state *record;
    uint8_t hash[SHA256_DIGEST_LENGTH];
    char key[MOMENT_CONFIG_KEY], line[200];

    (void)state;
    SHA256((const uint8_t *)TEXT, sizeof TEXT - 1, hash);
    for (size_t i = 0; i < sizeof hash; i++)
        snprintf(key + 2 * i, 3, "%02x", hash[i]);
    snprintf(line, sizeof line, "{\"time\": %lld, \"config\": \"%s\", \"generation\": 1}",
             (long long)(DAY_1 + 6 * HOUR), key);
    assert_int_equal(state_open(folder, true, &record, NULL), 0);
    assert_int_equal(change_begin(record, &MARY, DAY_2, &change, NULL), 0);
    assert_int_equal(
        change_put(change, TABLE_CONFIGS, key, strlen(key), TEXT, sizeof TEXT - 1, NULL), 0);
    assert_int_equal(change_put(change, TABLE_MOMENTS, "\xff\0\0\1", 4, line, strlen(line), NULL),
                     0);
    assert_int_equal(change_commit(change, NULL), 0);
    state_close(record);
    assert_told("play.test", "2024-03-04T16:30", EXIT_DONE,
                "the configuration of that time is not understood: ");
}

static void sealed_then_without_lists_now(void **state)
{
    static const char SEALED[] =
        HEAD "  periods: {lessons: {days: [mon-sun], when: always, times: [09:00-15:30]}}\n"
             "categories: {games: {title: Games}, chat: {sealed: true}}\n"
             "groups: {learners: {subnets: [10.10.0.0/16]}}\n";
    char path[PATH_ROOM];

    (void)state;
    act_at(DAY_1 + 6 * HOUR, SEALED, configuration_enter, json_pack("{s:i}", "lists", 1));
    assert_told("talk.test", "2024-03-04T16:30", EXIT_NOT_ALLOWED, "sealed: denied to everyone");
    snprintf(path, sizeof path, "%s/lists/00000001.mdb", folder);
    assert_int_equal(unlink(path), 0);
    assert_told("talk.test", "2024-03-04T16:30", EXIT_DONE,
                "the rules of that time do not go with the lists");
}

static void without_a_record(void **state)
{
    char path[PATH_ROOM];

    (void)state;
    snprintf(path, sizeof path, "%s/state.mdb", folder);
    assert_int_equal(unlink(path), 0);
    assert_told("play.test", "2024-03-04T11:00", EXIT_DONE,
                "nothing was ever recorded; judged by today's rules and lists");
}

/* Which device has an address is known of today only. */
static void a_device_of_today(void **state)
{
    json_t *stories = json_pack("[{s:s}, {s:s}]", "mac", "02:00:00:00:00:07", "name", "play.test");
    struct then then;

    (void)state;
    then_read_nothing("nothing was ever recorded", DAY_1, &then);
    then.notes = json_array();
    then_tell(&then, stories);
    assert_says(
        json_string_value(json_array_get(json_object_get(json_array_get(stories, 0), "notes"), 0)),
        "which device had this address then is not on record");
    assert_int_equal(json_array_size(json_object_get(json_array_get(stories, 1), "notes")), 0);
    then_fini(&then);
    json_decref(stories);
}

#define IN_A_SCHOOL(test) cmocka_unit_test_setup_teardown(test, school_open, school_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_SCHOOL(an_entry_that_is_gone),
        IN_A_SCHOOL(a_grant_that_was_revoked),
        IN_A_SCHOOL(a_category_and_a_period_that_are_gone),
        IN_A_SCHOOL(a_group_renamed_since),
        IN_A_SCHOOL(a_session_that_ended),
        IN_A_SCHOOL(a_grant_that_waited),
        IN_A_SCHOOL(as_json),
        IN_A_SCHOOL(a_batch),
        IN_A_SCHOOL(before_the_record),
        IN_A_SCHOOL(lists_that_are_gone),
        IN_A_SCHOOL(a_configuration_that_is_damaged),
        IN_A_SCHOOL(a_configuration_of_another_program),
        IN_A_SCHOOL(sealed_then_without_lists_now),
        IN_A_SCHOOL(without_a_record),
        cmocka_unit_test(a_device_of_today),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
