/* What others' text may not carry on: cursors, line ends, hidden and turning characters, octets
 * that are no UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "resolver/base/text.h"

static void test_text_is_cleaned(void **state)
{
    static const struct {
        const char *text, *clean;
    } rows[] = {
        {"", ""},
        {"plain caf\xc3\xa9 \xf0\x9f\x98\x80", "plain caf\xc3\xa9 \xf0\x9f\x98\x80"},
        {"\x1b[2J\r\n\t\x7f", "?[2J????"},
        {"c1 \xc2\x9b!", "c1 ?!"},
        {"line\xe2\x80\xa8separator", "line?separator"},
        {"\xe2\x80\xaegnp.exe", "?gnp.exe"},
        {"isolate \xe2\x81\xa6 mark \xe2\x80\x8f", "isolate ? mark ?"},
        {"surrogate \xed\xa0\x80", "surrogate ???"},
        {"overlong \xc0\xaf", "overlong ??"},
        {"beyond \xf4\x90\x80\x80", "beyond ????"},
        {"cut \xe2\x82", "cut ??"},
        {"cut \xf0\x9f\x98", "cut ???"},
        {"\xff", "?"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[64];
        strcpy(text, rows[i].text);
        assert_ptr_equal(text_clean(text), text);
        assert_string_equal(text, rows[i].clean);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_text_is_cleaned)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
