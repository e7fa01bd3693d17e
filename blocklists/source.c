#include "blocklists/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocklists/fetch.h"

ssize_t source_file_read(void *user, void *buffer, size_t len, struct bl_error *error)
{
    struct source_file *file = user;
    ssize_t got;

    if (file->head_at < file->head_len) {
        if (len > file->head_len - file->head_at)
            len = file->head_len - file->head_at;
        memcpy(buffer, file->head + file->head_at, len);
        file->head_at += len;
        return (ssize_t)len;
    }
    do
        got = read(file->fd, buffer, len);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return bl_error_set(error, -errno, "%s cannot be read: %s", file->location,
                            strerror(errno));
    return got;
}

void source_skip(struct source *source, const char *path, const char *reason)
{
    if (source->visitor->skipped)
        source->visitor->skipped(source->visitor->user, path, reason);
}

/* A category name that lists may bring along: what config.yaml takes, and the underscores of UT1.
 */
static bool is_category_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_");

    return len > 0 && len < CATALOGUE_NAME_MAX && name[len] == '\0' && name[0] != '-';
}

static bool has_suffix(const char *name, const char *const *suffixes)
{
    const char *dot = strrchr(name, '.');

    for (; dot && *suffixes; suffixes++)
        if (strcasecmp(dot + 1, *suffixes) == 0)
            return true;
    return false;
}

/* Why a file of this name is no list, or NULL when it may be one. */
static const char *file_fault(const char *name)
{
    static const char *const list_suffixes[] = {"txt",  "list", "hosts",  "conf",  "csv",     "tsv",
                                                "zone", "rpz",  "netset", "ipset", "domains", NULL};
    static const char *const packed_suffixes[] = {"gz",  "tgz", "xz",  "txz", "zst", "bz2",
                                                  "tbz", "zip", "tar", "7z",  "rar", NULL};
    static const struct {
        const char *name, *reason;
    } known[] = {
        {"urls", "web addresses, which DNS does not see"},
        {"expressions", "patterns for web addresses, which DNS does not see"},
        {"very_restrictive_expression", "patterns for web addresses, which DNS does not see"},
        {"usage", "says what the list is for, and holds no names"},
        {"global_usage", "says what the lists are for, and holds no names"},
    };

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(name, known[i].name) == 0)
            return known[i].reason;
    if (strncasecmp(name, "readme", 6) == 0 || strncasecmp(name, "licen", 5) == 0 ||
        strncasecmp(name, "copying", 7) == 0)
        return "explains the lists, and holds no names";
    if (strcmp(name, "domains") == 0 || strcmp(name, "hosts") == 0 ||
        has_suffix(name, list_suffixes))
        return NULL;
    if (has_suffix(name, packed_suffixes))
        return "packed once more; please unpack the outer one and import what is in it";
    return "no list, as far as its name tells";
}

/* The name of the folder that `path` is in, or `top`. */
static const char *folder_name(const char *path, const char *top, char name[CATALOGUE_NAME_MAX])
{
    const char *end = strrchr(path, '/');
    const char *begin = end;

    if (!end)
        return top;
    while (begin > path && begin[-1] != '/')
        begin--;
    if ((size_t)(end - begin) >= CATALOGUE_NAME_MAX)
        return NULL;
    snprintf(name, CATALOGUE_NAME_MAX, "%.*s", (int)(end - begin), begin);
    return name;
}

/* Fills in what a list in UT1 layout is for. False when its folder's name says nothing. */
static bool category_of_folder(const struct source *source, const char *folder,
                               char category[CATALOGUE_NAME_MAX], enum bl_action *out_action)
{
    const struct bl_source_options *options = source->options;

    *out_action = BL_BLOCK;
    if (!folder || !is_category_name(folder))
        return false;
    /* What the school calls by this name goes before what the catalogue makes of it. */
    if ((options->has_category && options->has_category(options->user, folder)) ||
        !catalogue_ut1(folder, category, out_action))
        snprintf(category, CATALOGUE_NAME_MAX, "%s", folder);
    return true;
}

