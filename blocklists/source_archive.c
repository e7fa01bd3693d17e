/* Archives and compressed files, read as a stream through libarchive; nothing is ever unpacked to a
 * disk.
 *
 * Bounds, since an archive of kilobytes can hold petabytes: what comes out altogether (BYTES_MAX),
 * how much more that is than what went in (RATIO_MAX), the number of files (ENTRIES_MAX). What is
 * skipped counts as well, for it has to be decompressed too. Links and paths that lead out of the
 * archive are named and left alone; archives inside archives are not opened.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "blocklists/source.h"

enum { ENTRIES_MAX = 100000, CHUNK_SIZE = 65536 };

static const uint64_t BYTES_MAX = (uint64_t)4 << 30;
/* Lists of names shrink to a tenth, zeros to a thousandth. */
static const uint64_t RATIO_MAX = 200;
static const uint64_t RATIO_FROM = 8 << 20; /* below this much nobody minds */

struct unpacking {
    struct source *source;
    struct source_file *file;
    struct archive *archive;
    uint64_t in, out;
    int failed; /* what the file's read said, for libarchive knows errors of its own only */
    char chunk[CHUNK_SIZE];
};

static ssize_t packed_read(struct archive *archive, void *user, const void **out_buffer)
{
    struct unpacking *unpacking = user;
    ssize_t got =
        source_file_read(unpacking->file, unpacking->chunk, CHUNK_SIZE, unpacking->source->error);

    *out_buffer = unpacking->chunk;
    if (got < 0) {
        unpacking->failed = (int)got;
        archive_set_error(archive, (int)-got, "%s", "the file cannot be read");
        return -1;
    }
    unpacking->in += (uint64_t)got;
    return got;
}

static int archive_failed(struct unpacking *unpacking, const char *what)
{
    const char *why = archive_error_string(unpacking->archive);

    if (unpacking->failed < 0)
        return unpacking->failed;
    return bl_error_set(unpacking->source->error, -EBADMSG, "%s: %s: %s",
                        unpacking->source->location, what, why ? why : "the archive is damaged");
}

/* Whether this much may come out of it. */
static int unpacking_check(struct unpacking *unpacking)
{
    struct source *source = unpacking->source;
    int64_t stream = archive_filter_bytes(unpacking->archive, 0);
    uint64_t out = unpacking->out;

    if (stream > 0 && (uint64_t)stream > out)
        out = (uint64_t)stream;
    if (out > BYTES_MAX)
        return bl_error_set(source->error, -EFBIG,
                            "%s holds more than 4 GB, which no archive of lists does",
                            source->location);
    if (out > RATIO_FROM && out / RATIO_MAX > unpacking->in)
        return bl_error_set(
            source->error, -EFBIG,
            "%s grows to more than %u times its size, as no list does; it is refused",
            source->location, (unsigned)RATIO_MAX);
    return 0;
}

/* The data of the entry at hand. */
static ssize_t entry_read(void *user, void *buffer, size_t len, struct bl_error *error)
{
    struct unpacking *unpacking = user;
    la_ssize_t got;
    int rc;

    (void)error; /* the source's own: bl_read() passes it in, and archive_failed() sets it */
    if (len > CHUNK_SIZE)
        len = CHUNK_SIZE;
    got = archive_read_data(unpacking->archive, buffer, len);
    if (got < 0)
        return archive_failed(unpacking, "the archive is damaged or cut off");
    unpacking->out += (uint64_t)got;
    rc = unpacking_check(unpacking);
    return rc < 0 ? rc : (ssize_t)got;
}

static int entry_drain(struct unpacking *unpacking)
{
    char rest[4096];
    ssize_t got;

    do
        got = entry_read(unpacking, rest, sizeof rest, NULL);
    while (got > 0);
    return (int)got;
}

static bool leads_out(const char *path)
{
    if (path[0] == '/' || path[0] == '\\' || (path[0] != '\0' && path[1] == ':'))
        return true;
    for (const char *at = path; at; at = strchr(at, '/')) {
        at += *at == '/';
        if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == '\0'))
            return true;
    }
    return false;
}

