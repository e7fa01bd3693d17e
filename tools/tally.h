/* Counting for reports: strings as small numbers, and counters by a 64-bit key. One thread; running
 * out of memory ends the command, as with tables. */
#ifndef TOOLS_TALLY_H
#define TOOLS_TALLY_H

#include <stddef.h>
#include <stdint.h>

#define TALLY_NO_ID UINT32_MAX

/* Byte strings to numbers 0, 1, 2, … in the order of their first coming. */
struct tally_words {
    struct tally_word {
        uint8_t *bytes; /* followed by a NUL */
        size_t len;
    } * items;
    size_t count, room;
    uint32_t *slots;
    size_t size;
};

uint32_t tally_word(struct tally_words *words, const void *bytes, size_t len);
uint32_t tally_word_find(const struct tally_words *words, const void *bytes,
                         size_t len); /* TALLY_NO_ID: it never came */
void tally_words_free(struct tally_words *words);

/* Counters by key; a counter that was never touched is 0. Keys are any but UINT64_MAX. */
struct tally {
    struct tally_count {
        uint64_t key, value;
    } * slots;
    size_t size, count;
};

uint64_t *tally_at(struct tally *tally,
                   uint64_t key); /* made where it is not there; until the next call */
void tally_free(struct tally *tally);

/* Numbers by other small numbers, such as those of a day's strings; TALLY_NO_ID where none was set.
 */
struct tally_ids {
    uint32_t *numbers;
    size_t size;
};

uint32_t *tally_id_make(struct tally_ids *ids, uint32_t id); /* grows; until the next call */
void tally_ids_clear(struct tally_ids *ids);
void tally_ids_free(struct tally_ids *ids);

static inline uint32_t *tally_id_at(struct tally_ids *ids, uint32_t id)
{
    return id < ids->size ? &ids->numbers[id] : tally_id_make(ids, id);
}

static inline uint64_t tally_key(uint32_t high, uint32_t low)
{
    return (uint64_t)high << 32 | low;
}

/* Ends the command where memory is NULL; gives it otherwise. */
void *tally_must(void *memory);

#endif
