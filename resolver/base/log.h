/* The resolver's own log: lines for the technician on standard error, with a severity that systemd
 * reads (sd-daemon(3) prefixes) when standard error is the journal. Denials are not logged here but
 * recorded.
 *
 * Any thread. Never on the query path without log_limited(): a stranger must not be able to fill a
 * disk.
 */
#ifndef RESOLVER_BASE_LOG_H
#define RESOLVER_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_NOTICE = 5,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7
};

void log_open(const char *program, enum log_level level);
void log_set_level(enum log_level level);
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)  log_write(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* True at most once in `interval_ms`; counts what it held back in *suppressed. `last_ms` starts at
 * 0. */
bool log_limited(int64_t now_ms, int64_t interval_ms, int64_t *last_ms, uint64_t *suppressed);

#endif
