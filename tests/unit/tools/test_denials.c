/* The verbs `denials` and `report` over a state folder, as their users meet them. */
#include "../denials/fixture.h"

#include <fcntl.h>
#include <jansson.h>
#include <time.h>

#include "tools/denial_show.h"
#include "tools/verb.h"

static char folder[PATH_MAX], printed[PATH_MAX + 16];
static int64_t now_ms;

static void denial_put(struct journal *journal, const uint8_t *name, unsigned host,
                       uint16_t category)
{
    struct denial denial = fixture_denial(name, now_ms, host);

    denial.category = category;
    assert_true(journal_append(journal, &denial) != 0);
}

/* Names that would do harm in a terminal, a spreadsheet, a page or a program, were they not
 * escaped. */
static int setup(void **state)
{
    static const uint8_t *const hostile[] = {
        (const uint8_t *)"\x0b\x1b[31mred\x07\r\n\x04test",
        (const uint8_t *)"\x0c=cmd|'/c'!A1\x04test",
        (const uint8_t *)"\x19<script>alert(1)</script>\x04test",
        (const uint8_t *)"\x05\"a,b;\x03\xff\xfe\x80\x04test",
        (const uint8_t *)"\x05-x{}]\x06\xe2\x80\xaexxx\x04test",
        (const uint8_t *)"",
    };
    uint8_t name[256];
    struct journal *journal;
    struct bl_error error = {""};
    (void)state;

    setenv("TZ", "Europe/London", 1);
    tzset();
    now_ms = (int64_t)time(NULL) * 1000;
    folder_make(folder);
    snprintf(printed, sizeof(printed), "%s/printed", folder);
    assert_int_equal(journal_open(folder, 0, &journal, &error), 0);
    struct legend *legend = fixture_legend(3);
    journal_legend(journal, legend);
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
        denial_put(journal, hostile[i], 7, 1);
    for (int i = 0; i < 3; i++)
        denial_put(journal, wire("www.casino.co.uk", name), 8, 1);
    denial_put(journal, wire("help.test", name), 9, 3);
    journal_close(journal);
    legend_free(legend);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    folder_drop(folder);
    return 0;
}

/* Runs a verb and gives what it printed on standard output. */
static char *verb_run(const struct verb *verb, enum exit_code expected, const char *const *options)
{
    char *argv[16] = {(char *)(uintptr_t)verb->name, (char *)(uintptr_t) "--state", folder};
    int argc = 3, saved, fd;
    struct command command;

    for (; *options != NULL; options++)
        argv[argc++] = (char *)(uintptr_t)*options;
    argv[argc] = NULL;
    command_init(&command);
    fflush(stdout);
    saved = dup(STDOUT_FILENO);
    fd = open(printed, O_RDWR | O_CREAT | O_TRUNC, 0600);
    dup2(fd, STDOUT_FILENO);
    enum exit_code code = verb->run(&command, argc, argv);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    assert_int_equal(code, expected);
    off_t len = lseek(fd, 0, SEEK_END);
    char *text = calloc(1, (size_t)len + 1);
    assert_int_equal(pread(fd, text, (size_t)len, 0), len);
    close(fd);
    command_fini(&command);
    return text;
}

#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void text_is_safe(const char *text, bool eighty_columns)
{
    size_t column = 0;

    for (const char *at = text; *at != '\0'; at++) {
        assert_true(*at == '\n' || *at == '\r' || (unsigned char)*at >= 0x20);
        assert_true(strncmp(at, "\xe2\x80\xae", 3) != 0);
        column = *at == '\n' ? 0 : column + (((unsigned char)*at & 0xc0) != 0x80);
        if (eighty_columns)
            if (column > 80)
                fail_msg("%.*s", 120, at - 90 > text ? at - 90 : text);
    }
}