/* The overview file of the UT1 lists names their maker, and with it their licence. */
void source_note_licence(struct source *source, const struct bl_input *input)
{
    char text[4096];
    ssize_t len = input->read(input->user, text, sizeof text, NULL);

    if (len > 0 && memmem(text, (size_t)len, "ut-capitole", 11))
        source->licence = "CC BY-SA 4.0, Université Toulouse Capitole";
}

int source_visit(struct source *source, const char *path, const char *top,
                 const struct bl_input *input)
{
    const struct bl_source_options *options = source->options;
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    const char *fault = file_fault(name);
    char folder_buffer[CATALOGUE_NAME_MAX], category[CATALOGUE_NAME_MAX] = "";
    char location[BL_LOCATION_MAX];
    size_t location_len;
    struct bl_part part = {.location = location, .licence = source->licence};
    const char *folder = folder_name(path, top, folder_buffer);

    if (!fault && strcmp(name, "domains") == 0 &&
        category_of_folder(source, folder, category, &part.action))
        part.category = category;
    if (options->category)
        part.category = options->category;
    if (!fault && !part.category)
        fault = "not a list of a category (CATEGORY/domains), and no category was given for it";
    if (!fault && part.action == BL_ALLOW && !options->white_lists)
        fault = "a list of names to allow, which is taken only when asked for";
    if (fault) {
        if (strcmp(name, "global_usage") == 0)
            source_note_licence(source, input);
        source_skip(source, path, fault);
        return 0;
    }
    location_len = strlen(source->location);
    while (location_len > 1 && source->location[location_len - 1] == '/')
        location_len--;
    if (snprintf(location, sizeof location, "%.*s%c%s", (int)location_len, source->location,
                 source->separator, path) >= (int)sizeof location)
        return bl_error_set(source->error, -ENAMETOOLONG, "the path of %s is too long", path);
    source->parts++;
    return source->visitor->part(source->visitor->user, &part, input, source->error);
}

int source_visit_whole(struct source *source, const struct bl_input *input)
{
    struct bl_part part = {.location = source->location,
                           .category = source->options->category,
                           .licence = source->licence};

    source->parts++;
    return source->visitor->part(source->visitor->user, &part, input, source->error);
}

/* One file, "-" included: a list as it is, or something with lists packed in it. */
static int source_walk_file(struct source *source, int fd)
{
    struct source_file file = {.fd = fd, .location = source->location};
    struct bl_input input = {.read = source_file_read, .user = &file};
    ssize_t got;

    while (file.head_len < sizeof file.head) {
        file.head_at = file.head_len;
        got = source_file_read(&file, file.head + file.head_len, sizeof file.head - file.head_len,
                               source->error);
        if (got < 0)
            return (int)got;
        if (got == 0)
            break;
        file.head_len += (size_t)got;
    }
    file.head_at = 0;
    return source_is_packed(file.head, file.head_len) ? source_walk_archive(source, &file)
                                                      : source_visit_whole(source, &input);
}

/* Whether the file hashes to what was promised; leaves it at its beginning. */
static int file_check_hash(int fd, const char *expected, const char *location,
                           struct bl_error *error)
{
    struct source_file file = {.fd = fd, .location = location};
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    uint8_t buffer[65536], digest[EVP_MAX_MD_SIZE];
    char text[65] = "";
    ssize_t got = -ENOMEM;

