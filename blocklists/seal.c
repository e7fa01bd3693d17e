#include "blocklists/seal.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocklists/layout.h"

static int damaged(struct bl_error *error, const char *name, const char *what)
{
    return bl_error_set(error, -EBADMSG, "%s %s", name, what);
}

int bl_seal_bytes(const void *bytes, uint64_t len, uint8_t out_sha256[32])
{
    return EVP_Digest(bytes, len, out_sha256, NULL, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

int bl_seal_sum(uint8_t *trailer)
{
    return bl_seal_bytes(trailer, BL_TRAILER_OWN, trailer + BL_TRAILER_OWN);
}

static int no_digest(struct bl_error *error)
{
    return bl_error_set(error, -ENOMEM, "cannot compute a SHA-256 sum");
}

int bl_seal_read(int fd, const char *name, struct bl_seal *out_seal, struct bl_error *error)
{
    uint8_t bytes[BL_TRAILER_SIZE], own[32];
    struct stat status;

    if (fstat(fd, &status) < 0)
        return bl_error_set(error, -errno, "%s: %s", name, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return bl_error_set(error, -EBADMSG, "%s is not a file", name);
    if (status.st_size < BL_TRAILER_SIZE ||
        pread(fd, bytes, sizeof bytes, status.st_size - BL_TRAILER_SIZE) != (ssize_t)sizeof bytes ||
        memcmp(bytes, BL_TRAILER_MAGIC, strlen(BL_TRAILER_MAGIC)) != 0)
        return damaged(error, name, "is not a store of lists, or was cut off");
    if (bl_seal_bytes(bytes, BL_TRAILER_OWN, own) < 0)
        return no_digest(error);
    if (memcmp(own, bytes + BL_TRAILER_OWN, sizeof own) != 0)
        return damaged(error, name, "is damaged: its trailer does not match its own checksum");
    out_seal->version = bl_get32(bytes + BL_TRAILER_VERSION);
    if (out_seal->version < BL_FORMAT_OLDEST || out_seal->version > BL_FORMAT_VERSION)
        return bl_error_set(
            error, -EPROTO,
            "%s was made by another version (format %u; this program reads formats %d to %d): "
            "import the lists again",
            name, out_seal->version, BL_FORMAT_OLDEST, BL_FORMAT_VERSION);
    out_seal->page_size = bl_get32(bytes + BL_TRAILER_PAGE);
    out_seal->lmdb_len = bl_get64(bytes + BL_TRAILER_LMDB);
    out_seal->base = bl_get64(bytes + BL_TRAILER_BASE);
    out_seal->generation = bl_get64(bytes + BL_TRAILER_GENERATION);
    out_seal->names = bl_get64(bytes + BL_TRAILER_NAMES);
    out_seal->made = (int64_t)bl_get64(bytes + BL_TRAILER_MADE);
    memcpy(out_seal->sha256, bytes + BL_TRAILER_SHA256, sizeof out_seal->sha256);
    if (out_seal->lmdb_len != (uint64_t)status.st_size - BL_TRAILER_SIZE)
        return damaged(error, name, "is damaged: it is not as long as it says");
    return 0;
}

int bl_seal_write(int fd, const char *name, const struct bl_seal *seal, struct bl_error *error)
{
    uint8_t bytes[BL_TRAILER_SIZE] = BL_TRAILER_MAGIC;

    bl_put32(bytes + BL_TRAILER_VERSION, seal->version);
    bl_put32(bytes + BL_TRAILER_PAGE, seal->page_size);
    bl_put64(bytes + BL_TRAILER_LMDB, seal->lmdb_len);
    bl_put64(bytes + BL_TRAILER_BASE, seal->base);
    bl_put64(bytes + BL_TRAILER_GENERATION, seal->generation);
    bl_put64(bytes + BL_TRAILER_NAMES, seal->names);
    bl_put64(bytes + BL_TRAILER_MADE, (uint64_t)seal->made);
    memcpy(bytes + BL_TRAILER_SHA256, seal->sha256, sizeof seal->sha256);
    if (bl_seal_sum(bytes) < 0)
        return no_digest(error);
    if (ftruncate(fd, (off_t)seal->lmdb_len) < 0)
        return bl_error_set(error, -errno, "%s: %s", name, strerror(errno));
    errno = ENOSPC;
    if (pwrite(fd, bytes, sizeof bytes, (off_t)seal->lmdb_len) != (ssize_t)sizeof bytes)
        return bl_error_set(error, -errno, "cannot write %s: %s", name, bl_disk_text(errno));
    return 0;
}

int bl_seal_hash(int fd, const char *name, uint64_t len, uint8_t out_sha256[32],
                 struct bl_error *error)
{
    enum { CHUNK = 256 * 1024 };
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    uint8_t *chunk = malloc(CHUNK);
    bool is_fine = digest && chunk && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1;
    ssize_t got = 1;
    int failure;

    for (uint64_t at = 0; is_fine && at < len; at += (uint64_t)got) {
        do {
            got = pread(fd, chunk, len - at < CHUNK ? len - at : CHUNK, (off_t)at);
        } while (got < 0 && errno == EINTR);
        if (got <= 0)
            break;
        is_fine = EVP_DigestUpdate(digest, chunk, (size_t)got) == 1;
    }
    failure = got < 0 ? -errno : 0;
    is_fine = is_fine && got > 0 && EVP_DigestFinal_ex(digest, out_sha256, NULL) == 1;
    EVP_MD_CTX_free(digest);
    free(chunk);
    if (failure < 0)
        return bl_error_set(error, failure, "cannot read %s: %s", name, strerror(-failure));
    if (got == 0)
        return damaged(error, name, "is damaged: it was cut off");
    return is_fine ? 0 : no_digest(error);
}
