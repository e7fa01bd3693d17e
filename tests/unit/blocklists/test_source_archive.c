#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocklists/read.h"
#include "tests/support/folder.h"

static char folder[FOLDER_ROOM];
static char path[128];

struct file {
    const char *name;
    const char *text;
    const char *link, *hardlink;
};

static const struct file ut1[] = {
    {"blacklists/", NULL},
    {"blacklists/global_usage", "# https://squidguard.ut-capitole.fr\n"},
    {"blacklists/ads", NULL, "publicite"},
    {"blacklists/agressif/domains", "a.test\n"},
    {"blacklists/agressif/urls", "a.test/b\n"},
    {"blacklists/publicite/domains", "b.test\nc.test\n"},
    {"blacklists/copy/domains", NULL, NULL, "blacklists/agressif/domains"},
    {"blacklists/../../etc/domains", "d.test\n"},
    {"/etc/domains", "e.test\n"},
    {"./blacklists/sports/domains", "f.test\n"},
};

/* Writes `path`: `format` "tar", "zip" or "raw", packed with `filter` ("none", "gzip", "xz", …). */
static void pack(const char *format, const char *filter, const struct file *files, size_t count)
{
    struct archive *archive = archive_write_new();

    snprintf(path, sizeof path, "%s/packed", folder);
    assert_int_equal(
        archive_write_set_format_by_name(archive, strcmp(format, "tar") == 0 ? "pax" : format), 0);
    if (strcmp(filter, "none") != 0)
        assert_int_equal(archive_write_add_filter_by_name(archive, filter), 0);
    assert_int_equal(archive_write_open_filename(archive, path), 0);
    for (size_t i = 0; i < count; i++) {
        struct archive_entry *entry = archive_entry_new();
        size_t len = files[i].text ? strlen(files[i].text) : 0;

        archive_entry_set_pathname(entry, files[i].name);
        archive_entry_set_filetype(entry, files[i].link ? AE_IFLNK
                                          : files[i].name[strlen(files[i].name) - 1] == '/'
                                              ? AE_IFDIR
                                              : AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        archive_entry_set_size(entry, (la_int64_t)len);
        if (files[i].link)
            archive_entry_set_symlink(entry, files[i].link);
        if (files[i].hardlink)
            archive_entry_set_hardlink(entry, files[i].hardlink);
        assert_int_equal(archive_write_header(archive, entry), 0);
        if (len > 0)
            assert_int_equal(archive_write_data(archive, files[i].text, len), len);
        archive_entry_free(entry);
    }
    assert_int_equal(archive_write_free(archive), 0);
}

/* "LOCATION CATEGORY OCTETS LICENCE" a part, "!LOCATION REASON" a file that is none. */
static char seen[8192];

static int visit_part(void *user, const struct bl_part *part, const struct bl_input *input,
                      struct bl_error *error)
{
    size_t used = strlen(seen);
    static char buffer[70000];
    ssize_t got, all = 0;

    (void)user;
    while ((got = input->read(input->user, buffer, sizeof buffer, error)) > 0)
        all += got;
    if (got < 0)
        return (int)got;
    snprintf(seen + used, sizeof seen - used, "%s %s %zd %.4s\n",
             strcmp(part->location, path) == 0 ? "whole" : part->location + strlen(path),
             part->category ? part->category : "-", all, part->licence);
    return 0;
}

static void visit_skipped(void *user, const char *location, const char *reason)
{
    size_t used = strlen(seen);

    (void)user;
    snprintf(seen + used, sizeof seen - used, "!%s %s\n", location, reason);
}

static int walk(const char *category, struct bl_error *error)
{
    struct bl_source_visitor visitor = {.part = visit_part, .skipped = visit_skipped};
    struct bl_source_options options = {.category = category};

    seen[0] = error->text[0] = '\0';
    return bl_source_walk(path, &options, &visitor, error);
}

static void test_ut1_as_published(void **state)
{
    struct bl_error error;

    (void)state;
    pack("tar", "gzip", ut1, sizeof ut1 / sizeof ut1[0]);
    assert_int_equal(walk(NULL, &error), 0);
    assert_string_equal(seen,
                        "!blacklists/global_usage says what the lists are for, and holds no names\n"
                        "!blacklists/ads a link, which is not followed\n"
                        "#blacklists/agressif/domains hate 7 CC B\n"
                        "!blacklists/agressif/urls web addresses, which DNS does not see\n"
                        "#blacklists/publicite/domains advertising 14 CC B\n"
                        "!blacklists/copy/domains a link, which is not followed\n"
                        "!blacklists/../../etc/domains a path that leads out of the archive\n"
                        "!/etc/domains a path that leads out of the archive\n"
                        "#blacklists/sports/domains sports 7 CC B\n");
}

static void test_zip(void **state)
{
    static const struct file files[] = {{"lists/README.md", "x"},
                                        {"lists/hosts.txt", "0.0.0.0 a.test\n"},
                                        {"lists/games/domains", "b.test\n"},
                                        {"lists/photo.png", "x"}};
    struct bl_error error;

    (void)state;
    pack("zip", "none", files, 4);
    assert_int_equal(walk("mine", &error), 0);
    assert_string_equal(seen, "!lists/README.md explains the lists, and holds no names\n"
                              "#lists/hosts.txt mine 15 \n"
                              "#lists/games/domains mine 7 \n"
                              "!lists/photo.png no list, as far as its name tells\n");
    assert_int_equal(walk(NULL, &error), 0);
    assert_non_null(strstr(seen, "#lists/games/domains games 7"));
    assert_non_null(strstr(seen, "!lists/hosts.txt not a list of a category"));
    pack("zip", "none", files, 2);
    assert_int_equal(walk(NULL, &error), -ENOENT);
    assert_non_null(strstr(error.text, "holds no list"));
}

static void test_compressed_lists(void **state)
{
    static const char *const filters[] = {"gzip", "bzip2", "xz", "zstd"};
    static const struct file files[] = {{"list", "a.test\nb.test\n"}};
    struct bl_error error;

    (void)state;
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        pack("raw", filters[i], files, 1);
        assert_int_equal(walk("mine", &error), 0);
        assert_string_equal(seen, "whole mine 14 \n");
    }
}

