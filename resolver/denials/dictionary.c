#include "resolver/denials/dictionary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolver/base/fetch.h"
#include "resolver/base/hash.h"

uint64_t dictionary_hash(uint64_t seed, const void *bytes, size_t len)
{
    const uint64_t k1 = 0x9e3779b97f4a7c15u, k2 = 0xc2b2ae3d27d4eb4fu;
    const uint8_t *at = bytes;
    uint64_t a = seed ^ (len * k1), word;

    for (; len >= 8; len -= 8, at += 8) {
        memcpy(&word, at, 8);
        a = (a ^ word) * k2;
        a ^= a >> 32;
    }
    word = 0;
    memcpy(&word, at, len);
    a = (a ^ word ^ seed >> 32) * k1;
    a ^= a >> 29;
    a *= k2;
    return a ^ a >> 32;
}

enum { COPY_OCTETS = 32 }; /* of the ring for each slot: most names are shorter */

/* What stands before a string's copy. */
struct copy_head {
    uint32_t id;
    uint32_t len;
};

int dictionary_init(struct dictionary *dictionary, size_t slot_count, uint64_t seed)
{
    *dictionary = (struct dictionary){.slot_count = slot_count, .seed = seed};
    /* The ways of a set in one cache line: a look-up waits for memory once. */
    dictionary->slots = aligned_alloc(DICTIONARY_WAYS * sizeof(*dictionary->slots),
                                      slot_count * sizeof(*dictionary->slots));
    dictionary->copies_size = slot_count * COPY_OCTETS;
    dictionary->copies = malloc(dictionary->copies_size); /* pages come as they are used */
    if (dictionary->slots == NULL || dictionary->copies == NULL) {
        dictionary_fini(dictionary);
        return -ENOMEM;
    }
    memset(dictionary->slots, 0, slot_count * sizeof(*dictionary->slots));
    return 0;
}

void dictionary_fini(struct dictionary *dictionary)
{
    free(dictionary->slots);
    free(dictionary->copies);
    *dictionary = (struct dictionary){0};
}

uint64_t dictionary_key(const struct dictionary *dictionary, const void *bytes, size_t len)
{
    return hash_octets(dictionary->seed, bytes, len);
}

static struct dictionary_slot *slots_of(const struct dictionary *dictionary, uint64_t hash)
{
    return &dictionary->slots[hash & (dictionary->slot_count - DICTIONARY_WAYS) &
                              ~(uint64_t)(DICTIONARY_WAYS - 1)];
}

static void forget(struct dictionary *dictionary)
{
    memset(dictionary->slots, 0, dictionary->slot_count * sizeof(*dictionary->slots));
    dictionary->copies_end = 0;
}

/* A copy is whole or, at the ring's end, begins anew at its start. Positions never come twice. */
static uint32_t copy_put(struct dictionary *dictionary, uint32_t id, const void *bytes, size_t len)
{
    const struct copy_head head = {id, (uint32_t)len};
    size_t need = sizeof(head) + len, offset;

    if (dictionary->copies_end > UINT32_MAX - 2 * dictionary->copies_size)
        forget(dictionary);
    offset = dictionary->copies_end & (dictionary->copies_size - 1);
    if (offset + need > dictionary->copies_size) {
        dictionary->copies_end += (uint32_t)(dictionary->copies_size - offset);
        offset = 0;
    }
    uint32_t at = dictionary->copies_end;
    memcpy(dictionary->copies + offset, &head, sizeof(head));
    memcpy(dictionary->copies + offset + sizeof(head), bytes, len);
    dictionary->copies_end += (uint32_t)need;
    return at;
}

static const uint8_t *copy_of(const struct dictionary *dictionary,
                              const struct dictionary_slot *slot)
{
    return dictionary->copies + (slot->at & (dictionary->copies_size - 1));
}

/* A bit for each way with the key's tag: which of them it is cannot be foretold, and so is no
 * branch. */
static unsigned ways_tagged(const struct dictionary_slot *slots, uint64_t key)
{
    unsigned ways = 0;

    for (unsigned way = 0; way < DICTIONARY_WAYS; way++)
        ways |= (unsigned)(slots[way].tag == (uint32_t)(key >> 32)) << way;
    return ways;
}

/* Whether the slot stands for these very bytes. */
static bool slot_is(const struct dictionary *dictionary, const struct dictionary_slot *slot,
                    const void *bytes, size_t len)
{
    const uint8_t *copy = copy_of(dictionary, slot);
    struct copy_head head;

    if (dictionary->copies_end - slot->at > dictionary->copies_size)
        return false; /* overwritten */
    memcpy(&head, copy, sizeof(head));
    return head.id == slot->id_plus_1 - 1 && head.len == len &&
           memcmp(copy + sizeof(head), bytes, len) == 0;
}

