/* `policy show --document`: what a head teacher reads, from the rows of a version. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/says.h"
#include "tools/policy.h"
#include "tools/table.h"

static const char CONFIG[] =
    "upstreams: [192.0.2.53]\ngroups: {pupils: {subnets: [10.1.0.0/16]}}\n";

#define GROUP  "'subnet': '10.1.0.0/16', 'group': 'pupils'"
#define SCHOOL "'subnet': 'school', 'group': ''"

/* Single quotes are double ones. */
static const char REPLY[] =
    "{'version': 2, 'now_text': '2026-11-23T12:00', 'rows': ["
    "{" GROUP ", 'target': 'category:games', 'rules': [['deny', 'always', 'configuration']]},"
    "{" GROUP ", 'target': 'category:chat', 'rules': [['deny', 'during lessons', 'configuration'],"
    "  ['allow', 'until 2026-11-23T11:30', 'grant 3 of mary: a lesson', 'john']]},"
    "{" GROUP ", 'target': 'category:illegal', 'rules': [['sealed', 'always', 'configuration']]},"
    "{" GROUP ", 'target': 'service:kahoot', 'rules': [['allow', 'always', 'configuration']]},"
    "{" GROUP ", 'target': 'name:x.example', 'rules': [['deny', 'from 2026-11-24T08:00 until "
    "2026-12-01T15:30', 'grant 4 of mary: why | ever\\u001b[1m!']]},"
    "{" GROUP ", 'target': 'group', 'rules': [['title', 'Pupils'], ['safe-search', 'strict'],"
    "  ['walled-garden', 'no'], ['extends', '']]},"
    "{" SCHOOL ", 'target': 'categories.chat.severity', 'rules': [['medium']]},"
    "{" SCHOOL ", 'target': 'categories.games.severity', 'rules': [['low']]},"
    "{" SCHOOL
    ", 'target': 'categories.games.title', 'rules': [['\\\"Games, of \\\\\\\"all\\\\\\\" "
    "kinds\\\"']]},"
    "{" SCHOOL ", 'target': 'categories.illegal.sealed', 'rules': [['true']]},"
    "{" SCHOOL ", 'target': 'categories.illegal.severity', 'rules': [['urgent']]},"
    "{" SCHOOL ", 'target': 'calendar.exceptions[0].date', 'rules': [['2026-12-18']]},"
    "{" SCHOOL ", 'target': 'calendar.exceptions[0].period', 'rules': [['lessons']]},"
    "{" SCHOOL ", 'target': 'calendar.exceptions[0].times', 'rules': [['[08:50-12:00]']]},"
    "{" SCHOOL ", 'target': 'calendar.holidays', 'rules': [['[2026-10-26..2026-10-30, "
    "2026-12-25]']]},"
    "{" SCHOOL ", 'target': 'calendar.periods.lessons.days', 'rules': [['[mon, tue, wed]']]},"
    "{" SCHOOL ", 'target': 'calendar.periods.lessons.times', 'rules': [['[08:50-10:20, "
    "10:40-12:10]']]},"
    "{" SCHOOL ", 'target': 'calendar.periods.lessons.when', 'rules': [['school-days']]},"
    "{" SCHOOL ", 'target': 'devices.board.group', 'rules': [['pupils']]}"
    "], 'versions': ["
    "{'version': 1, 'time_text': '2026-11-20T09:00', 'author': 'root', 'description': 'all'},"
    "{'version': 2, 'time_text': '2026-11-23T11:00', 'author': 'mary', 'description': 'deny "
    "x.example for pupils: why | ever, and a long text that goes on in the next line'},"
    "{'version': 3, 'time_text': '2026-11-24T11:00', 'author': 'mary', 'description': 'later'}]}";

static json_t *reply_of(const char *text)
{
    char *copy = strdup(text);
    json_t *reply;

    assert_non_null(copy);
    for (char *at = copy; *at; at++)
        *at = *at == '\'' ? '"' : *at;
    reply = json_loads(copy, 0, NULL);
    free(copy);
    assert_non_null(reply);
    return reply;
}