static void test_bombs(void **state)
{
    static const char *const forms[][2] = {
        {"raw", "gzip"}, {"raw", "xz"}, {"raw", "zstd"}, {"tar", "gzip"}, {"zip", "none"}};
    enum { SIZE = 24 << 20 };
    char *zeros = malloc(SIZE + 1);
    struct file files[] = {{"a/domains", zeros}, {"b/photo.png", zeros}};
    struct bl_error error;

    (void)state;
    assert_non_null(zeros);
    memset(zeros, '0', SIZE);
    zeros[SIZE] = '\0';
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        for (size_t which = 0; which < 2; which++) { /* read, and passed over */
            pack(forms[i][0], forms[i][1], files + which, 1);
            assert_int_equal(walk("mine", &error), -EFBIG);
            assert_non_null(strstr(error.text, "200 times its size"));
        }
    free(zeros);
}

static void test_damaged(void **state)
{
    static const char *const forms[][2] = {
        {"raw", "gzip"}, {"tar", "xz"}, {"tar", "zstd"}, {"zip", "none"}};
    static char text[200001];
    struct file files[] = {{"a/domains", text}};
    struct bl_error error;
    struct stat status;

    (void)state;
    srand(1); /* digits that do not compress to nothing */
    for (size_t i = 0; i + 1 < sizeof text; i++)
        text[i] = (char)('a' + rand() % 26);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        pack(forms[i][0], forms[i][1], files, 1);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(truncate(path, status.st_size / 2), 0);
        assert_int_equal(walk("mine", &error), -EBADMSG);
        assert_non_null(strstr(error.text, "cut off"));
    }
}

static int set_up(void **state)
{
    (void)state;
    folder_make(folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    folder_drop(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ut1_as_published), cmocka_unit_test(test_zip),
        cmocka_unit_test(test_compressed_lists), cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_damaged),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
