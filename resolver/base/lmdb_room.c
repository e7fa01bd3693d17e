#include "resolver/base/lmdb_room.h"

#include <sys/mman.h>

/* LMDB gives the old map up before it makes the new one, and cannot go on when that fails. */
static bool address_space_has(size_t octets)
{
    void *place = mmap(NULL, octets, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return place != MAP_FAILED && munmap(place, octets) == 0;
}

int lmdb_grow(MDB_env *env, size_t most, bool was_full)
{
    MDB_envinfo info;
    MDB_stat pages;
    size_t used;

    mdb_env_info(env, &info);
    mdb_env_stat(env, &pages);
    used = (info.me_last_pgno + 1) * pages.ms_psize;
    if ((used < info.me_mapsize / 2 && !was_full) || info.me_mapsize > most / 2 ||
        !address_space_has(2 * info.me_mapsize))
        return 0;
    return mdb_env_set_mapsize(env, 2 * info.me_mapsize);
}
