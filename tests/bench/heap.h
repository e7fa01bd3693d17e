/* How often this program has called the heap since it began: malloc, calloc, realloc, free and
 * their like, by any code in it, shared libraries included.
 *
 * In ordinary builds heap.c stands in for the C library's functions and passes every call on; under
 * a sanitizer, which has stood there before us, its own hooks count. Any thread.
 */
#ifndef TESTS_BENCH_HEAP_H
#define TESTS_BENCH_HEAP_H

#include <stdint.h>

uint64_t heap_calls(void);

#endif