static void slot_put(struct dictionary *dictionary, uint64_t hash, uint32_t id, uint32_t attribute,
                     const void *bytes, size_t len)
{
    uint32_t at = copy_put(dictionary, id, bytes, len);
    struct dictionary_slot *slots = slots_of(dictionary, hash);
    unsigned way = 0;

    while (way < DICTIONARY_WAYS && slots[way].id_plus_1 != 0)
        way++;
    if (way == DICTIONARY_WAYS)
        way = id % DICTIONARY_WAYS; /* one of them is forgotten */
    slots[way] = (struct dictionary_slot){
        .tag = (uint32_t)(hash >> 32), .at = at, .id_plus_1 = id + 1, .attribute = attribute};
}

int dictionary_load(struct dictionary *dictionary, MDB_txn *txn, MDB_dbi values, uint32_t next)
{
    uint32_t first = next > dictionary->slot_count ? next - (uint32_t)dictionary->slot_count : 0;
    MDB_val key = {sizeof(first), &first}, value;
    MDB_cursor *cursor;

    dictionary->values = values;
    dictionary->next = next;
    forget(dictionary);
    int rc = mdb_cursor_open(txn, values, &cursor);
    if (rc != 0)
        return rc;
    for (rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE); rc == 0;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        struct segment_value head;
        uint32_t id;
        if (key.mv_size != sizeof(id) || value.mv_size < sizeof(struct segment_value))
            continue;
        memcpy(&id, key.mv_data, sizeof(id));
        memcpy(&head, value.mv_data, sizeof(head));
        const uint8_t *bytes = (const uint8_t *)value.mv_data + sizeof(head);
        size_t len = value.mv_size - sizeof(head);
        if (len < dictionary->copies_size / 2) /* else the segment is damaged */
            slot_put(dictionary, dictionary_key(dictionary, bytes, len), id, head.attribute, bytes,
                     len);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

void dictionary_prefetch(const struct dictionary *dictionary, uint64_t key)
{
    fetch_ahead(slots_of(dictionary, key));
}

void dictionary_prefetch_copy(const struct dictionary *dictionary, uint64_t key)
{
    const struct dictionary_slot *slots = slots_of(dictionary, key);

    for (unsigned ways = ways_tagged(slots, key); ways != 0; ways &= ways - 1) {
        const uint8_t *copy = copy_of(dictionary, &slots[__builtin_ctz(ways)]);
        fetch_ahead(copy);
        fetch_ahead(copy + FETCH_LINE); /* beyond the ring's end it does no harm */
    }
}

bool dictionary_find(const struct dictionary *dictionary, uint64_t key, const void *bytes,
                     size_t len, uint32_t *out_id, uint32_t *out_attribute)
{
    const struct dictionary_slot *slots = slots_of(dictionary, key);

    for (unsigned ways = ways_tagged(slots, key); ways != 0; ways &= ways - 1) {
        const struct dictionary_slot *slot = &slots[__builtin_ctz(ways)];
        if (slot->id_plus_1 == 0 || !slot_is(dictionary, slot, bytes, len))
            continue;
        *out_id = slot->id_plus_1 - 1;
        *out_attribute = slot->attribute;
        return true;
    }
    return false;
}

int dictionary_add(struct dictionary *dictionary, MDB_txn *txn, uint64_t key, const void *bytes,
                   size_t len, uint32_t attribute, uint32_t *out_id)
{
    uint32_t id = dictionary->next;
    MDB_val number = {sizeof(id), &id}, value = {sizeof(attribute) + len, NULL};

    if (id >= SEGMENT_MATCH_ADDRESS - 1)
        return MDB_MAP_FULL;
    int rc = 0;
    /* A cursor that stays at the end: each string would be preceded by a way down the tree. */
    if (dictionary->end == NULL)
        rc = mdb_cursor_open(txn, dictionary->values, &dictionary->end);
    if (rc == 0)
        rc = mdb_cursor_put(dictionary->end, &number, &value, MDB_APPEND | MDB_RESERVE);
    if (rc != 0)
        return rc;
    memcpy(value.mv_data, &attribute, sizeof(attribute));
    memcpy((uint8_t *)value.mv_data + sizeof(attribute), bytes, len);
    dictionary->next++;
    slot_put(dictionary, key, id, attribute, bytes, len);
    *out_id = id;
    return 0;
}

void dictionary_finish(struct dictionary *dictionary)
{
    if (dictionary->end != NULL)
        mdb_cursor_close(dictionary->end);
    dictionary->end = NULL;
}
