/* Room in the map of an LMDB environment, which does not grow by itself: a write beyond its end
 * fails with MDB_MAP_FULL, and would for ever.
 *
 * Threads: the environment's writer, with no transaction open in this process. Readers in others
 * meet MDB_MAP_RESIZED when they had opened the file before; mdb_env_set_mapsize(env, 0) helps
 * them.
 */
#ifndef RESOLVER_BASE_LMDB_ROOM_H
#define RESOLVER_BASE_LMDB_ROOM_H

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>

/* Doubles the map once it is half full, or `was_full`, up to `most` octets; the map is address
 * space, not memory or disk. Where there is no address space for it the map stays as it is. LMDB's
 * error or 0. */
int lmdb_grow(MDB_env *env, size_t most, bool was_full);

#endif
