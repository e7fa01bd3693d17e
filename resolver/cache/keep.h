/* A cache kept over a restart: one file for each worker, written when it ends, read once when the
 * next one begins, and then removed.
 *
 *   0   8  "CGCACHE\n"
 *   8   4  format, 2: a number in the machine's own order, so that another machine's is refused
 *  12   4  octets of struct cache_entry
 *  16   8  list generation
 *  24   8  when it was written, milliseconds since 1970
 *  32   8  entries
 *  40   8  octets that follow the header
 *  48   8  what stands for the forward-zones and their servers
 *  56   8  SipHash of what follows, with a key of zeros: against accidents, not against forgers
 *  64      entries as they stand in the ring, each `size` octets, `stored_ms` replaced by the age
 *
 * A file is adopted whole or not at all: another format, another generation, other forward-zones
 * (whose servers' answers are none of the public ones, and the other way round), a length, checksum
 * or message that is not right, a clock that went back. Entries more than a day past their end are
 * left behind. Happy path of writing: all to a new file, fsync, rename; a crash leaves the file of
 * before or none. The folder's owner is trusted as it is with lists and policy, but no entry is
 * used whose parts do not lie inside it.
 *
 * Threads: a cache's worker, or whoever owns it when no worker runs.
 */
#ifndef RESOLVER_CACHE_KEEP_H
#define RESOLVER_CACHE_KEEP_H

#include "resolver/base/clock.h"
#include "resolver/cache/cache.h"

/* What the answers depend on. */
struct cache_origin {
    uint64_t generation, zones;
};

/* 0 or a negative errno with a sentence. */
int cache_keep(const struct cache *cache, const char *path, struct cache_origin origin,
               struct moment moment, struct bl_error *error);

/* The file is removed in any case. 0 (also when there is none), or a negative errno with a sentence
 * and the cache stays empty. *out_count is how many entries were adopted. */
int cache_adopt(struct cache *cache, const char *path, struct cache_origin origin,
                struct moment moment, size_t *out_count, struct bl_error *error);

#endif