/* The entry's path as it may be shown; empty when there is none that can be. */
static void entry_path(struct archive_entry *entry, char path[SOURCE_PATH_MAX])
{
    const char *given = archive_entry_pathname_utf8(entry);

    if (!given)
        given = archive_entry_pathname(entry);
    while (given && given[0] == '.' && given[1] == '/')
        given += 2;
    if (!given || strlen(given) >= SOURCE_PATH_MAX)
        given = "";
    strcpy(path, given);
    for (char *at = path; *at; at++)
        if (*at > '\0' && *at < ' ')
            *at = '?';
}

static int entry_visit(struct unpacking *unpacking, struct archive_entry *entry)
{
    struct source *source = unpacking->source;
    struct bl_input input = {.read = entry_read, .user = unpacking};
    char path[SOURCE_PATH_MAX];
    int rc = 0;

    entry_path(entry, path);
    if (archive_format(unpacking->archive) == ARCHIVE_FORMAT_RAW)
        return source_visit_whole(source, &input);
    if (archive_entry_filetype(entry) == AE_IFDIR)
        return 0;
    if (path[0] == '\0')
        source_skip(source, "(a file)", "its path is too long, or no text");
    else if (leads_out(path))
        source_skip(source, path, "a path that leads out of the archive");
    else if (archive_entry_hardlink(entry) || archive_entry_filetype(entry) == AE_IFLNK)
        source_skip(source, path, "a link, which is not followed");
    else if (archive_entry_filetype(entry) != AE_IFREG)
        source_skip(source, path, "no ordinary file");
    else
        rc = source_visit(source, path, NULL, &input);
    return rc;
}

static int entries_walk(struct unpacking *unpacking)
{
    struct source *source = unpacking->source;
    struct archive_entry *entry;
    unsigned entries = 0;
    int rc = 0, status;

    while (rc == 0 &&
           (status = archive_read_next_header(unpacking->archive, &entry)) != ARCHIVE_EOF) {
        if (status != ARCHIVE_OK && status != ARCHIVE_WARN)
            return archive_failed(unpacking, "the archive is damaged or cut off");
        if (++entries > ENTRIES_MAX)
            return bl_error_set(source->error, -EFBIG, "%s holds more than %d files",
                                source->location, ENTRIES_MAX);
        rc = entry_visit(unpacking, entry);
        if (rc == 0)
            rc = entry_drain(unpacking);
    }
    if (rc == 0 && source->parts == 0)
        rc = bl_error_set(source->error, -ENOENT,
                          "%s holds no list; lists are expected as CATEGORY/domains",
                          source->location);
    return rc;
}

bool source_is_packed(const uint8_t *head, size_t len)
{
    static const struct {
        size_t at, len;
        const char *magic;
    } kinds[] = {
        {0, 2, "\x1f\x8b"},
        {0, 4, "PK\3\4"},
        {0, 6,
         "\xfd"
         "7zXZ"},
        {0, 3, "BZh"},
        {0, 4, "\x28\xb5\x2f\xfd"},
        {257, 5, "ustar"},
    };

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (len >= kinds[i].at + kinds[i].len &&
            memcmp(head + kinds[i].at, kinds[i].magic, kinds[i].len) == 0)
            return true;
    return false;
}

int source_walk_archive(struct source *source, struct source_file *file)
{
    struct unpacking unpacking = {.source = source, .file = file, .archive = archive_read_new()};
    struct archive *archive = unpacking.archive;
    int rc;

    if (!archive)
        return bl_error_set(source->error, -ENOMEM, "there is not enough memory for an archive");
    source->separator = '#';
    archive_read_support_filter_gzip(archive);
    archive_read_support_filter_bzip2(archive);
    archive_read_support_filter_xz(archive);
    archive_read_support_filter_zstd(archive);
    archive_read_support_format_tar(archive);
    archive_read_support_format_zip_streamable(archive);
    archive_read_support_format_raw(archive);
    if (archive_read_open(archive, &unpacking, NULL, packed_read, NULL) != ARCHIVE_OK)
        rc = archive_failed(&unpacking, "the archive is damaged or cut off");
    else
        rc = entries_walk(&unpacking);
    archive_read_free(archive);
    return rc;
}
