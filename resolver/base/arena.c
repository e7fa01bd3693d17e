#include "resolver/base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 16384, ALIGNMENT = alignof(max_align_t) };

struct arena_block {
    struct arena_block *next;
    alignas(max_align_t) unsigned char bytes[];
};

static bool block_add(struct arena *arena, size_t size)
{
    size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
    struct arena_block *block = calloc(1, sizeof *block + room);

    if (!block) {
        arena->failed = true;
        return false;
    }
    block->next = arena->blocks;
    arena->blocks = block;
    arena->used = 0;
    arena->room = room;
    arena->total += sizeof *block + room;
    return true;
}

void *arena_take(struct arena *arena, size_t count, size_t size)
{
    void *memory;
    size_t total;

    if (__builtin_mul_overflow(count, size, &total) || total > SIZE_MAX / 2) {
        arena->failed = true;
        return NULL;
    }
    total = (total + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (total == 0)
        total = ALIGNMENT;
    if ((!arena->blocks || arena->room - arena->used < total) && !block_add(arena, total))
        return NULL;
    memory = arena->blocks->bytes + arena->used;
    arena->used += total;
    return memory;
}

char *arena_text(struct arena *arena, const char *text, size_t len)
{
    char *copy = arena_take(arena, len + 1, 1);

    if (copy)
        memcpy(copy, text, len);
    return copy;
}

void *arena_grow(struct arena *arena, void *array, size_t count, size_t size)
{
    void *larger;

    if (count & (count - 1))
        return array;
    larger = arena_take(arena, count ? 2 * count : 1, size);
    if (larger && count)
        memcpy(larger, array, count * size);
    return larger;
}

void arena_free(struct arena *arena)
{
    struct arena_block *block = arena->blocks, *next;

    for (; block; block = next) {
        next = block->next;
        free(block);
    }
    *arena = (struct arena){0};
}
