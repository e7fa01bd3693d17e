#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "resolver/cache/keep.h"
#include "resolver/query/query.h"

enum { PATH_LEN = 4096 };

static int path_make(const struct pipeline *pipeline, unsigned worker, char path[PATH_LEN],
                     struct bl_error *error)
{
    const char *state = pipeline->world->config->state;

    if (snprintf(path, PATH_LEN, "%s/cache", state) >= PATH_LEN - 32)
        return bl_error_set(error, -ENAMETOOLONG, "%s: the folder's name is too long", state);
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return bl_error_set(error, -errno, "%s: %s", path, strerror(errno));
    snprintf(path + strlen(path), 32, "/worker-%u", worker);
    return 0;
}

int pipeline_keep_cache(const struct pipeline *pipeline, unsigned worker, struct bl_error *error)
{
    uint64_t generation = bl_store_generation(pipeline->world->store);
    char path[PATH_LEN];
    int code;

    if (!pipeline->world->config->cache.keep)
        return 0;
    code = path_make(pipeline, worker, path, error);
    return code < 0 ? code : cache_keep(pipeline->cache, path, generation, clock_read(), error);
}

int pipeline_adopt_cache(struct pipeline *pipeline, unsigned worker, size_t *out_count,
                         struct bl_error *error)
{
    uint64_t generation = bl_store_generation(pipeline->world->store);
    char path[PATH_LEN];
    int code;

    *out_count = 0;
    if (!pipeline->world->config->cache.keep)
        return 0;
    code = path_make(pipeline, worker, path, error);
    if (code == 0)
        code = cache_adopt(pipeline->cache, path, generation, pipeline->moment, out_count, error);
    if (code == 0) { /* the configuration may have changed in between */
        pipeline_forget_records(pipeline);
        pipeline_forget_zones(pipeline);
    }
    return code;
}
