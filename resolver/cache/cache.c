#include "resolver/cache/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "resolver/base/fetch.h"
#include "resolver/base/hash.h"
#include "resolver/base/random.h"

/* Positions in the ring count units, so that 32 bits reach 32 GiB. The slack lets the filler before
 * the ring's end be written as an entry's head, however little room is left there. */
enum { UNIT = 8, SLACK = 4096, SLOTS = 8, SECOND_CHANCES = 64, BYTES_PER_SLOT = 96 };

/* One cache line: a tag of 32 hash bits and a position each; position 0 is "empty". */
struct bucket {
    struct {
        uint32_t tag, position;
    } slots[SLOTS];
};

struct cache {
    uint8_t *ring;
    size_t size;             /* octets in the ring */
    size_t head;             /* the next octet to write */
    size_t tail;             /* the oldest entry */
    size_t in_ring;          /* entries and fillers between them: head == tail is empty or full */
    size_t prepared_end;     /* entries from the tail up to here are on their way from memory … */
    unsigned prepared_count; /* … so many */
    struct bucket *buckets;
    size_t bucket_count; /* a power of two */
    uint64_t seed;       /* so that nobody can choose which entries share a bucket */
    struct cache_state state;
};

static struct cache_entry *entry_at(const struct cache *cache, size_t offset)
{
    return (struct cache_entry *)(void *)(cache->ring + offset);
}

static uint8_t *entry_bytes(const struct cache_entry *entry)
{
    return (uint8_t *)(uintptr_t)(entry + 1);
}

static size_t ttls_offset(const struct cache_entry *entry)
{
    return (entry->name_len + 1u) & ~(size_t)1;
}

const uint16_t *cache_ttls(const struct cache_entry *entry)
{
    return (const uint16_t *)(const void *)(entry_bytes(entry) + ttls_offset(entry));
}

struct cache_fact *cache_facts(const struct cache_entry *entry)
{
    uint8_t *bytes = entry_bytes(entry) + ttls_offset(entry) + 2u * entry->ttl_count;

    return (struct cache_fact *)(void *)bytes;
}

const uint8_t *cache_message(const struct cache_entry *entry)
{
    return (const uint8_t *)(cache_facts(entry) + entry->fact_room);
}

uint32_t cache_hash(const struct cache *cache, const struct cache_key *key)
{
    uint64_t kind = (uint64_t)key->type << 32 | (uint64_t)key->class << 8 | key->dnssec;
    uint32_t hash;

    if (key->hash)
        return key->hash;
    hash = (uint32_t)hash_octets(cache->seed ^ kind, key->name, key->name_len);
    return hash ? hash : 1;
}

static struct bucket *bucket_of(const struct cache *cache, uint32_t hash)
{
    /* The multiplication spreads the bits that the tag does not need for telling entries apart. */
    return &cache->buckets[(uint64_t)hash * 0x9e3779b1u >> 7 & (cache->bucket_count - 1)];
}

