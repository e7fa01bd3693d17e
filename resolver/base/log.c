#include "resolver/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static enum log_level log_threshold = LOG_LEVEL_INFO;
static const char *log_program = "chalkgate";
static bool log_to_journal;

void log_open(const char *program, enum log_level level)
{
    log_program = program;
    log_threshold = level;
    /* systemd sets JOURNAL_STREAM for what it connects to the journal, systemd.exec(5). */
    log_to_journal = getenv("JOURNAL_STREAM") != NULL;
}

void log_set_level(enum log_level level)
{
    __atomic_store_n(&log_threshold, level, __ATOMIC_RELAXED);
}

void log_write(enum log_level level, const char *format, ...)
{
    char line[1536];
    va_list arguments;
    int len;

    if (level > __atomic_load_n(&log_threshold, __ATOMIC_RELAXED))
        return;
    if (log_to_journal)
        len = snprintf(line, sizeof line, "<%d>", (int)level);
    else
        len = snprintf(line, sizeof line, "%s: ", log_program);
    va_start(arguments, format);
    len += vsnprintf(line + len, sizeof line - (size_t)len - 1, format, arguments);
    va_end(arguments);
    if ((size_t)len > sizeof line - 2)
        len = (int)sizeof line - 2;
    for (int i = 0; i < len; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = '?';
    line[len++] = '\n';
    /* One write per line, so that lines of threads do not mix. Nobody is left to tell if it fails.
     */
    if (write(STDERR_FILENO, line, (size_t)len) < 0)
        return;
}

bool log_limited(int64_t now_ms, int64_t interval_ms, int64_t *last_ms, uint64_t *suppressed)
{
    int64_t last = __atomic_load_n(last_ms, __ATOMIC_RELAXED);

    if (last && now_ms - last < interval_ms) {
        __atomic_add_fetch(suppressed, 1, __ATOMIC_RELAXED);
        return false;
    }
    __atomic_store_n(last_ms, now_ms ? now_ms : 1, __ATOMIC_RELAXED);
    return true;
}
