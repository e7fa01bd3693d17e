#include "script.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    const char *path;
    unsigned line;
    char text[1024];
    void (*explain)(void);
} at;

void script_begin(const char *path)
{
    at.path = path;
}

void script_line(unsigned line, const char *text)
{
    at.line = line;
    snprintf(at.text, sizeof(at.text), "%.*s", (int)strcspn(text, "\n"), text);
}

void script_on_fail(void (*explain)(void))
{
    at.explain = explain;
}

static _Noreturn void end_failed(void)
{
    if (at.explain)
        at.explain();
    fflush(NULL);
    _exit(1); /* leaks of a scenario that is cut off are nobody's fault */
}

void script_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("%s:%u: ", at.path, at.line);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n    %s\n", at.text);
    end_failed();
}

void script_differ(const char *expected, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("%s:%u: this did not come out\n    %s\n  expected: %s\n  got:      ", at.path, at.line,
           at.text, expected);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    end_failed();
}

char *word_next(char **rest)
{
    char *word = *rest + strspn(*rest, " \t\n");
    if (!*word)
        return NULL;
    char *end = word + strcspn(word, " \t\n");
    *rest = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

char *word_must(char **rest, const char *what)
{
    char *word = word_next(rest);
    if (!word)
        script_fail("%s is missing here", what);
    return word;
}

char *part_next(char **rest)
{
    char *part = *rest + strspn(*rest, " \t\n");
    if (!*part)
        return NULL;
    char *end = strstr(part, " ;");
    if (end) {
        *end = '\0';
        *rest = end + 2;
    } else {
        *rest = part + strlen(part);
    }
    for (size_t len = strlen(part); len > 0 && isspace((unsigned char)part[len - 1]); len--)
        part[len - 1] = '\0';
    return part;
}

const char *word_value(const char *word, const char *key)
{
    size_t len = strlen(key);
    return strncmp(word, key, len) == 0 && word[len] == '=' ? word + len + 1 : NULL;
}

int64_t span_ms(const char *text)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    char *end;
    long long number = strtoll(text, &end, 10);
    if (end == text || number < 0 || number > INT32_MAX)
        return -1;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(end, units[i].unit) == 0)
            return number * units[i].ms;
    return -1;
}
