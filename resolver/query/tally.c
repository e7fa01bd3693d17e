#include "resolver/query/tally.h"

#include <stddef.h>
#include <string.h>

void tally_shorten(char to[TALLY_WORD_MAX], const char *from)
{
    size_t len = strnlen(from, TALLY_WORD_MAX);

    if (len == TALLY_WORD_MAX)
        for (len--; len > 0 && ((unsigned char)from[len] & 0xc0) == 0x80; len--) {
        }
    memcpy(to, from, len);
    to[len] = '\0';
}

static uint64_t *place_of(struct tallies *tallies, const char *group, const char *what)
{
    char short_group[TALLY_WORD_MAX], short_what[TALLY_WORD_MAX];
    uint32_t count = tallies->count;

    tally_shorten(short_group, group);
    tally_shorten(short_what, what);
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(tallies->places[i].what, short_what) == 0 &&
            strcmp(tallies->places[i].group, short_group) == 0)
            return &tallies->places[i].count;
    if (count == TALLIES_MAX)
        return &tallies->other;
    strcpy(tallies->places[count].group, short_group);
    strcpy(tallies->places[count].what, short_what);
    /* The words are there before a reader goes so far. */
    __atomic_store_n(&tallies->count, count + 1, __ATOMIC_RELEASE);
    return &tallies->places[count].count;
}

static void count_add(uint64_t *count, uint64_t by)
{
    __atomic_store_n(count, __atomic_load_n(count, __ATOMIC_RELAXED) + by, __ATOMIC_RELAXED);
}

void tally_add(struct tallies *tallies, const char *group, const char *what)
{
    if (tallies != NULL)
        count_add(place_of(tallies, group, what), 1);
}

uint64_t tally_get(const struct tallies *tallies, const char *group, const char *what)
{
    uint32_t count = __atomic_load_n(&tallies->count, __ATOMIC_ACQUIRE);

    for (uint32_t i = 0; i < count; i++)
        if (strcmp(tallies->places[i].what, what) == 0 &&
            strcmp(tallies->places[i].group, group) == 0)
            return __atomic_load_n(&tallies->places[i].count, __ATOMIC_RELAXED);
    return 0;
}

void tallies_sum(struct tallies *sum, const struct tallies *worker)
{
    uint32_t count = __atomic_load_n(&worker->count, __ATOMIC_ACQUIRE);

    for (uint32_t i = 0; i < count; i++)
        count_add(place_of(sum, worker->places[i].group, worker->places[i].what),
                  __atomic_load_n(&worker->places[i].count, __ATOMIC_RELAXED));
    count_add(&sum->other, __atomic_load_n(&worker->other, __ATOMIC_RELAXED));
}