int cache_create(size_t size, struct cache **out_cache, struct bl_error *error)
{
    struct cache *cache = calloc(1, sizeof *cache);
    struct random_pool random;
    void *ring;

    if (!cache)
        return bl_error_set(error, -ENOMEM, "no memory for the answer cache");
    cache->size = (size < 65536 ? 65536 : size) & ~(size_t)(UNIT - 1);
    ring =
        mmap(NULL, cache->size + SLACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cache->ring = ring == MAP_FAILED ? NULL : ring;
    for (cache->bucket_count = 64; cache->bucket_count * SLOTS * BYTES_PER_SLOT < cache->size;)
        cache->bucket_count *= 2;
    cache->buckets = aligned_alloc(64, cache->bucket_count * sizeof *cache->buckets);
    if (!cache->ring || !cache->buckets) {
        cache_destroy(cache);
        return bl_error_set(error, -ENOMEM, "no memory for an answer cache of %zu bytes", size);
    }
    memset(cache->buckets, 0, cache->bucket_count * sizeof *cache->buckets);
    random_init(&random);
    cache->seed = random_64(&random);
    cache->head = cache->tail = UNIT; /* position 0 means "no entry" */
    *out_cache = cache;
    return 0;
}

void cache_destroy(struct cache *cache)
{
    if (!cache)
        return;
    if (cache->ring)
        munmap(cache->ring, cache->size + SLACK);
    free(cache->buckets);
    free(cache);
}

static bool key_matches(const struct cache_entry *entry, const struct cache_key *key)
{
    return entry->type == key->type && entry->class == key->class && entry->dnssec == key->dnssec &&
           entry->name_len == key->name_len &&
           memcmp(entry_bytes(entry), key->name, key->name_len) == 0;
}

/* The slot of the entry at `offset`, or NULL when another one has taken its place. */
static uint32_t *slot_of(const struct cache *cache, const struct cache_entry *entry, size_t offset)
{
    struct bucket *bucket = bucket_of(cache, entry->hash);

    for (unsigned i = 0; i < SLOTS; i++)
        if (bucket->slots[i].position == offset / UNIT)
            return &bucket->slots[i].position;
    return NULL;
}

struct cache_entry *cache_find(struct cache *cache, const struct cache_key *key)
{
    uint32_t hash = cache_hash(cache, key);
    struct bucket *bucket = bucket_of(cache, hash);

    for (unsigned i = 0; i < SLOTS; i++) {
        struct cache_entry *entry;
        if (bucket->slots[i].tag != hash || !bucket->slots[i].position)
            continue;
        entry = entry_at(cache, (size_t)bucket->slots[i].position * UNIT);
        if (!key_matches(entry, key))
            continue;
        if (entry->referenced < CACHE_POPULAR)
            entry->referenced++;
        return entry;
    }
    return NULL;
}

void cache_prefetch(const struct cache *cache, uint32_t hash)
{
    fetch_ahead(bucket_of(cache, hash));
}

bool cache_prefetch_entry(const struct cache *cache, uint32_t hash)
{
    enum { LINES = 3 }; /* an ordinary entry */
    const struct bucket *bucket = bucket_of(cache, hash);
    bool found = false;

    for (unsigned i = 0; i < SLOTS; i++) {
        if (bucket->slots[i].tag != hash || !bucket->slots[i].position)
            continue;
        const uint8_t *entry = cache->ring + (size_t)bucket->slots[i].position * UNIT;
        for (size_t line = 0; line < LINES; line++)
            fetch_ahead(entry + line * FETCH_LINE); /* beyond the ring's end it does no harm */
        found = true;
    }
    return found;
}

static void drop(struct cache *cache, uint32_t *position)
{
    *position = 0;
    cache->state.entries--;
}

/* Goes on at the ring's beginning; what is left before its end becomes a filler. */
static void wrap_head(struct cache *cache)
{
    if (cache->size > cache->head) {
        struct cache_entry *filler = entry_at(cache, cache->head);
        filler->size = (uint32_t)(cache->size - cache->head);
        filler->name_len = 0;
        cache->in_ring++;
    }
    cache->head = UNIT;
}

/* Steps the tail over the oldest entry. One that was used since it was written is written again at
 * the head: it takes just the room that it leaves. */
static void retire_oldest(struct cache *cache, unsigned *chances)
{
    struct cache_entry *entry = entry_at(cache, cache->tail);
    uint32_t *position = NULL;
    size_t size = entry->size, from = cache->tail;

    cache->tail = from + size >= cache->size ? UNIT : from + size;
    cache->in_ring--;
    cache->prepared_count -= cache->prepared_count > 0;
    if (entry->name_len) /* else the filler at the ring's end */
        position = slot_of(cache, entry, from);
    if (!position)
        return;
    if (!entry->referenced || !*chances) {
        drop(cache, position);
        cache->state.evicted++;
        return;
    }
    --*chances;
    if (cache->head > from && cache->size - cache->head < size)
        wrap_head(cache);
    memmove(cache->ring + cache->head, entry, size);
    entry = entry_at(cache, cache->head);
    entry->referenced = 0;
    *position = (uint32_t)(cache->head / UNIT);
    cache->head += size;
    cache->in_ring++;
    cache->state.kept++;
}

/* Free octets from the head on, contiguous. */
static size_t room_at_head(const struct cache *cache)
{
    if (cache->in_ring && cache->head <= cache->tail)
        return cache->tail - cache->head;
    return cache->size - cache->head;
}

static size_t make_room(struct cache *cache, size_t size)
{
    unsigned chances = SECOND_CHANCES;

    while (room_at_head(cache) < size) {
        if (!cache->in_ring)
            cache->head = cache->tail = UNIT;
        else if (cache->head > cache->tail)
            wrap_head(cache);
        else
            retire_oldest(cache, &chances);
    }
    return cache->head;
}

/* The place of this key: its own, a free one, or SLOTS. Other entries are not looked at, as each of
 * them would have to come from memory. */
static unsigned slot_find(const struct cache *cache, const struct bucket *bucket, uint32_t hash,
                          const struct cache_key *key)
{
    unsigned found = SLOTS;

    for (unsigned i = 0; i < SLOTS; i++) {
        size_t at = (size_t)bucket->slots[i].position * UNIT;
        if (!at)
            found = i;
        else if (bucket->slots[i].tag == hash && key_matches(entry_at(cache, at), key))
            return i;
    }
    return found;
}

/* In a full bucket the oldest gives way, those in use last. Distance behind the head is age. */
static unsigned slot_oldest(const struct cache *cache, const struct bucket *bucket, size_t offset)
{
    unsigned victim = 0;
    size_t victim_age = 0;

    for (unsigned i = 0; i < SLOTS; i++) {
        size_t at = (size_t)bucket->slots[i].position * UNIT;
        size_t age = at < offset ? offset - at : offset + cache->size - at;
        if (entry_at(cache, at)->referenced)
            age /= SLOTS * 16;
        if (age > victim_age) {
            victim = i;
            victim_age = age;
        }
    }
    return victim;
}

static void index_insert(struct cache *cache, uint32_t hash, size_t offset,
                         const struct cache_key *key)
{
    struct bucket *bucket = bucket_of(cache, hash);
    unsigned slot = slot_find(cache, bucket, hash, key);

    if (slot == SLOTS)
        slot = slot_oldest(cache, bucket, offset);
    if (!bucket->slots[slot].position)
        cache->state.entries++;
    bucket->slots[slot].tag = hash;
    bucket->slots[slot].position = (uint32_t)(offset / UNIT);
}

/* The entries that will have to go next, and where the index tells of them, are fetched from memory
 * meanwhile, AHEAD of when they are looked at. */
static void retire_prepare(struct cache *cache)
{
    enum { AHEAD = 8, NEXT = 256 };

    if (!cache->in_ring || cache->head > cache->tail) {
        cache->prepared_count = 0;
        return;
    }
    if (cache->prepared_count == 0)
        cache->prepared_end = cache->tail;
    while (cache->prepared_count < AHEAD && cache->prepared_end < cache->size) {
        const struct cache_entry *entry = entry_at(cache, cache->prepared_end);
        fetch_ahead(bucket_of(cache, entry->hash));
        cache->prepared_end += entry->size;
        fetch_ahead(cache->ring + cache->prepared_end + NEXT);
        cache->prepared_count++;
    }
}

void cache_insert(struct cache *cache, const struct cache_reply *reply, int64_t now_ms)
{
    struct cache_entry *entry;
    size_t offset, size;

    if (reply->message_len > CACHE_MESSAGE_MAX || reply->ttl_count > CACHE_TTLS_MAX ||
        reply->fact_room > CACHE_FACTS_MAX || reply->fact_count > reply->fact_room)
        return;
    size = sizeof *entry + ((reply->key.name_len + 1u) & ~(size_t)1) + 2 * reply->ttl_count +
           reply->fact_room * sizeof(struct cache_fact) + reply->message_len;
    size = (size + UNIT - 1) & ~(size_t)(UNIT - 1);
    if (size > cache->size / 4)
        return;
    offset = make_room(cache, size);
    entry = entry_at(cache, offset);
    *entry = (struct cache_entry){
        .size = (uint32_t)size,
        .hash = cache_hash(cache, &reply->key),
        .stored_ms = now_ms,
        .epoch = reply->epoch,
        .ttl_s = reply->ttl_s,
        .message_len = (uint16_t)reply->message_len,
        .ttl_count = (uint16_t)reply->ttl_count,
        .type = reply->key.type,
        .class = reply->key.class,
        .name_len = reply->key.name_len,
        .fact_count = (uint8_t)reply->fact_count,
        .fact_room = (uint8_t)reply->fact_room,
        .dnssec = reply->key.dnssec,
        .has_targets = reply->has_targets,
        .has_ech = reply->has_ech,
        .has_private = reply->has_private,
    };
    memcpy(entry_bytes(entry), reply->key.name, reply->key.name_len);
    memcpy((void *)(uintptr_t)cache_ttls(entry), reply->ttls, 2 * reply->ttl_count);
    if (reply->fact_count)
        memcpy(cache_facts(entry), reply->facts, reply->fact_count * sizeof *reply->facts);
    memcpy((void *)(uintptr_t)cache_message(entry), reply->message, reply->message_len);
    cache->head += size;
    cache->in_ring++;
    index_insert(cache, entry->hash, offset, &reply->key);
    cache->state.inserted++;
    retire_prepare(cache);
}

bool cache_update_facts(struct cache *cache, struct cache_entry *entry,
                        const struct cache_fact *facts, size_t count, uint64_t epoch)
{
    if (count > entry->fact_room) {
        uint32_t *position = slot_of(cache, entry, (size_t)((uint8_t *)entry - cache->ring));
        if (position)
            drop(cache, position);
        return false;
    }
    if (count)
        memcpy(cache_facts(entry), facts, count * sizeof *facts);
    entry->fact_count = (uint8_t)count;
    entry->epoch = epoch;
    entry->asked_is_known = 0;
    return true;
}

size_t cache_flush_fitting(struct cache *cache,
                           bool (*fits)(void *user, const uint8_t *name, size_t len), void *user)
{
    size_t before = cache->state.entries;

    for (size_t b = 0; b < cache->bucket_count; b++)
        for (unsigned i = 0; i < SLOTS; i++) {
            uint32_t *position = &cache->buckets[b].slots[i].position;
            const struct cache_entry *entry = entry_at(cache, (size_t)*position * UNIT);
            if (*position && fits(user, entry_bytes(entry), entry->name_len))
                drop(cache, position);
        }
    return before - cache->state.entries;
}

static bool is_name_or_below(void *user, const uint8_t *name, size_t len)
{
    (void)len;
    return !user || bl_name_is_below(name, user);
}

size_t cache_flush(struct cache *cache, const uint8_t *name)
{
    return cache_flush_fitting(cache, is_name_or_below, (void *)(uintptr_t)name);
}

void cache_each(const struct cache *cache,
                void (*take)(void *user, const struct cache_entry *entry), void *user)
{
    size_t at = cache->tail;

    for (size_t left = cache->in_ring; left; left--) {
        const struct cache_entry *entry = entry_at(cache, at);
        if (entry->name_len && slot_of(cache, entry, at))
            take(user, entry);
        at = at + entry->size >= cache->size ? UNIT : at + entry->size;
    }
}

struct cache_state cache_state(const struct cache *cache)
{
    struct cache_state state = cache->state;

    state.bytes = cache->size;
    state.bytes_used = cache->head >= cache->tail ? cache->head - cache->tail
                                                  : cache->size - cache->tail + cache->head;
    return state;
}
