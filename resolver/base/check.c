#include "resolver/base/check.h"

#include <stdlib.h>

#include "resolver/base/clock.h"
#include "resolver/base/log.h"

/* The sanitizer builds are the ones that tests and fuzzers run: there a broken expectation must be
 * seen. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { EXPECTATIONS_ARE_FATAL = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { EXPECTATIONS_ARE_FATAL = 1 };
#else
enum { EXPECTATIONS_ARE_FATAL = 0 };
#endif
#else
enum { EXPECTATIONS_ARE_FATAL = 0 };
#endif

static uint64_t failures;

void check_failed(const char *condition, const char *file, int line)
{
    log_error("%s:%d: this must hold and does not: %s", file, line, condition);
    abort();
}

bool expect_failed(const char *condition, const char *file, int line)
{
    static int64_t last_ms;
    static uint64_t suppressed;

    __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
    if (EXPECTATIONS_ARE_FATAL)
        check_failed(condition, file, line);
    if (log_limited(clock_read().mono_ms, 1000, &last_ms, &suppressed))
        log_error("%s:%d: expected and not met: %s", file, line, condition);
    return false;
}

uint64_t expect_failures(void)
{
    return __atomic_load_n(&failures, __ATOMIC_RELAXED);
}
