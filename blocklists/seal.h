/* The trailer behind LMDB's pages: what a file says of itself before any of it is believed.
 *
 * It is the last 256 octets: magic, version, lengths, the SHA-256 of all before it, and one of
 * itself. A file that was cut off, appended to or made by another version is told by these without
 * mapping the rest.
 */
#ifndef BLOCKLISTS_SEAL_H
#define BLOCKLISTS_SEAL_H

#include <stdint.h>

#include "blocklists/error.h"

struct bl_seal {
    uint32_t version; /* the format's number */
    uint32_t page_size;
    uint64_t lmdb_len;   /* octets before the trailer */
    uint64_t base;       /* generation it was compiled on top of, or 0 */
    uint64_t generation; /* 0 while staged */
    uint64_t names;
    int64_t made; /* wall time, seconds */
    uint8_t sha256[32];
};

/* Reads and checks the trailer of the open file: 0, -EPROTO (another version), -EBADMSG (damaged,
 * or no store at all) or the file's own fault. `name` is for the message. */
int bl_seal_read(int fd, const char *name, struct bl_seal *out_seal, struct bl_error *error);

/* Writes it behind the first `lmdb_len` octets, and cuts the file off there. */
int bl_seal_write(int fd, const char *name, const struct bl_seal *seal, struct bl_error *error);

/* SHA-256 of bytes in memory; and a trailer's sum of itself, put where it belongs. */
int bl_seal_bytes(const void *bytes, uint64_t len, uint8_t out_sha256[32]);
int bl_seal_sum(uint8_t *trailer);

/* SHA-256 of the first `len` octets of the file, which are read, not mapped: it may be cut
 * meanwhile. 0, -EBADMSG when it is shorter, or why it cannot be read. */
int bl_seal_hash(int fd, const char *name, uint64_t len, uint8_t out_sha256[32],
                 struct bl_error *error);

#endif
