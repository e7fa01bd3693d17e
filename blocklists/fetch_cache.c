#include "blocklists/fetch_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "blocklists/fetch.h"

enum { PART_AGE_S = 24 * 3600 };

void text_sha256(const char *text, char out[65])
{
    uint8_t digest[EVP_MAX_MD_SIZE] = {0};

    EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL);
    for (size_t i = 0; i < 32; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static int cache_path(const char *folder, const char *url, const char *suffix,
                      char path[CACHE_PATH_MAX])
{
    char hash[65];

    text_sha256(url, hash);
    return snprintf(path, CACHE_PATH_MAX, "%s/%s%s", folder, hash, suffix) < CACHE_PATH_MAX
               ? 0
               : -ENAMETOOLONG;
}

/* Downloads last minutes; a part of yesterday has nobody who writes it. */
static void parts_sweep(const char *folder)
{
    DIR *entries = opendir(folder);
    const struct dirent *entry;
    struct stat status;

    while (entries && (entry = readdir(entries)))
        if (strncmp(entry->d_name, "part-", 5) == 0 &&
            fstatat(dirfd(entries), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            status.st_mtime + PART_AGE_S < time(NULL))
            unlinkat(dirfd(entries), entry->d_name, 0);
    if (entries)
        closedir(entries);
}

int cache_prepare(const char *folder, struct bl_error *error)
{
    char path[CACHE_PATH_MAX];

    if (snprintf(path, sizeof path, "%s", folder) >= (int)sizeof path)
        return bl_error_set(error, -ENAMETOOLONG, "the path %s is too long", folder);
    for (char *at = path + 1; (at = strchr(at, '/')); *at++ = '/') {
        *at = '\0';
        mkdir(path, 0755); /* what matters is whether the last one is there */
    }
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return bl_error_set(error, -errno, "the folder for downloads, %s, cannot be made: %s",
                            folder, bl_disk_text(errno));
    parts_sweep(folder);
    return 0;
}

void cache_meta_read(const char *folder, const char *url, struct cache_meta *out_meta)
{
    char path[CACHE_PATH_MAX], line[CACHE_VALUE_MAX + 16];
    FILE *file;

    memset(out_meta, 0, sizeof *out_meta);
    if (cache_path(folder, url, ".data", path) < 0 || access(path, R_OK) != 0)
        return;
    if (cache_path(folder, url, ".meta", path) < 0 || !(file = fopen(path, "re")))
        return;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "etag ", 5) == 0)
            snprintf(out_meta->etag, sizeof out_meta->etag, "%s", line + 5);
        else if (strncmp(line, "last-modified ", 14) == 0)
            snprintf(out_meta->modified, sizeof out_meta->modified, "%s", line + 14);
        else if (strncmp(line, "sha256 ", 7) == 0)
            snprintf(out_meta->sha256, sizeof out_meta->sha256, "%.64s", line + 7);
    }
    fclose(file);
}

int cache_part_create(const char *folder, char path[CACHE_PATH_MAX], struct bl_error *error)
{
    int fd;

    if (snprintf(path, CACHE_PATH_MAX, "%s/part-XXXXXX", folder) >= CACHE_PATH_MAX)
        return bl_error_set(error, -ENAMETOOLONG, "the path %s is too long", folder);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return bl_error_set(error, -errno, "a download cannot be stored in %s: %s", folder,
                            bl_disk_text(errno));
    return fd;
}

static int meta_write(const char *folder, const char *path, const char *url,
                      const struct cache_meta *meta)
{
    char part[CACHE_PATH_MAX];
    int fd = cache_part_create(folder, part, NULL);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    bool written;

    if (!file) {
        if (fd >= 0)
            close(fd);
        return -EIO;
    }
    fprintf(file, "url %s\n", url);
    if (meta->etag[0])
        fprintf(file, "etag %s\n", meta->etag);
    if (meta->modified[0])
        fprintf(file, "last-modified %s\n", meta->modified);
    fprintf(file, "sha256 %s\n", meta->sha256);
    written = fflush(file) == 0 && !ferror(file);
    if (fclose(file) != 0 || !written || rename(part, path) != 0) {
        unlink(part);
        return -EIO;
    }
    return 0;
}

int cache_adopt(const char *folder, const char *url, const char *part,
                const struct cache_meta *meta, struct bl_error *error)
{
    char data[CACHE_PATH_MAX], meta_path[CACHE_PATH_MAX];

    if (cache_path(folder, url, ".data", data) < 0 ||
        cache_path(folder, url, ".meta", meta_path) < 0)
        return bl_error_set(error, -ENAMETOOLONG, "the path %s is too long", folder);
    unlink(meta_path);
    if (rename(part, data) < 0)
        return bl_error_set(error, -errno, "a download cannot be stored in %s: %s", folder,
                            bl_disk_text(errno));
    /* Without its validators a copy is as good; it is only fetched whole again. */
    meta_write(folder, meta_path, url, meta);
    return 0;
}

int bl_fetch_open(const char *cache, const char *url, struct bl_error *error)
{
    char path[CACHE_PATH_MAX];
    int fd;

    if (cache_path(cache, url, ".data", path) < 0)
        return bl_error_set(error, -ENAMETOOLONG, "the path %s is too long", cache);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return bl_error_set(error, -ENOENT, "%s was never fetched", url);
    if (fd < 0)
        return bl_error_set(error, -errno, "the copy of %s, %s, cannot be read: %s", url, path,
                            bl_disk_text(errno));
    return fd;
}

void bl_fetch_forget(const char *cache, const char *url)
{
    char path[CACHE_PATH_MAX];

    if (cache_path(cache, url, ".meta", path) == 0)
        unlink(path);
}
