/* Timing of small operations: least and median nanoseconds, and heap calls, of each.
 *
 * What else runs on a machine only ever adds, so the least of several rounds is the steadier figure
 * and the median the more honest one; both are printed. `--json` after the program's other options
 * prints a line of JSON for each figure, which report.py reads.
 */
#ifndef TESTS_BENCH_HARNESS_H
#define TESTS_BENCH_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct figure {
    double least_ns, median_ns; /* an operation */
    double heap_calls;          /* an operation, over all rounds */
};

enum { ROUNDS_MAX = 64 };

struct work {
    void (*run)(void *user, size_t count);     /* does it so often */
    void (*prepare)(void *user, size_t count); /* before each round, off the clock; or NULL */
    void *user;
};

/* One round to warm up, then `rounds` of `count` operations with the clock running. */
struct figure figure_measure(const struct work *work, size_t count, unsigned rounds);

/* "deny, 1000000 names" and the figure, as a row of text or JSON. `size` 0: none told. */
void figure_print(const char *what, uint64_t size, const struct figure *figure, bool json);

/* Numbers from a fixed seed (splitmix64). */
uint64_t random_next(uint64_t *state);

int64_t bench_now_ns(void);

/* Ends the program with a sentence on standard error. */
_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
