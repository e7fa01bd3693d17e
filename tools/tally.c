#include "tools/tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *tally_must(void *memory)
{
    if (memory == NULL) {
        fputs("chalkgate: there is no memory left for this report; please ask for a shorter time\n",
              stderr);
        exit(EXIT_FAILURE);
    }
    return memory;
}

static uint64_t hash_of(const uint8_t *bytes, size_t len)
{
    uint64_t hash = 0xcbf29ce484222325u ^ len;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash ^ hash >> 29;
}

static uint32_t *word_slot(const struct tally_words *words, const uint8_t *bytes, size_t len)
{
    size_t at = hash_of(bytes, len) & (words->size - 1);

    while (words->slots[at] != 0) {
        const struct tally_word *word = &words->items[words->slots[at] - 1];
        if (word->len == len && memcmp(word->bytes, bytes, len) == 0)
            break;
        at = (at + 1) & (words->size - 1);
    }
    return &words->slots[at];
}

static void words_grow(struct tally_words *words)
{
    words->room = words->room == 0 ? 256 : words->room * 2;
    words->items = tally_must(realloc(words->items, words->room * sizeof(*words->items)));
    free(words->slots);
    words->size = words->room * 2;
    words->slots = tally_must(calloc(words->size, sizeof(*words->slots)));
    for (size_t i = 0; i < words->count; i++)
        *word_slot(words, words->items[i].bytes, words->items[i].len) = (uint32_t)i + 1;
}

uint32_t tally_word(struct tally_words *words, const void *bytes, size_t len)
{
    if (words->count == words->room)
        words_grow(words);
    uint32_t *slot = word_slot(words, bytes, len);
    if (*slot != 0)
        return *slot - 1;
    struct tally_word *word = &words->items[words->count++];
    word->bytes = tally_must(malloc(len + 1));
    memcpy(word->bytes, bytes, len);
    word->bytes[len] = '\0';
    word->len = len;
    *slot = (uint32_t)words->count;
    return (uint32_t)words->count - 1;
}

uint32_t tally_word_find(const struct tally_words *words, const void *bytes, size_t len)
{
    return words->size == 0 ? TALLY_NO_ID : *word_slot(words, bytes, len) - 1;
}

void tally_words_free(struct tally_words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->items[i].bytes);
    free(words->items);
    free(words->slots);
    *words = (struct tally_words){0};
}

static struct tally_count *count_slot(const struct tally *tally, uint64_t key)
{
    uint64_t hash = key * 0x9e3779b97f4a7c15u;
    size_t at = (hash ^ hash >> 32) & (tally->size - 1);

    while (tally->slots[at].key != UINT64_MAX && tally->slots[at].key != key)
        at = (at + 1) & (tally->size - 1);
    return &tally->slots[at];
}

static void tally_grow(struct tally *tally)
{
    struct tally more = {.size = tally->size == 0 ? 1024 : tally->size * 2, .count = tally->count};

    more.slots = tally_must(malloc(more.size * sizeof(*more.slots)));
    memset(more.slots, 0xff, more.size * sizeof(*more.slots));
    for (size_t i = 0; i < tally->size; i++)
        if (tally->slots[i].key != UINT64_MAX)
            *count_slot(&more, tally->slots[i].key) = tally->slots[i];
    free(tally->slots);
    *tally = more;
}

uint64_t *tally_at(struct tally *tally, uint64_t key)
{
    if (tally->count * 2 >= tally->size)
        tally_grow(tally);
    struct tally_count *slot = count_slot(tally, key);
    if (slot->key == UINT64_MAX) {
        slot->key = key;
        slot->value = 0;
        tally->count++;
    }
    return &slot->value;
}

void tally_free(struct tally *tally)
{
    free(tally->slots);
    *tally = (struct tally){0};
}

uint32_t *tally_id_make(struct tally_ids *ids, uint32_t id)
{
    size_t size = (size_t)id * 2 + 1024;

    ids->numbers = tally_must(realloc(ids->numbers, size * sizeof(*ids->numbers)));
    memset(ids->numbers + ids->size, 0xff, (size - ids->size) * sizeof(*ids->numbers));
    ids->size = size;
    return &ids->numbers[id];
}

void tally_ids_clear(struct tally_ids *ids)
{
    if (ids->size > 0)
        memset(ids->numbers, 0xff, ids->size * sizeof(*ids->numbers));
}

void tally_ids_free(struct tally_ids *ids)
{
    free(ids->numbers);
    *ids = (struct tally_ids){0};
}