    if (!hash || !EVP_DigestInit_ex(hash, EVP_sha256(), NULL)) {
        bl_error_set(error, -ENOMEM, "there is not enough memory to check %s", location);
        goto out;
    }
    while ((got = source_file_read(&file, buffer, sizeof buffer, error)) > 0)
        EVP_DigestUpdate(hash, buffer, (size_t)got);
    if (got < 0)
        goto out;
    EVP_DigestFinal_ex(hash, digest, NULL);
    for (size_t i = 0; i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    if (strcasecmp(text, expected) != 0)
        got =
            bl_error_set(error, -EBADMSG, "%s is not what was expected: its SHA-256 is %s, not %s",
                         location, text, expected);
    else if (lseek(fd, 0, SEEK_SET) < 0)
        got = bl_error_set(error, -errno, "%s cannot be read twice, to check its SHA-256: %s",
                           location, strerror(errno));
out:
    EVP_MD_CTX_free(hash);
    return (int)got;
}

static int url_fetch(struct source *source, const char *cache)
{
    const struct bl_source_options *options = source->options;
    struct bl_fetch_options fetch_options = {.cache = cache,
                                             .bootstrap = options->bootstrap,
                                             .ca_file = options->ca_file,
                                             .insecure = options->insecure};
    struct bl_fetch fetch = {.url = source->location, .sha256 = options->sha256};
    int rc = bl_fetch_all(&fetch, 1, &fetch_options, source->error);

    if (rc < 0)
        return rc;
    return fetch.outcome == BL_FETCH_FAILED
               ? bl_error_set(source->error, fetch.code, "%s", fetch.error.text)
               : 0;
}

static void folder_remove(const char *folder)
{
    DIR *entries = opendir(folder);
    const struct dirent *entry;

    while (entries && (entry = readdir(entries)))
        unlinkat(dirfd(entries), entry->d_name, 0); /* "." and ".." it refuses */
    if (entries)
        closedir(entries);
    rmdir(folder);
}

static int source_walk_url(struct source *source)
{
    const char *parent = getenv("TMPDIR");
    char temporary[BL_LOCATION_MAX] = "";
    const char *cache = source->options->cache;
    int rc = 0, fd;

    if (!cache) {
        snprintf(temporary, sizeof temporary, "%s/chalkgate-download-XXXXXX",
                 parent && *parent ? parent : "/tmp");
        cache = mkdtemp(temporary);
        if (!cache)
            return bl_error_set(source->error, -errno, "no folder for a download can be made: %s",
                                strerror(errno));
    }
    if (!source->options->offline)
        rc = url_fetch(source, cache);
    if (rc == 0) {
        rc = fd = bl_fetch_open(cache, source->location, source->error);
        if (fd >= 0) {
            rc = source_walk_file(source, fd);
            close(fd);
        }
    }
    if (temporary[0])
        folder_remove(temporary);
    return rc;
}

int bl_source_walk(const char *location, const struct bl_source_options *options,
                   const struct bl_source_visitor *visitor, struct bl_error *error)
{
    struct source source = {.location = location,
                            .licence = "",
                            .options = options,
                            .visitor = visitor,
                            .error = error};
    struct stat status;
    int fd, rc = 0;

    if (bl_is_url(location)) {
        source.licence = catalogue_licence(location);
        return source_walk_url(&source);
    }
    fd = strcmp(location, "-") == 0 ? dup(STDIN_FILENO)
                                    : open(location, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) < 0) {
        rc = bl_error_set(error, -errno, "%s cannot be opened: %s", location, strerror(errno));
        goto out;
    }
    /* /dev/zero has no end; "-" may be whatever it is. */
    if ((S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) && strcmp(location, "-") != 0) {
        rc = bl_error_set(error, -EINVAL, "%s is a device, and no list", location);
        goto out;
    }
    if (S_ISDIR(status.st_mode)) {
        rc = options->sha256
                 ? bl_error_set(error, -EINVAL, "%s is a folder, which has no SHA-256 of its own",
                                location)
                 : source_walk_folder(&source);
        goto out;
    }
    if (options->sha256)
        rc = file_check_hash(fd, options->sha256, location, error);
    if (rc == 0)
        rc = source_walk_file(&source, fd);
out:
    if (fd >= 0)
        close(fd);
    return rc;
}
