#include "resolver/denials/dictionary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

int dictionary_init(struct dictionary *dictionary, size_t slot_count, size_t cache_size,
                    uint64_t seed)
{
    *dictionary =
        (struct dictionary){.slot_count = slot_count, .cache_size = cache_size, .seed = seed};
    dictionary->slots = calloc(slot_count, sizeof(*dictionary->slots));
    dictionary->cache = calloc(cache_size, sizeof(*dictionary->cache));
    return dictionary->slots == NULL || dictionary->cache == NULL ? -ENOMEM : 0;
}

void dictionary_fini(struct dictionary *dictionary)
{
    free(dictionary->slots);
    free(dictionary->cache);
    *dictionary = (struct dictionary){0};
}

static uint64_t hash_of(const struct dictionary *dictionary, const void *bytes, size_t len)
{
    return dictionary_hash(dictionary->seed, bytes, len) | 1;
}

static void cache_put(struct dictionary *dictionary, uint64_t hash, const void *bytes, size_t len,
                      uint32_t id, uint32_t attribute)
{
    struct dictionary_cached *cached = &dictionary->cache[hash >> 8 & (dictionary->cache_size - 1)];

    if (len > sizeof(cached->bytes))
        return;
    cached->hash = hash;
    cached->id = id;
    cached->attribute = attribute;
    cached->len = (uint8_t)len;
    memcpy(cached->bytes, bytes, len);
}

static struct dictionary_slot *slots_of(const struct dictionary *dictionary, uint64_t hash)
{
    return &dictionary->slots[hash >> 8 & (dictionary->slot_count - DICTIONARY_WAYS) &
                              ~(uint64_t)(DICTIONARY_WAYS - 1)];
}

static void slot_put(struct dictionary *dictionary, uint64_t hash, uint32_t id)
{
    struct dictionary_slot *slots = slots_of(dictionary, hash);
    unsigned way = 0;

    while (way < DICTIONARY_WAYS && slots[way].id_plus_1 != 0)
        way++;
    if (way == DICTIONARY_WAYS)
        way = id % DICTIONARY_WAYS; /* one of them is forgotten */
    slots[way] = (struct dictionary_slot){.tag = (uint32_t)(hash >> 32), .id_plus_1 = id + 1};
}

int dictionary_load(struct dictionary *dictionary, MDB_txn *txn, MDB_dbi values, uint32_t next)
{
    uint32_t first = next > dictionary->slot_count ? next - (uint32_t)dictionary->slot_count : 0;
    MDB_val key = {sizeof(first), &first}, value;
    MDB_cursor *cursor;

    dictionary->values = values;
    dictionary->next = next;
    memset(dictionary->slots, 0, dictionary->slot_count * sizeof(*dictionary->slots));
    memset(dictionary->cache, 0, dictionary->cache_size * sizeof(*dictionary->cache));
    int rc = mdb_cursor_open(txn, values, &cursor);
    if (rc != 0)
        return rc;
    for (rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE); rc == 0;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        uint32_t id;
        if (key.mv_size != sizeof(id) || value.mv_size < sizeof(struct segment_value))
            continue;
        memcpy(&id, key.mv_data, sizeof(id));
        const uint8_t *bytes = (const uint8_t *)value.mv_data + sizeof(struct segment_value);
        slot_put(dictionary,
                 hash_of(dictionary, bytes, value.mv_size - sizeof(struct segment_value)), id);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int dictionary_find(struct dictionary *dictionary, MDB_txn *txn, const void *bytes, size_t len,
                    uint32_t *out_id, uint32_t *out_attribute)
{
    uint64_t hash = hash_of(dictionary, bytes, len);
    const struct dictionary_cached *cached =
        &dictionary->cache[hash >> 8 & (dictionary->cache_size - 1)];

    if (cached->hash == hash && cached->len == len && memcmp(cached->bytes, bytes, len) == 0) {
        *out_id = cached->id;
        *out_attribute = cached->attribute;
        return 0;
    }
    const struct dictionary_slot *slots = slots_of(dictionary, hash);
    for (unsigned way = 0; way < DICTIONARY_WAYS; way++) {
        if (slots[way].id_plus_1 == 0 || slots[way].tag != (uint32_t)(hash >> 32))
            continue;
        uint32_t id = slots[way].id_plus_1 - 1;
        MDB_val key = {sizeof(id), &id}, value;
        int rc = mdb_get(txn, dictionary->values, &key, &value);
        if (rc != 0)
            return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
        if (value.mv_size != len + sizeof(struct segment_value) ||
            memcmp((const uint8_t *)value.mv_data + sizeof(struct segment_value), bytes, len) != 0)
            continue;
        memcpy(out_attribute, value.mv_data, sizeof(*out_attribute));
        *out_id = id;
        cache_put(dictionary, hash, bytes, len, id, *out_attribute);
        return 0;
    }
    return MDB_NOTFOUND;
}

int dictionary_add(struct dictionary *dictionary, MDB_txn *txn, const void *bytes, size_t len,
                   uint32_t attribute, uint32_t *out_id)
{
    uint64_t hash = hash_of(dictionary, bytes, len);
    uint32_t id = dictionary->next;
    MDB_val key = {sizeof(id), &id}, value = {sizeof(attribute) + len, NULL};

    if (id >= SEGMENT_MATCH_ADDRESS - 1)
        return MDB_MAP_FULL;
    int rc = mdb_put(txn, dictionary->values, &key, &value, MDB_APPEND | MDB_RESERVE);
    if (rc != 0)
        return rc;
    memcpy(value.mv_data, &attribute, sizeof(attribute));
    memcpy((uint8_t *)value.mv_data + sizeof(attribute), bytes, len);
    dictionary->next++;
    slot_put(dictionary, hash, id);
    cache_put(dictionary, hash, bytes, len, id, attribute);
    *out_id = id;
    return 0;
}
