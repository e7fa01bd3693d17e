/* `why` against a real store and a configuration: stories, exit codes, batches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocklists/compile.h"
#include "blocklists/lists.h"
#include "tests/support/folder.h"
#include "tests/support/verb_run.h"
#include "tools/verb.h"
#include <jansson.h>

static char folder[FOLDER_ROOM], config_path[FOLDER_ROOM + 16];

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

static void file_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void list_take(struct bl_compile *compile, const char *category, const char *location,
                      const char *text)
{
    struct bl_compile_source source = {
        .location = location, .category = category, .licence = "", .actor = "tester", .reason = ""};
    struct bl_sink sink = bl_compile_sink(compile);
    struct bl_read_report report = {.format = "domains"};
    struct bl_entry entry = {.scope = BL_SUBTREE};

    assert_int_equal(bl_compile_source(compile, &source, NULL), 0);
    while (*text) {
        size_t len = strcspn(text, " ");
        entry.action = *text == '!' ? BL_ALLOW : BL_BLOCK;
        entry.line++;
        assert_int_equal(bl_name_parse(text + (*text == '!'), len - (*text == '!'), &entry.name),
                         BL_NAME_FINE);
        assert_int_equal(sink.take(sink.user, &entry, NULL), 0);
        report.taken++;
        text += len + (text[len] == ' ');
    }
    bl_compile_source_end(compile, &report);
}

static int school_open(void **state)
{
    struct bl_compile_options options = {.folder = folder, .seed = 1, .now = 1};
    struct bl_compile *compile;
    struct bl_compile_result result;
    struct bl_error error;
    uint64_t generation;
    int fd;

    (void)state;
    folder_make(folder);
    snprintf(config_path, sizeof config_path, "%s/config.yaml", folder);
    file_write(config_path, CONFIG);
    assert_int_equal(bl_compile_open(&options, &compile, &error), 0);
    list_take(compile, "gambling", "lists/gambling.txt", "other.test casino.test bet.test");
    list_take(compile, "games", "lists/games.txt",
              "play.test !ok.play.test chess.test casino.test");
    list_take(compile, "social-networks", "lists/social.txt", "chat.test");
    assert_int_equal(bl_compile_finish(compile, &fd, &result, &error), 0);
    bl_compile_close(compile);
    assert_int_equal(bl_lists_adopt(folder, fd, 3, &generation, &error), 0);
    close(fd);
    return 0;
}

static int school_close(void **state)
{
    (void)state;
    folder_drop(folder);
    return 0;
}

/* Runs the verb with its output in `out`; gives the exit code. */
static enum exit_code run(bool json, char *out, size_t size, const char *first, ...)
{
    const struct verb_run why = {
        .verb = &verb_why, .config = config_path, .folder = folder, .json = json};
    enum exit_code code;
    va_list arguments;

    va_start(arguments, first);
    code = verb_run(&why, out, size, first, arguments);
    va_end(arguments);
    return code;
}

static void assert_says(const char *out, const char *words)
{
    if (!strstr(out, words))
        fail_msg("\"%s\" is not said in:\n%s", words, out);
}

static void denied_with_its_line(void **state)
{
    char out[8192];

    (void)state;
    assert_int_equal(run(false, out, sizeof out, "WWW.Casino.Test.", "--client", "10.10.1.2", NULL),
                     EXIT_NOT_ALLOWED);
    assert_says(out, "www.casino.test is denied: Gambling, denied by the configuration, group "
                     "\"pupils\"\n");
    assert_says(out, "pupils (Pupils), because 10.10.1.2 is in 10.10.0.0/16\n");
    assert_says(out, "casino.test, gambling: block tier school, lists/gambling.txt, line 2\n");
    assert_says(out, "casino.test, games: block tier school, lists/games.txt, line 4\n");
    assert_says(out, "Answer      nxdomain, kept at most 10 s\n");
    assert_says(out, "lists 1, policy");
}

static void allowed_for_a_reason(void **state)
{
    char out[8192];

    (void)state;
    assert_int_equal(run(false, out, sizeof out, "chess.test", "--group", "pupils", NULL),
                     EXIT_DONE);
    assert_says(out, "chess.test is allowed: an exception by the configuration, group \"pupils\"");
    assert_says(out, "allow chess.test, by the configuration, group \"pupils\" (this decides)");
    assert_int_equal(run(false, out, sizeof out, "ok.play.test", "--group", "pupils", NULL),
                     EXIT_DONE);
    assert_says(out, "an allow entry of the lists beats the block");
    assert_int_equal(run(false, out, sizeof out, "casino.test", "--group", "staff", NULL),
                     EXIT_DONE);
    assert_says(out, "Gambling is not denied to staff");
    assert_int_equal(run(false, out, sizeof out, "nowhere.test", "--group", "staff", NULL),
                     EXIT_DONE);
    assert_says(out, "on no list");
}

static void depends_on_the_hour(void **state)
{
    char out[8192];

    (void)state;
    assert_int_equal(run(false, out, sizeof out, "chat.test", "--group", "staff", "--at",
                         "2026-11-23T11:15", NULL),
                     EXIT_NOT_ALLOWED);
    assert_says(out,
                "Social networks, denied by the schedule of group \"staff\" during \"lessons\"");
    assert_says(out, "2026-11-23T11:15, during lessons; until 15:30 at least");
    assert_int_equal(run(false, out, sizeof out, "chat.test", "--group", "staff", "--at",
                         "2026-07-23T15:30", NULL), /* summer time */
                     EXIT_DONE);
    assert_says(out, "until 2026-07-24T09:00 at least");
}

static void as_json(void **state)
{
    char out[8192];
    json_t *story;

    (void)state;
    assert_int_equal(
        run(true, out, sizeof out, "www.tiktok.com", "--group", "pupils", "--type", "HTTPS", NULL),
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
    char out[8192], path[64];

    (void)state;
    assert_int_equal(run(false, out, sizeof out, "bet.test", NULL), EXIT_NOT_ALLOWED);
    assert_says(out, "pupils");
    assert_says(out, "staff");
    snprintf(path, sizeof path, "%s/lesson.txt", folder);
    file_write(path, "# Monday\nchess.test\n  bet.test  # no\n\n");
    assert_int_equal(run(true, out, sizeof out, "--batch", path, "--group", "pupils", NULL),
                     EXIT_NOT_ALLOWED);
    assert_says(out, "chess.test");
    assert_says(out, "\"bet.test\"");
    file_write(path, "chess.test\n");
    assert_int_equal(run(false, out, sizeof out, "--batch", path, "--group", "pupils", NULL),
                     EXIT_DONE);
}

static void what_cannot_be_told(void **state)
{
    char out[8192];

    (void)state;
    assert_int_equal(run(false, out, sizeof out, "bet.test", "--client", "192.0.2.1", NULL),
                     EXIT_NOT_ALLOWED);
    assert_says(out, "bet.test is refused: 192.0.2.1 is in no group's subnets");
    assert_int_equal(run(false, out, sizeof out, "bet.test", "--group", "nobody", NULL),
                     EXIT_USAGE);
    assert_int_equal(run(false, out, sizeof out, "be..t.test", "--group", "pupils", NULL),
                     EXIT_USAGE);
    assert_int_equal(run(false, out, sizeof out, "bet.test", "--client", "x", NULL), EXIT_USAGE);
    assert_int_equal(run(false, out, sizeof out, "bet.test", "--at", "tea", NULL), EXIT_USAGE);
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
