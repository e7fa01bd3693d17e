/* Memory that is given back all at once: for structures that are built in one go and then only
 * read, such as the configuration and the policy.
 *
 * Memory is zeroed and aligned for any type. One thread at a time may allocate; reading what was
 * allocated needs no lock. Running out of memory is told once, by NULL, and remembered in `failed`,
 * so that a builder may check at its end.
 */
#ifndef RESOLVER_BASE_ARENA_H
#define RESOLVER_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; /* all zeroes is an empty arena */
    size_t used, room;          /* of the newest block */
    size_t total;               /* octets taken from the heap */
    bool failed;
};

/* `count` elements of `size` octets; NULL when memory has run out or the product overflows. */
void *arena_take(struct arena *arena, size_t count, size_t size);

/* A copy with a NUL behind it. */
char *arena_text(struct arena *arena, const char *text, size_t len);

/* Makes room for one more element in an array that grows: a larger copy when `count` is a power of
 * two (or 0). Gives the new array, or NULL; the old one stays valid. */
void *arena_grow(struct arena *arena, void *array, size_t count, size_t size);

void arena_free(struct arena *arena);

#endif
