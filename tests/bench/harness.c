#include "tests/bench/harness.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/bench/heap.h"

int64_t bench_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

struct figure figure_measure(const struct work *work, size_t count, unsigned rounds)
{
    double took_ns[ROUNDS_MAX];
    uint64_t calls = 0;

    if (rounds > ROUNDS_MAX)
        rounds = ROUNDS_MAX;
    for (unsigned i = 0; i <= rounds; i++) {
        uint64_t calls_before;
        int64_t start_ns;
        if (work->prepare)
            work->prepare(work->user, count);
        calls_before = heap_calls();
        start_ns = bench_now_ns();
        work->run(work->user, count);
        if (i == 0)
            continue;
        took_ns[i - 1] = (double)(bench_now_ns() - start_ns) / (double)count;
        calls += heap_calls() - calls_before;
    }
    qsort(took_ns, rounds, sizeof took_ns[0], compare);
    return (struct figure){.least_ns = took_ns[0],
                           .median_ns = took_ns[rounds / 2],
                           .heap_calls = (double)calls / (double)count / rounds};
}

void figure_print(const char *what, uint64_t size, const struct figure *figure, bool json)
{
    if (json)
        printf("{\"what\": \"%s\", \"size\": %" PRIu64 ", \"least_ns\": %.1f, \"median_ns\": %.1f, "
               "\"heap_calls\": %.3f}\n",
               what, size, figure->least_ns, figure->median_ns, figure->heap_calls);
    else
        printf("%-32s %10" PRIu64 " %9.1f ns %9.1f ns %8.3f heap calls\n", what, size,
               figure->least_ns, figure->median_ns, figure->heap_calls);
    fflush(stdout);
}

_Noreturn void bench_fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}