/* What the document says of a reply. */
static char *document_of(json_t *reply)
{
    struct config *config = NULL;
    struct config_faults faults = {0};
    char *text = calloc(1, 65536);
    FILE *file = tmpfile();
    int saved = dup(STDOUT_FILENO);

    assert_non_null(text);
    assert_non_null(file);
    assert_int_equal(config_load_text("x.yaml", CONFIG, sizeof CONFIG - 1, &config, &faults), 0);
    fflush(stdout);
    dup2(fileno(file), STDOUT_FILENO);
    policy_document_print(reply, config);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    rewind(file);
    assert_true(fread(text, 1, 65535, file) > 0);
    fclose(file);
    config_free(config);
    json_decref(reply);
    return text;
}

static void everything_is_said(void **state)
{
    static const char *const SENTENCES[] = {
        "# Web filtering policy, version 2\n",
        "In force from 23 November 2026, 11:00, by mary: deny x.example for pupils:",
        "2026, 11:00 by version 3.\n",
        "- lessons: Monday to Wednesday, 08:50-10:20, 10:40-12:10 (on school days)\n",
        "Holidays: 26 October 2026 to 30 October 2026, 25 December 2026\n",
        "- 18 December 2026: lessons 08:50-12:00\n",
        "## Pupils (group pupils)\n",
        "Who: all devices with addresses in 10.1.0.0/16. Also the device board",
        "Sealed: denied to everyone at all times; nobody can allow it:\n\n- Urgent: illegal\n",
        "Denied at all times:\n\n- Low: Games, of \"all\" kinds\n",
        "Denied during lessons:\n\n- Medium: chat\n",
        "Allowed at all times, whatever kind of content it is:\n\n- Services: Kahoot!\n",
        "- chat is allowed until 23 November 2026, 11:30 (grant 3): a lesson. By mary,\n"
        "  approved by john.\n",
        "- x.example is denied from 24 November 2026, 08:00 until 1 December 2026,\n"
        "  15:30 (grant 4): why | ever\\x1b[1m! By mary.\n",
        "| illegal                              | illegal              | Urgent, sealed |\n",
        "## What this filter cannot do\n",
        "| Version | Date             | Description                  | Revision Author |\n",
        "| 2       | 2026-11-23 11:00 | deny x.example for pupils:   | mary            |\n"
        "|         |                  | why \\| ever, and a long text |                 |\n",
    };
    char *document = document_of(reply_of(REPLY));

    (void)state;
    for (size_t i = 0; i < sizeof SENTENCES / sizeof *SENTENCES; i++)
        assert_says(document, SENTENCES[i]);
    assert_null(strstr(document, "later")); /* a version of the past does not know the next ones */
    for (char *rest = document, *line; (line = strsep(&rest, "\n"));) {
        if (text_width(line) > 80)
            fail_msg("wider than 80 columns: %s", line);
    }
    free(document);
}

/* Only in the version that is in force now does it matter what has ended since. */
static void what_has_ended_is_told(void **state)
{
    json_t *reply = reply_of(REPLY);
    char *document;

    (void)state;
    json_array_remove(json_object_get(reply, "versions"), 2);
    document = document_of(reply);
    assert_says(document,
                "- chat is allowed until 23 November 2026, 11:30 (it has ended) (grant 3)");
    assert_null(strstr(document, "15:30 (it has ended)"));
    free(document);
}

/* Versions that were written before kinds of content and the calendar were kept with them. */
static void older_versions_can_be_read(void **state)
{
    json_t *reply = reply_of(REPLY), *rows = json_object_get(reply, "rows");
    char *document;

    (void)state;
    while (json_array_size(rows) > 6)
        json_array_remove(rows, 6);
    document = document_of(reply);
    assert_says(document, "Denied at all times:\n\n- Kinds of content: games\n");
    assert_null(strstr(document, "School time"));
    assert_null(strstr(document, "| Kind of content"));
    free(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_said),
        cmocka_unit_test(what_has_ended_is_told),
        cmocka_unit_test(older_versions_can_be_read),
    };

    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
