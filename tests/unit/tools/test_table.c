#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <locale.h>

#include "tools/table.h"

static char *printed(struct table *table)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    table_print(table, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void test_columns(void **state)
{
    (void)state;
    struct table *table = table_create();
    table_column(table, "CATEGORY", TABLE_LEFT);
    table_column(table, "NAMES", TABLE_RIGHT);
    table_cell(table, "gambling");
    table_cell(table, "%d", 32104);
    table_cell(table, "ads");
    table_cell(table, "%d", 7);
    char *text = printed(table);
    assert_string_equal(text, "CATEGORY  NAMES\n"
                              "gambling  32104\n"
                              "ads           7\n");
    free(text);
}

static void test_line_fits(void **state)
{
    (void)state;
    char wide[200];
    memset(wide, 'x', sizeof(wide) - 1);
    wide[sizeof(wide) - 1] = '\0';
    struct table *table = table_create();
    table_column(table, "TIME", TABLE_LEFT);
    table_column(table, "NAME", TABLE_LEFT);
    table_column(table, "COUNT", TABLE_RIGHT);
    table_cell(table, "2026-11-23 11:15:00");
    table_cell(table, "%s", wide);
    table_cell(table, "12");
    char *text = printed(table);
    char *line = strchr(text, '\n') + 1;
    line[strcspn(line, "\n")] = '\0';
    assert_int_equal(strlen(line), 80 + 2); /* the ellipsis has three octets and one column */
    assert_non_null(strstr(line, "x…"));
    assert_string_equal(line + strlen(line) - 2, "12");
    free(text);
}

/* Two long texts are cut alike, and what is short is not. */
static void test_long_columns_share(void **state)
{
    (void)state;
    char wide[60];
    memset(wide, 'x', sizeof(wide) - 1);
    wide[sizeof(wide) - 1] = '\0';
    struct table *table = table_create();
    for (int i = 0; i < 3; i++)
        table_column(table, "", TABLE_LEFT);
    table_cell(table, "2026-11-23T11:15");
    table_cell(table, "%s", wide);
    table_cell(table, "%s", wide + 3);
    char *text = printed(table);
    char *line = strchr(text, '\n') + 1;
    assert_int_equal(strspn(strstr(line, "  x") + 2, "x"), 29);
    assert_int_equal(strspn(strstr(line, "…  x") + strlen("…  "), "x"), 29);
    assert_non_null(strstr(line, "2026-11-23T11:15  x"));
    free(text);
}

static char *reasons_printed(const char *const reasons[2])
{
    struct table *table = table_create();

    table_column(table, "No", TABLE_RIGHT);
    table_column(table, "What", TABLE_LEFT);
    table_column(table, "Reason", TABLE_BELOW);
    for (int i = 0; i < 2; i++) {
        table_cell(table, "%d", i + 1);
        table_cell(table, "allow youtube.com");
        table_cell(table, "%s", reasons[i]);
    }
    return printed(table);
}

static void test_long_reasons_are_told_below(void **state)
{
    (void)state;
    char *text = reasons_printed((const char *const[]){"the chess club", ""});
    assert_string_equal(text, "No  What               Reason\n"
                              " 1  allow youtube.com  the chess club\n"
                              " 2  allow youtube.com  \n");
    free(text);
    text = reasons_printed((const char *const[]){
        "a lesson on the Romans in Britain, for which the whole of year 5 needs it, and no reason "
        "to hide",
        ""});
    assert_string_equal(
        text, "No  What\n"
              " 1  allow youtube.com\n"
              "    Reason: a lesson on the Romans in Britain, for which the whole of year 5\n"
              "      needs it, and no reason to hide\n"
              " 2  allow youtube.com\n");
    free(text);
    /* A word that no line holds is cut, not lost. */
    char word[200];
    memset(word, 'x', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    text = reasons_printed((const char *const[]){word, ""});
    size_t count = 0, longest = 0;
    for (const char *line = strchr(text, '\n') + 1; *line != '\0'; line += strcspn(line, "\n") + 1)
        longest = strcspn(line, "\n") > longest ? strcspn(line, "\n") : longest;
    for (const char *at = text; *at != '\0'; at++)
        count += *at == 'x';
    assert_int_equal(count, sizeof(word) - 1);
    assert_int_equal(longest, 80);
    free(text);
}

static void test_wide_characters_line_up(void **state)
{
    (void)state;
    struct table *table = table_create();
    table_column(table, "A", TABLE_LEFT);
    table_column(table, "B", TABLE_LEFT);
    table_cell(table, "é");
    table_cell(table, "1");
    table_cell(table, "漢");
    table_cell(table, "2");
    char *text = printed(table);
    assert_string_equal(text, "A   B\n"
                              "é   1\n"
                              "漢  2\n");
    free(text);
}

static void test_text_is_safe(void **state)
{
    (void)state;
    static const struct {
        const char *text, *safe;
    } cases[] = {
        {"www.site.test", "www.site.test"},
        {"a\033[2Jb", "a\\x1b[2Jb"},
        {"two\nlines\t", "two\\x0alines\\x09"},
        {"\x7f", "\\x7f"},
        {"münchen", "münchen"},
        {"\xff\xfe", "\\xff\\xfe"},
        {"\xc3", "\\xc3"},                            /* cut in the middle */
        {"\xc0\xaf", "\\xc0\\xaf"},                   /* not the shortest form */
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},          /* a surrogate */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* beyond Unicode */
        {"\xc2\x9b"
         "2J",
         "\\u009b2J"}, /* a C1 control: CSI in one character */
        {"a\xe2\x80\xae"
         "b",
         "a\\u202eb"}, /* right-to-left override */
        {"a\xe2\x80\x8b"
         "b",
         "a\\u200bb"},                    /* zero width */
        {"\xf3\xa0\x80\xa1", "\\ue0021"}, /* a tag character */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[256];
        assert_string_equal(text_safe(cases[i].text, out, sizeof(out)), cases[i].safe);
    }
    char narrow[6];
    assert_string_equal(text_safe("abc\033", narrow, sizeof(narrow)),
                        "abc"); /* never half an escape */
    assert_string_equal(text_safe("abcdefgh", narrow, sizeof(narrow)), "abcde");
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_line_fits),
        cmocka_unit_test(test_long_columns_share),
        cmocka_unit_test(test_long_reasons_are_told_below),
        cmocka_unit_test(test_wide_characters_line_up),
        cmocka_unit_test(test_text_is_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
