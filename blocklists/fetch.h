/* Downloads of lists: many at once, each into a cache folder where the last good copy stays.
 *
 * Happy path: the host is looked up at the bootstrap servers (so that the machine's own resolver,
 * which may be us, is not needed); the server is asked with the validators of the copy at hand; it
 * says "not changed", or sends a list; that is written beside the copy, checked, and takes its
 * place by rename.
 *
 * A download is good when the server said 200, all of it came, within the limits, it hashes to what
 * was promised, it is not empty and it does not begin like a web page. Everything else is a failure
 * with its sentence, and leaves the copy from before and its validators as they were. Redirections
 * are followed a few times, each to another https address; from https to http never.
 *
 * In the cache, by the SHA-256 of the address: HASH.data, HASH.meta ("etag …" and the like, a line
 * each) and part-XXXXXX of downloads under way. A kill leaves the old copy or the new one; the meta
 * file is taken away before the data change, so validators never speak for other data.
 *
 * Threads: any, but one update of a cache folder at a time. Blocks until all are done.
 */
#ifndef BLOCKLISTS_FETCH_H
#define BLOCKLISTS_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocklists/error.h"

enum {
    BL_FETCH_PARALLEL = 8,
    BL_FETCH_REDIRECTS_MAX = 5,
    BL_FETCH_CONNECT_S = 15, /* until the connection stands */
    BL_FETCH_STALL_S = 30,   /* with fewer than 100 octets a second */
    BL_FETCH_TOTAL_S = 900,  /* for all of one download */
};

struct bl_fetch_options {
    const char *cache; /* folder for the copies; made where missing */
    const char *const
        *bootstrap; /* "9.9.9.9", "[2620:fe::fe]:53", …, NULL; or NULL: the machine's resolver */
    const char *ca_file; /* certificates to trust instead of the system's, or NULL */
    bool insecure;       /* plain http is fine */
    uint64_t size_max;   /* octets of a list, 0 for 512 MiB */
    unsigned connect_s, stall_s, total_s; /* 0 for the limits above */
    /* Called now and then; `expected` is 0 where the server does not tell. May be NULL. */
    void (*progress)(void *user, size_t index, uint64_t bytes, uint64_t expected);
    void *user;
};

enum bl_fetch_outcome { BL_FETCH_FAILED, BL_FETCH_SAME, BL_FETCH_NEW };

struct bl_fetch {
    const char *url;
    const char *sha256; /* what it must hash to, or NULL */
    enum bl_fetch_outcome outcome;
    int code;       /* negative errno where it failed */
    uint64_t bytes; /* that came */
    struct bl_error error;
};

/* Fetches all of them and fills in their outcomes. Returns 0, however many failed, or a negative
 * errno when nothing could be begun (the cache folder). */
int bl_fetch_all(struct bl_fetch *fetches, size_t count, const struct bl_fetch_options *options,
                 struct bl_error *error);

/* The copy at hand, open for reading: a descriptor, -ENOENT, or another negative errno. */
int bl_fetch_open(const char *cache, const char *url, struct bl_error *error);

/* Forgets the validators of a copy that turned out to be no list: the next fetch takes it anew. */
void bl_fetch_forget(const char *cache, const char *url);

/* Whether a location is an address on the web and not a path. */
bool bl_is_url(const char *location);

#endif
