/* What a text says, and what it must not say. */
#ifndef TESTS_SUPPORT_SAYS_H
#define TESTS_SUPPORT_SAYS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static inline void assert_says(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("\"%s\" is not said in:\n%s", words, text);
}

static inline void assert_says_not(const char *text, const char *words)
{
    if (strstr(text, words))
        fail_msg("\"%s\" is said in:\n%s", words, text);
}

#endif
