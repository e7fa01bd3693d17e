/* Leaps of the wall clock, told from its going on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "resolver/base/clock.h"

static void leaps_are_told(void **state)
{
    static const struct {
        struct moment moment;
        bool leapt;
    } rows[] = {
        {{.mono_ms = 1000, .wall_ms = 5000000}, false}, /* nothing to compare with */
        {{.mono_ms = 3000, .wall_ms = 5002000}, false},
        {{.mono_ms = 5000, .wall_ms = 5013900}, false},      /* drawn near, as by NTP */
        {{.mono_ms = 90000000, .wall_ms = 95008900}, false}, /* a day without a look */
        {{.mono_ms = 90002000, .wall_ms = 95021000}, true},
        {{.mono_ms = 90004000, .wall_ms = 95023000}, false}, /* told once */
        {{.mono_ms = 90006000, .wall_ms = 95014000}, true},  /* and back */
    };
    int64_t apart_ms = 0;
    (void)state;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (clock_leapt(&apart_ms, rows[i].moment, 10000) != rows[i].leapt)
            fail_msg("row %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(leaps_are_told)};

    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
