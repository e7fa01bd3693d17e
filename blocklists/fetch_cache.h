/* The cache of downloads on disk. For fetch*.c only. */
#ifndef BLOCKLISTS_FETCH_CACHE_H
#define BLOCKLISTS_FETCH_CACHE_H

#include "blocklists/error.h"

enum { CACHE_PATH_MAX = 4096, CACHE_VALUE_MAX = 512 };

/* What the server said of the copy, and its hash; empty strings for what is not known. */
struct cache_meta {
    char etag[CACHE_VALUE_MAX];
    char modified[CACHE_VALUE_MAX]; /* Last-Modified, as it was sent */
    char sha256[65];
};

/* Makes the folder and removes what downloads that were killed left in it. */
int cache_prepare(const char *folder, struct bl_error *error);

/* The meta of the copy of `url`; all empty when there is no copy, or it has none. */
void cache_meta_read(const char *folder, const char *url, struct cache_meta *out_meta);

/* A new file in the folder for a download; its path goes to `path`. A descriptor or a negative
 * errno. */
int cache_part_create(const char *folder, char path[CACHE_PATH_MAX], struct bl_error *error);

/* Puts the complete file at `part` in the place of the copy. */
int cache_adopt(const char *folder, const char *url, const char *part,
                const struct cache_meta *meta, struct bl_error *error);

/* Hexadecimal SHA-256 of a text. */
void text_sha256(const char *text, char out[65]);

#endif
