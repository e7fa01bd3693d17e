#include "resolver/denials/dictionary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { INDEX_KEY_LEN = 9, PROBES_MAX = 64 };

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

int dictionary_init(struct dictionary *dictionary, enum segment_dictionary which, size_t cache_size)
{
    *dictionary = (struct dictionary){.which = which, .cache_size = cache_size};
    dictionary->cache = calloc(cache_size, sizeof(*dictionary->cache));
    return dictionary->cache == NULL ? -ENOMEM : 0;
}

void dictionary_fini(struct dictionary *dictionary)
{
    free(dictionary->cache);
    dictionary->cache = NULL;
}

void dictionary_forget(struct dictionary *dictionary, uint32_t next)
{
    dictionary->next = next;
    memset(dictionary->cache, 0, dictionary->cache_size * sizeof(*dictionary->cache));
}

static struct dictionary_cached *cached_at(struct dictionary *dictionary, uint64_t hash)
{
    return &dictionary->cache[hash & (dictionary->cache_size - 1)];
}

static void cached_put(struct dictionary *dictionary, uint64_t hash, const void *bytes, size_t len,
                       uint32_t id, uint32_t attribute)
{
    struct dictionary_cached *cached = cached_at(dictionary, hash);

    if (len > sizeof(cached->bytes))
        return;
    cached->hash = hash;
    cached->id = id;
    cached->attribute = attribute;
    cached->len = (uint8_t)len;
    memcpy(cached->bytes, bytes, len);
}

static void index_key(const struct dictionary *dictionary, uint64_t hash,
                      uint8_t key[INDEX_KEY_LEN])
{
    key[0] = (uint8_t)dictionary->which;
    memcpy(key + 1, &hash, 8);
}

int dictionary_find(struct dictionary *dictionary, MDB_txn *txn, const void *bytes, size_t len,
                    uint32_t *out_id, uint32_t *out_attribute)
{
    uint64_t hash = dictionary_hash(dictionary->seed, bytes, len) | 1;
    const struct dictionary_cached *cached = cached_at(dictionary, hash);

    if (cached->hash == hash && cached->len == len && memcmp(cached->bytes, bytes, len) == 0) {
        *out_id = cached->id;
        *out_attribute = cached->attribute;
        return 0;
    }
    for (unsigned probe = 0; probe < PROBES_MAX; probe++) {
        uint8_t key_bytes[INDEX_KEY_LEN];
        index_key(dictionary, hash + probe, key_bytes);
        MDB_val key = {sizeof(key_bytes), key_bytes}, value;
        int rc = mdb_get(txn, dictionary->index, &key, &value);
        if (rc != 0)
            return rc;
        uint32_t id;
        if (value.mv_size != sizeof(id))
            return MDB_CORRUPTED;
        memcpy(&id, value.mv_data, sizeof(id));
        MDB_val id_key = {sizeof(id), &id};
        rc = mdb_get(txn, dictionary->values, &id_key, &value);
        if (rc != 0)
            return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
        if (value.mv_size != len + sizeof(struct segment_value) ||
            memcmp((const uint8_t *)value.mv_data + sizeof(struct segment_value), bytes, len) != 0)
            continue;
        memcpy(out_attribute, value.mv_data, sizeof(*out_attribute));
        *out_id = id;
        cached_put(dictionary, hash, bytes, len, id, *out_attribute);
        return 0;
    }
    return MDB_NOTFOUND;
}

static int index_add(struct dictionary *dictionary, MDB_txn *txn, uint64_t hash, uint32_t id)
{
    for (unsigned probe = 0; probe < PROBES_MAX; probe++) {
        uint8_t key_bytes[INDEX_KEY_LEN];
        index_key(dictionary, hash + probe, key_bytes);
        MDB_val key = {sizeof(key_bytes), key_bytes}, value = {sizeof(id), &id};
        int rc = mdb_put(txn, dictionary->index, &key, &value, MDB_NOOVERWRITE);
        if (rc != MDB_KEYEXIST)
            return rc;
    }
    return 0; /* found by nobody, and harmless: the string gets another number next time */
}

int dictionary_add(struct dictionary *dictionary, MDB_txn *txn, const void *bytes, size_t len,
                   uint32_t attribute, uint32_t *out_id)
{
    uint64_t hash = dictionary_hash(dictionary->seed, bytes, len) | 1;
    uint32_t id = dictionary->next;
    MDB_val key = {sizeof(id), &id}, value = {sizeof(attribute) + len, NULL};

    if (id >= SEGMENT_MATCH_ADDRESS - 1)
        return MDB_MAP_FULL;
    int rc = mdb_put(txn, dictionary->values, &key, &value, MDB_APPEND | MDB_RESERVE);
    if (rc != 0)
        return rc;
    memcpy(value.mv_data, &attribute, sizeof(attribute));
    memcpy((uint8_t *)value.mv_data + sizeof(attribute), bytes, len);
    rc = index_add(dictionary, txn, hash, id);
    if (rc != 0)
        return rc;
    dictionary->next++;
    cached_put(dictionary, hash, bytes, len, id, attribute);
    *out_id = id;
    return 0;
}
