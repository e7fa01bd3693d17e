#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

/* What a walk visited, a line each: "part LOCATION CATEGORY ACTION OCTETS", "skip LOCATION REASON".
 */
struct visited {
    char text[16384];
    int stop; /* returned by part() */
};

static int visit_part(void *user, const struct bl_part *part, const struct bl_input *input,
                      struct bl_error *error)
{
    struct visited *visited = user;
    size_t used = strlen(visited->text);
    char buffer[512];
    ssize_t got, all = 0;

    while ((got = input->read(input->user, buffer, sizeof buffer, error)) > 0)
        all += got;
    assert_int_equal(got, 0);
    snprintf(
        visited->text + used, sizeof visited->text - used, "part %s %s %s %zd\n",
        strncmp(part->location, folder, strlen(folder)) == 0 ? part->location + strlen(folder) + 1
                                                             : part->location,
        part->category ? part->category : "-", part->action == BL_ALLOW ? "allow" : "block", all);
    return visited->stop;
}

static void visit_skipped(void *user, const char *location, const char *reason)
{
    struct visited *visited = user;
    size_t used = strlen(visited->text);

    snprintf(visited->text + used, sizeof visited->text - used, "skip %s %s\n", location, reason);
}

static void put(const char *path, const char *text)
{
    char whole[512];
    FILE *file;

    snprintf(whole, sizeof whole, "%s/%s", folder, path);
    for (char *at = whole + strlen(folder) + 1; (at = strchr(at, '/')); *at++ = '/') {
        *at = '\0';
        mkdir(whole, 0700);
    }
    file = fopen(whole, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void link_to(const char *target, const char *path)
{
    char whole[512];

    snprintf(whole, sizeof whole, "%s/%s", folder, path);
    assert_int_equal(symlink(target, whole), 0);
}

static int set_up(void **state)
{
    (void)state;
    folder_make(folder);
    put("ut1/README", "x");
    put("ut1/agressif/domains", "a.test\n");
    put("ut1/agressif/urls", "a.test/b\n");
    put("ut1/agressif/expressions", "x");
    put("ut1/agressif/usage", "black\n");
    put("ut1/astrology/domains", "b.test\n");
    put("ut1/liste_blanche/domains", "c.test\n");
    put("ut1/Ugly Name/domains", "d.test\n");
    link_to("agressif", "ut1/aggressive");
    link_to("/etc", "ut1/etc");
    link_to("../../secret", "ut1/astrology/more");
    put("list.txt", "e.test\n");
    put("empty/readme.txt", "x");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    folder_drop(folder);
    return 0;
}

static int walk(const char *path, const struct bl_source_options *options, struct visited *visited,
                struct bl_error *error)
{
    struct bl_source_visitor visitor = {
        .user = visited, .part = visit_part, .skipped = visit_skipped};
    char whole[512];

    snprintf(whole, sizeof whole, "%s/%s", folder, path);
    visited->text[0] = error->text[0] = '\0';
    return bl_source_walk(whole, options, &visitor, error);
}

static void test_ut1_folder(void **state)
{
    struct bl_source_options options = {0};
    struct visited visited = {0};
    struct bl_error error;

    (void)state;
    assert_int_equal(walk("ut1", &options, &visited, &error), 0);
    assert_string_equal(
        visited.text,
        "skip README explains the lists, and holds no names\n"
        "skip Ugly Name/domains not a list of a category (CATEGORY/domains), and no category was "
        "given for it\n"
        "skip aggressive another name for what stands beside it\n"
        "part ut1/agressif/domains hate block 7\n"
        "skip agressif/expressions patterns for web addresses, which DNS does not see\n"
        "skip agressif/urls web addresses, which DNS does not see\n"
        "skip agressif/usage says what the list is for, and holds no names\n"
        "part ut1/astrology/domains astrology block 7\n"
        "skip astrology/more a link that leads elsewhere, which is not followed\n"
        "skip etc a link that leads elsewhere, which is not followed\n"
        "skip liste_blanche/domains a list of names to allow, which is taken only when asked "
        "for\n");
}

static bool has_agressif(void *user, const char *name)
{
    (void)user;
    return strcmp(name, "agressif") == 0;
}

static void test_ut1_options(void **state)
{
    struct bl_source_options options = {.has_category = has_agressif, .white_lists = true};
    struct visited visited = {0};
    struct bl_error error;

    (void)state;
    assert_int_equal(walk("ut1", &options, &visited, &error), 0);
    assert_non_null(strstr(visited.text, "part ut1/agressif/domains agressif block 7\n"));
    assert_non_null(strstr(visited.text, "part ut1/liste_blanche/domains liste_blanche allow 7\n"));
    options = (struct bl_source_options){.category = "mine"};
    assert_int_equal(walk("ut1", &options, &visited, &error), 0);
    assert_non_null(strstr(visited.text, "part ut1/agressif/domains mine block 7\n"));
    visited.stop = -ENOSPC;
    assert_int_equal(walk("ut1", &options, &visited, &error), -ENOSPC);
}

static void test_one_category_folder(void **state)
{
    struct bl_source_options options = {0};
    struct visited visited = {0};
    struct bl_error error;

    (void)state;
    assert_int_equal(walk("ut1/agressif/", &options, &visited, &error), 0);
    assert_non_null(strstr(visited.text, "part ut1/agressif/domains hate block 7\n"));
}

static void test_file(void **state)
{
    struct bl_source_options options = {.category = "mine"};
    struct visited visited = {0};
    struct bl_error error;
    char expected[128];

    (void)state;
    assert_int_equal(walk("list.txt", &options, &visited, &error), 0);
    assert_string_equal(visited.text, "part list.txt mine block 7\n");
    options.sha256 = "FB4FD6C8";
    assert_int_equal(walk("list.txt", &options, &visited, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "its SHA-256 is "));
    assert_string_equal(visited.text, "");
    options.sha256 = strncpy(expected, strstr(error.text, "SHA-256 is ") + 11, 64);
    expected[64] = '\0';
    assert_int_equal(walk("list.txt", &options, &visited, &error), 0);
    assert_non_null(strstr(visited.text, "block 7"));
}

static void test_what_is_not_there(void **state)
{
    struct bl_source_options options = {0};
    struct visited visited = {0};
    struct bl_error error;

    (void)state;
    assert_int_equal(walk("nothing", &options, &visited, &error), -ENOENT);
    assert_non_null(strstr(error.text, "No such file"));
    assert_int_equal(walk("empty", &options, &visited, &error), -ENOENT);
    assert_non_null(strstr(error.text, "holds no list"));
    options.sha256 = "00";
    assert_int_equal(walk("ut1", &options, &visited, &error), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ut1_folder),          cmocka_unit_test(test_ut1_options),
        cmocka_unit_test(test_one_category_folder), cmocka_unit_test(test_file),
        cmocka_unit_test(test_what_is_not_there),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
