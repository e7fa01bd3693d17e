/* Allowed questions as counts: which names a group asks most, and nothing about who.
 *
 * Each worker counts in a table of its own (struct asked), of fixed size, without lock, heap or
 * system call. Once a minute the tables are taken between two batches (asked_swap(), by
 * server_visit()) and added up (asked_sums.h), which is also where a name that few addresses asked
 * for is left out. To know that, each count has 64 bits, one of them set by each address, chosen
 * by a hash whose salt is drawn at start and never leaves memory: as many bits, at least as many
 * addresses, and no way back to one of them.
 *
 * Limits: ASKED_SLOTS names at a time for each worker; where a place is full the least asked give
 * way, so that counts are "at least". Names longer than ASKED_NAME_MAX octets, and groups beyond
 * the first ASKED_GROUPS_MAX that a process met, are not counted.
 *
 * Threads: asked_note(), asked_prefetch…(), asked_groups() and asked_swap() by the owning worker;
 * the table that asked_swap() gave is its caller's until the next one.
 */
#ifndef RESOLVER_DENIALS_ASKED_H
#define RESOLVER_DENIALS_ASKED_H

#include <stddef.h>
#include <stdint.h>

#include "resolver/base/address.h"
#include "resolver/base/fetch.h"

enum {
    ASKED_SLOTS = 4096,
    ASKED_WAYS = 2,
    ASKED_NAME_MAX = 109,
    ASKED_GROUPS_MAX = 256,
};

/* Two cache lines. */
struct asked_slot {
    uint64_t devices;
    uint32_t count; /* 0: free */
    uint32_t hash;
    uint16_t group; /* the table's own number */
    uint8_t name_len;
    uint8_t name[ASKED_NAME_MAX]; /* lower-cased wire name */
};

struct asked_table {
    uint32_t tags[ASKED_SLOTS];
    struct asked_slot slots[ASKED_SLOTS];
};

struct asked {
    struct asked_table *now, *before;
    uint64_t salt;
    char *groups[ASKED_GROUPS_MAX]; /* names met, added to only */
    unsigned group_count;
    uint16_t *numbers; /* by the group's index in the configuration: its place in `groups` */
    size_t number_count;
};

/* `salt`: random, the same for all workers of a process, told to nobody. 0 or -ENOMEM. */
int asked_create(uint64_t salt, struct asked **out_asked);
void asked_free(struct asked *asked); /* NULL is fine */

/* What indices of groups mean from now on. 0 or -ENOMEM; then nothing is counted. */
int asked_groups(struct asked *asked, const char *const *names, size_t count);

/* One more question for `name`. `hash`: any hash of it that is hard to foretell. */
void asked_note(struct asked *asked, uint32_t hash, uint16_t group, const uint8_t *name, size_t len,
                const struct address *client);

static inline size_t asked_place(uint32_t hash)
{
    return (hash * 0x9e3779b1u >> 16) & (ASKED_SLOTS - ASKED_WAYS);
}

/* What asked_note() looks at first; and what else it does for a name that is new, which needs a
 * place. */
static inline void asked_prefetch(const struct asked *asked, uint32_t hash)
{
    fetch_ahead(&asked->now->tags[asked_place(hash)]);
}

static inline void asked_prefetch_new(const struct asked *asked, uint32_t hash)
{
    const struct asked_slot *set = &asked->now->slots[asked_place(hash)];

    asked_prefetch(asked, hash);
    fetch_ahead(set);
    fetch_ahead(set + 1);
}

/* Counts go into the other table from now on; gives what was counted, with group numbers for
 * asked->groups. Whoever takes it empties it. */
struct asked_table *asked_swap(struct asked *asked);

#endif
