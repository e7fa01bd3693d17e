/* Replies with their facts, in bounded memory.
 *
 * A reply is kept as an upstream gave it, cut down to what was asked (inspect.h), with the facts of
 * the names and addresses in it, tagged with the epoch of lists that told them. It holds no
 * verdict: each query that takes it from here is judged for its own group.
 *
 * Form: one ring of octets, allocated once, written round and round; an index of 16-bit tags and
 * ring positions finds an entry in one or two cache lines. What the ring's head is about to
 * overwrite is dropped, unless it was used since it was written: then it is written again at the
 * head (a clock's second chance). So a flood of names asked once passes through while those in use
 * stay, memory never grows, and nothing is ever freed piece by piece.
 *
 * Threads: a cache belongs to one worker. Entries are borrowed until the next cache_insert().
 */
#ifndef RESOLVER_CACHE_CACHE_H
#define RESOLVER_CACHE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/error.h"
#include "blocklists/store.h"
#include "resolver/dns/message.h"

struct cache;

enum {
    CACHE_FACTS_MAX = 16, /* names and addresses with a fact, of one reply; more: not kept */
    CACHE_TTLS_MAX = 512, /* records of one reply; more: not kept */
    CACHE_MESSAGE_MAX = 16384,
    CACHE_POPULAR = 2,
};

/* Something in a reply that is on a list. */
struct cache_fact {
    bl_fact fact;
    uint16_t at;     /* where it stands in the message */
    uint8_t via;     /* enum denial_via */
    uint8_t matched; /* of a name: offset of the listed suffix within the expanded name */
};

struct cache_entry {
    uint32_t size; /* octets in the ring, a multiple of 8 */
    uint32_t hash;
    int64_t stored_ms; /* monotonic */
    uint64_t epoch;    /* of the lists that told the facts; 0: of none */
    uint32_t ttl_s;    /* the entry's life: the least TTL in it */
    uint16_t message_len;
    uint16_t ttl_count;
    uint16_t type, class;
    uint8_t name_len, fact_count, fact_room;
    uint8_t referenced; /* times used since it was written, up to CACHE_POPULAR */
    uint8_t dnssec;     /* key: asked with DO, CD */
    uint8_t
        has_targets; /* names beyond the question's: the school's exceptions are asked for each */
    uint8_t has_ech, has_private; /* in SVCB parameters; among the addresses */
    uint8_t asked_is_known;       /* the lists of `epoch` were looked up for the key's name and
                                     type, and said: */
    struct bl_found asked;
    /* then: name[name_len], padding to 2, ttl offsets (uint16_t[ttl_count]), facts, message */
};

struct cache_key {
    const uint8_t *name; /* lower-cased wire form */
    uint8_t name_len;
    uint8_t dnssec; /* bit 0 DO, bit 1 CD: replies differ, RFC 6840 section 5.9 */
    uint16_t type, class;
    uint32_t hash; /* cache_hash() of the rest where it is at hand, else 0 */
};

/* What there is to insert. All borrowed for the call. */
struct cache_reply {
    struct cache_key key;
    const uint8_t *message; /* header and one question of the key's name, no OPT */
    size_t message_len;
    const uint16_t *ttls; /* offsets of TTLs in the message */
    size_t ttl_count;
    const struct cache_fact *facts;
    size_t fact_count;
    size_t fact_room; /* names and addresses in it: what other lists may find listed */
    uint32_t ttl_s;
    uint64_t epoch;
    bool has_targets, has_ech, has_private;
};

int cache_create(size_t size, struct cache **out_cache, struct bl_error *error);
void cache_destroy(struct cache *cache);

/* The entry of this key, fresh or stale (the caller looks at cache_age_s() and ttl_s), or NULL. */
struct cache_entry *cache_find(struct cache *cache, const struct cache_key *key);

/* Where the key has its place; never 0. */
uint32_t cache_hash(const struct cache *cache, const struct cache_key *key);

/* For the keys of a batch before the first is looked up, by their hashes: has the index fetched
 * from memory, and then, once it has come, the entry. Neither waits. False: there is no entry. */
void cache_prefetch(const struct cache *cache, uint32_t hash);
bool cache_prefetch_entry(const struct cache *cache, uint32_t hash);

void cache_insert(struct cache *cache, const struct cache_reply *reply, int64_t now_ms);

/* Forgets one name with all below it, or everything (NULL). Returns how many entries went. */
size_t cache_flush(struct cache *cache, const uint8_t *name);

/* Forgets, in one walk, each entry whose name (lower-cased wire form, and its length) `fits`. */
size_t cache_flush_fitting(struct cache *cache,
                           bool (*fits)(void *user, const uint8_t *name, size_t len), void *user);

/* Calls `take` for each entry, the oldest first. */
void cache_each(const struct cache *cache,
                void (*take)(void *user, const struct cache_entry *entry), void *user);

const uint8_t *cache_message(const struct cache_entry *entry);
const uint16_t *cache_ttls(const struct cache_entry *entry);
struct cache_fact *cache_facts(const struct cache_entry *entry);

/* Replaces an entry's facts by those of another epoch, in place when they fit: false, and the
 * entry is dropped, when they do not. */
bool cache_update_facts(struct cache *cache, struct cache_entry *entry,
                        const struct cache_fact *facts, size_t count, uint64_t epoch);

struct cache_state {
    size_t entries, bytes_used, bytes;
    uint64_t inserted, evicted, kept; /* kept: second chances given */
};

struct cache_state cache_state(const struct cache *cache);

#endif
