#include "fixture.h"

#include <errno.h>

static void round_trips(void **state)
{
    const uint64_t numbers[] = {1,
                                2,
                                131072,
                                ((uint64_t)1 << 35) - 1,
                                (uint64_t)1 << 35,
                                ((uint64_t)1 << 45) - 1,
                                (uint64_t)1 << 45,
                                ((uint64_t)1 << 55) - 1,
                                (uint64_t)1 << 55,
                                (uint64_t)1 << 62 | 77,
                                UINT64_MAX};
    (void)state;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char text[CASE_TEXT_MAX];
        uint64_t back = 0;
        denials_case_text(numbers[i], text);
        assert_int_equal(denials_case_parse(text, &back), 0);
        assert_true(back == numbers[i]);
    }
    for (uint64_t number = 1; number < 200000; number += 7) {
        char text[CASE_TEXT_MAX];
        uint64_t back;
        assert_int_equal(strlen(denials_case_text(number, text)), 8);
        assert_int_equal(denials_case_parse(text, &back), 0);
        assert_true(back == number);
    }
}

static void forgives(void **state)
{
    char text[CASE_TEXT_MAX], loose[64];
    uint64_t back;
    (void)state;

    /* A code with a 0 and a 1 in it, written as people write it. */
    uint64_t number = 1;
    while (strchr(denials_case_text(number, text), '0') == NULL || strchr(text, '1') == NULL)
        number++;
    snprintf(loose, sizeof(loose), " %.3s %s ", text, text + 4);
    for (char *at = loose; *at != '\0'; at++)
        *at = *at == '0' ? 'o' : *at == '1' ? 'l' : *at >= 'A' ? (char)(*at + 32) : *at;
    assert_int_equal(denials_case_parse(loose, &back), 0);
    assert_true(back == number);
}

static void refuses(void **state)
{
    const char *const bad[] = {"",         "-",          "K7Q",           "K7Q-M2F",
                               "K7Q-M2FU", "K7Q-M2F9\n", "ZZZZZZZZZZZZZ", "K7Q-M2F9-K7Q-M2F9-K7Q",
                               "\xff\xff", "K7Q-M2F9;"};
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t back = 42;
        assert_int_equal(denials_case_parse(bad[i], &back), -EINVAL);
        assert_true(back == 42);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trips), cmocka_unit_test(forgives),
                                       cmocka_unit_test(refuses)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
