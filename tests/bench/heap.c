#include "tests/bench/heap.h"

#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HEAP_BY_HOOKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HEAP_BY_HOOKS 1
#endif
#endif

static uint64_t calls;

static void count(void)
{
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
}

#ifdef HEAP_BY_HOOKS

/* As in sanitizer/allocator_interface.h, which not every compiler's package brings along. */
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));

static void on_malloc(const volatile void *memory, size_t size)
{
    (void)memory;
    (void)size;
    count();
}

static void on_free(const volatile void *memory)
{
    (void)memory;
    count();
}

uint64_t heap_calls(void)
{
    static bool installed;

    if (!installed) {
        installed = true;
        __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
    }
    return __atomic_load_n(&calls, __ATOMIC_RELAXED);
}

#else

/* The C library's own names for what is behind its public ones: those are ours here. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *memory, size_t size);
void *aligned_alloc(size_t alignment, size_t size);
int posix_memalign(void **out_memory, size_t alignment, size_t size);
void free(void *memory);

void *malloc(size_t size)
{
    count();
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    count();
    return __libc_calloc(number, size);
}

void *realloc(void *memory, size_t size)
{
    count();
    return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **out_memory, size_t alignment, size_t size)
{
    void *memory;

    count();
    memory = __libc_memalign(alignment, size);
    if (!memory)
        return 12; /* ENOMEM; errno is not touched, as POSIX has it */
    *out_memory = memory;
    return 0;
}

void free(void *memory)
{
    count();
    __libc_free(memory);
}

uint64_t heap_calls(void)
{
    return __atomic_load_n(&calls, __ATOMIC_RELAXED);
}

#endif
