/* Sorting compares eight octets of the keys at a time, kept beside the record's place, so that it
 * rarely leaves the dense array; a group with those eight equal is sorted by the next eight,
 * without recursion.
 */
#include "blocklists/runs_sort.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

#include "blocklists/key.h"

enum {
    SMALL = 12, /* groups up to this are sorted by insertion */
    AHEAD = 16, /* items whose records are asked for before they are needed */
    LEVELS_MAX = BL_KEY_MAX / 8 + 3,
};

uint64_t bl_sort_head(const uint8_t *key, size_t key_len, size_t depth)
{
    uint64_t head;
    size_t left;

    if (depth >= key_len)
        return 0;
    memcpy(&head, key + depth, sizeof head);
    head = be64toh(head);
    left = key_len - depth;
    return left >= 8 ? head : head & ~(UINT64_MAX >> (8 * left));
}

/* Random pivots, from a seed that nobody knows: no list can be written that makes the sort slow. */
static uint64_t pivot_of(const struct bl_sort_item *items, size_t count, uint64_t *state)
{
    uint64_t a, b, c;

    *state = *state * 6364136223846793005u + 1442695040888963407u;
    a = items[(*state >> 33) % count].head;
    b = items[count / 2].head;
    c = items[(*state >> 17) % count].head;
    if (a > b) {
        uint64_t other = a;
        a = b;
        b = other;
    }
    return c < a ? a : c > b ? b : c;
}

/* Brings the items below the pivot to the front, with `or_same` those like it as well, and returns
 * how many they are. Each item is moved whichever way the comparison goes: nobody can foresee that,
 * and a branch on it costs more than the moves.
 */
static inline size_t partition(struct bl_sort_item *items, size_t count, uint64_t pivot,
                               bool or_same)
{
    size_t front = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t head = items[i].head;
        uint32_t offset = items[i].offset;

        /* Field by field: what was just written in two parts cannot be read as one at once. */
        items[i].head = items[front].head;
        items[i].offset = items[front].offset;
        items[front].head = head;
        items[front].offset = offset;
        front += or_same ? head <= pivot : head < pivot;
    }
    return front;
}

static void insertion_sort(struct bl_sort_item *items, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct bl_sort_item moved = items[i];
        size_t at = i;

        while (at > 0 && items[at - 1].head > moved.head) {
            items[at] = items[at - 1];
            at--;
        }
        items[at] = moved;
    }
}

/* Sorts by heads alone. Works on the larger part last, so the stack stays within the logarithm. */
static void heads_sort(struct bl_sort_item *items, size_t count, uint64_t *state)
{
    struct {
        size_t from, count;
    } stack[64];
    unsigned depth = 0;
    size_t from = 0;

    for (;;) {
        while (count > SMALL) {
            struct bl_sort_item *part = items + from;
            uint64_t pivot = pivot_of(part, count, state);
            size_t less = partition(part, count, pivot, false);

            if (less == 0) { /* those like the least are in place, be they all */
                size_t same = partition(part, count, pivot, true);

                from += same;
                count -= same;
            } else if (less > count - less) {
                stack[depth].from = from;
                stack[depth++].count = less;
                from += less;
                count -= less;
            } else {
                stack[depth].from = from + less;
                stack[depth++].count = count - less;
                count = less;
            }
        }
        insertion_sort(items + from, count);
        if (depth == 0)
            return;
        from = stack[--depth].from;
        count = stack[depth].count;
    }
}

/* Gives each item of a group the next eight octets of its key. When the keys of all have ended,
 * they are the same, and get their place, which is the order of adding; returns whether that is so.
 * A parent may end where its children go on: it gets zero, and a name's octet is never zero there.
 */
static bool group_deepen(const uint8_t *block, struct bl_sort_item *items, size_t count,
                         size_t depth)
{
    bool ended = true;

    for (size_t i = 0; i < count; i++) {
        const uint8_t *record = block + items[i].offset;

        items[i].head = bl_sort_head(record + BL_SORT_HEAD, record[0], depth);
        ended &= depth >= record[0];
    }
    for (size_t i = 0; ended && i < count; i++)
        items[i].head = items[i].offset;
    return ended;
}

/* One level of a group for each eight octets of the keys: groups end where the level above says. */
void bl_sort_items(const uint8_t *block, struct bl_sort_item *items, size_t count)
{
    struct {
        size_t at, end;
    } levels[LEVELS_MAX];
    uint64_t state;
    unsigned level = 0;

    if (getrandom(&state, sizeof state, GRND_NONBLOCK) != sizeof state)
        state = 1; /* the kernel has no random numbers yet */
    for (size_t i = 0; i < count; i++)
        items[i].head =
            bl_sort_head(block + items[i].offset + BL_SORT_HEAD, block[items[i].offset], 0);
    heads_sort(items, count, &state);
    levels[0].at = 0;
    levels[0].end = count;
    for (;;) {
        size_t at = levels[level].at, end = levels[level].end, group;

        if (at >= end) {
            if (level-- == 0)
                return;
            continue;
        }
        for (group = at + 1; group < end && items[group].head == items[at].head; group++)
            if (group + AHEAD < end)
                __builtin_prefetch(block + items[group + AHEAD].offset);
        levels[level].at = group;
        if (group - at < 2)
            continue;
        if (group_deepen(block, items + at, group - at, 8 * (level + (size_t)1))) {
            heads_sort(items + at, group - at, &state);
            continue;
        }
        heads_sort(items + at, group - at, &state);
        level++;
        levels[level].at = at;
        levels[level].end = group;
    }
}
