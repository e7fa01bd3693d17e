#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "resolver/base/siphash.h"
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

/* The same for the same zones with the same servers, in whatever order the zones stand. */
static uint64_t zones_print(const struct config *config)
{
    static const uint8_t key[SIPHASH_KEY];
    struct {
        uint64_t before, host;
        uint8_t address[16];
        uint64_t port, transport;
    } server = {0};
    uint64_t sum = 0;

    for (size_t i = 0; i < config->forward_zone_count; i++) {
        const struct config_zone *zone = &config->forward_zones[i];
        server.before = siphash(key, zone->wire, bl_name_length(zone->wire));
        for (size_t k = 0; k < zone->upstream_count; k++) {
            const struct config_upstream *one = &zone->upstreams[k];
            server.host = one->host ? siphash(key, one->host, strlen(one->host)) : 0;
            memcpy(server.address, one->address.bytes, sizeof server.address);
            server.port = one->address.port;
            server.transport = one->transport;
            server.before = siphash(key, &server, sizeof server);
        }
        sum += server.before;
    }
    return sum;
}

static struct cache_origin origin_of(const struct pipeline *pipeline)
{
    return (struct cache_origin){.generation = bl_store_generation(pipeline->world->store),
                                 .zones = zones_print(pipeline->world->config)};
}

int pipeline_keep_cache(const struct pipeline *pipeline, unsigned worker, struct bl_error *error)
{
    char path[PATH_LEN];
    int code;

    if (!pipeline->world->config->cache.keep)
        return 0;
    code = path_make(pipeline, worker, path, error);
    return code < 0 ? code
                    : cache_keep(pipeline->cache, path, origin_of(pipeline), clock_read(), error);
}

int pipeline_adopt_cache(struct pipeline *pipeline, unsigned worker, size_t *out_count,
                         struct bl_error *error)
{
    char path[PATH_LEN];
    int code;

    *out_count = 0;
    if (!pipeline->world->config->cache.keep)
        return 0;
    code = path_make(pipeline, worker, path, error);
    if (code == 0)
        code = cache_adopt(pipeline->cache, path, origin_of(pipeline), pipeline->moment, out_count,
                           error);
    if (code == 0) /* the configuration may have changed in between */
        pipeline_forget_records(pipeline);
    return code;
}
