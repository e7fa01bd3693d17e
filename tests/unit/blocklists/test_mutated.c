/* A hundred copies of lists with random octets changed, each read and compiled: whatever comes of a
 * copy, the store is whole, or there is none. Real lists where the shared data is there, else those
 * of the fuzz corpus.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocklists/compile.h"
#include "tests/support/folder.h"

enum { COPIES = 100, LIST_MAX = 1 << 20 };

struct text {
    char octets[LIST_MAX];
    size_t len, at;
};

static uint64_t random_state = 20261123;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % bound;
}

static ssize_t text_read(void *user, void *buffer, size_t len, struct bl_error *error)
{
    struct text *text = user;

    (void)error;
    if (len > text->len - text->at)
        len = text->len - text->at;
    memcpy(buffer, text->octets + text->at, len);
    text->at += len;
    return (ssize_t)len;
}

static void text_load(struct text *text, const char *path)
{
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    text->len = fread(text->octets, 1, sizeof text->octets, file);
    text->at = 0;
    fclose(file);
}

/* One octet in `every` is another one, and a stretch is missing or there twice. */
static void text_damage(struct text *text, uint32_t every)
{
    static const char telling[] = "\0\n\r\t .,;:#!|@$^*/\"'()=\\\x80\xc3\xff-_0aZ";
    size_t from, len;

    for (size_t i = random_below(every); i < text->len; i += 1 + random_below(2 * every))
        text->octets[i] =
            random_below(2) ? telling[random_below(sizeof telling - 1)] : (char)random_below(256);
    if (text->len < 1000)
        return;
    len = random_below((uint32_t)text->len / 4);
    from = random_below((uint32_t)(text->len - len));
    memmove(text->octets + from, text->octets + from + len, text->len - from - len);
    text->len -= len;
}

static void copy_compile(struct text *text)
{
    struct bl_compile_options options = {.folder = folder_base(), .memory = 1 << 20, .now = 1};
    struct bl_compile_source source = {
        .location = "list", .category = "games", .licence = "", .actor = "test", .reason = ""};
    struct bl_read_options reading = {.allow_tld = random_below(2), .forced = random_below(2)};
    struct bl_input input = {.read = text_read, .user = text};
    static struct bl_read_report report;
    struct bl_compile *compile = NULL;
    struct bl_compile_result result;
    struct bl_store *store = NULL;
    struct bl_error error = {""};
    struct bl_sink sink;
    char path[64];
    int fd = -1, rc;

    assert_int_equal(bl_compile_open(&options, &compile, &error), 0);
    assert_int_equal(bl_compile_source(compile, &source, &error), 0);
    sink = bl_compile_sink(compile);
    rc = bl_read(&input, &reading, &sink, &report, &error);
    bl_compile_source_end(compile, &report);
    if (rc == 0) {
        assert_int_equal(bl_compile_finish(compile, &fd, &result, &error), 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        assert_int_equal(bl_store_open(path, &store, &error), 0);
        assert_int_equal(bl_store_verify(store, &error), 0);
        assert_true(bl_store_name_count(store) <= report.taken);
        bl_store_close(store);
        close(fd);
    } else {
        assert_string_not_equal(error.text, "");
    }
    bl_compile_close(compile);
}

static void test_a_hundred_copies(void **state)
{
    static const char *const patterns[] = {"blocklistproject/*/[f-w]*.*", "ut1/*/domains"};
    const char *shared = getenv("CHALKGATE_SHARED");
    static struct text text;
    char data[512], pattern[600];
    glob_t lists = {0};

    (void)state;
    snprintf(data, sizeof data, "%s/data", shared ? shared : CHALKGATE_SOURCE_DIR "/../shared");
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        snprintf(pattern, sizeof pattern, "%s/%s", data, patterns[i]);
        (void)glob(pattern, lists.gl_pathc ? GLOB_APPEND : 0, NULL, &lists);
    }
    if (lists.gl_pathc == 0) {
        printf("SKIP: copies of real lists: no shared data in $CHALKGATE_SHARED or ../shared\n");
        assert_int_equal(glob(CHALKGATE_SOURCE_DIR "/tests/fuzz/corpus/lists/*", 0, NULL, &lists),
                         0);
    }
    for (unsigned i = 0; i < COPIES; i++) {
        text_load(&text, lists.gl_pathv[i % lists.gl_pathc]);
        text_damage(&text, 1u << (3 + random_below(10)));
        copy_compile(&text);
    }
    globfree(&lists);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_hundred_copies)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