static size_t lines_of(const char *text)
{
    size_t lines = 0;

    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

/* Fields of RFC 4180; none may begin as a formula does. */
static void csv_is_sound(const char *text, unsigned columns)
{
    unsigned column = 1;
    bool quoted = false, begins = true;

    for (const char *at = text; *at != '\0'; at++) {
        if (begins && *at != '"')
            assert_null(strchr("=+-@\t", *at));
        if (begins && *at == '"')
            assert_null(strchr("=+-@\t", at[1]));
        begins = false;
        if (*at == '"')
            quoted = !quoted;
        else if (!quoted && *at == ',')
            column++, begins = true;
        else if (!quoted && *at == '\n') {
            assert_int_equal(column, columns);
            column = 1, begins = true;
        }
    }
    assert_false(quoted);
}

static void denials_are_listed(void **state)
{
    json_error_t why;
    (void)state;

    char *text = verb_run(&verb_denials, EXIT_DONE, OPTIONS("--since", "-1h"));
    text_is_safe(text, true);
    assert_int_equal(lines_of(text), 2 + 10);
    assert_non_null(strstr(text, "www.casino.co.uk"));
    free(text);

    text = verb_run(&verb_denials, EXIT_DONE, OPTIONS("--format", "csv"));
    text_is_safe(text, false);
    csv_is_sound(text, 18);
    assert_int_equal(lines_of(text), 11);
    free(text);

    text = verb_run(&verb_denials, EXIT_DONE, OPTIONS("--json"));
    text_is_safe(text, false);
    json_t *array = json_loads(text, 0, &why);
    assert_int_equal(json_array_size(array), 10);
    const json_t *last = json_array_get(array, 9);
    assert_string_equal(json_string_value(json_object_get(last, "name")), "help.test");
    assert_string_equal(json_string_value(json_object_get(last, "severity")), "urgent");
    json_decref(array);
    free(text);
}

static void filters_hold(void **state)
{
    static const struct {
        const char *option, *value;
        size_t lines;
    } table[] = {{"--client", "10.1.0.8", 5},    {"--client", "10.1.0.0/16", 12},
                 {"--name", "casino.co.uk", 5},  {"--name", "www.casino.co.uk.", 5},
                 {"--category", "self-harm", 3}, {"--group", "pupils", 12}};
    (void)state;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char *text = verb_run(&verb_denials, EXIT_DONE, OPTIONS(table[i].option, table[i].value));
        assert_int_equal(lines_of(text), table[i].lines);
        free(text);
    }
    free(verb_run(&verb_denials, EXIT_NOTHING, OPTIONS("--name", "asino.co.uk")));
    free(verb_run(&verb_denials, EXIT_NOTHING, OPTIONS("--group", "staff")));
    free(verb_run(&verb_denials, EXIT_NOTHING, OPTIONS("--until", "-2h")));
}

static void a_day_is_reported(void **state)
{
    json_error_t why;
    (void)state;

    char *text = verb_run(&verb_report, EXIT_DONE, OPTIONS("--since", "-1h"));
    text_is_safe(text, true);
    assert_non_null(strstr(text, "10 look-ups were refused"));
    assert_non_null(strstr(text, "casino.co.uk "));
    free(text);

    text = verb_run(&verb_report, EXIT_DONE, OPTIONS("--format", "csv"));
    text_is_safe(text, false);
    csv_is_sound(text, 7);
    free(text);

    text = verb_run(&verb_report, EXIT_DONE, OPTIONS("--format", "json"));
    text_is_safe(text, false);
    json_t *object = json_loads(text, 0, &why);
    assert_int_equal(json_integer_value(json_object_get(object, "refused")), 10);
    assert_int_equal(json_array_size(json_object_get(object, "devices")), 3);
    json_decref(object);
    free(text);

    free(verb_run(&verb_report, EXIT_NOTHING, OPTIONS("--day", "2001-02-03")));
    free(verb_run(&verb_report, EXIT_NOTHING, OPTIONS("--day", "2126-02-03")));
}

static void a_report_goes_to_a_file(void **state)
{
    char path[PATH_MAX + 16];
    struct stat status;
    (void)state;

    snprintf(path, sizeof(path), "%s/report.txt", folder);
    char *text = verb_run(&verb_report, EXIT_DONE, OPTIONS("--output", path));
    assert_string_equal(text, "");
    free(text);
    assert_int_equal(stat(path, &status), 0);
    assert_true(status.st_size > 500);
    free(verb_run(&verb_report, EXIT_FAILED, OPTIONS("--output", "/nowhere/report.txt")));
}

/* What a spreadsheet, or a terminal that shows the file, would make something of. */
static void test_cells_do_nothing(void **state)
{
    static const struct {
        const char *text, *cell;
    } rows[] = {
        {"plain", "plain"},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
        {"a,b", "\"a,b\""},
        {"a;=cmd()", "\"a;=cmd()\""},
        {"say \"x\"", "\"say \"\"x\"\"\""},
        {"=1+1", "\"'=1+1\""},
        {"@SUM(A1)", "\"'@SUM(A1)\""},
        {"\xef\xbc\x9d"
         "1",
         "\"'\xef\xbc\x9d"
         "1\""},
        {"\t=1", "\\x09=1"},
        {"two\r\nlines", "two\\x0d\\x0alines"},
        {"c1 \xc2\x9b"
         "2J",
         "c1 \\u009b2J"},
        {"\xe2\x80\xaegpj.exe", "\\u202egpj.exe"},
        {"line\xe2\x80\xa8 end", "line\\u2028 end"},
        {"\xed\xa0\x80 \xff", "\\xed\\xa0\\x80 \\xff"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *cell = NULL;
        size_t len;
        FILE *out = open_memstream(&cell, &len);
        show_csv_cell(out, rows[i].text);
        fclose(out);
        assert_string_equal(cell, rows[i].cell);
        free(cell);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells_do_nothing), cmocka_unit_test(denials_are_listed),
        cmocka_unit_test(filters_hold), cmocka_unit_test(a_day_is_reported),
        cmocka_unit_test(a_report_goes_to_a_file)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
