/* Our own faults.
 *
 * CHECK() ends the program: for start-up, set-up and threads off the query path, where going on
 * would do harm. EXPECT() is for the query path: it reports and counts a broken expectation, once a
 * second at most to the log, and gives its value, so that the caller drops one odd query and the
 * school stays online:
 *
 *     if (!EXPECT(offset <= len))
 *         return QUERY_DROP;
 *
 * In `dev` builds EXPECT() ends the program too, so that tests and fuzzers find the fault.
 */
#ifndef RESOLVER_BASE_CHECK_H
#define RESOLVER_BASE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#define CHECK(condition) ((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))
#define EXPECT(condition)                                                                          \
    (__builtin_expect(!!(condition), 1) || expect_failed(#condition, __FILE__, __LINE__))

_Noreturn void check_failed(const char *condition, const char *file, int line);
bool expect_failed(const char *condition, const char *file, int line); /* returns false */
uint64_t expect_failures(void); /* since start, all threads: shown by status and metrics */

#endif
