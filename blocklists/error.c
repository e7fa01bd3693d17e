#include "blocklists/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Messages quote file names and list lines, which may hold anything; a terminal must not obey them.
 */
static void make_printable(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at; at++)
        if (*at < ' ' || *at == 0x7f)
            *at = '?';
}

int bl_error_set(struct bl_error *error, int code, const char *format, ...)
{
    va_list arguments;

    if (!error)
        return code;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    make_printable(error->text);
    return code;
}

int bl_error_wrap(struct bl_error *error, int code, const char *format, ...)
{
    struct bl_error inner;
    va_list arguments;
    int written;

    if (!error)
        return code;
    inner = *error;
    va_start(arguments, format);
    written = vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    if (written >= 0 && (size_t)written < sizeof error->text)
        snprintf(error->text + written, sizeof error->text - (size_t)written, ": %s", inner.text);
    make_printable(error->text);
    return code;
}

const char *bl_disk_text(int number)
{
    static _Thread_local char text[160];

    switch (number) {
    case ENOSPC:
    case EDQUOT:
        snprintf(text, sizeof text, "%s; please make room there and try again", strerror(number));
        return text;
    case EROFS:
        snprintf(text, sizeof text, "%s; please have it mounted for writing", strerror(number));
        return text;
    default:
        return strerror(number);
    }
}
